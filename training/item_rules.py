"""Next products from single products: popularity, rules, item-item cosine, and the session's own products.

* popularity: the most viewed.
* association rules: products that share sessions with the newest product, once for each pair of views.
* sequential rules: products viewed within STEPS views after the newest product, each counting 1 / distance.
  Both: Kamehkhosh, Jannach & Ludewig 2017, "A comparison of frequent pattern techniques and a deep learning method for
  session-based recommendation"; STEPS as session-rec has it for RetailRocket.
* cosine: of the products' sessions, summed over the session's different products, themselves included. Sarwar et al.
  2001, "Item-based collaborative filtering recommendation algorithms".
* own items: the session's own, the newest first but the current one last; no model at all.

Counts are made when asked, from the store's lists. Rows further apart than REACH views are no pair, and at most NEWEST
views of a product are walked: without that one giant session would cost its square. No session of the shared shops
comes near the first; the second is felt by none of their products.
"""

from typing import Final

import numba
import numpy as np

from training.next_item import DEPTH, Asked, Rows, best_of
from training.session_store import SessionStore

STEPS: Final = 7
REACH: Final = 500
NEWEST: Final = 20_000


@numba.njit(cache=True)
def _rules(newest, steps, backward, state, score, met, out):  # type: ignore[no-untyped-def]
    """Answers by the newest product alone. steps: 0 for every pair within REACH counting 1."""
    for q in range(newest.size):
        n_met, walked, row = 0, 0, state.head[newest[q]]
        while row >= 0 and walked < NEWEST:
            begin, end = state.starts[state.of[row]], state.starts[state.of[row] + 1]
            reach = steps if steps > 0 else REACH
            first = max(begin, row - reach) if backward else row + 1
            for other in range(first, min(end, row + reach + 1)):
                if other == row:
                    continue
                product = state.item[other]
                if score[product] == 0.0:
                    met[n_met] = product
                    n_met += 1
                score[product] += 1.0 / abs(other - row) if steps > 0 else 1.0
            walked += 1
            row = state.before[row]
        best_of(score, met[:n_met], out[q])


@numba.njit(cache=True)
def _cosine(items, start, end, state, score, met, counted, stamp, out):  # type: ignore[no-untyped-def]
    """Answers by the summed cosine. counted: stamps by product, of the question's products and of each session's."""
    asked, once = counted
    for q in range(start.size):
        n_met = 0
        for i in range(start[q], end[q]):
            product = items[i]
            if asked[product] == stamp[0] + q:
                continue
            asked[product] = stamp[0] + q
            row, walked, session = state.head[product], 0, -1
            while row >= 0 and walked < NEWEST:
                if state.of[row] != session:
                    session = state.of[row]
                    stamp[1] += 1
                    begin, last = state.starts[session], state.starts[session + 1]
                    for other in range(max(begin, row - REACH), min(last, row + REACH + 1)):
                        third = state.item[other]
                        if once[third] == stamp[1]:
                            continue
                        once[third] = stamp[1]
                        if score[third] == 0.0:
                            met[n_met] = third
                            n_met += 1
                        score[third] += 1.0 / np.sqrt(state.sessions[product] * state.sessions[third])
                walked += 1
                row = state.before[row]
        best_of(score, met[:n_met], out[q])
    stamp[0] += start.size


@numba.njit(cache=True)
def _own(items, start, end, out):  # type: ignore[no-untyped-def]
    """The different products of each prefix, the newest first but the current one last."""
    for q in range(start.size):
        size, current = 0, items[end[q] - 1]
        out[q] = -1
        for i in range(end[q] - 1, start[q] - 1, -1):
            known = items[i] == current
            for k in range(size):
                known = known or out[q, k] == items[i]
            if not known and size < out.shape[1]:
                out[q, size] = items[i]
                size += 1
        if size < out.shape[1]:
            out[q, size] = current


class Rules:
    """Rules by the newest product: sequential, or of association."""

    def __init__(self, store: SessionStore, sequential: bool) -> None:
        self._store, self._sequential = store, sequential
        n = len(store.arrays.head)
        self._score, self._met = np.zeros(n), np.empty(n, np.int32)

    def rank(self, asked: Asked) -> Rows:
        """int32 (n, DEPTH) product numbers, best first; -1 where there are fewer."""
        out = np.empty((len(asked), DEPTH), np.int32)
        steps = STEPS if self._sequential else 0
        newest = asked.items[asked.end - 1]
        _rules(newest, steps, not self._sequential, self._store.arrays, self._score, self._met, out)
        return out


class Cosine:
    """Item-item cosine summed over the session."""

    def __init__(self, store: SessionStore) -> None:
        self._store = store
        n = len(store.arrays.head)
        self._score, self._met = np.zeros(n), np.empty(n, np.int32)
        self._counted, self._stamp = np.full((2, n), -1, np.int64), np.zeros(2, np.int64)

    def rank(self, asked: Asked) -> Rows:
        """int32 (n, DEPTH) product numbers, best first; -1 where there are fewer."""
        out = np.empty((len(asked), DEPTH), np.int32)
        work = (self._score, self._met, self._counted, self._stamp)
        _cosine(asked.items, asked.start, asked.end, self._store.arrays, *work, out)
        return out


class Popularity:
    """The same most viewed products for everyone."""

    def __init__(self, store: SessionStore) -> None:
        self._store, self._as_of = store, -1
        self._best = np.full(DEPTH, -1, np.int32)

    def rank(self, asked: Asked) -> Rows:
        """int32 (n, DEPTH) product numbers, best first; -1 where there are fewer."""
        if self._as_of != len(self._store):
            self._as_of, self._best = len(self._store), self._most_viewed()
        return np.tile(self._best, (len(asked), 1))

    def _most_viewed(self) -> Rows:
        views = self._store.arrays.views
        keys = views * len(views) + np.arange(len(views) - 1, -1, -1)  # equal counts: the smaller number
        best = np.argpartition(-keys, min(DEPTH, len(keys) - 1))[:DEPTH]
        best = best[np.argsort(-keys[best])]
        best = best[views[best] > 0]
        return np.concatenate([best, np.full(DEPTH - len(best), -1)]).astype(np.int32)


class OwnItems:
    """The session's own products."""

    def rank(self, asked: Asked) -> Rows:
        """int32 (n, DEPTH) product numbers, best first; -1 where there are fewer."""
        out = np.empty((len(asked), DEPTH), np.int32)
        _own(asked.items, asked.start, asked.end, out)
        return out
