"""The lake's decisions beside what the live bundle was trained on: what `tact drift` and the report show."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from features import lakefile
from features.events import SESSION_GAP_MS
from models.drift import Reference, Shift, as_section, compare
from models.scored import Scored, read_scored

MOST: Final = 100_000
"""Decisions looked at, evenly taken: more would not move a share."""


@dataclass(slots=True)
class Drifted:
    """What was found. others: decisions of other bundles, unusable: degraded or of other features; both not counted."""

    bundle: str
    decisions: int = 0
    sessions: int = 0
    others: int = 0
    unusable: int = 0
    shifts: tuple[Shift, ...] = field(default=())

    def section(self) -> dict[str, Any]:
        """Plain JSON values."""
        about = {"bundle": self.bundle, "decisions": self.decisions, "sessions": self.sessions}
        return {**about, "of_other_bundles": self.others, "unusable": self.unusable, **as_section(self.shifts)}


def drifted(
    lake: Path, shop: str, bundle: str, reference: Reference, since_ms: int | None = None, until_ms: int | None = None
) -> Drifted:
    """Counts the decisions of a bundle in since_ms <= ts_ms < until_ms."""
    found, counts, last_ms = Drifted(bundle), reference.bins.empty(), dict[str, int]()
    for rows in _parts(lake, shop, since_ms, until_ms):
        usable = []
        for one in rows:
            row = one.row() if one.bundle == bundle else None
            if row is None:
                found.others += one.bundle not in ("", bundle)
                found.unusable += one.bundle in ("", bundle)
                continue
            usable.append(row)
            found.sessions += one.ts_ms - last_ms.get(one.visitor_id, -SESSION_GAP_MS - 1) > SESSION_GAP_MS
            last_ms[one.visitor_id] = one.ts_ms
        if usable:
            reference.bins.add(counts, np.stack(usable))
            found.decisions += len(usable)
    found.shifts = compare(reference, counts, found.sessions)
    return found


def _parts(lake: Path, shop: str, since_ms: int | None, until_ms: int | None) -> Iterator[list[Scored]]:
    """The decisions of each day, by time; of very many, every so manieth."""
    days = lakefile.rows_by_day(lake, shop, decisions=True)
    step = max(1, -(-sum(rows for _, rows in days) // MOST))
    for start_ms, _ in days:
        low, high = max(since_ms or 0, start_ms), min(until_ms or 1 << 62, start_ms + lakefile.DAY_MS)
        if low < high:
            table = lakefile.read_decisions(lake, shop, low, high, columns=["receipt"])
            receipts = table.column("receipt").take(np.arange(0, len(table), step)).to_pylist()
            yield [scored for data in receipts if (scored := _scored(data)) is not None]


def _scored(receipt: bytes) -> Scored | None:
    try:
        return read_scored(receipt)
    except msgspec.MsgspecError:
        return None
