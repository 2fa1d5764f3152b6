"""Trees laid out for QuickScorer (Lucchese et al. 2015): what a row's answer to each split leaves of a tree's leaves.

A split has a near child, the one most rows go to, and a far one. The leaves of a tree are numbered from 0, those below
a near child before those below the far one. A row that does not go near cannot reach the leaves below the near child
any more; of the leaves that are left when all splits were asked, the first is the one the row falls into.
"""

from dataclasses import dataclass
from typing import Final

import numba
import numpy as np
import numpy.typing as npt

from models.forest import Forest

LEAVES: Final = 32
"""Of a tree at most: a bit each."""

ALL: Final = np.uint32(0xFFFFFFFF)
DE_BRUIJN: Final = 0x077CB531
PLACE: Final = np.zeros(32, np.uint8)
"""The place of a number's only bit, by the upper five bits of its product with DE_BRUIJN (Leiserson et al. 1998)."""
for _bit in range(32):
    PLACE[((1 << _bit) * DE_BRUIJN & 0xFFFFFFFF) >> 27] = _bit


@numba.njit(cache=True, error_model="numpy")
def first_of(left, place):  # type: ignore[no-untyped-def]
    """The lowest bit of a uint32 that is not 0. place: PLACE."""
    bits = np.uint64(left)
    lowest = bits & (np.uint64(1 << 32) - bits)
    return place[((lowest * np.uint64(DE_BRUIJN)) & np.uint64(0xFFFFFFFF)) >> np.uint64(27)]


@dataclass(frozen=True, slots=True)
class Layout:
    """mask: uint32 (n,), of each node of the forest the leaves that not going near leaves. tree: int32 (n,), the
    node's. leaf: int32 (l,), places in Forest.leaf in the order of the numbers; first_leaf: int32 (t,), where a tree's
    begin.
    """

    mask: npt.NDArray[np.uint32]
    tree: npt.NDArray[np.int32]
    leaf: npt.NDArray[np.int32]
    first_leaf: npt.NDArray[np.int32]

    @classmethod
    def of(cls, forest: Forest, right_is_near: npt.NDArray[np.bool_] | None = None) -> "Layout | None":
        """None for a forest with a tree of more than LEAVES leaves. right_is_near: (n,), of the nodes; else the left
        child is the near one."""
        count = len(forest.nodes)
        near = np.zeros(count, np.bool_) if right_is_near is None else right_is_near
        made = cls(
            np.zeros(count, np.uint32),
            np.zeros(count, np.int32),
            np.zeros(len(forest.leaf), np.int32),
            np.zeros(len(forest.roots), np.int32),
        )
        fits = _lay_out(
            forest.nodes["left"].copy(),
            forest.nodes["right"].copy(),
            forest.roots,
            near,
            made.mask,
            made.tree,
            made.leaf,
            made.first_leaf,
        )
        return made if fits else None


@numba.njit(cache=True, error_model="numpy")
def _lay_out(left, right, roots, right_is_near, mask, tree_of, leaf, first_leaf):  # type: ignore[no-untyped-def]
    """Fills a Layout's arrays, each tree's nodes from the near child to the far one. False: a tree has too many leaves.

    waiting: nodes to go on with. before: how many leaves came before one whose near child is done, else -1.
    """
    waiting, before = np.empty(2 * LEAVES + 2, np.int64), np.empty(2 * LEAVES + 2, np.int64)
    total = 0
    for tree in range(roots.size):
        first_leaf[tree] = total
        waiting[0], before[0], top = roots[tree], -1, 1
        while top:
            top -= 1
            node, began, here = waiting[top], before[top], total - first_leaf[tree]
            if node < 0:
                if here == LEAVES:
                    return False
                leaf[total] = -1 - node
                total += 1
            elif began < 0:
                if top > 2 * LEAVES - 2:
                    return False
                waiting[top], before[top] = node, here
                waiting[top + 1], before[top + 1] = right[node] if right_is_near[node] else left[node], -1
                top += 2
            else:
                below = (np.uint64(1) << np.uint64(here)) - (np.uint64(1) << np.uint64(began))
                mask[node] = ALL & ~np.uint32(below)
                tree_of[node] = tree
                waiting[top], before[top] = left[node] if right_is_near[node] else right[node], -1
                top += 1
    return True
