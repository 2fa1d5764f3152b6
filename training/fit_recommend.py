"""The recommender's index: items that sessions touched together (implicit's item-item cosine), and what is popular."""

import warnings
from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
from implicit.nearest_neighbours import CosineRecommender
from implicit.utils import ParameterWarning
from scipy.sparse import csr_matrix

from features.events import CODE
from features.record import Records
from features.stats import HALF_LIFE_MS
from models.recommend import ItemIndex
from training.table import MAX_PREFIX

Ints = npt.NDArray[np.int64]

NEIGHBOURS: Final = 50
TOUCHES: Final = tuple(
    CODE[kind] for kind in ("view_item", "select_item", "add_to_cart", "add_to_wishlist", "purchase")
)


def fit_items(
    records: Records, session: Ints, ids: Mapping[int, str], until_ms: int, max_prefix: int = MAX_PREFIX
) -> ItemIndex:
    """An index of the items touched in the records.

    records: EVENT (n,), of the train window. session: int64 (n,). ids: item id of each hash. until_ms: popularity
    fades with a half-life of 7 days before this. max_prefix: products of a session that become neighbours, at most.
    """
    touched = np.isin(records["kind"], TOUCHES) & (records["item"] != 0)
    if not touched.any():
        return ItemIndex.empty()
    hashes, column = np.unique(records["item"][touched], return_inverse=True)
    _, row = np.unique(session[touched], return_inverse=True)
    age_ms = until_ms - records["ts_ms"][touched]
    popularity = np.bincount(column, 0.5 ** (age_ms / HALF_LIFE_MS), len(hashes)).astype(np.float32)
    neighbours, scores = _neighbours(row, column, len(hashes), max_prefix)
    return ItemIndex.of([ids[int(item)] for item in hashes], hashes, neighbours, scores, popularity)


def _neighbours(
    row: Ints, column: Ints, items: int, max_prefix: int
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Each item's most similar others, best first. int32 and float32 (items, NEIGHBOURS); -1 and 0 where fewer."""
    pairs = _first_pairs(row, column, max_prefix)
    ones = np.ones(len(pairs), np.float64)
    sessions = csr_matrix((ones, (pairs[:, 0], pairs[:, 1])), shape=(int(row.max()) + 1, items))
    model = CosineRecommender(K=NEIGHBOURS + 1, num_threads=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ParameterWarning)  # it converts what it made itself
        model.fit(sessions, show_progress=False)
    similar = model.similarity.tocoo()
    other = similar.row != similar.col
    of, to, score = similar.row[other], similar.col[other], similar.data[other].astype(np.float32)
    best = np.lexsort((to, -score, of))
    of, to, score = of[best], to[best], score[best]
    rank = np.arange(len(of)) - np.searchsorted(of, of)
    kept = rank < NEIGHBOURS
    neighbours = np.full((items, NEIGHBOURS), -1, np.int32)
    scores = np.zeros((items, NEIGHBOURS), np.float32)
    neighbours[of[kept], rank[kept]] = to[kept]
    scores[of[kept], rank[kept]] = np.maximum(score[kept], 0.0)
    return neighbours, scores


def _first_pairs(row: Ints, column: Ints, most: int) -> Ints:
    """Each session's first `most` different items: pairs grow with their square. Shape (m, 2), sorted."""
    pairs, first = np.unique(np.stack([row, column], axis=1), axis=0, return_index=True)
    by_touch = np.lexsort((first, pairs[:, 0]))
    of = pairs[by_touch, 0]
    rank = np.arange(len(of)) - np.searchsorted(of, of)
    return np.asarray(pairs[np.sort(by_touch[rank < most])])
