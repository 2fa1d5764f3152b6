"""A log into the lake: large files by shop and day, and an earlier import of the same file replaced."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa

from features import lakefile
from training.importers.reader import Counts, Reader, Rejects

_ROWS_HELD: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Loaded:
    """What an import did. first_ms, last_ms: Unix times of its events, 0 without any. files: in the lake, sorted."""

    counts: Counts
    shops: tuple[str, ...]
    first_ms: int
    last_ms: int
    files: tuple[Path, ...]


def load(
    reader: Reader,
    path: Path,
    lake: Path,
    rejects: Rejects | None = None,
    on_batch: Callable[[int], None] | None = None,
) -> Loaded:
    """Write every row of a log to the lake. on_batch: called with the number of rows given, for progress.

    Files are named by the log's content, so an import that broke off, or is repeated with another mapping,
    leaves one copy. Raises Unreadable where the log breaks off: what was read before stays, the rest can follow.
    """
    prefix = f"import-{_digest(path)}-"
    writer = _Writer(lake, prefix)
    for table in reader.batches(rejects):
        writer.add(table)
        if on_batch is not None:
            on_batch(reader.counts.given)
    writer.flush()
    for shop in writer.shops:
        lakefile.remove_parts(lake, shop, prefix, keep=writer.files)
    times = (writer.first_ms, writer.last_ms) if writer.files else (0, 0)
    return Loaded(reader.counts, tuple(sorted(writer.shops)), *times, tuple(sorted(writer.files)))


class _Writer:
    """Holds batches until there are enough for files of a good size."""

    def __init__(self, lake: Path, prefix: str) -> None:
        self._lake, self._prefix = lake, prefix
        self._held: list[pa.Table] = []
        self._rows = self._number = 0
        self.files: set[Path] = set()
        self.shops: set[str] = set()
        self.first_ms, self.last_ms = 1 << 62, 0

    def add(self, table: pa.Table) -> None:
        self._held.append(table)
        self._rows += len(table)
        if self._rows >= _ROWS_HELD:
            self.flush()

    def flush(self) -> None:
        if not self._held:
            return
        table = pa.concat_tables(self._held)
        self._held, self._rows = [], 0
        times = table.column("ts_ms").to_numpy()
        self.first_ms, self.last_ms = min(self.first_ms, int(times.min())), max(self.last_ms, int(times.max()))
        self.shops |= set(table.column("shop").unique().to_pylist())
        self.files |= set(lakefile.write_events(self._lake, table, f"{self._prefix}{self._number:05d}"))
        self._number += 1


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=8)).hexdigest()
