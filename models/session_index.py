"""What visitors look at, learned as it happens: a ring of the latest views, neighbours and popularity that fade.

Every view counts at once, also of a session that goes on. It becomes an entry of the ring (models/item_index.py),
linked to the view before of the same product and to the view before of the same visitor. Beside it what outlives the
ring: when a visitor comes to an item that is new in their session, it is paired with the last items of the session;
the one just before counts 1, the one before that 1/2, and so on; backwards half of that. Weights use forward decay
(Cormode et al. 2009, "Forward decay"): an event at time t adds 2^((t - landmark) / half-life), so nothing is ever
rewritten to age it, and a late event counts what it would have counted in time.

Bounds: MAX_ENTRIES views (the oldest go), MAX_ITEMS items (the least popular quarter goes when full), SLOTS neighbours
an item (Space-Saving, Metwally et al. 2005: the weakest gives its place and its weight to the newcomer), MAX_VISITORS
visitors (the longest silent goes). At the bounds about 150 MB.
"""

from collections.abc import Iterator, Mapping, Sequence, Set
from itertools import islice
from typing import Any, Final, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from features.events import SESSION_GAP_MS
from features.record import hash64
from features.table import HashIndex, find, insert
from models.item_index import Ids, ItemIndex, Tables, most, read_only, tables_of

MAX_ITEMS: Final = 200_000
MAX_VISITORS: Final = 200_000
MAX_ENTRIES: Final = 1 << 20
AT_ONCE: Final = 4096
"""So many of the longest silent visitors are looked up at once."""
SLOTS: Final = 32
RECENT: Final = 10
FRESH: Final = 200
"""How many of the newest products are listed."""
DAY_MS: Final = 86_400_000
PAIR_HALF_LIFE_MS: Final = 14 * DAY_MS
TREND_HALF_LIFE_MS: Final = DAY_MS // 2
POPULAR_HALF_LIFE_MS: Final = 7 * DAY_MS
BACKWARD: Final = 0.5
_SHIFT_AT: Final = 60
"""Half-lives after which a landmark moves: 2^60 still leaves room in a float32."""

Arrays = dict[str, npt.NDArray[Any]]
Ints = npt.NDArray[np.int32]
Times = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]
Hashes = npt.NDArray[np.uint64]


class _State(NamedTuple):
    """Arrays as in item_index.Tables, with room to grow. seen_ms int64, newest int32, born int64 (v,): a visitor's last
    time, their newest entry, and how many entries there had been then. landmarks int64 (3,): of pairs, of trends, of
    popularity. clock int64 (3,): entries ever, latest ms, room of the ring at most."""

    neighbours: Ints
    scores: Floats
    popularity: Floats
    counts: Ints
    first: npt.NDArray[np.uint32]
    last: Ints
    price: Floats
    category: Ints
    item: Ints
    root: Ints
    at: npt.NDArray[np.uint32]
    same: Ints
    before: Ints
    after: Ints
    depth: npt.NDArray[np.uint16]
    seen_ms: Times
    newest: Ints
    born: Times
    landmarks: Times
    clock: Times


_ITEMS: Final = {
    "neighbours": -1,
    "scores": 0,
    "popularity": 0,
    "counts": 0,
    "first": 0,
    "last": -1,
    "price": np.nan,
    "category": 0,
}
_ENTRIES: Final = {"item": -1, "root": -1, "at": 0, "same": -1, "before": -1, "after": -1, "depth": 0}
_VISITORS: Final = {"seen_ms": 0, "newest": -1, "born": 0}


@numba.njit(cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def _strengthen(neighbours: Ints, weights: Floats, row: int, item: int, weight: float) -> None:
    """Adds to the weight of a pair; a full row gives its weakest place away."""
    weakest = 0
    for slot in range(neighbours.shape[1]):
        if neighbours[row, slot] == item:
            weights[row, slot] += weight
            return
        if neighbours[row, slot] < 0:
            neighbours[row, slot] = item
            weights[row, slot] = weight
            return
        if weights[row, slot] < weights[row, weakest]:
            weakest = slot
    neighbours[row, weakest] = item
    weights[row, weakest] += weight


@numba.njit(cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def _rise(landmarks: Times, which: int, half_life_ms: int, now_ms: int, values: Floats) -> float:
    """What an event at now_ms weighs; moves the landmark by whole half-lives when it is far behind."""
    steps = (now_ms - landmarks[which]) // half_life_ms
    if steps >= _SHIFT_AT:
        factor = np.float32(2.0 ** -min(steps, 200))
        for row in range(values.shape[0]):
            for column in range(values.shape[1]):
                values[row, column] *= factor
        landmarks[which] += steps * half_life_ms
    return float(2.0 ** ((now_ms - landmarks[which]) / half_life_ms))


@numba.njit(cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def _pair(s: _State, item: int, newest: int, unit: float, recent: Ints) -> None:
    """Pairs the item with the last different ones of the session, unless it is one of them."""
    found, entry, root = 0, newest, s.root[newest]
    steps = 0
    while entry >= 0 and s.root[entry] == root and found < recent.size and steps < 4 * recent.size:
        other, known = s.item[entry], False
        for place in range(found):
            known = known or recent[place] == other
        if other == item:
            return
        if other >= 0 and not known:
            recent[found] = other
            found += 1
        entry = s.before[entry]
        steps += 1
    for place in range(found):
        _strengthen(s.neighbours, s.scores, recent[place], item, unit / (place + 1))
        _strengthen(s.neighbours, s.scores, item, recent[place], BACKWARD * unit / (place + 1))


@numba.njit(cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def _append(s: _State, item: int, visitor: int, now_ms: int, newest: int, goes_on: bool) -> None:
    """Makes the view the newest entry. newest: the visitor's last one, or -1; goes_on: whether its session does."""
    size = s.clock[2]
    place = s.clock[0] % size
    if newest == place:  # the ring came round on the visitor's only entry
        newest, goes_on = -1, False
    s.item[place], s.at[place], s.same[place] = item, now_ms // 1000, s.last[item]
    s.before[place], s.after[place], s.depth[place] = newest, -1, 0
    s.root[place] = place
    if newest >= 0:
        s.after[newest] = place
    if goes_on:
        s.root[place] = s.root[newest]
        s.depth[place] = min(s.depth[newest] + 1, 65535)
    s.last[item], s.newest[visitor] = place, place
    s.clock[0] += 1
    s.born[visitor] = s.clock[0]


@numba.njit(cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def _learn(
    s: _State, items: Ints, slots: Ints, fresh: Flags, ts_ms: Times, prices: Floats, categories: Ints, recent: Ints
) -> None:
    """Counts the views in their order."""
    fast, slow = s.popularity[:, :1], s.popularity[:, 1:]
    for i in range(items.size):
        item, visitor, now_ms = items[i], slots[i], ts_ms[i]
        s.clock[1] = max(s.clock[1], now_ms)
        s.popularity[item, 0] += np.float32(_rise(s.landmarks, 1, TREND_HALF_LIFE_MS, now_ms, fast))
        s.popularity[item, 1] += np.float32(_rise(s.landmarks, 2, POPULAR_HALF_LIFE_MS, now_ms, slow))
        unit = _rise(s.landmarks, 0, PAIR_HALF_LIFE_MS, now_ms, s.scores)
        if s.counts[item] == 0 or now_ms // 1000 < s.first[item]:
            s.first[item] = now_ms // 1000
        s.counts[item] += 1
        if prices[i] >= 0:
            s.price[item] = prices[i]
        if categories[i] > 0:
            s.category[item] = categories[i]
        newest = s.newest[visitor]
        if fresh[i] or s.clock[0] - s.born[visitor] >= s.clock[2]:  # never seen, or the ring has come round since
            newest = -1
        if not fresh[i] and s.seen_ms[visitor] - now_ms > SESSION_GAP_MS:
            continue  # it came late, from a session that is over
        goes_on = newest >= 0 and now_ms - s.seen_ms[visitor] <= SESSION_GAP_MS
        s.seen_ms[visitor] = now_ms if fresh[i] else max(s.seen_ms[visitor], now_ms)
        if goes_on:
            _pair(s, item, newest, unit, recent)
        _append(s, item, visitor, now_ms, newest, goes_on)


class SessionIndex:
    """The state of one shop. Learn with `learn`; publish with `index`; save and restore with to_arrays, from_arrays."""

    def __init__(
        self, max_items: int = MAX_ITEMS, max_visitors: int = MAX_VISITORS, max_entries: int = MAX_ENTRIES
    ) -> None:
        self.max_items, self.max_visitors, self.max_entries = max_items, max_visitors, max_entries
        self._ids: dict[str, int] = {}
        self._hashes = np.zeros(0, np.uint64)
        self._table = HashIndex.of(self._hashes)
        self._slots: dict[int, int] = {}  # visitor hash to slot, the longest silent first
        self._free: list[int] = []
        self._s = _empty(max_entries)

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def visitors(self) -> int:
        """How many visitors are held."""
        return len(self._slots)

    @property
    def as_of_ms(self) -> int:
        """The time of the latest view, 0 before the first."""
        return int(self._s.clock[1])

    def learn(
        self,
        items: Sequence[str],
        visitors: Sequence[int],
        ts_ms: Sequence[int],
        prices: Sequence[float] | None = None,
        categories: Sequence[int] | None = None,
    ) -> None:
        """Counts what visitors (hash64 of each) came to, in the order of arrival.

        prices: money per unit, NaN if unknown. categories: features.record.category16 of each, 0 if unknown.
        """
        for chosen in self._parts(len(items)):
            n = len(items[chosen])
            price = np.full(n, -1, np.float32) if prices is None else np.array(prices[chosen], np.float32)
            category = np.zeros(n, np.int32) if categories is None else np.array(categories[chosen], np.int32)
            rows = self._rows_of(items[chosen])
            self._learn(rows, visitors[chosen], np.array(ts_ms[chosen], np.int64), price, category)

    def learn_columns(
        self, items: Hashes, names: Mapping[int, str], visitors: Times, ts_ms: Times, prices: Floats, categories: Ints
    ) -> None:
        """The same of a whole log's columns: no text is touched but the names of products that are new.

        items: uint64 (n,), hash64 of each id; names: the ids, by hash; visitors: any numbers that tell them apart.
        """
        for chosen in self._parts(len(items)):
            rows = self._rows_of_hashes(items[chosen], names)
            self._learn(rows, visitors[chosen].tolist(), ts_ms[chosen], prices[chosen], categories[chosen])

    def _parts(self, n: int) -> Iterator[slice]:
        """So many at a time that what one part brings in is not dropped again within it."""
        at_once = max(1, min(self.max_items // 4, self.max_visitors))
        return (slice(start, start + at_once) for start in range(0, n, at_once))

    def _learn(self, rows: Ints, visitors: Sequence[int], times: Times, prices: Floats, categories: Ints) -> None:
        if not self._s.clock[1]:
            self._s.landmarks[:] = times[0]
        slots, fresh = self._slots_of(visitors)
        self._grow(_ENTRIES, min(int(self._s.clock[0]) + len(rows), self.max_entries), self.max_entries)
        _learn(self._s, rows, slots, fresh, times, prices, categories, np.empty(RECENT, np.int32))

    def forget(self, visitor: int) -> None:
        """Unlinks what the visitor looked at, as far as it is known. What it taught of items is a sum and stays."""
        slot = self._slots.pop(visitor, None)
        if slot is None:
            return
        self._free.append(slot)
        s = self._s
        for entry in self._entries_of(slot):
            s.root[entry] = s.before[entry] = s.after[entry] = -1
        s.newest[slot] = -1

    def owners(self) -> npt.NDArray[np.uint64]:
        """The visitor (hash64) of each entry, 0 where nobody knows any more. uint64 (m,)."""
        owners = np.zeros(min(int(self._s.clock[0]), self.max_entries), np.uint64)
        for visitor, slot in self._slots.items():
            owners[list(self._entries_of(slot))] = visitor
        return owners

    def _entries_of(self, slot: int) -> Iterator[int]:
        """Entries of the visitor in a slot, newest first; each may be unlinked once it was given."""
        s = self._s
        entry = int(s.newest[slot]) if s.clock[0] - s.born[slot] < self.max_entries else -1
        left = self.max_entries
        while entry >= 0 and left:
            before = int(s.before[entry])
            stale = before >= 0 and not _older(before, entry, int(s.clock[0]), self.max_entries)
            yield entry
            entry, left = -1 if stale else before, left - 1

    def _grow(self, names: dict[str, Any], rows: int, at_most: int = 1 << 31) -> None:
        """Room for so many rows in the named arrays, at least doubled when they grow."""
        have = len(getattr(self._s, next(iter(names))))
        if rows > have:
            room = min(max(rows, 2 * have, 1024), at_most)
            self._s = self._s._replace(**{n: _grown(getattr(self._s, n), room, fill) for n, fill in names.items()})

    def _rows_of(self, items: Sequence[str]) -> Ints:
        if len(self._ids) + sum(item not in self._ids for item in set(items)) > self.max_items:
            self._drop_least_popular()
        ids = self._ids
        found = np.array([ids.setdefault(item, len(ids)) for item in items], np.int32)
        known = len(self._hashes)
        if len(ids) > known:
            fresh = np.array([hash64(item) for item in list(ids)[known:]], np.uint64)
            self._hashes = np.concatenate([self._hashes, fresh])
            self._table = _with(self._table, self._hashes, known)
            self._grow(_ITEMS, len(ids))
        return found

    def _rows_of_hashes(self, items: Hashes, names: Mapping[int, str]) -> Ints:
        rows = self._table.find(items)
        if rows.min() >= 0:
            return rows
        found, first, place = np.unique(items, return_index=True, return_inverse=True)
        come = np.argsort(first)  # new products get their rows in the order in which they come
        rows_of_found = np.empty(len(found), np.int32)
        rows_of_found[come] = self._rows_of([names[item] for item in found[come].tolist()])
        return rows_of_found[place]

    def _drop_least_popular(self) -> None:
        keep, n, s = self.max_items * 3 // 4, len(self._ids), self._s
        if n <= keep:
            return
        kept = np.sort(np.argsort(-s.popularity[:n, 1], kind="stable")[:keep])
        place = np.full(n + 1, -1, np.int32)
        place[kept] = np.arange(keep, dtype=np.int32)
        ids = list(self._ids)
        self._ids = {ids[row]: i for i, row in enumerate(kept.tolist())}
        self._hashes = self._hashes[kept]
        self._table = HashIndex.of(self._hashes)
        items = {name: getattr(s, name)[kept] for name in _ITEMS}
        items["neighbours"], items["scores"] = _packed(place[items["neighbours"]], items["scores"])
        self._s = s._replace(**items, item=place[s.item])

    def _slots_of(self, visitors: Sequence[int]) -> tuple[Ints, Flags]:
        slots, found, fresh = self._slots, np.empty(len(visitors), np.int32), np.zeros(len(visitors), bool)
        come: set[int] = set()
        silent = self._longest_silent(come)
        for i, visitor in enumerate(visitors):
            slot = slots.pop(visitor, -1)
            if slot < 0:
                fresh[i] = True
                slot = self._free_slot(silent)
            slots[visitor] = slot
            found[i] = slot
            come.add(visitor)
        self._grow(_VISITORS, len(slots) + len(self._free))
        return found, fresh

    def _free_slot(self, silent: Iterator[int]) -> int:
        if self._free:
            return self._free.pop()
        slots = self._slots
        return len(slots) if len(slots) < self.max_visitors else slots.pop(next(silent))

    def _longest_silent(self, come: Set[int]) -> Iterator[int]:
        """Who gives up a slot next: of those who have not come by then the longest silent, else of all.

        Looked up many at a time: the first of a dict from which many were taken takes ever longer to find.
        """
        while True:
            found = False
            for visitor in tuple(islice(self._slots, AT_ONCE)):
                if visitor not in come:
                    found = True
                    yield visitor
            if not found:
                yield next(iter(self._slots))

    def index(self) -> ItemIndex:
        """What is published: copies of the arrays as they are now."""
        return self._index(copied=True)

    def live(self) -> ItemIndex:
        """The same without copies: right until the next `learn` or `forget`."""
        return self._index(copied=False)

    def _index(self, copied: bool) -> ItemIndex:
        s, n, m = self._s, len(self._ids), min(int(self._s.clock[0]), self.max_entries)
        given: Arrays = {name: getattr(s, name)[:n] for name in _ITEMS} | {
            name: getattr(s, name)[:m] for name in _ENTRIES
        }
        ages = (self.as_of_ms - s.landmarks[1:]) / np.array([TREND_HALF_LIFE_MS, POPULAR_HALF_LIFE_MS])
        given["popularity"] = (s.popularity[:n] * 2.0**-ages).astype(np.float32)
        given["popular"] = most(given["popularity"][:, 0] + given["popularity"][:, 1])
        given["fresh"] = most(s.first[:n].astype(np.int64), FRESH)
        given |= {"slots": self._table.slots, "rows": self._table.rows}
        head = int(s.clock[0]) % self.max_entries if s.clock[0] > self.max_entries else m
        given["clock"] = np.array([head, self.as_of_ms // 1000], np.int64)
        if copied:
            owned = ("popular", "fresh", "popularity", "clock")  # made just now
            given = {name: array if name in owned else array.copy() for name, array in given.items()}
            return ItemIndex(tuple(self._ids), self._hashes, tables_of(given))
        return ItemIndex(_Names(self._ids), self._hashes, Tables(**{k: read_only(v) for k, v in given.items()}))

    def to_arrays(self) -> Arrays:
        """The whole state; visitors only as hashes."""
        s, n, m = self._s, len(self._ids), min(int(self._s.clock[0]), self.max_entries)
        order = np.fromiter(self._slots.values(), np.int64, len(self._slots))
        price = np.where(np.isfinite(s.price[:n]), s.price[:n], np.float32(-1))
        return {
            **Ids.of(self._ids).to_arrays(),
            "hashes": self._hashes,
            **{name: getattr(s, name)[:n] for name in _ITEMS},
            **{name: getattr(s, name)[:m] for name in _ENTRIES},
            **{name: getattr(s, name)[order] for name in _VISITORS},
            "price": price,
            "visitors": np.fromiter(self._slots, np.uint64, len(self._slots)),
            "clock": np.concatenate([s.landmarks, s.clock]),
        }

    @classmethod
    def from_arrays(
        cls,
        arrays: Arrays,
        max_items: int = MAX_ITEMS,
        max_visitors: int = MAX_VISITORS,
        max_entries: int = MAX_ENTRIES,
    ) -> "SessionIndex":
        """The inverse of to_arrays; copies. Raises KeyError or ValueError where the arrays do not fit."""
        new = cls(max_items, max_visitors, max_entries)
        ids = Ids(np.asarray(arrays["ids_text"], np.uint8), np.asarray(arrays["ids_edges"], np.int64))
        new._ids = {item: row for row, item in enumerate(ids[:])}
        new._hashes = np.array(arrays["hashes"], np.uint64)
        new._slots = {visitor: slot for slot, visitor in enumerate(arrays["visitors"].tolist())}
        clock = np.array(arrays["clock"], np.int64)
        given = {
            name: np.array(arrays[name], getattr(new._s, name).dtype)
            for names in (_ITEMS, _ENTRIES, _VISITORS)
            for name in names
        }
        given["price"][given["price"] < 0] = np.nan
        new._s = new._s._replace(**given, landmarks=clock[:3].copy(), clock=clock[3:].copy())
        new._table = HashIndex.of(new._hashes)
        new._check()
        return new

    def _check(self) -> None:
        s, n, v = self._s, len(self._ids), len(self._slots)
        if s.clock.shape != (3,) or s.clock[2] != self.max_entries or s.scores.shape != (n, SLOTS):
            raise ValueError("session index: the arrays do not fit this size of ring or of neighbours")
        if not all(len(getattr(s, name)) == v for name in _VISITORS) or v > self.max_visitors:
            raise ValueError("session index: the arrays do not fit their visitors")
        if len(s.item) != min(int(s.clock[0]), self.max_entries) or int(s.newest.max(initial=-1)) >= max(
            len(s.item), 1
        ):
            raise ValueError("session index: the arrays do not fit their entries")
        self.index().check()


class _Names(Sequence[str]):
    """The ids in their order, without a copy of them all."""

    def __init__(self, ids: dict[str, int]) -> None:
        self._ids = ids
        self._listed: list[str] | None = None

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, at: Any) -> Any:
        if self._listed is None:
            self._listed = list(self._ids)
        return self._listed[at]


def _empty(max_entries: int) -> _State:
    clock = np.array([0, 0, max_entries], np.int64)
    shapes = {"neighbours": (0, SLOTS), "scores": (0, SLOTS), "popularity": (0, 2)}
    kinds: dict[str, Any] = {
        "first": np.uint32,
        "at": np.uint32,
        "depth": np.uint16,
        "seen_ms": np.int64,
        "born": np.int64,
    }
    kinds |= dict.fromkeys(("scores", "popularity", "price"), np.float32)
    own = {name: np.zeros(shapes.get(name, 0), kinds.get(name, np.int32)) for name in (*_ITEMS, *_ENTRIES, *_VISITORS)}
    return _State(**own, landmarks=np.zeros(3, np.int64), clock=clock)


def _older(a: int, b: int, entries: int, room: int) -> bool:
    """Whether entry a is older than b, by their places in a ring of which `entries` were ever written."""
    head = entries % room if entries > room else room
    return (a - head) % room < (b - head) % room


@numba.njit(cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def _insert(slots: npt.NDArray[np.uint64], rows: Ints, hashes: npt.NDArray[np.uint64], known: int) -> None:
    for row in range(known, hashes.size):
        if find(slots, rows, hashes[row]) < 0:
            insert(slots, rows, hashes[row], row)


def _with(table: HashIndex, hashes: npt.NDArray[np.uint64], known: int) -> HashIndex:
    """The table with the hashes from `known` on, written into it while there is room: the same as made anew."""
    if 2 * len(hashes) + 2 > len(table.slots):
        return HashIndex.of(hashes)
    _insert(table.slots, table.rows, hashes, known)
    return table


def _grown(array: npt.NDArray[Any], rows: int, fill: Any) -> npt.NDArray[Any]:
    """The array with room for so many rows."""
    grown = np.full((rows, *array.shape[1:]), fill, array.dtype)
    grown[: len(array)] = array
    return grown


def _packed(rows: Ints, weights: Floats) -> tuple[Ints, Floats]:
    """Rows with their -1 at the end, in the same order otherwise; those have no weight."""
    order = np.argsort(rows < 0, axis=1, kind="stable")
    rows = np.take_along_axis(rows, order, 1)
    return rows, np.where(rows >= 0, np.take_along_axis(weights, order, 1), 0).astype(np.float32)
