"""What the learner knows of one shop: item statistics, the session index, and which events it has counted."""

from collections import deque
from collections.abc import Sequence
from functools import lru_cache
from math import nan
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.events import CODE, MAX_LINES, TOUCHES
from features.record import EVENT, Records, category16, hash64
from features.stats import ItemStats
from models.session_index import SessionIndex
from service.seed import Seed, grown

COUNTED: Final = frozenset({"view_item", "add_to_cart", "purchase"})
"""Kinds of which ItemStats keeps counts."""
REMEMBERED: Final = 200_000
"""So many last events are recognised when they come again."""
SETTLE_AT: Final = 20_000
"""Lines are counted so many at a time, or when a snapshot is due: statistics are rebuilt as a whole each time."""
MAX_STATS: Final = 500_000

Arrays = dict[str, npt.NDArray[Any]]
_item_hash = lru_cache(maxsize=1 << 18)(hash64)
_category = lru_cache(maxsize=1 << 16)(category16)


class ShopState:
    """Learns with `take`; everything taken counts once `settle` ran, which every reader of the state calls first.

    events: counted so far; duplicates: events that came again; as_of_ms: the shop's own clock. began_ms: of the first
    event taken; seeded_from: the bundle it began with, "" if none; asked: whether a seed was looked for.
    """

    def __init__(self) -> None:
        self.stats, self.index = ItemStats.empty(), SessionIndex()
        self.events = self.duplicates = self.as_of_ms = self.began_ms = 0
        self.seeded_from, self.asked = "", False
        self._seen: set[int] = set()
        self._oldest: deque[int] = deque()  # the same, in their order: the first of a dict is ever slower to find
        self._lines: list[tuple[int, int, int, int, int]] = []
        self._items: list[str] = []
        self._visitors: list[int] = []
        self._times: list[int] = []
        self._prices: list[float] = []
        self._categories: list[int] = []

    def take(self, lines: Sequence[Any]) -> bool:
        """Takes one event, as its lines (stream.Line), at least one. Whether it is new: False if it came before."""
        first = lines[0]
        identity = hash64(first.event_id)
        if identity in self._seen:
            self.duplicates += 1
            return False
        self._seen.add(identity)
        self._oldest.append(identity)
        if len(self._seen) > REMEMBERED:
            self._seen.discard(self._oldest.popleft())
        self.events += 1
        self.began_ms = self.began_ms or first.ts_ms
        self.as_of_ms = max(self.as_of_ms, first.ts_ms)
        if first.event not in TOUCHES:
            return True
        visitor = hash64(first.visitor_id)
        for line in lines:
            if line.line < MAX_LINES:
                self._take_line(line, visitor)
        if max(len(self._items), len(self._lines)) >= SETTLE_AT:
            self.settle()
        return True

    def _take_line(self, line: Any, visitor: int) -> None:
        if line.item_id:
            self._items.append(line.item_id)
            self._visitors.append(visitor)
            self._times.append(line.ts_ms)
            self._prices.append(nan if line.price is None else line.price)
            self._categories.append(_category(line.category))
        if line.event in COUNTED:
            units = max(0, min(line.quantity, 255))
            self._lines.append((visitor, line.ts_ms, _item_hash(line.item_id), CODE[line.event], units))

    def settle(self) -> None:
        """Counts what was taken."""
        if self._lines:
            self.stats = self.stats.updated(*_records(self._lines)).at_most(MAX_STATS)
        if self._items:
            self.index.learn(self._items, self._visitors, self._times, self._prices, self._categories)
        self._lines, self._items, self._visitors = [], [], []
        self._times, self._prices, self._categories = [], [], []

    def seed(self, seed: Seed) -> bool:
        """Puts the seed before what was learned so far, if it is all from before. Whether it did."""
        if self.seeded_from or (self.began_ms and self.began_ms < seed.until_ms):
            return False
        self.settle()
        self.index, self.stats = grown(seed, self.index, self.stats)
        self.as_of_ms = max(self.as_of_ms, seed.until_ms - 1)
        self.seeded_from = seed.bundle
        return True

    def forget(self, visitor_id: str) -> None:
        """Drops what is kept of one visitor: their session."""
        self.settle()
        self.stats = self.stats.without(hash64(visitor_id))
        self.index.forget(hash64(visitor_id))

    def published(self) -> Arrays:
        """What the service reads (service/live.py)."""
        self.settle()
        return _named("stats", self.stats.settled().to_arrays()) | _named("index", self.index.index().to_arrays())

    def to_arrays(self) -> Arrays:
        """The whole state."""
        self.settle()
        seen = np.fromiter(self._oldest, np.uint64, len(self._oldest))
        counts = np.array([self.events, self.duplicates, self.as_of_ms, self.began_ms], np.int64)
        own = {"seen": seen, "counts": counts}
        return _named("stats", self.stats.to_arrays()) | _named("index", self.index.to_arrays()) | own

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "ShopState":
        """The inverse of to_arrays; copies. Raises KeyError or ValueError where the arrays do not fit."""
        new = cls()
        stats = {name: np.array(array) for name, array in unnamed("stats", arrays).items()}
        new.stats, new.index = ItemStats.from_arrays(stats), SessionIndex.from_arrays(unnamed("index", arrays))
        new._oldest = deque(arrays["seen"].tolist())
        new._seen = set(new._oldest)
        new.events, new.duplicates, new.as_of_ms, new.began_ms = arrays["counts"].tolist()
        return new


def unnamed(what: str, arrays: Arrays) -> Arrays:
    """The arrays whose names begin with `what_`, without it."""
    return {name.removeprefix(f"{what}_"): array for name, array in arrays.items() if name.startswith(f"{what}_")}


def _named(what: str, arrays: Arrays) -> Arrays:
    return {f"{what}_{name}": array for name, array in arrays.items()}


def _records(lines: Sequence[tuple[int, int, int, int, int]]) -> tuple[Records, npt.NDArray[np.uint64]]:
    """Records with what ItemStats reads (time, item, kind, quantity), and their visitors."""
    visitors, *columns = zip(*lines, strict=True)
    records = np.zeros(len(lines), EVENT)
    for name, column in zip(("ts_ms", "item", "kind", "quantity"), columns, strict=True):
        records[name] = column
    return records, np.array(visitors, np.uint64)
