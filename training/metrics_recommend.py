"""Next-item figures as session-rec computes them: hit rate and mean reciprocal rank at k.

Views only; every position from the second of each test session is a target, ranked over the full catalogue. A product
never seen in training is a miss (ALL); beside it the same without those rows (SEEN). Ludewig & Jannach 2018,
"Evaluation of session-based recommendation algorithms".
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from features.events import CODE
from features.record import Records
from models.recommend import ItemIndex, recommend
from training.table import MAX_PREFIX

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Ranks = npt.NDArray[np.int32]
Recommender = Callable[[Sequence[int]], Sequence[int]]
"""From a session's viewed item hashes, newest first, to item hashes, best first."""

CUTS: Final = (5, 10, 20)
DEPTH: Final = 20


@dataclass(frozen=True, slots=True)
class Targets:
    """Next views. history: viewed before in the session, newest first; seen: whether training knows the target."""

    history: list[list[int]]
    target: list[int]
    session: Ints
    seen: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.target)


def targets(records: Records, session: Ints, index: ItemIndex, max_prefix: int = MAX_PREFIX) -> Targets:
    """Every view but a session's first, among its first max_prefix views: histories grow with their square.

    records: EVENT (n,) of the test window's sessions, session by session in time order. session: int64 (n,).
    """
    views = (records["kind"] == CODE["view_item"]) & (records["item"] != 0)
    items, of = records["item"][views].tolist(), session[views]
    history, target, sessions = [], [], []
    past: list[int] = []
    for at, (item, number) in enumerate(zip(items, of.tolist(), strict=True)):
        if at and number == of[at - 1]:
            if len(past) >= max_prefix:
                continue
            history.append(past[::-1])
            target.append(item)
            sessions.append(number)
        else:
            past = []
        past.append(item)
    seen = np.array([index.row(item) >= 0 for item in target], bool)
    return Targets(history, target, np.array(sessions, np.int64), seen)


def ranks(found: Recommender, rows: Targets) -> Ranks:
    """The place of each target, 1 the best, 0 if not among the first DEPTH. Shape (n,)."""
    out = np.zeros(len(rows), np.int32)
    for at, (history, target) in enumerate(zip(rows.history, rows.target, strict=True)):
        for place, item in enumerate(found(history)[:DEPTH]):
            if item == target:
                out[at] = place + 1
                break
    return out


def popularity_of(index: ItemIndex) -> Recommender:
    """The same most popular items for everyone."""
    best = [int(index.hashes[row]) for row in index.by_popularity[:DEPTH]]
    return lambda history: best


def own_items(history: Sequence[int]) -> Sequence[int]:
    """The session's own earlier items, newest first but for the current one, which comes last."""
    distinct = list(dict.fromkeys(history))
    return [*distinct[1:], distinct[0]]


def tact_of(index: ItemIndex, returns: bool) -> Recommender:
    """What models.recommend answers; with returns, the session's own items among it."""
    hash_of = dict(zip(index.ids, index.hashes.tolist(), strict=True))
    return lambda history: [hash_of[r.item_id] for r in recommend(index, history, DEPTH, returns)]


def figures(places: Ranks, rows: npt.NDArray[np.bool_] | None = None, weight: Floats | None = None) -> dict[str, float]:
    """hr and mrr at each cut, over the chosen rows, each counted `weight` times."""
    chosen = places if rows is None else places[rows]
    if not len(chosen):
        return {}
    counted = np.ones(len(chosen)) if weight is None else weight if rows is None else weight[rows]
    total = counted.sum()
    out = {}
    for cut in CUTS:
        hit = (chosen > 0) & (chosen <= cut)
        out[f"hr{cut}"] = float((hit * counted).sum() / total)
        out[f"mrr{cut}"] = float((np.where(hit, 1 / np.maximum(chosen, 1), 0.0) * counted).sum() / total)
    return out
