"""What the recommender reads: one shop's products, their neighbours, and the latest views linked into sessions.

The views are a ring of entries. Each entry knows the entry before it of the same product and its neighbours of the
same visitor, as places in the ring; a link that points at an entry younger than it should be is stale, since the ring
came round. So the newest views of a product, and what else was looked at then, are found by following links, and
learning a view changes a few numbers (models/session_index.py). Everything is a plain array, so that a snapshot can be
mapped from files and swapped by one assignment.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from features.table import HashIndex

Arrays = Mapping[str, npt.NDArray[Any]]
Hashes = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]
Seconds = npt.NDArray[np.uint32]

LISTED: Final = 1000
"""How many of the most popular products are listed in order."""


class Tables(NamedTuple):
    """The arrays that compiled code reads, all read-only. n items, m entries, s slots of the hash table.

    Items: neighbours int32 (n, k), -1 for none; scores float32 (n, k) >= 0, of any scale; popularity float32 (n, 2),
    fading fast and slowly, as of as_of; counts int32 (n,) views; first uint32 (n,) and last int32 (n,): second of the
    first view, newest entry or -1; price float32 (n,), NaN if unknown; category int32 (n,), 0 if unknown.
    Entries: item int32 (m,), -1 for one of no item any more; root int32 (m,), the entry that its session began with,
    -1 if forgotten; at uint32 (m,) seconds; same, before, after int32 (m,): the entry before of the same product, of
    the same visitor, and the one after, -1 for none; depth uint16 (m,): views before it in the session.
    popular, fresh int32: rows of the most popular and the newest products. slots, rows: features.table.HashIndex.
    clock int64 (2,): place of the next entry, second of the latest view. views int64 (1,): how many there were.
    """

    neighbours: Rows
    scores: Floats
    popularity: Floats
    counts: Rows
    first: Seconds
    last: Rows
    price: Floats
    category: Rows
    item: Rows
    root: Rows
    at: Seconds
    same: Rows
    before: Rows
    after: Rows
    depth: npt.NDArray[np.uint16]
    popular: Rows
    fresh: Rows
    slots: Hashes
    rows: Rows
    clock: npt.NDArray[np.int64]


_OF_ITEMS: Final = ("neighbours", "scores", "popularity", "counts", "first", "last", "price", "category")
_OF_ENTRIES: Final = ("item", "root", "at", "same", "before", "after", "depth")
_TYPES: Final = {
    "neighbours": np.int32,
    "scores": np.float32,
    "popularity": np.float32,
    "counts": np.int32,
    "first": np.uint32,
    "last": np.int32,
    "price": np.float32,
    "category": np.int32,
    "item": np.int32,
    "root": np.int32,
    "at": np.uint32,
    "same": np.int32,
    "before": np.int32,
    "after": np.int32,
    "depth": np.uint16,
    "popular": np.int32,
    "fresh": np.int32,
    "slots": np.uint64,
    "rows": np.int32,
    "clock": np.int64,
}


class Ids(Sequence[str]):
    """Item ids read from a block of UTF-8 on demand: mapping a snapshot must not build 100,000 strings."""

    __slots__ = ("_at", "_bytes", "_edges", "_text")

    def __init__(self, text: npt.NDArray[np.uint8], edges: npt.NDArray[np.int64]) -> None:
        if len(edges) < 1 or edges[0] != 0 or edges[-1] != len(text) or bool(np.any(np.diff(edges) < 0)):
            raise ValueError("item index: the ids' edges do not cover their text")
        self._text, self._edges = text, edges
        self._bytes, self._at = _view(text), _view(edges)

    @classmethod
    def of(cls, ids: Iterable[str]) -> "Ids":
        """A block of the ids, in their order."""
        encoded = [item.encode() for item in ids]
        edges = np.cumsum([0, *map(len, encoded)]).astype(np.int64)
        return cls(np.frombuffer(b"".join(encoded), np.uint8), edges)

    def __len__(self) -> int:
        return len(self._edges) - 1

    def __getitem__(self, at: int | slice) -> str | list[str]:  # type: ignore[override]  # one id, or a list of them
        if isinstance(at, slice):
            return [self._one(i) for i in range(*at.indices(len(self)))]
        if not -len(self) <= at < len(self):
            raise IndexError(at)
        return self._one(at % len(self))

    def _one(self, at: int) -> str:
        return str(self._bytes[self._at[at] : self._at[at + 1]], "utf-8")

    def to_arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """`ids_text` and `ids_edges`."""
        return {"ids_text": self._text, "ids_edges": self._edges}


def _view(array: npt.NDArray[Any]) -> memoryview:
    """To read single numbers of: those of an array are objects of their own."""
    return memoryview(np.ascontiguousarray(array))  # type: ignore[arg-type, unused-ignore]


@dataclass(frozen=True)
class ItemIndex:
    """One shop's products and latest views, as of one moment. ids: n item ids, those of the rows.

    hashes: uint64 (n,), hash64 of each. tables: as above.
    """

    ids: Sequence[str]
    hashes: Hashes
    tables: Tables

    @classmethod
    def of(
        cls, ids: Sequence[str], hashes: Hashes, neighbours: Rows, scores: Floats, popularity: Floats
    ) -> "ItemIndex":
        """An index that knows neighbours and popularity and no single view. Raises ValueError."""
        n = len(ids)
        none, entry = np.zeros(n, np.int32), np.empty(0, np.int32)
        table = HashIndex.of(np.asarray(hashes, np.uint64))
        both = np.repeat(np.asarray(popularity, np.float32).reshape(-1, 1), 2, axis=1)
        given: dict[str, Any] = {
            "neighbours": neighbours,
            "scores": scores,
            "popularity": both,
            "counts": none,
            "first": none,
        }
        given |= {"last": none - 1, "price": np.full(n, np.nan), "category": none}
        given |= dict.fromkeys(_OF_ENTRIES, entry)
        given |= {"popular": most(both[:, 0]), "fresh": entry, "slots": table.slots, "rows": table.rows}
        given |= {"clock": np.zeros(2)}
        index = cls(tuple(ids), np.asarray(hashes, np.uint64), tables_of(given))
        index.check()
        return index

    @classmethod
    def empty(cls) -> "ItemIndex":
        """An index of no items."""
        none = np.empty(0, np.float32)
        return cls.of((), np.empty(0, np.uint64), np.empty((0, 1), np.int32), np.empty((0, 1), np.float32), none)

    def __len__(self) -> int:
        return len(self.hashes)

    @property
    def neighbours(self) -> Rows:
        """Rows of each item's neighbours, int32 (n, k), -1 for none, in no order."""
        return self.tables.neighbours

    @property
    def scores(self) -> Floats:
        """How strong each neighbour is; only comparable within a row."""
        return self.tables.scores

    @property
    def by_popularity(self) -> Rows:
        """Rows of the most popular items, the first the most."""
        return self.tables.popular

    @property
    def popularity(self) -> Floats:
        """Views of each item, fading with a half-life of days."""
        return self.tables.popularity[:, 1]

    @cached_property
    def _table(self) -> HashIndex:
        return HashIndex(self.tables.slots, self.tables.rows)

    def row(self, item_hash: int) -> int:
        """The item's row, or -1."""
        return int(self._table.find(np.array([item_hash], np.uint64))[0])

    def rows_of(self, hashes: Hashes) -> Rows:
        """The items' rows, -1 for the unknown. int32 (n,)."""
        return self._table.find(hashes)

    def check(self) -> None:
        """Raises ValueError where the arrays do not fit each other: compiled code trusts them."""
        t, n, m = self.tables, len(self.ids), len(self.tables.item)
        _fit([n], self.hashes, *(getattr(t, name) for name in _OF_ITEMS))
        _fit([m], *(getattr(t, name) for name in _OF_ENTRIES))
        if t.neighbours.ndim != 2 or t.scores.shape != t.neighbours.shape or t.popularity.shape != (n, 2):
            raise ValueError("item index: neighbours, scores and popularity differ in shape")
        if t.clock.shape != (2,) or not 0 <= int(t.clock[0]) <= m:
            raise ValueError("item index: the clock does not fit the entries")
        if t.slots.shape != t.rows.shape or len(t.slots) <= n or len(t.slots) & (len(t.slots) - 1):
            raise ValueError("item index: slots and rows are no hash table of the items")
        if not bool(np.any(t.slots == 0)):
            raise ValueError("item index: the slots are full")
        for name in ("neighbours", "item", "popular", "fresh", "rows"):
            _inside(name, getattr(t, name), n)
        for name in ("last", "root", "same", "before", "after"):
            _inside(name, getattr(t, name), m)
        for name in ("scores", "popularity"):
            if not bool(np.all(np.isfinite(getattr(t, name)) & (getattr(t, name) >= 0))):
                raise ValueError(f"item index: {name} are not all finite and >= 0")

    def to_arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """Arrays for .npy and .npz files. price: -1 where unknown, since a bundle's arrays hold no NaN."""
        ids = self.ids if isinstance(self.ids, Ids) else Ids.of(self.ids)
        own = {name: np.asarray(array) for name, array in self.tables._asdict().items()}
        own["price"] = np.where(np.isfinite(own["price"]), own["price"], np.float32(-1))
        return {**ids.to_arrays(), "hashes": self.hashes, **own}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "ItemIndex":
        """The inverse of to_arrays; memory-mapped arrays stay so, but for prices.

        Raises KeyError where an array is missing, ValueError where they do not fit.
        """
        ids = Ids(np.asarray(arrays["ids_text"], np.uint8), np.asarray(arrays["ids_edges"], np.int64))
        given = {name: arrays[name] for name in Tables._fields}
        given["price"] = np.where(given["price"] >= 0, given["price"], np.float32(np.nan))
        index = cls(ids, np.asarray(arrays["hashes"], np.uint64), tables_of(given))
        index.check()
        return index


def tables_of(given: Arrays) -> Tables:
    """Tables as compiled code expects them: of their types, contiguous and read-only."""
    return Tables(**{name: read_only(np.ascontiguousarray(given[name], _TYPES[name])) for name in Tables._fields})


def read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A view that cannot be written: mapped and living arrays are one type to the compiler."""
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view


def most(values: npt.NDArray[Any], at_most: int = LISTED) -> Rows:
    """Rows of the largest values, the largest first, equal ones by row. int32 (at most at_most,)."""
    if len(values) > at_most:
        least = np.partition(values, len(values) - at_most)[len(values) - at_most]
        rows = np.flatnonzero(values >= least)
    else:
        rows = np.arange(len(values))
    return rows[np.argsort(-values[rows], kind="stable")][:at_most].astype(np.int32)


def _fit(lengths: list[int], *arrays: npt.NDArray[Any]) -> None:
    if [lengths[0]] * len(arrays) != [len(array) for array in arrays]:
        raise ValueError(f"item index: arrays of {[array.shape for array in arrays]} do not fit {lengths[0]} rows")


def _inside(name: str, rows: npt.NDArray[Any], n: int) -> None:
    if rows.size and not -1 <= int(rows.min()) <= int(rows.max()) < n:
        raise ValueError(f"item index: {name} point outside the {n} rows")
