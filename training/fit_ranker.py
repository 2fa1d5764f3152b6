"""The re-ranker: LightGBM lambdarank over candidates as they were at each view, none of them from its future.

The index runs through the log as the learner would have: what happened in a minute is predicted from what was learned
before that minute, then learned. `fresh=False` is for a recommender that will be frozen: what is known is then some
hours old, not a minute, so how much is known of a product is spread otherwise. The index learns every AGED_MS there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import lightgbm as lgb
import numpy as np
import numpy.typing as npt

from features.catalog import EMPTY_CATALOG, Catalog
from features.events import CODE
from models.factors import ItemFactors
from models.ranker import COLUMNS, plain_scores
from models.recommend import Found, Recommender, with_facts
from training.replay_views import STEP_MS, Lesson, Touches, as_it_happened
from training.table import MAX_PREFIX, Progress

Ints = npt.NDArray[np.int64]

GROUPS: Final = 24_000
"""Views learned from, at most: the latest, spread over LATER of the window."""
LATER: Final = 0.6
MIN_GROUPS: Final = 200
"""With fewer views whose product was found, trees would learn names."""
NEGATIVES: Final = 30
ROUNDS: Final = 150
SLOWEST: Final = 0.04
FASTEST: Final = 0.08
SLOWEST_GROUPS: Final = 4_500
"""Up to so many groups the slowest learning rate is best; beyond, it grows with the root of their number. More rounds
would do the same, but the service walks every tree for every candidate (docs/recommend.md)."""
JUDGED_BY: Final = 4_500
"""Groups that the trees of the trial are grown on, at most, the latest: whether trees pay is told as well by few."""
AGED_MS: Final = 6 * 3_600_000
"""How long an index that will be frozen goes without learning, at most; a short log has at least AGED_STEPS of them."""
AGED_STEPS: Final = 8


@dataclass(frozen=True)
class Groups:
    """Candidates with what became of them. x: float32 (m, len(COLUMNS)); hit: int8 (m,); size: int64 (g,)."""

    x: npt.NDArray[np.float32]
    hit: npt.NDArray[np.int8]
    size: Ints


def targets(touches: Touches, since_ms: int, max_prefix: int = MAX_PREFIX) -> Ints:
    """Views from since_ms on that are not the first of their session, and not beyond its max_prefix-th: positions."""
    nth = touches.place - touches.begin
    later = (touches.ts_ms >= since_ms) & (touches.kind == CODE["view_item"])
    return np.flatnonzero(later & (nth > 0) & (nth < max_prefix))


def groups(
    lesson: Lesson,
    wanted: Ints,
    own: bool,
    fresh: bool,
    catalog: Catalog = EMPTY_CATALOG,
    factors: ItemFactors | None = None,
    negatives: int = NEGATIVES,
    seed: int = 0,
    told: Callable[[float], None] = lambda share: None,
) -> Groups:
    """Candidates of the wanted views of which one was the view: that one and some of the others.

    lesson: at its beginning, and left where the last wanted view's step begins. own: whether the visitor's own products
    are a source. fresh: whether the index learns every minute, or every few hours. factors: learned from what came
    before the wanted views.
    """
    rng, touches = np.random.default_rng(seed), lesson.touches
    recommender: Recommender | None = None
    parts: list[npt.NDArray[np.float32]] = []
    shown = -1
    step_ms = STEP_MS if fresh else _aged(touches)
    for done, (at, state) in enumerate(as_it_happened(lesson, wanted, step_ms)):
        if done % 500 == 0:
            told(done / len(wanted))
        if recommender is None or state.as_of_ms != shown:
            now = state.live() if catalog is EMPTY_CATALOG else with_facts(state.live(), catalog)
            recommender = Recommender.of(now, factors) if recommender is None else recommender.on(now)
            shown = state.as_of_ms
        found = recommender.find(touches.asked(at), own)
        hit = np.flatnonzero(found.items == touches.item[at])
        if len(hit):
            parts.append(_thinned(found, int(hit[0]), negatives, rng))
    return _joined(parts)


def _aged(touches: Touches) -> int:
    """How often an index that will be frozen learns while the ranker is trained, ms."""
    span_ms = int(touches.ts_ms[-1] - touches.ts_ms[0]) if len(touches) else 0
    return max(STEP_MS, min(AGED_MS, span_ms // AGED_STEPS))


def _joined(parts: list[npt.NDArray[np.float32]]) -> Groups:
    """Groups of which each part's first row is the hit."""
    size = np.array([len(part) for part in parts], np.int64)
    x = np.concatenate([np.empty((0, len(COLUMNS)), np.float32), *parts])
    hit = np.zeros(len(x), np.int8)
    hit[np.cumsum(size) - size] = 1
    return Groups(x, hit, size)


def _thinned(found: Found, hit: int, negatives: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """The hit, then at most so many of the others, drawn evenly."""
    others = np.delete(np.arange(len(found.items)), hit)
    if len(others) > negatives:
        others = np.sort(rng.choice(others, negatives, replace=False))
    return np.asarray(found.x[np.concatenate([[hit], others])])


def learning_rate(groups: int) -> float:
    """What each tree counts, by how many groups there are to learn from."""
    return float(np.clip(SLOWEST * np.sqrt(groups / SLOWEST_GROUPS), SLOWEST, FASTEST))


def parameters(rows: int, groups: int, seed: int) -> dict[str, Any]:
    """LightGBM's parameters."""
    return {
        "objective": "lambdarank",
        "lambdarank_truncation_level": 20,
        "lambdarank_norm": False,
        "learning_rate": learning_rate(groups),
        "num_leaves": 31,
        "min_data_in_leaf": int(np.clip(rows // 2000, 10, 100)),
        "feature_fraction": 0.5,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "lambda_l2": 5.0,
        "max_bin": 127,
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "verbose": -1,
    }


def fit(found: Groups, seed: int, rounds: int = ROUNDS, **changed: Any) -> lgb.Booster:
    """The trees."""
    data = lgb.Dataset(found.x, found.hit.astype(np.float32), group=found.size, feature_name=list(COLUMNS))
    return lgb.train(parameters(len(found.x), len(found.size), seed) | changed, data, rounds)


def fit_ranker(
    lesson: Lesson,
    since_ms: int,
    seed: int,
    progress: Progress,
    fresh: bool = True,
    catalog: Catalog = EMPTY_CATALOG,
    factors: ItemFactors | None = None,
    max_prefix: int = MAX_PREFIX,
    at_most: int = GROUPS,
) -> str:
    """A ranker's text (models.ranker.Ranker), "" where there is too little to learn from.

    lesson: at its beginning; the caller may go on with it. since_ms: groups begin here; what came before is only
    learned by the index.
    """
    wanted = _spread(targets(lesson.touches, since_ms, max_prefix), at_most)
    progress("ranker", 0.0)
    found = groups(
        lesson, wanted, True, fresh, catalog, factors, seed=seed, told=lambda share: progress("ranker", 0.7 * share)
    )
    text = fit(found, seed).model_to_string() if pays(found, seed) else ""
    progress("ranker", 1.0)
    return text


def pays(found: Groups, seed: int) -> bool:
    """Whether trees grown on the earlier groups rank the later ones better than the sources' own scores do."""
    cut = len(found.size) - len(found.size) // 5
    if cut < MIN_GROUPS:
        return False
    rows, first = int(found.size[:cut].sum()), max(0, cut - JUDGED_BY)
    skipped = int(found.size[:first].sum())
    earlier = Groups(found.x[skipped:rows], found.hit[skipped:rows], found.size[first:cut])
    later = Groups(found.x[rows:], found.hit[rows:], found.size[cut:])
    trees = np.asarray(fit(earlier, seed, ROUNDS // 2).predict(later.x, num_threads=1))
    return reciprocal_rank(later, trees) > reciprocal_rank(later, plain_scores(later.x))


def reciprocal_rank(found: Groups, scores: npt.NDArray[np.float64]) -> float:
    """Mean of 1 / place of the hits, which stand first in their groups; a tie counts as lost."""
    starts = np.cumsum(found.size) - found.size
    above = scores >= np.repeat(scores[starts], found.size)
    return float(np.mean(1.0 / np.add.reduceat(above.astype(np.int64), starts)))


def _spread(wanted: Ints, at_most: int) -> Ints:
    """At most so many, evenly over all."""
    if len(wanted) <= at_most:
        return wanted
    return wanted[np.linspace(0, len(wanted) - 1, at_most).astype(np.int64)]
