"""Next products from factors: those most like the newest product with any, of implicit's alternating least squares.

Hu, Koren & Volinsky 2008, "Collaborative filtering for implicit feedback datasets". Learned once: there is no published
way to add a session as it ends, so there is no prequential figure.
"""

import warnings
from typing import Final

import numba
import numpy as np
import numpy.typing as npt
from implicit.als import AlternatingLeastSquares
from implicit.utils import ParameterWarning
from scipy.sparse import csr_matrix

from training.next_item import DEPTH, Asked, Rows, Sessions

FACTORS: Final = 64
_BLOCK: Final = 512


@numba.njit(cache=True)
def _newest_known(items, start, end, place):  # type: ignore[no-untyped-def]
    """The newest product of each prefix that has factors, -1 for none."""
    found = np.full(start.size, -1, np.int64)
    for q in range(start.size):
        for i in range(end[q] - 1, start[q] - 1, -1):
            if place[items[i]] >= 0:
                found[q] = items[i]
                break
    return found


class AlsItems:
    """A NextItem of the given sessions, by the cosine of factors with the newest known product, itself included."""

    def __init__(self, products: int, sessions: Sessions, seed: int) -> None:
        self._known = np.unique(sessions.items)
        self._place = np.full(products, -1, np.int64)
        self._place[self._known] = np.arange(len(self._known))
        self._factors = _factors(sessions, self._place, len(self._known), seed)

    def rank(self, asked: Asked) -> Rows:
        """int32 (n, DEPTH) product numbers, best first; -1 where there are fewer."""
        newest, back = np.unique(_newest_known(asked.items, asked.start, asked.end, self._place), return_inverse=True)
        best = np.full((len(newest), DEPTH), -1, np.int32)
        rows = np.flatnonzero(newest >= 0)
        for begin in range(0, len(rows), _BLOCK):
            some = rows[begin : begin + _BLOCK]
            best[some] = self._most_alike(self._place[newest[some]])
        return np.asarray(best[back])

    def _most_alike(self, places: npt.NDArray[np.int64]) -> Rows:
        scores = self._factors[places] @ self._factors.T
        depth = min(DEPTH, len(self._known))
        top = np.sort(np.argpartition(-scores, depth - 1, axis=1)[:, :depth], axis=1)  # equal: the smaller number
        order = np.argsort(-np.take_along_axis(scores, top, 1), axis=1, kind="stable")
        found = self._known[np.take_along_axis(top, order, 1)]
        return np.pad(found, ((0, 0), (0, DEPTH - depth)), constant_values=-1).astype(np.int32)


def _factors(sessions: Sessions, place: npt.NDArray[np.int64], products: int, seed: int) -> npt.NDArray[np.float32]:
    """Unit vectors (products, FACTORS) of session x product counts of views."""
    if not products:
        return np.zeros((0, FACTORS), np.float32)
    row = np.repeat(np.arange(len(sessions)), np.diff(sessions.edges))
    ones = np.ones(len(row), np.float32)
    counts = csr_matrix((ones, (row, place[sessions.items])), shape=(len(sessions), products))
    model = AlternatingLeastSquares(factors=FACTORS, random_state=seed, num_threads=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ParameterWarning)
        model.fit(counts, show_progress=False)
    factors = np.asarray(model.item_factors)
    unit: npt.NDArray[np.float32] = factors / np.maximum(np.linalg.norm(factors, axis=1, keepdims=True), 1e-12)
    return unit
