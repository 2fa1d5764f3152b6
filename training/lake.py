"""The lake as training reads it: a shop's events as packed records, by visitor and time, cut into sessions."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.lakefile import DAY_MS, read_events, rows_by_day
from features.record import EVENT, Records, Texts, hash64, pack_columns
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
_COLUMNS: Final = (*_TEXTS, "visitor_id", "event_id", "ts_ms", "line", "price", "quantity", "value", "received_ms")

PART: Final = 500_000
"""Rows of the lake that are read at a time."""

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

    Read in parts of about PART rows. About 130 bytes of memory an event at the most, 50 after, and those of a part.
    """
    visitors: dict[str, int] = {}
    item_ids: dict[int, str] = {}
    parts = []
    for first_ms, last_ms in _windows(lake, shop, since_ms, until_ms):
        table = read_events(lake, shop, first_ms, last_ms, _COLUMNS)
        parts.append(_packed(table, visitors, item_ids))
        del table
    pa.default_memory_pool().release_unused()  # Arrow would keep what the parts took
    records, codes = _each_once(parts)
    rank, names = _by_hash(list(visitors))
    visitor = rank[codes]
    places = time_order(records, visitor)
    records, visitor = records[places], visitor[places]
    session = np.cumsum(session_starts(records["ts_ms"], visitor)) - 1
    return Log(shop, records, visitor, session, names, item_ids)


def _windows(lake: str | Path, shop: str, since_ms: int | None, until_ms: int | None) -> list[tuple[int, int]]:
    """Spans of time, ascending, that hold about PART rows each, and all rows asked for. A busy day is several."""
    edges, rows = [], PART
    for start_ms, count in rows_by_day(lake, shop):
        pieces = -(-count // PART)
        edges += [start_ms] if rows + count > PART else []
        edges += [start_ms + DAY_MS * piece // pieces for piece in range(1, pieces)]
        rows = count if pieces > 1 or rows + count > PART else rows + count
        end_ms = start_ms + DAY_MS
    if not edges:
        return []
    low = max(since_ms, edges[0]) if since_ms is not None else edges[0]
    high = min(until_ms, end_ms) if until_ms is not None else end_ms
    inside = [edge for edge in edges if low < edge < high]
    return list(pairwise([low, *inside, high])) if low < high else []


@dataclass(frozen=True, slots=True)
class _Part:
    """Records of a span of time, in the lake's order. identity: hash64 of the event id."""

    records: Records
    visitor: npt.NDArray[np.int32]
    identity: npt.NDArray[np.uint64]
    received_ms: Integers


def _packed(table: pa.Table, visitors: dict[str, int], item_ids: dict[int, str]) -> _Part:
    """A part of the lake as records. Adds to visitors (a code for each) and item_ids what is new in it."""
    columns: dict[str, npt.NDArray[Any] | Texts] = {name: _encoded(table.column(name)) for name in _TEXTS}
    identity = np.fromiter(map(hash64, table.column("event_id").to_pylist()), np.uint64, len(table))
    for name in ("ts_ms", "line", "price", "quantity", "value"):
        columns[name] = table.column(name).to_numpy()
    records, kept = pack_columns(columns | {"event_hash": identity})
    who = _encoded(table.column("visitor_id"))
    codes = np.array([visitors.setdefault(name, len(visitors)) for name in who.texts], np.int32)
    item_ids.update((hash64(item), item) for item in _encoded(table.column("item_id")).texts if item)
    received_ms = table.column("received_ms").to_numpy()[kept]
    return _Part(records, codes[who.codes[kept]] if len(codes) else codes, identity[kept], received_ms)


def _each_once(parts: list[_Part]) -> tuple[Records, npt.NDArray[np.int32]]:
    """(records, visitor) of all parts in their order, without copies of an event that lie in different parts.

    Copies within a part are gone already. Of others the one received first stays. Empties the list.
    """
    if not parts:
        return np.zeros(0, EVENT), np.zeros(0, np.int32)
    keep = _first_received(parts) if len(parts) > 1 else None
    visitor = np.concatenate([part.visitor for part in parts])
    records = np.concatenate([part.records for part in parts])
    parts.clear()
    return (records, visitor) if keep is None else (records[keep], visitor[keep])


def _first_received(parts: list[_Part]) -> npt.NDArray[np.bool_] | None:
    """Which of all records stay; None if all do."""
    identity = np.concatenate([part.identity for part in parts])
    found = np.sort(identity)
    found = np.unique(found[1:][found[1:] == found[:-1]])
    if not len(found):
        return None
    copies = np.flatnonzero(np.isin(identity, found))
    received_ms = np.concatenate([part.received_ms for part in parts])[copies]
    line = np.concatenate([part.records["line"] for part in parts])[copies]
    order = np.lexsort((received_ms, line, identity[copies]))
    later = (np.diff(identity[copies][order]) == 0) & (np.diff(line[order].astype(np.int64)) == 0)
    keep = np.ones(len(identity), bool)
    keep[copies[order[1:][later]]] = False
    return keep


def _encoded(column: pa.ChunkedArray) -> Texts:
    """A dictionary column of the lake, read as one dictionary."""
    if not len(column):
        return Texts(np.zeros(0, np.int32), ())
    whole = column.combine_chunks()
    return Texts(whole.indices.to_numpy(), whole.dictionary.to_pylist())


def _by_hash(names: list[str]) -> tuple[Integers, tuple[str, ...]]:
    """(place of each name, names in their places): by hash64, whatever the order of files in the lake."""
    hashes = np.fromiter(map(hash64, names), np.uint64, len(names))
    by_hash = np.argsort(hashes, kind="stable")
    if np.any(np.diff(hashes[by_hash]) == 0):  # two names of one hash: as good as never
        by_hash = np.array(sorted(range(len(names)), key=lambda i: (int(hashes[i]), names[i])), np.int64)
    rank = np.empty(len(names), np.int64)
    rank[by_hash] = np.arange(len(names))
    return rank, tuple(names[i] for i in by_hash.tolist())
