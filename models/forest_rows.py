"""A forest walked for many rows at once, split by split instead of step by step (QuickScorer, Lucchese et al. 2015).

Each split knows which leaves of its tree a row cannot reach that does not go left; what is left when all splits of the
tree were asked is, from left to right, first the leaf the row falls into. So a tree is 30 comparisons of a column with
a number, of many rows each in a few instructions, without a jump that could be guessed wrong, and read from memory in
order. Equal to Forest.predict bit by bit: the same leaves, added in the same order.
"""

from dataclasses import dataclass
from typing import Final

import numba
import numpy as np
import numpy.typing as npt

from models.forest import Forest
from models.forest_layout import ALL, PLACE, Layout, first_of

Floats = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int32]

_SPLIT: Final = np.dtype([("threshold", "<f4"), ("feature", "<u2"), ("unknown", "<u2"), ("mask", "<u4")])
"""threshold, feature, unknown: as models.forest.NODE. mask: a bit for each leaf that not going left can still reach."""


_ROWS: Final = 64
"""So many are asked at once: a number that is known when this is compiled needs no care for what is left over."""


@numba.njit(cache=True, error_model="numpy")
def _ask(column, threshold, unknown, mask, left):  # type: ignore[no-untyped-def]
    """Takes from `left` the leaves that each of _ROWS rows cannot reach any more after one split."""
    for row in range(_ROWS):
        value = column[row]
        goes_left = (value <= threshold) | ((value != value) & unknown)
        left[row] &= ALL if goes_left else mask


@numba.njit(cache=True, error_model="numpy")
def _add(x, splits, first_split, outputs, leaf, first_leaf, place, out):  # type: ignore[no-untyped-def]
    """Adds each row's leaves to out (K, n)."""
    columns, left = np.zeros((x.shape[1], _ROWS), np.float32), np.empty(_ROWS, np.uint32)
    for first in range(0, x.shape[0], _ROWS):
        count = min(_ROWS, x.shape[0] - first)
        for row in range(count):
            for column in range(x.shape[1]):
                columns[column, row] = x[first + row, column]
        for tree in range(first_leaf.size):
            left[:] = ALL
            for at in range(first_split[tree], first_split[tree + 1]):
                split = splits[at]
                _ask(columns[split.feature], split.threshold, split.unknown != 0, split.mask, left)
            said, begin = out[outputs[tree]], first_leaf[tree]
            for row in range(count):
                said[first + row] += leaf[begin + first_of(left[row], place)]


@dataclass(frozen=True, slots=True)
class ForestRows:
    """splits: _SPLIT (n,), tree after tree; first_split: int32 (t + 1,). outputs: int32 (t,), which score each tree
    adds to. leaf: float64 (l,), each tree's from left to right; first_leaf: int32 (t,)."""

    columns: int
    splits: npt.NDArray[np.void]
    first_split: Rows
    outputs: Rows
    leaf: Floats
    first_leaf: Rows

    @classmethod
    def of(cls, forest: Forest, outputs: Rows | None = None) -> "ForestRows | None":
        """None for a forest of several outputs where it is not said which tree is of which, or with a tree of more than
        forest_layout.LEAVES leaves."""
        layout = Layout.of(forest) if outputs is not None or forest.outputs == 1 else None
        if layout is None:
            return None
        trees = len(forest.roots)
        order = np.argsort(layout.tree, kind="stable")
        splits = np.empty(order.size, _SPLIT)
        for name in ("threshold", "feature", "unknown"):
            splits[name] = forest.nodes[name][order]
        splits["mask"] = layout.mask[order]
        first_split = np.append(0, np.cumsum(np.bincount(layout.tree, minlength=trees))).astype(np.int32)
        of = np.zeros(trees, np.int32) if outputs is None else outputs
        return cls(len(forest.names), splits, first_split, of, forest.leaf[layout.leaf], layout.first_leaf)

    def predict(self, x: Matrix) -> Floats:
        """As Forest.predict."""
        if x.ndim != 2 or x.shape[1] != self.columns:
            raise ValueError(f"a matrix of {self.columns} columns was expected, not shape {x.shape}")
        found: Floats = self.scores(x, 1)[0]
        return found

    def scores(self, x: Matrix, outputs: int) -> Floats:
        """The raw scores of each row, (outputs, n)."""
        out = np.zeros((outputs, len(x)))
        _add(x, self.splits, self.first_split, self.outputs, self.leaf, self.first_leaf, PLACE, out)
        return out
