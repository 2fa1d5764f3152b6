"""Few files a day instead of thousands: the recorder's small parts are merged while it has nothing else to do.

Only parts named `part-rec-*` are touched, never an import's. The merged part is on disk before an old one goes, so a
crash between leaves copies, which reading drops and the next merge removes. Readers that listed the old parts have
GRACE_S to open them.
"""

import hashlib
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features import lakefile

PREFIX: Final = "rec-"
MAX_PARTS: Final = 64
"""A day with more small parts than this is merged although it is not over."""
SMALL_BYTES: Final = 8 << 20
"""A part of this size is not merged again while its day goes on: so each row is rewritten a few times at most."""
MAX_MERGE_BYTES: Final = 64 << 20
"""Compressed size of what is merged at once; bounds memory."""
QUIET_S: Final = 600
"""A past day is closed when nothing was written to it for so long (a replay writes to past days)."""
GRACE_S: Final = 600
_LOOK_AT_ONCE: Final = 50

_IDENTITY: Final = {"events": ("event_id", "line"), "decisions": ("decision_id",)}
_RECEIVED: Final = {"events": "received_ms", "decisions": "ts_ms"}


@dataclass(frozen=True, slots=True)
class Merged:
    """One merge. part: the new file, None if there were no rows; old: the files it replaces, still there."""

    part: Path | None
    old: tuple[Path, ...]


def compact(root: Path, shop: str, day: str) -> list[Merged]:
    """Merges a day's parts of events and of decisions now, and removes the old ones at once.

    For a lake that nobody reads meanwhile. day: "YYYY-MM-DD". Raises OSError.
    """
    done = []
    for table in _IDENTITY:
        parts = own_parts(root / table / f"shop={quote(shop, safe='')}" / f"day={day}")
        if len(parts) > 1:
            merged = merge(parts)
            _remove(merged.old)
            done.append(merged)
    return done


def own_parts(folder: Path) -> list[Path]:
    """The recorder's parts of a day folder, sorted."""
    return sorted(folder.glob(f"part-{PREFIX}*.parquet"))


def merge(parts: Iterable[Path]) -> Merged:
    """Writes the rows of parts of one day as one part, each row once. Raises OSError."""
    old = tuple(sorted(parts))
    folder = old[0].parent
    table, shop = folder.parents[1].name, unquote(folder.parent.name.removeprefix("shop="))
    rows = _once(pa.concat_tables([pq.read_table(part, partitioning=None) for part in old]), table)
    rows = rows.append_column("shop", pa.array([shop], pa.string()).take(pa.array([0] * len(rows), pa.int8())))
    name = f"{PREFIX}m-{hashlib.sha256(' '.join(part.name for part in old).encode()).hexdigest()[:20]}"
    write = lakefile.write_events if table == "events" else lakefile.write_decisions
    new = write(folder.parents[2], rows, name)
    return Merged(new[0] if new else None, tuple(part for part in old if part not in new))


def _once(rows: pa.Table, table: str) -> pa.Table:
    """One row of each identity, the first received, sorted by time."""
    identity = _IDENTITY[table]
    ordered = rows.sort_by([(name, "ascending") for name in (*identity, _RECEIVED[table])])
    if len(ordered) > 1:
        same = None
        for name in identity:
            column = ordered.column(name)
            equal = pc.equal(column.slice(1), column.slice(0, len(ordered) - 1))
            same = equal if same is None else pc.and_(same, equal)
        first = pa.chunked_array([pa.array([True]), *pc.invert(same).chunks])
        ordered = ordered.filter(first)
    return ordered.sort_by([("ts_ms", "ascending"), *((name, "ascending") for name in identity)])


class Compactor:
    """Looks after the day folders of a lake, a little at a time."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._folders: dict[Path, None] = dict.fromkeys(
            folder for table in _IDENTITY for folder in sorted((root / table).glob("shop=*/day=*"))
        )
        self._doomed: dict[Path, float] = {}

    def note(self, parts: Iterable[Path]) -> None:
        """Parts that were just written."""
        self._folders |= dict.fromkeys(part.parent for part in parts)

    def step(self, now_s: float | None = None) -> Merged | None:
        """Removes what is due and does at most one merge. now_s: Unix time. Raises OSError."""
        now_s = time.time() if now_s is None else now_s
        due = [part for part, at in self._doomed.items() if at <= now_s]
        _remove(due)
        for part in due:
            del self._doomed[part]
        for folder in list(self._folders)[:_LOOK_AT_ONCE]:
            del self._folders[folder]
            parts, settled = self._choice(folder, now_s)
            if not settled:
                self._folders[folder] = None  # looked at again after the others
            if len(parts) > 1:
                merged = merge(parts)
                self._doomed |= dict.fromkeys(merged.old, now_s + GRACE_S)
                self._folders[folder] = None
                return merged
        return None

    def _choice(self, folder: Path, now_s: float) -> tuple[list[Path], bool]:
        """What to merge in a folder, and whether it needs no further look."""
        sized = [(part.stat(), part) for part in own_parts(folder) if part not in self._doomed]
        if not sized:
            return [], not any(part.parent == folder for part in self._doomed)
        over = folder.name < f"day={lakefile.day_of(int(now_s * 1000))}"
        closed = over and max(info.st_mtime for info, _ in sized) < now_s - QUIET_S
        small = sorted((info.st_size, part) for info, part in sized if closed or info.st_size < SMALL_BYTES)
        if not closed and len(small) <= MAX_PARTS:
            return [], False
        chosen, total = [], 0
        for size, part in small:
            total += size
            if total <= MAX_MERGE_BYTES:
                chosen.append(part)
        return chosen, closed and len(chosen) <= 1


def _remove(parts: Iterable[Path]) -> None:
    for part in parts:
        part.unlink(missing_ok=True)
