"""Tact's recommender as the evaluation asks it: trained on the train window, then frozen, or learning as it happens.

It is asked what the service would be: with the products that the visitor came to before, views, carts and purchases,
of this session and of those before it. `tact_without_own` has the visitor's own products switched off as sources and
knows of this session only; what this session viewed may still come from neighbours, as in the published methods
(models.recommend.Recommender.find).

Frozen, it learns from the sessions that the published methods learn from (of two views and more), with their carts and
purchases. As it happens, it learns from every session and while it goes on, as the service does.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from features.catalog import EMPTY_CATALOG, Catalog
from models.factors import ItemFactors
from models.recommend import Asked as Question
from models.recommend import ItemIndex, Recommender, with_facts
from models.session_index import SessionIndex
from training.fit_recommend import FittedItems, fit_recommender
from training.next_item import DEPTH, Asked, NextItem, Rows
from training.next_regimes import Learn
from training.next_views import Flags, Task
from training.replay_views import TOUCH_CODES, Lesson, Touches
from training.split import Window
from training.table import Log, Progress

WITH_OWN = {"tact": True, "tact_without_own": False}


class Tails:
    """What each visitor came to before a record of the log, as a question. kept: bool (n,), the records that count."""

    def __init__(self, log: Log, kept: Flags) -> None:
        self._touches = touches_of(log, kept)
        mine = kept & np.isin(log.records["kind"], TOUCH_CODES) & (log.records["item"] != 0)
        self._place = np.cumsum(mine) - 1

    def before(self, record: int) -> Question:
        """The question just before a record that counts."""
        return self._touches.asked(int(self._touches.by_visitor[self._place[record]]))


class RankedItems:
    """A NextItem by the recommender as it is when asked. numbers: those of Task.hashes."""

    def __init__(self, task: Task, tails: Mapping[bool, Tails], now: Callable[[], Recommender], own: bool) -> None:
        self._hashes, self._tails, self._now, self._own = task.hashes, tails, now, own

    def rank(self, asked: Asked) -> Rows:
        """int32 (n, DEPTH) product numbers, best first; -1 where there are fewer."""
        out = np.full((len(asked), DEPTH), -1, np.int32)
        recommender, tails = self._now(), self._tails[asked.known_only]
        for at, record in enumerate(asked.record[asked.end].tolist()):
            found = recommender.rank(tails.before(record), DEPTH, self._own)
            place = np.minimum(np.searchsorted(self._hashes, found), len(self._hashes) - 1)
            out[at, : len(found)] = np.where(self._hashes[place] == found, place, -1)
        return out


class RankedOurs:
    """evaluate_recommend.Ours: the recommender of a train window. catalog: what the shop told of its products.

    ranker: the text of one trained on this window as things happen, with these factors; None to train it.
    """

    def __init__(
        self,
        log: Log,
        train: Window,
        test_log: Log,
        test: Window,
        seed: int,
        progress: Progress,
        task: Task,
        catalog: Catalog = EMPTY_CATALOG,
        ranker: str | None = None,
        factors: ItemFactors | None = None,
    ) -> None:
        self._task, self._seed, self._progress = task, seed, progress
        self._catalog, self._ranker, self._factors = catalog, ranker, factors
        past = train.holds(log.records["ts_ms"])
        self._past = touches_of(log, past)
        self._past_of_several = touches_of(log, past & np.isin(log.session, task.trained_on))
        same = test_log is log
        later = touches_of(test_log, test_log.records["ts_ms"] >= (train.until_ms if same else test.since_ms))
        shift = 0 if same else int(log.visitor.max(initial=0)) + 1  # visitors are numbers of their log
        self._later = replace(later, visitor=later.visitor + shift)
        items = test_log.records["item"]
        known = (items == 0) | np.isin(items, task.hashes[np.unique(task.train.items)])
        self._tails = {False: Tails(test_log, np.ones(len(items), bool)), True: Tails(test_log, known)}

    def frozen(self) -> Mapping[str, NextItem]:
        """As they are at the end of training; the ranker learned from questions that came later than what was known."""
        past = self._past_of_several
        fitted = self._fitted(past, fresh=False)
        recommender = self._recommender(fitted.ranker, self._taught(past), fitted.factors)
        return self._methods(lambda: recommender)

    def learning(self) -> tuple[Mapping[str, NextItem], Learn]:
        """As they learn each event that happened before, also of sessions that go on."""
        index = self._taught(self._past)
        lesson = Lesson(index, self._later)
        text, factors = self._ranker, self._factors
        if text is None:
            fitted = self._fitted(self._past, fresh=True)
            text, factors = fitted.ranker, fitted.factors
        now = [self._recommender(text, index, factors)]

        def learn(until_ms: int) -> None:
            if lesson.learn_until(until_ms):
                now[0] = now[0].on(self._shown(index))

        return self._methods(lambda: now[0]), learn

    def _methods(self, now: Callable[[], Recommender]) -> dict[str, NextItem]:
        return {name: RankedItems(self._task, self._tails, now, own) for name, own in WITH_OWN.items()}

    def _taught(self, past: Touches) -> SessionIndex:
        """What is known at the end of training."""
        index = SessionIndex()
        past.teach(index, 0, len(past))
        return index

    def _fitted(self, past: Touches, fresh: bool) -> FittedItems:
        """As a bundle has them."""
        return fit_recommender(past, self._seed, self._progress, fresh, self._catalog)

    def _recommender(self, text: str, index: SessionIndex, factors: ItemFactors | None) -> Recommender:
        return Recommender.of(self._shown(index), factors, text)

    def _shown(self, index: SessionIndex) -> ItemIndex:
        """The index as it is now, until it learns again."""
        return index.live() if self._catalog is EMPTY_CATALOG else with_facts(index.live(), self._catalog)


def touches_of(log: Log, kept: Flags) -> Touches:
    """The touches among the records that count. kept: bool (n,)."""
    return Touches.of(log.records, log.visitor, log.session, log.item_ids, kept)
