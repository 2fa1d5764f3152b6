"""The next product of a session: what is asked, and who may answer.

Products are numbers of a catalogue, 0 to products - 1, so that compiled loops can use them as places in an array.
"""

from dataclasses import dataclass, replace
from typing import Final, Protocol

import numba
import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Rows = npt.NDArray[np.int32]

DEPTH: Final = 20
"""How many products an answer holds, at most."""


@dataclass(frozen=True, slots=True)
class Sessions:
    """Sessions of views in the order of their ends, equal ends in the order of the log.

    items: int32 (v,), in time order within each session; edges: int64 (n + 1,), where each begins and the last ends;
    end_ms: int64 (n,), the time of its last view.
    """

    items: Rows
    edges: Ints
    end_ms: Ints

    def __len__(self) -> int:
        return len(self.end_ms)

    def part(self, first: int, last: int) -> "Sessions":
        """Sessions number first <= i < last."""
        edges = self.edges[first : last + 1]
        return Sessions(self.items[edges[0] : edges[-1]], edges - edges[0], self.end_ms[first:last])


@dataclass(frozen=True, slots=True)
class Asked:
    """What was viewed in each session before now.

    items: int32 (v,), all views, session by session; record: int64 (v,), where each stands in its log. Question i is
    about the views start[i] <= j < end[i], at least one, at the time now_ms[i]; view end[i] is what came next. All
    int64 (n,). known_only: whether views of products that training never saw are left out.
    """

    items: Rows
    record: Ints
    start: Ints
    end: Ints
    now_ms: Ints
    known_only: bool = False

    def __len__(self) -> int:
        return len(self.now_ms)

    def at(self, rows: Ints) -> "Asked":
        """Some of the questions."""
        return replace(self, start=self.start[rows], end=self.end[rows], now_ms=self.now_ms[rows])


class NextItem(Protocol):
    """Answers with the products most likely to be viewed next, out of what it has learned so far."""

    def rank(self, asked: Asked) -> Rows:
        """int32 (n, DEPTH) product numbers, best first; -1 where there are fewer."""


@numba.njit(cache=True)
def best_of(score, met, out):  # type: ignore[no-untyped-def]
    """The best of the products met, as many as out holds, -1 after them; clears their scores.

    Equal scores: the smaller number first. Numbers follow a hash, so that ties favour nothing in particular.
    """
    size = 0
    out[:] = -1
    for k in range(met.size):
        product, value = met[k], score[met[k]]
        if size == out.size:
            worst = out[size - 1]
            if value < score[worst] or (value == score[worst] and product > worst):
                continue
            size -= 1
        place = size
        while place > 0:
            above = out[place - 1]
            if score[above] > value or (score[above] == value and above < product):
                break
            out[place] = above
            place -= 1
        out[place] = product
        size += 1
    for k in range(met.size):
        score[met[k]] = 0.0
