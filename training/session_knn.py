"""Next products from the sessions most like this one: VS-KNN, STAN and VSTAN, written anew from their papers.

All three take the newest `sample` sessions that share a product with the session so far, keep the `neighbours` most
similar and add up, product by product, what these hold. They differ in what counts how much:

* VS-KNN: a product of the session counts by its position (k-th of n: k / n), a neighbour's products by how lately the
  session met one of them (1 for its newest view, 1/2 for the one before). Ludewig & Jannach 2018, "Evaluation of
  session-based recommendation algorithms".
* STAN: cosine with exponentially fading positions, fading with the neighbour's age and with the distance of a
  neighbour's product from the last one that both share. Garg et al. 2019, "Sequence and time aware neighborhood for
  session-based recommendations".
* VSTAN: STAN with VS-KNN's weight of the newest shared product, and rare products count more. Ludewig et al. 2021,
  "Empirical analysis of session-based recommendation algorithms".

Similarities are added up along each product's list of sessions, newest first, as in VMIS-kNN (Kersbergen et al. 2022,
"Serenade"); the result is the same as comparing sessions one by one. Equally similar neighbours: the newer first.

The constants are session-rec's for RetailRocket (github.com/rn5l/session-rec, window_retailr_*.yml, tuned for hit
rate there; VS-KNN as its class has them). They are used for every shop.
"""

from typing import Final, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from training.next_item import DEPTH, Asked, Ints, Rows, best_of
from training.session_store import SessionStore, grown

DAY_MS: Final = 86_400_000


class Weights(NamedTuple):
    """What counts how much.

    neighbours: sessions that are added up; sample: newest sessions that are compared. fading: exponential positions
    and cosine (STAN) rather than linear and a plain sum (VS-KNN). How slowly things fade by 1/e: position, of the
    session's own products, views; age_days, of a neighbour; distance, of a neighbour's products, views; shared, of
    the newest shared product, views, 0 for not at all. rare: how much inverse document frequency adds.
    """

    neighbours: int
    sample: int
    fading: bool = False
    position: float = 1.0
    age_days: float = 1.0
    distance: float = 1.0
    shared: float = 0.0
    rare: float = 0.0


VSKNN: Final = Weights(neighbours=100, sample=1000)
STAN: Final = Weights(200, 5000, True, position=3.62, age_days=40.0, distance=7.24)
VSTAN: Final = Weights(500, 1000, True, position=7.24, age_days=100.0, distance=3.62, shared=3.62, rare=1.0)


class Scratch(NamedTuple):
    """Room to work in, kept between questions: by product weight, newest (views back, 0 for none), counted (stamp of
    the neighbour that it last counted for), score, met; by session dot and touched; stamp: one number."""

    weight: npt.NDArray[np.float64]
    newest: Ints
    counted: Ints
    score: npt.NDArray[np.float64]
    met: Rows
    dot: npt.NDArray[np.float64]
    touched: Rows
    stamp: Ints


@numba.njit(cache=True)
def _overlaps(prefix, w, state, x):  # type: ignore[no-untyped-def]
    """Adds to `dot` of each session that shares a product; how many, how many products, their squared length."""
    found, distinct, square, n = 0, 0, 0.0, prefix.size
    for back in range(n):  # newest first: a product counts where it was viewed last
        product = prefix[n - 1 - back]
        if x.newest[product] > 0:
            continue
        x.newest[product] = back + 1
        x.weight[product] = np.exp(-back / w.position) if w.fading else (n - back) / n
        distinct += 1
        square += x.weight[product] ** 2
        row, taken, session = state.head[product], 0, -1
        while row >= 0 and taken < w.sample:
            if state.of[row] != session:
                session = state.of[row]
                if x.dot[session] == 0.0:
                    x.touched[found] = session
                    found += 1
                x.dot[session] += x.weight[product]
                taken += 1
            row = state.before[row]
    return found, distinct, square


@numba.njit(cache=True)
def _most(like, sessions, keep):  # type: ignore[no-untyped-def]
    """Places of the `keep` largest; of equals the newest sessions."""
    least = np.partition(like, like.size - keep)[like.size - keep]
    above, equal = np.flatnonzero(like > least), np.flatnonzero(like == least)
    return np.concatenate((above, equal[np.argsort(-sessions[equal])][: keep - above.size]))


@numba.njit(cache=True)
def _neighbours(prefix, now_ms, w, state, x):  # type: ignore[no-untyped-def]
    """The most similar sessions and how similar they are. Leaves `dot` all zero, `newest` set for the prefix."""
    found, distinct, square = _overlaps(prefix, w, state, x)
    sessions = x.touched[:found].copy()
    if found > w.sample:
        sessions = np.sort(sessions)[found - w.sample :]  # numbers rise with the session's end
    like = np.empty(sessions.size)
    for k in range(sessions.size):
        session = sessions[k]
        if w.fading:
            age_ms = max(now_ms - state.end_ms[session], 0)
            cosine = x.dot[session] / np.sqrt(square * state.distinct[session])
            like[k] = cosine * np.exp(-age_ms / (w.age_days * DAY_MS))
        else:
            like[k] = x.dot[session] / distinct
    for k in range(found):
        x.dot[x.touched[k]] = 0.0
    if sessions.size > w.neighbours:
        places = _most(like, sessions, w.neighbours)
        return sessions[places], like[places]
    return sessions, like


@numba.njit(cache=True)
def _add_products(session, like, known, w, state, x, n_met):  # type: ignore[no-untyped-def]
    """Adds what a neighbour's products score; how many products were met."""
    begin, end = state.starts[session], state.starts[session + 1]
    star, step = -1, 1 << 60
    for row in range(begin, end):
        back = x.newest[state.item[row]]
        if back > 0:
            star, step = row, min(step, back)  # star: the last shared view
    if not w.fading:
        like /= step
    elif w.shared > 0:
        like *= np.exp(-(step - 1) / w.shared)
    x.stamp[0] += 1
    for row in range(end - 1, begin - 1, -1):
        product = state.item[row]
        if x.counted[product] == x.stamp[0]:  # its last view has counted
            continue
        x.counted[product] = x.stamp[0]
        value = like * np.exp(-abs(row - star) / w.distance) if w.fading else like
        if w.rare > 0:
            value += value * w.rare * np.log(known / state.views[product])
        if x.score[product] == 0.0:
            x.met[n_met] = product
            n_met += 1
        x.score[product] += value
    return n_met


@numba.njit(cache=True)
def _rank(items, start, end, now_ms, known, w, state, x, out):  # type: ignore[no-untyped-def]
    """The best products of each question into out. known: how many sessions there are."""
    for q in range(start.size):
        prefix = items[start[q] : end[q]]
        sessions, like = _neighbours(prefix, now_ms[q], w, state, x)
        n_met = 0
        for k in range(sessions.size):
            n_met = _add_products(sessions[k], like[k], known, w, state, x, n_met)
        best_of(x.score, x.met[:n_met], out[q])
        for i in range(prefix.size):
            x.newest[prefix[i]] = 0


class SessionKnn:
    """A NextItem that reads a store, which may go on learning."""

    def __init__(self, store: SessionStore, weights: Weights) -> None:
        self._store, self._weights = store, weights
        n = len(store.arrays.head)
        by_product = (np.zeros(n), np.zeros(n, np.int64), np.full(n, -1, np.int64), np.zeros(n), np.empty(n, np.int32))
        self._scratch = Scratch(*by_product, np.zeros(1024), np.zeros(1024, np.int32), np.zeros(1, np.int64))

    def rank(self, asked: Asked) -> Rows:
        """int32 (n, DEPTH) product numbers, best first; -1 where there are fewer."""
        x, known = self._scratch, len(self._store)
        self._scratch = x = x._replace(dot=grown(x.dot, known), touched=grown(x.touched, known))
        out = np.empty((len(asked), DEPTH), np.int32)
        _rank(asked.items, asked.start, asked.end, asked.now_ms, known, self._weights, self._store.arrays, x, out)
        return out
