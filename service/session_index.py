"""What visitors look at together, learned as it happens: item-item neighbours and popularity that fade with time.

When a visitor comes to an item that is new in their session, it is paired with the last items of the session: the one
just before counts 1, the one before that 1/2, and so on; backwards half of that. Weights use forward decay (Cormode et
al. 2009, "Forward decay"): an event at time t adds 2^((t - landmark) / half-life), so nothing is ever rewritten to
age it, and a late event counts what it would have counted in time.

Bounds: MAX_ITEMS items (the least popular quarter goes when full), SLOTS neighbours an item (Space-Saving, Metwally et
al. 2005: the weakest gives its place and its weight to the newcomer), MAX_VISITORS sessions (the longest silent goes),
RECENT items a session. At the bounds about 150 MB.
"""

from collections.abc import Sequence
from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt

from features.events import SESSION_GAP_MS
from features.record import hash64
from models.recommend import Ids, ItemIndex

MAX_ITEMS: Final = 200_000
MAX_VISITORS: Final = 200_000
SLOTS: Final = 64
PUBLISHED: Final = 32
"""How many of an item's neighbours are published, the strongest."""
RECENT: Final = 10
DAY_MS: Final = 86_400_000
PAIR_HALF_LIFE_MS: Final = 14 * DAY_MS
POPULAR_HALF_LIFE_MS: Final = 3 * DAY_MS
BACKWARD: Final = 0.5
_SHIFT_AT: Final = 60
"""Half-lives after which the landmark moves: 2^60 still leaves room in a float32."""

Arrays = dict[str, npt.NDArray[Any]]
Ints = npt.NDArray[np.int32]
Times = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]


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
def _to_front(recent: Ints, item: int) -> bool:
    """Makes the item the newest of a session. True if it was not in it."""
    at = recent.size - 1
    for place in range(recent.size):
        if recent[place] == item:
            at = place
            break
    new = bool(recent[at] != item)
    for place in range(at, 0, -1):
        recent[place] = recent[place - 1]
    recent[0] = item
    return new


@numba.njit(cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def _learn(
    items: Ints,
    slots: Ints,
    fresh: Flags,
    ts_ms: Times,
    landmarks: Times,
    popularity: Floats,
    neighbours: Ints,
    weights: Floats,
    seen_ms: Times,
    recent: Ints,
) -> None:
    """Counts the events in their order. landmarks: of pairs and of popularity."""
    for i in range(items.size):
        item, slot, now_ms = items[i], slots[i], ts_ms[i]
        popularity[item] += 2.0 ** ((now_ms - landmarks[1]) / POPULAR_HALF_LIFE_MS)
        if fresh[i] or now_ms - seen_ms[slot] > SESSION_GAP_MS:
            recent[slot] = -1
            seen_ms[slot] = now_ms
        elif seen_ms[slot] - now_ms > SESSION_GAP_MS:
            continue  # it came late, from a session that is over
        seen_ms[slot] = max(seen_ms[slot], now_ms)
        unit = 2.0 ** ((now_ms - landmarks[0]) / PAIR_HALF_LIFE_MS)
        if _to_front(recent[slot], item):
            for place in range(1, recent.shape[1]):
                earlier = recent[slot, place]
                if earlier < 0:
                    break
                _strengthen(neighbours, weights, earlier, item, unit / place)
                _strengthen(neighbours, weights, item, earlier, BACKWARD * unit / place)


class SessionIndex:
    """The state of one shop. Learn with `learn`; publish with `index`; save and restore with to_arrays, from_arrays."""

    def __init__(self, max_items: int = MAX_ITEMS, max_visitors: int = MAX_VISITORS) -> None:
        self.max_items, self.max_visitors = max_items, max_visitors
        self._rows: dict[str, int] = {}
        self._hashes = np.zeros(0, np.uint64)
        self._popularity = np.zeros(0, np.float32)
        self._neighbours = np.zeros((0, SLOTS), np.int32)
        self._weights = np.zeros((0, SLOTS), np.float32)
        self._slots: dict[int, int] = {}  # visitor hash to slot, the longest silent first
        self._seen_ms = np.zeros(0, np.int64)
        self._recent = np.zeros((0, RECENT), np.int32)
        self._landmarks = np.zeros(2, np.int64)
        self.as_of_ms = 0

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def visitors(self) -> int:
        """How many sessions are held."""
        return len(self._slots)

    def learn(self, items: Sequence[str], visitors: Sequence[int], ts_ms: Sequence[int]) -> None:
        """Counts what visitors (hash64 of each) came to, in the order of arrival."""
        at_once = max(1, min(self.max_items // 4, self.max_visitors))
        for start in range(0, len(items), at_once):
            chosen = slice(start, start + at_once)
            self._learn(items[chosen], visitors[chosen], ts_ms[chosen])

    def _learn(self, items: Sequence[str], visitors: Sequence[int], ts_ms: Sequence[int]) -> None:
        times = np.array(ts_ms, np.int64)
        self._move_landmarks(int(times[0]), int(times.max()))
        rows = self._rows_of(items)
        slots, fresh = self._slots_of(visitors)
        _learn(
            rows,
            slots,
            fresh,
            times,
            self._landmarks,
            self._popularity,
            self._neighbours,
            self._weights,
            self._seen_ms,
            self._recent,
        )

    def forget(self, visitor: int) -> None:
        """Drops a visitor's session. What it taught of items is a sum over visitors and stays."""
        slot = self._slots.pop(visitor, None)
        if slot is not None:
            self._recent[slot] = -1
            last = len(self._slots)  # the last slot moves into the gap: slots stay dense
            if slot != last:
                mover = next(other for other, place in self._slots.items() if place == last)
                self._slots[mover] = slot
                self._recent[slot], self._seen_ms[slot] = self._recent[last], self._seen_ms[last]

    def _move_landmarks(self, first_ms: int, latest_ms: int) -> None:
        """Keeps weights in range by an exact power of two. They begin at the first event, however many come at once."""
        if not self.as_of_ms:
            self._landmarks[:] = first_ms
        self.as_of_ms = max(self.as_of_ms, latest_ms)
        for which, half_life_ms, values in (
            (0, PAIR_HALF_LIFE_MS, self._weights),
            (1, POPULAR_HALF_LIFE_MS, self._popularity),
        ):
            steps = (self.as_of_ms - int(self._landmarks[which])) // half_life_ms
            if steps >= _SHIFT_AT:
                values *= np.float32(2.0 ** -min(steps, 200))
                self._landmarks[which] += steps * half_life_ms

    def _rows_of(self, items: Sequence[str]) -> Ints:
        if len(self._rows) + len(set(items) - self._rows.keys()) > self.max_items:
            self._drop_least_popular()
        rows = self._rows
        found = np.array([rows.setdefault(item, len(rows)) for item in items], np.int32)
        known = len(self._hashes)
        if len(rows) > known:
            fresh = list(rows)[known:]
            self._hashes = np.concatenate([self._hashes, np.array([hash64(item) for item in fresh], np.uint64)])
            self._popularity = _grown(self._popularity, len(rows), 0)
            self._neighbours = _grown(self._neighbours, len(rows), -1)
            self._weights = _grown(self._weights, len(rows), 0)
        return found

    def _drop_least_popular(self) -> None:
        keep = self.max_items * 3 // 4
        n = len(self._rows)
        if n <= keep:
            return
        kept = np.sort(np.argsort(-self._popularity[:n], kind="stable")[:keep])
        place = np.full(n + 1, -1, np.int32)
        place[kept] = np.arange(keep, dtype=np.int32)
        ids = list(self._rows)
        self._rows = {ids[row]: i for i, row in enumerate(kept.tolist())}
        self._hashes, self._popularity = self._hashes[kept], self._popularity[kept]
        self._neighbours, self._weights = _packed(place[self._neighbours[kept]], self._weights[kept])
        self._recent = _packed(place[self._recent], np.zeros(self._recent.shape, np.float32))[0]

    def _slots_of(self, visitors: Sequence[int]) -> tuple[Ints, Flags]:
        slots, found, fresh = self._slots, np.empty(len(visitors), np.int32), np.zeros(len(visitors), bool)
        for i, visitor in enumerate(visitors):
            slot = slots.pop(visitor, -1)
            if slot < 0:
                fresh[i] = True
                slot = len(slots) if len(slots) < self.max_visitors else slots.pop(next(iter(slots)))
            slots[visitor] = slot
            found[i] = slot
        self._seen_ms = _grown(self._seen_ms, len(slots), 0)
        self._recent = _grown(self._recent, len(slots), -1)
        return found, fresh

    def index(self) -> ItemIndex:
        """What is published: for each item its strongest neighbours, as shares of all its pairs, and its popularity."""
        n = len(self._rows)
        neighbours, weights = self._neighbours[:n], np.where(self._neighbours[:n] >= 0, self._weights[:n], 0)
        best = np.argsort(-weights, axis=1, kind="stable")[:, :PUBLISHED]
        total = weights.sum(axis=1, keepdims=True)
        scores = (np.take_along_axis(weights, best, 1) / np.where(total > 0, total, 1)).astype(np.float32)
        chosen = np.where(scores > 0, np.take_along_axis(neighbours, best, 1), -1)
        age = (self.as_of_ms - int(self._landmarks[1])) / POPULAR_HALF_LIFE_MS
        popularity = (self._popularity[:n] * 2.0**-age).astype(np.float32)
        return ItemIndex.of(tuple(self._rows), self._hashes, chosen, scores, popularity)

    def to_arrays(self) -> Arrays:
        """The whole state; visitors only as hashes."""
        n, m = len(self._rows), len(self._slots)
        visitors = np.fromiter(self._slots, np.uint64, m)
        order = np.fromiter(self._slots.values(), np.int64, m)
        return {
            **Ids.of(self._rows).to_arrays(),
            "hashes": self._hashes,
            "popularity": self._popularity[:n],
            "neighbours": self._neighbours[:n],
            "weights": self._weights[:n],
            "visitors": visitors,
            "seen_ms": self._seen_ms[order],
            "recent": self._recent[order],
            "clock": np.array([*self._landmarks, self.as_of_ms], np.int64),
        }

    @classmethod
    def from_arrays(
        cls, arrays: Arrays, max_items: int = MAX_ITEMS, max_visitors: int = MAX_VISITORS
    ) -> "SessionIndex":
        """The inverse of to_arrays; copies. Raises KeyError or ValueError where the arrays do not fit."""
        new = cls(max_items, max_visitors)
        ids = Ids(np.asarray(arrays["ids_text"], np.uint8), np.asarray(arrays["ids_edges"], np.int64))
        new._rows = {ids_at: row for row, ids_at in enumerate(ids[:])}
        new._hashes, new._popularity = arrays["hashes"].copy(), arrays["popularity"].copy()
        new._neighbours, new._weights = arrays["neighbours"].copy(), arrays["weights"].copy()
        new._slots = {visitor: slot for slot, visitor in enumerate(arrays["visitors"].tolist())}
        new._seen_ms, new._recent = arrays["seen_ms"].copy(), arrays["recent"].copy()
        new._landmarks, new.as_of_ms = arrays["clock"][:2].copy(), int(arrays["clock"][2])
        new._check()
        return new

    def _check(self) -> None:
        n, m = len(self._rows), len(self._slots)
        fits = (
            self._hashes.shape == self._popularity.shape == (n,)
            and self._neighbours.shape == self._weights.shape == (n, SLOTS)
            and self._seen_ms.shape == (m,)
            and self._recent.shape == (m, RECENT)
            and max(self._neighbours.max(initial=-1), self._recent.max(initial=-1)) < n
        )
        if not fits:
            raise ValueError("session index: the arrays do not fit each other")


def _grown(array: npt.NDArray[Any], rows: int, fill: int) -> npt.NDArray[Any]:
    """The array with room for so many rows, at least doubled when it grows."""
    if rows <= len(array):
        return array
    grown = np.full((max(rows, 2 * len(array), 1024), *array.shape[1:]), fill, array.dtype)
    grown[: len(array)] = array
    return grown


def _packed(rows: Ints, weights: Floats) -> tuple[Ints, Floats]:
    """Rows with their -1 at the end, in the same order otherwise."""
    order = np.argsort(rows < 0, axis=1, kind="stable")
    return np.take_along_axis(rows, order, 1), np.take_along_axis(weights, order, 1)
