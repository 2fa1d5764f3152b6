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

import numpy as np
import numpy.typing as npt

from features.table import HashIndex
from models.item_index import read_only

Hashes = npt.NDArray[np.uint64]
Vectors = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int32]
Alike = tuple[Hashes, Rows, Rows, Hashes]
"""Hash table of the products, the rows of those like each, and the hashes, read-only: of one type to the compiler."""


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
        seen = self.vectors[rows].astype(np.float64)
        system = self._base + (self.alpha - 1.0) * (seen.T @ seen)
        found = np.linalg.solve(system, self.alpha * seen.sum(axis=0))
        return np.asarray(found, np.float32)

    def scores(self, seen: Hashes, items: Hashes) -> tuple[Vectors, Vectors]:
        """Of each item: what the folded-in visitor gives it, and its cosine to the newest product seen.

        seen: uint64 (m,) in time order. Shapes (n,); NaN where the item, or all that was seen, has no factors.
        """
        score, alike = np.full(len(items), np.nan, np.float32), np.full(len(items), np.nan, np.float32)
        rows = self.rows_of(seen)
        known = rows[rows >= 0]
        if known.size:
            at = self.rows_of(items)
            has = at >= 0
            chosen = self.vectors[at[has]]
            score[has] = chosen @ self.fold_in(np.unique(known))
            alike[has] = chosen @ self.vectors[known[-1]] / (self._lengths[at[has]] * self._lengths[known[-1]])
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
