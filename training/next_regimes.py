"""When a recommender knows what: frozen, as papers evaluate, and prequential, as it happens.

* frozen: what is known is what was known at the end of training.
* prequential: minute by minute; what is asked in a minute is answered with what was known before that minute began.
  A published method learns whole sessions, so it gets each when 30 minutes have passed after its last view.

In both, the views before the target in its own session are known.
"""

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Final

import numpy as np

from training.als_items import AlsItems
from training.item_rules import Cosine, OwnItems, Popularity, Rules
from training.next_item import Asked, NextItem, Rows
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
    asked: Asked, learn: Learn, methods: Mapping[str, NextItem], told: Callable[[float], None]
) -> dict[str, Rows]:
    """Answers minute by minute, each minute after learning what was known before it began. int32 (n, DEPTH) each."""
    minute = asked.now_ms // MINUTE_MS
    order = np.argsort(minute, kind="stable")
    edges = np.flatnonzero(np.diff(minute[order], prepend=-1, append=-1))
    answers: dict[str, list[Rows]] = {name: [] for name in methods}
    for begin, end in pairwise(edges):
        rows = order[begin:end]
        learn(int(minute[rows[0]]) * MINUTE_MS)
        some = asked.at(rows)
        for name, method in methods.items():
            answers[name].append(method.rank(some))
        told(end / len(order))
    back = np.argsort(order, kind="stable")
    return {name: np.concatenate(parts)[back] for name, parts in answers.items()}
