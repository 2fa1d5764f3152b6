"""Reading what the learner publishes: item statistics and the session index of a shop, mapped into memory.

* InvalidSnapshot   a snapshot that is half there, damaged or does not fit; the caller keeps the one it has
"""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from features.stats import ItemStats
from models.leave_level import NO_LINE, Line
from models.recommend import ItemIndex
from service.shop_state import unnamed
from service.snapshots import InvalidSnapshot, load

__all__ = ["Facts", "InvalidSnapshot", "LeaveLine", "LiveStats", "load_live"]


class LeaveLine(msgspec.Struct, frozen=True):
    """What moves `leave`, and of which bundle."""

    bundle: str = ""
    line: Line = NO_LINE


class Facts(msgspec.Struct, frozen=True):
    """What the manifest tells of a shop. cursor: the last entry of each stream that is counted in the snapshot.

    as_of_ms: the latest event's time, by the shop's clock; events, duplicates: counted since the learner began.
    seeded_from: the bundle whose training window stands before them, "" if none does. leave: what moves `leave`.
    """

    shop: str
    as_of_ms: int
    events: int
    duplicates: int
    items: int
    cursor: dict[str, str]
    seeded_from: str = ""
    leave: LeaveLine = LeaveLine()


@dataclass(frozen=True, slots=True)
class LiveStats:
    """One snapshot of a shop. The arrays are mapped, read-only; they stay valid when the files are removed."""

    stats: ItemStats
    index: ItemIndex
    as_of_ms: int
    seq: int
    facts: Facts


def load_live(folder: Path, shop: str) -> LiveStats | None:
    """The newest snapshot of a shop under `folder` (settings.live); None if there is none. Raises InvalidSnapshot."""
    snapshot = load(folder / shop)
    if snapshot is None:
        return None
    try:
        facts = msgspec.json.decode(snapshot.facts, type=Facts)
        stats = ItemStats.from_arrays(unnamed("stats", snapshot.arrays))
        index = ItemIndex.from_arrays(unnamed("index", snapshot.arrays))
    except (KeyError, ValueError, msgspec.MsgspecError) as error:
        raise InvalidSnapshot(f"snapshot {snapshot.seq} of {shop}: {type(error).__name__}: {error}") from error
    if facts.shop != shop:
        raise InvalidSnapshot(f"snapshot {snapshot.seq} of {shop} is of {facts.shop}")
    return LiveStats(stats, index, facts.as_of_ms, snapshot.seq, facts)
