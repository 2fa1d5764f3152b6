"""What products are like, learned offline by `implicit`: factors of each, and the visitor's, folded in.

The fold-in is that of implicit's AlternatingLeastSquares with recalculate_user=True (Hu, Koren & Volinsky 2008,
"Collaborative filtering for implicit feedback datasets"): the visitor's factors x solve
(Y'Y + reg I + sum (c - 1) y y') x = sum c y over their products' factors y with confidence c = alpha. Products that
came after the training have no factors.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt

from features.table import HashIndex, find
from models.item_index import read_only

Hashes = npt.NDArray[np.uint64]
Vectors = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int32]
Alike = tuple[Hashes, Rows, Rows, Hashes]
"""Hash table of the products, the rows of those like each, and the hashes, read-only: of one type to the compiler."""


@numba.njit(cache=True)
def _look_up(slots, numbers, vectors, seen, items, seen_vectors, chosen, places, rows):  # type: ignore[no-untyped-def]
    """The vectors of what was seen, each product once, by row, into seen_vectors; those of the items that have any into
    chosen, their places and rows into places and rows. How many of each, and the row of the newest product seen."""
    n, newest = 0, -1
    for i in range(seen.size):
        row = find(slots, numbers, seen[i]) if seen[i] != 0 else -1
        if row >= 0:
            rows[n] = newest = row
            n += 1
    rows[:n].sort()
    different = 0
    for i in range(n):
        if i == 0 or rows[i] != rows[i - 1]:
            for k in range(vectors.shape[1]):
                seen_vectors[different, k] = vectors[rows[i], k]
            different += 1
    known = 0
    for i in range(items.size):
        row = find(slots, numbers, items[i]) if items[i] != 0 else -1
        if row >= 0:
            places[known], rows[known] = i, row
            for k in range(vectors.shape[1]):
                chosen[known, k] = vectors[row, k]
            known += 1
    return different, known, newest


@numba.njit(cache=True)
def _weigh(base, alpha, seen, system, right):  # type: ignore[no-untyped-def]
    """Makes the products of the vectors seen, `system`, the system to solve, and right, zeros, its right side."""
    for i in range(right.size):
        for k in range(seen.shape[0]):
            right[i] += seen[k, i]
        right[i] *= alpha
        for j in range(right.size):
            system[i, j] = base[i, j] + (alpha - 1.0) * system[i, j]


@numba.njit(cache=True)
def _lay_out(given, common, lengths, newest, places, rows, score, alike):  # type: ignore[no-untyped-def]
    """What was found of the items that have factors, to where they stand; from products to cosines."""
    for k in range(given.size):
        score[places[k]] = given[k]
        alike[places[k]] = common[k] / (lengths[rows[k]] * lengths[newest])


@dataclass(frozen=True)
class ItemFactors:
    """hashes: uint64 (n,), of the products. vectors: float32 (n, f). similar: int32 (n, k), rows of the products most
    like each, -1 for none. regularization, alpha: as implicit has them."""

    hashes: Hashes
    vectors: Vectors
    similar: Rows
    regularization: float
    alpha: float

    def __post_init__(self) -> None:
        n = len(self.hashes)
        if self.vectors.ndim != 2 or len(self.vectors) != n or self.similar.ndim != 2 or len(self.similar) != n:
            raise ValueError("item factors: hashes, vectors and similar do not fit each other")
        if n and not -1 <= int(self.similar.min(initial=-1)) <= int(self.similar.max(initial=-1)) < n:
            raise ValueError(f"item factors: similar point outside the {n} products")
        if not bool(np.all(np.isfinite(self.vectors))) or not self.regularization > 0 or not self.alpha > 0:
            raise ValueError("item factors: not all finite, or a weight that is not positive")

    @cached_property
    def _table(self) -> HashIndex:
        return HashIndex.of(self.hashes)

    @cached_property
    def alike(self) -> Alike:
        """What models.finding.rows_alike reads."""
        return _alike(self._table, self.similar, self.hashes)

    @cached_property
    def _base(self) -> npt.NDArray[np.float64]:
        vectors = self.vectors.astype(np.float64)
        return np.asarray(vectors.T @ vectors + self.regularization * np.eye(vectors.shape[1]))

    @cached_property
    def _lengths(self) -> Vectors:
        return np.asarray(np.maximum(np.linalg.norm(self.vectors, axis=1), 1e-9), np.float32)

    def rows_of(self, items: Hashes) -> Rows:
        """The products' rows, -1 where they have no factors."""
        return self._table.find(items)

    def fold_in(self, rows: Rows) -> Vectors:
        """The factors of a visitor who saw the products, each once. rows: int32 (m,) >= 0 -> float32 (f,)."""
        return self._folded(self.vectors[rows].astype(np.float64))

    def _folded(self, seen: npt.NDArray[np.float64]) -> Vectors:
        """The same by their vectors, (m, f)."""
        system, right = seen.T @ seen, np.zeros(seen.shape[1])
        _weigh(self._base, self.alpha, seen, system, right)
        return np.asarray(np.linalg.solve(system, right), np.float32)

    def scores(self, seen: Hashes, items: Hashes) -> tuple[Vectors, Vectors]:
        """Of each item: what the folded-in visitor gives it, and its cosine to the newest product seen.

        seen: uint64 (m,) in time order. Shapes (n,); NaN where the item, or all that was seen, has no factors.
        """
        n, f, table = len(items), self.vectors.shape[1], self._table
        score, alike = np.full(n, np.nan, np.float32), np.full(n, np.nan, np.float32)
        vectors, chosen = np.empty((len(seen), f)), np.empty((n, f), np.float32)
        places, rows = np.empty(n, np.int32), np.empty(max(n, len(seen)), np.int32)
        different, known, newest = _look_up(
            table.slots, table.rows, self.vectors, seen, items, vectors, chosen, places, rows
        )
        if different and known:
            chosen = chosen[:known]
            given, common = chosen @ self._folded(vectors[:different]), chosen @ self.vectors[newest]
            _lay_out(given, common, self._lengths, newest, places, rows, score, alike)
        return score, alike

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Arrays for an .npz file."""
        settings = np.array([self.regularization, self.alpha])
        return {"hashes": self.hashes, "vectors": self.vectors, "similar": self.similar, "settings": settings}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> "ItemFactors":
        """The inverse of to_arrays. Raises KeyError or ValueError where the arrays do not fit."""
        regularization, alpha = np.asarray(arrays["settings"], np.float64).tolist()
        vectors = np.asarray(arrays["vectors"], np.float32)
        similar = np.asarray(arrays["similar"], np.int32)
        return cls(np.asarray(arrays["hashes"], np.uint64), vectors, similar, regularization, alpha)


def _alike(table: HashIndex, similar: Rows, hashes: Hashes) -> Alike:
    slots, numbers = read_only(table.slots), read_only(table.rows)
    return slots, numbers, read_only(np.ascontiguousarray(similar, np.int32)), read_only(hashes)


NOTHING_ALIKE: Final = _alike(HashIndex.of(np.empty(0, np.uint64)), np.empty((0, 0), np.int32), np.empty(0, np.uint64))
"""As ItemFactors.alike, of no product."""
