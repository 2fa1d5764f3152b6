"""The lake as training reads it: a shop's events as packed records, by visitor and time, cut into sessions."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.lakefile import read_events
from features.record import Records, hash64, pack_columns
from features.tail import session_starts, time_order

_TEXTS: Final = (
    "event",
    "user_id",
    "item_id",
    "category",
    "query",
    "page_type",
    "channel",
    "referrer",
    "device",
    "action",
)
_COLUMNS: Final = (*_TEXTS, "visitor_id", "event_id", "ts_ms", "line", "price", "quantity", "value")

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Log:
    """A shop's events in a window, visitor by visitor, each in the order of features.tail, each event once
    (by its whole id, as the lake keeps it).

    records: dtype EVENT, shape (n,), those rows of the lake that belong in a tail.
    visitor: shape (n,), ascending; position in `visitors`. visitors: their ids, by hash.
    session: shape (n,), ascending over the whole log; a new one after 30 minutes without an event.
    item_ids: hash64 of each item id to the id.
    """

    shop: str
    records: Records
    visitor: Integers
    session: Integers
    visitors: tuple[str, ...]
    item_ids: dict[int, str]

    def __len__(self) -> int:
        return len(self.records)

    @property
    def sessions(self) -> int:
        """How many sessions there are."""
        return int(self.session[-1]) + 1 if len(self) else 0


def load_log(lake: str | Path, shop: str, since_ms: int | None = None, until_ms: int | None = None) -> Log:
    """A shop's events with since_ms <= ts_ms < until_ms, once each. No lake or no match: an empty log.

    About 200 bytes of memory an event while it loads, 50 after.
    """
    table = read_events(lake, shop, since_ms, until_ms, _COLUMNS)
    codes, names = _encoded(table.column("visitor_id"))
    rank, visitors = _by_hash(names)
    columns: dict[str, npt.NDArray[Any]] = {name: _objects(table.column(name)) for name in _TEXTS}
    columns["event_id"] = np.array(table.column("event_id").to_pylist(), object)
    for name in ("ts_ms", "line", "price", "quantity", "value"):
        columns[name] = table.column(name).to_numpy()
    records, kept = pack_columns(columns)
    visitor = rank[codes[kept]]
    places = time_order(records, visitor)
    records, visitor = records[places], visitor[places]
    session = np.cumsum(session_starts(records["ts_ms"], visitor)) - 1
    _, items = _encoded(table.column("item_id"))
    item_ids = {hash64(item): item for item in items if item}
    return Log(shop, records, visitor, session, visitors, item_ids)


def _encoded(column: pa.ChunkedArray) -> tuple[npt.NDArray[np.int32], list[str]]:
    """(code of each row, the texts): a dictionary column of the lake, read as one dictionary."""
    if not len(column):
        return np.zeros(0, np.int32), []
    whole = column.combine_chunks()
    texts: list[str] = whole.dictionary.to_pylist()
    return whole.indices.to_numpy(), texts


def _objects(column: pa.ChunkedArray) -> npt.NDArray[np.object_]:
    """One str object for each different text, shared by its rows."""
    codes, texts = _encoded(column)
    return np.array(texts, object)[codes] if texts else np.zeros(0, object)


def _by_hash(names: list[str]) -> tuple[Integers, tuple[str, ...]]:
    """(place of each name, names in their places): by hash64, whatever the order of files in the lake."""
    by_hash = sorted(range(len(names)), key=lambda i: (hash64(names[i]), names[i]))
    rank = np.empty(len(names), np.int64)
    rank[by_hash] = np.arange(len(names))
    return rank, tuple(names[i] for i in by_hash)
