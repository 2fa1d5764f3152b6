"""Tact's recommender as the evaluation asks it: from numbers of products to an index and back."""

from collections.abc import Mapping
from typing import Final

import numpy as np

from models.recommend import ItemIndex, recommend
from training.next_item import DEPTH, Asked, NextItem, Rows
from training.next_regimes import Learn
from training.next_views import Task

WITH_OWN: Final = {"tact": True, "tact_without_own": False}


class IndexItems:
    """A NextItem by an index. returns: whether the session's own products are a source."""

    def __init__(self, index: ItemIndex, task: Task, returns: bool) -> None:
        self._index, self._returns = index, returns
        self._hashes = task.hashes.tolist()
        self._number = {index.ids[row]: place for row, place in _shared(index, task)}

    def rank(self, asked: Asked) -> Rows:
        """int32 (n, DEPTH) product numbers, best first; -1 where there are fewer."""
        out = np.full((len(asked), DEPTH), -1, np.int32)
        for at, (start, end) in enumerate(zip(asked.start.tolist(), asked.end.tolist(), strict=True)):
            newest_first = [self._hashes[item] for item in asked.items[start:end].tolist()[::-1]]
            found = recommend(self._index, list(dict.fromkeys(newest_first)), DEPTH, self._returns)
            out[at, : len(found)] = [self._number.get(one.item_id, -1) for one in found]
        return out


def _shared(index: ItemIndex, task: Task) -> list[tuple[int, int]]:
    """Row in the index and number in the task of the products that both know."""
    _, rows, numbers = np.intersect1d(index.hashes, task.hashes, assume_unique=True, return_indices=True)
    return list(zip(rows.tolist(), numbers.tolist(), strict=True))


class IndexOurs:
    """What a bundle's index answers; it does not learn."""

    def __init__(self, index: ItemIndex, task: Task) -> None:
        self._index, self._task = index, task

    def frozen(self) -> Mapping[str, NextItem]:
        """By name, as the index is."""
        return {name: IndexItems(self._index, self._task, returns) for name, returns in WITH_OWN.items()}

    def learning(self) -> tuple[Mapping[str, NextItem], Learn]:
        """Nothing yet."""
        return {}, lambda _until_ms: None
