"""A forest walked for many rows at once, split by split instead of step by step (QuickScorer, Lucchese et al. 2015).

Each split knows which leaves of its tree a row cannot reach that does not go left; what is left when all splits of the
tree were asked is, from left to right, first the leaf the row falls into. So a tree is 30 comparisons of a column with
a number, of many rows each in a few instructions, without a jump that could be guessed wrong, and read from memory in
order. Equal to Forest.predict bit by bit: the same leaves, added in the same order.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from models.forest import Forest

Floats = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int32]

LEAVES: Final = 32
"""Of a tree at most: a bit each."""

_ALL: Final = np.uint32(0xFFFFFFFF)
_SPLIT: Final = np.dtype([("threshold", "<f4"), ("feature", "<u2"), ("unknown", "<u2"), ("mask", "<u4")])
"""threshold, feature, unknown: as models.forest.NODE. mask: a bit for each leaf that not going left can still reach."""

_DE_BRUIJN: Final = 0x077CB531
_PLACE: Final = np.zeros(32, np.uint8)
"""The place of a number's only bit, by the upper five bits of its product with _DE_BRUIJN (Leiserson et al. 1998)."""
for _bit in range(32):
    _PLACE[((1 << _bit) * _DE_BRUIJN & 0xFFFFFFFF) >> 27] = _bit


@numba.njit(cache=True, error_model="numpy")
def _ask(column, threshold, unknown, mask, left):  # type: ignore[no-untyped-def]
    """Takes from `left` the leaves that each row cannot reach any more after one split."""
    for row in range(left.size):
        value = column[row]
        goes_left = (value <= threshold) | ((value != value) & unknown)
        left[row] &= _ALL if goes_left else mask


@numba.njit(cache=True, error_model="numpy")
def _add(x, splits, first_split, leaf, first_leaf, place, out):  # type: ignore[no-untyped-def]
    """Adds each row's leaves to out (n,)."""
    columns = np.empty((x.shape[1], x.shape[0]), np.float32)
    for row in range(x.shape[0]):
        for column in range(x.shape[1]):
            columns[column, row] = x[row, column]
    left = np.empty(x.shape[0], np.uint32)
    for tree in range(first_leaf.size):
        left[:] = _ALL
        for at in range(first_split[tree], first_split[tree + 1]):
            split = splits[at]
            _ask(columns[split.feature], split.threshold, split.unknown != 0, split.mask, left)
        for row in range(out.size):
            bits = np.uint64(left[row])
            lowest = bits & (np.uint64(1 << 32) - bits)
            hashed = (lowest * np.uint64(_DE_BRUIJN)) & np.uint64(0xFFFFFFFF)
            out[row] += leaf[first_leaf[tree] + place[hashed >> np.uint64(27)]]


@dataclass(frozen=True, slots=True)
class ForestRows:
    """splits: _SPLIT (n,), tree after tree; first_split: int32 (t + 1,). leaf: float64 (l,), each tree's from left to
    right; first_leaf: int32 (t,)."""

    columns: int
    splits: npt.NDArray[np.void]
    first_split: Rows
    leaf: Floats
    first_leaf: Rows

    @classmethod
    def of(cls, forest: Forest) -> "ForestRows | None":
        """None for a forest of several outputs, or with a tree of more than LEAVES leaves."""
        if forest.outputs != 1:
            return None
        trees = [_Tree([], []) for _ in forest.roots]
        try:
            for tree, root in zip(trees, forest.roots.tolist(), strict=True):
                tree.lay_out(forest, root)
        except _TooMany:
            return None
        splits = np.array([split for tree in trees for split in tree.splits], _SPLIT)
        leaves = np.array([leaf for tree in trees for leaf in tree.leaves], np.int64)
        first_split = np.cumsum([0, *(len(tree.splits) for tree in trees)], dtype=np.int32)
        first_leaf = np.cumsum([0, *(len(tree.leaves) for tree in trees)], dtype=np.int32)[:-1]
        return cls(len(forest.names), splits, first_split, forest.leaf[leaves], first_leaf)

    def predict(self, x: Matrix) -> Floats:
        """As Forest.predict."""
        if x.ndim != 2 or x.shape[1] != self.columns:
            raise ValueError(f"a matrix of {self.columns} columns was expected, not shape {x.shape}")
        out = np.zeros(len(x))
        _add(x, self.splits, self.first_split, self.leaf, self.first_leaf, _PLACE, out)
        return out


class _TooMany(Exception):
    """A tree has more than LEAVES leaves."""


class _Tree(NamedTuple):
    """One tree being laid out. splits: as _SPLIT. leaves: their places in Forest.leaf, from left to right."""

    splits: list[tuple[float, int, int, int]]
    leaves: list[int]

    def lay_out(self, forest: Forest, node: int) -> int:
        """Appends a node, what is left of it and what is right; bits of the leaves below it. Raises _TooMany."""
        if node < 0:
            self.leaves.append(-1 - node)
            return 1 << (len(self.leaves) - 1)
        split, at = forest.nodes[node], len(self.splits)
        if at == LEAVES - 1:
            raise _TooMany
        self.splits.append((0.0, 0, 0, 0))
        left, right = (self.lay_out(forest, int(split[side])) for side in ("left", "right"))
        unreached = int(_ALL) & ~left
        self.splits[at] = (float(split["threshold"]), int(split["feature"]), int(split["unknown"]), unreached)
        return left | right
