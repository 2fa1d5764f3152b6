"""The recommender of a bundle: the session index at the end of the window, factors of its products, and the ranker."""

from dataclasses import dataclass

import numpy as np

from features.catalog import EMPTY_CATALOG, Catalog
from models.factors import ItemFactors
from models.item_index import ItemIndex
from models.session_index import SessionIndex
from training.fit_factors import fit_factors
from training.fit_ranker import GROUPS, LATER, fit_ranker
from training.replay_views import Touches
from training.table import MAX_PREFIX, Progress


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
    index = SessionIndex()
    touches.teach(index, 0, len(touches))
    since_ms = int(np.quantile(touches.ts_ms, 1 - LATER))
    before = touches.ts_ms < since_ms
    earlier = fit_factors(touches.item[before], touches.session[before], seed)
    ranker = fit_ranker(touches, since_ms, seed, progress, fresh, catalog, earlier, max_prefix, views)
    factors = fit_factors(touches.item, touches.session, seed)
    progress("items", 1.0)
    return FittedItems(index.index(), factors, ranker)
