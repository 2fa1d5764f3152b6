"""When a recommender knows what: frozen, as papers evaluate, and prequential, as it happens.

* frozen: what is known is what was known at the end of training.
* prequential: minute by minute; what is asked in a minute is answered with what was known before that minute began.
  A published method learns whole sessions, so it gets each when 30 minutes have passed after its last view.

In both, the views before the target in its own session are known.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

from training.als_items import AlsItems
from training.item_rules import Cosine, OwnItems, Popularity, Rules
from training.next_item import DEPTH, Asked, NextItem, Rows
from training.next_views import Task
from training.session_knn import STAN, VSKNN, VSTAN, SessionKnn
from training.session_store import SessionStore

MINUTE_MS: Final = 60_000
BASELINES: Final = ("vstan", "stan", "vsknn", "sr", "ar", "cosine", "als", "popularity", "own_items")
ALS_ONCE: Final = "learned once; no published way to add a session as it ends"

Learn = Callable[[int], None]
"""Learns what was known before a time, Unix ms; times never fall."""


def _of_store(store: SessionStore) -> dict[str, NextItem]:
    return {
        "vstan": SessionKnn(store, VSTAN),
        "stan": SessionKnn(store, STAN),
        "vsknn": SessionKnn(store, VSKNN),
        "sr": Rules(store, sequential=True),
        "ar": Rules(store, sequential=False),
        "cosine": Cosine(store),
        "popularity": Popularity(store),
        "own_items": OwnItems(),
    }


def frozen_baselines(task: Task, seed: int) -> dict[str, NextItem]:
    """All of BASELINES, having learned the training window."""
    store = SessionStore(len(task.hashes))
    store.learn(task.train)
    return {**_of_store(store), "als": AlsItems(len(task.hashes), task.train, seed)}


def learning_baselines(task: Task) -> tuple[dict[str, NextItem], Learn]:
    """Those of BASELINES that can learn a session as it ends, and what feeds them."""
    store = SessionStore(len(task.hashes))
    return _of_store(store), Feed(task, store).learn_until


class Feed:
    """Gives a store each session when it is known to be over."""

    def __init__(self, task: Task, store: SessionStore) -> None:
        self._task, self._store = task, store

    def learn_until(self, now_ms: int) -> None:
        """Sessions known to be over before now_ms."""
        done = len(self._store)
        known = int(np.searchsorted(self._task.known_ms, now_ms))
        if known > done:
            self._store.learn(self._task.feed.part(done, known))


def as_it_happens(
    several: Sequence[Asked], learn: Learn, methods: Mapping[str, NextItem], told: Callable[[float], None]
) -> dict[str, list[Rows]]:
    """Answers minute by minute, each minute after learning what was known before it began. int32 (n, DEPTH) for each
    method and each set of questions."""
    answers = {name: [np.full((len(one), DEPTH), -1, np.int32) for one in several] for name in methods}
    minutes = [one.now_ms // MINUTE_MS for one in several]
    orders = [np.argsort(minute, kind="stable") for minute in minutes]
    ordered = [minute[order] for minute, order in zip(minutes, orders, strict=True)]
    every = np.unique(np.concatenate(minutes))
    for done, minute in enumerate(every.tolist()):
        learn(minute * MINUTE_MS)
        for at, one in enumerate(several):
            begin, end = np.searchsorted(ordered[at], (minute, minute + 1))
            rows = orders[at][begin:end]
            for name, method in methods.items() if len(rows) else ():
                answers[name][at][rows] = method.rank(one.at(rows))
        told((done + 1) / len(every))
    return answers
