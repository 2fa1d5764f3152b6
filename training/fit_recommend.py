"""The recommender of a bundle: the session index at the end of the window, factors of its products, and the ranker."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from features.catalog import EMPTY_CATALOG, Catalog
from models.factors import ItemFactors
from models.item_index import ItemIndex
from models.session_index import MAX_ENTRIES, SessionIndex
from training.fit_factors import fit_factors
from training.fit_ranker import GROUPS, LATER, fit_ranker
from training.replay_views import Lesson, Touches
from training.table import MAX_PREFIX, Progress

FACTOR_TOUCHES: Final = MAX_ENTRIES
"""Factors are learned from so many touches, the latest, as many as the index's ring holds: their cost ends there."""


@dataclass(frozen=True)
class FittedItems:
    """What a window gave. ranker: a text of models.ranker.Ranker, "" where there was too little to learn from."""

    index: ItemIndex
    factors: ItemFactors | None
    ranker: str


def fit_recommender(
    touches: Touches,
    seed: int,
    progress: Progress,
    fresh: bool = True,
    catalog: Catalog = EMPTY_CATALOG,
    max_prefix: int = MAX_PREFIX,
    views: int = GROUPS,
) -> FittedItems:
    """Index, factors and ranker of a window's touches. The same arguments give the same bytes.

    fresh: whether the index that the ranker will rank from goes on learning (models.session_index), or is frozen.
    max_prefix: views of a session that the ranker learns from, at most; views: of all together.
    """
    if not len(touches):
        return FittedItems(ItemIndex.empty(), None, "")
    progress("items", 0.0)
    since_ms = int(np.quantile(touches.ts_ms, 1 - LATER))
    earlier = _factors(touches, int(np.searchsorted(touches.ts_ms, since_ms)), seed)
    lesson = Lesson(SessionIndex(), touches)
    ranker = fit_ranker(lesson, since_ms, seed, progress, fresh, catalog, earlier, max_prefix, views)
    index = lesson.learn_all().index()
    factors = _factors(touches, len(touches), seed)
    progress("items", 1.0)
    return FittedItems(index, factors, ranker)


def _factors(touches: Touches, until: int, seed: int) -> ItemFactors | None:
    """Of what was touched last before a position."""
    part = slice(max(0, until - FACTOR_TOUCHES), until)
    return fit_factors(touches.item[part], touches.session[part], seed)
