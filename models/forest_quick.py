"""A forest asked about one row without walking: feature by feature, the splits at which the row goes the rarer way.

QuickScorer (Lucchese et al. 2015) with the near child of each split on the side to which more rows went in training:
then a row goes far at a quarter of the splits only. Those of a feature stand in the order of their thresholds, so that
a value's are at the beginning; they are read in order, where a walk jumps from node to node. Equal to a walk bit by
bit: the same leaves, added in the same order.
"""

from dataclasses import dataclass
from typing import Any, Final, Self

import numba
import numpy as np
import numpy.typing as npt

from models.forest import Forest
from models.forest_layout import ALL, Layout, first_of

Floats = npt.NDArray[np.float64]

MOST_TREES: Final = 1 << 16

_FEATURE, _THRESHOLD, _THRESHOLDS, _ABOVE, _BELOW, _UNKNOWN, _END = range(7)
"""Columns of QuickForest.features: the feature, its first threshold, how many it has, where its splits begin that a
larger value leaves, a value that is not larger, and an unknown one; and where they end."""


@numba.njit(cache=True, error_model="numpy")
def _leave(splits, begin, end, left):  # type: ignore[no-untyped-def]
    """Takes from `left` what some splits leave."""
    for at in range(begin, end):
        split = splits[at]
        left[split & np.uint64(0xFFFF)] &= np.uint32(split >> np.uint64(32))


@numba.njit(cache=True, error_model="numpy")
def reachable(x, features, thresholds, ends, splits, left):  # type: ignore[no-untyped-def]
    """The leaves of each tree that a vector x (N,) can reach, into left: uint32 (t,)."""
    left[:] = ALL
    for k in range(features.shape[0]):
        value = x[features[k, _FEATURE]]
        if value != value:
            _leave(splits, features[k, _UNKNOWN], features[k, _END], left)
            continue
        low, many = features[k, _THRESHOLD], features[k, _THRESHOLDS]
        while many > 1:  # how many thresholds are smaller: a search without a jump that could be guessed wrong
            half = many >> 1
            low += half if thresholds[low + half - 1] < value else 0
            many -= half
        rank = low + k + (1 if thresholds[low] < value else 0)
        _leave(splits, features[k, _ABOVE], ends[rank, 0], left)
        _leave(splits, features[k, _BELOW], ends[rank, 1], left)


@numba.njit(cache=True, error_model="numpy")
def add_leaves(left, first, last, leaf, first_leaf, place, out):  # type: ignore[no-untyped-def]
    """Adds the leaf reached of each tree from `first` to `last` to out (K,), tree i's to output i - first modulo K."""
    k = 0
    for tree in range(first, last):
        out[k] += leaf[first_leaf[tree] + first_of(left[tree], place)]
        k += 1
        if k == out.size:
            k = 0


@dataclass(frozen=True, slots=True)
class QuickForest:
    """features: int64 (f, 7), see the columns' names. thresholds: float32, each feature's as they rise. ends: int64
    (.., 2), for each number of thresholds below a value, from none to all, where the splits end that a row goes far at
    because the value is above them, and because it is not. splits: uint64, in that order, the tree in the low 16 bits
    and the mask in the high 32. leaf, first_leaf: as Layout has them, with the leaves' values.
    arrays: all of them, what `reachable` reads and then what `add_leaves` does."""

    arrays: tuple[Any, ...]

    @classmethod
    def of(cls, forest: Forest) -> Self | None:
        """None for more than MOST_TREES trees, one of more than forest_layout.LEAVES leaves, a split at NaN."""
        nodes = forest.nodes
        right_is_near = nodes["heavier"] == 1
        known = len(forest.roots) <= MOST_TREES and not np.isnan(nodes["threshold"]).any()
        layout = Layout.of(forest, right_is_near) if known else None
        if layout is None:
            return None
        some = [_features(nodes[at], right_is_near[at], at) for at in _by_feature(nodes)]
        return cls((*_joined(some, layout), forest.leaf[layout.leaf], layout.first_leaf))


@dataclass(frozen=True, slots=True)
class _Feature:
    """The splits on one feature. nodes: of the forest, by section: above, below, unknown. ends: (thresholds + 1, 2)."""

    number: int
    thresholds: npt.NDArray[np.float32]
    nodes: tuple[npt.NDArray[np.int64], ...]
    ends: npt.NDArray[np.int64]


def _by_feature(nodes: npt.NDArray[np.void]) -> list[npt.NDArray[np.int64]]:
    """Places of the nodes that split on each feature in use, as features rise."""
    order = np.argsort(nodes["feature"], kind="stable")
    changes = np.flatnonzero(np.diff(nodes["feature"][order])) + 1
    return [at for at in np.split(order, changes) if at.size]


def _features(nodes: npt.NDArray[np.void], right_is_near: npt.NDArray[np.bool_], at: npt.NDArray[np.int64]) -> _Feature:
    """at: the nodes' places in the forest."""
    threshold, unique = nodes["threshold"], np.unique(nodes["threshold"])
    above = np.flatnonzero(~right_is_near)
    below = np.flatnonzero(right_is_near)
    above = above[np.argsort(threshold[above], kind="stable")]
    below = below[np.argsort(-threshold[below], kind="stable")]
    unknown = np.flatnonzero((nodes["unknown"] != 0) == right_is_near)
    passed = np.searchsorted(threshold[above], unique, side="right")
    left_out = np.searchsorted(-threshold[below], -unique, side="right")  # of those, which are not above the value
    ends = np.column_stack([np.append(0, passed), np.append(left_out, 0)])
    return _Feature(int(nodes["feature"][0]), unique, (at[above], at[below], at[unknown]), ends)


def _joined(some: list[_Feature], layout: Layout) -> tuple[Any, ...]:
    """The arrays of QuickForest but for the leaves'."""
    table, ends, order = [], [np.empty((0, 2), np.int64)], [np.empty(0, np.int64)]
    threshold = split = 0
    for one in some:
        sections = split + np.cumsum([0, *(nodes.size for nodes in one.nodes)])
        table.append((one.number, threshold, one.thresholds.size, *sections.tolist()))
        ends.append(one.ends + sections[:2])
        order.extend(one.nodes)
        threshold, split = threshold + one.thresholds.size, int(sections[-1])
    nodes = np.concatenate(order)
    return (
        np.array(table, np.int64).reshape(-1, _END + 1),
        np.concatenate([np.empty(0, np.float32), *(one.thresholds for one in some)]),
        np.concatenate(ends),
        layout.mask[nodes].astype(np.uint64) << np.uint64(32) | layout.tree[nodes].astype(np.uint64),
    )
