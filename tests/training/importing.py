"""Small logs for the import tests, and reading them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from training.importers import Reader, Wishes, read
from training.importers.reader import Rejects

NOW_MS = 1_750_000_000_000
T0 = 1_433_138_409_198
"""2015-06-01T06:00:09.198Z."""


class Kept:
    """Rejected rows, kept."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, str, Any]] = []

    def write(self, row: int, reason: str, raw: Any) -> None:
        self.rows.append((row, reason, raw))


def opened(path: Path, text: str | bytes | None = None, shop: str = "s", **wishes: Any) -> Reader:
    """A reader of a file, written first if `text` is given."""
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read(path, Wishes.parse(**wishes), shop=shop, now_ms=NOW_MS)


def rows_of(reader: Reader, rejects: Rejects | None = None) -> list[dict[str, Any]]:
    """Every row a reader gives; checks that its account adds up."""
    tables = list(reader.batches(rejects))
    rows = pa.concat_tables(tables).to_pylist() if tables else []
    counts = reader.counts
    assert counts.given == len(rows)
    assert counts.read == counts.given + counts.rejects.total()
    return rows


def brief(rows: list[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    """Some columns of rows."""
    return [tuple(row[name] for name in names) for row in rows]


def rejects_of(reader: Reader) -> Mapping[str, int]:
    """Reasons that occurred."""
    return {reason: n for reason, n in reader.counts.rejects.items() if n}
