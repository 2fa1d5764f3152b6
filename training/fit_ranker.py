"""The re-ranker: LightGBM lambdarank over candidates as they were at each view, none of them from its future.

The index runs through the log as the learner would have: what happened in a minute is predicted from what was learned
before that minute, then learned. `fresh=False` stops learning where the groups begin, for a recommender that will be
frozen: how much is known of a product is spread otherwise there.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import lightgbm as lgb
import numpy as np
import numpy.typing as npt

from features.catalog import EMPTY_CATALOG, Catalog
from features.events import CODE, TAIL_EVENTS
from features.record import Records
from models.ranker import BETWEEN, COLUMNS
from models.recommend import Asked, Found, Recommender, with_facts
from models.session_index import SessionIndex
from training.table import Progress

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

TOUCHES: Final = tuple(CODE[kind] for kind in ("view_item", "add_to_wishlist", "add_to_cart", "purchase"))
"""Kinds by which a visitor comes to a product, as the learner takes them."""
STEP_MS: Final = 60_000
GROUPS: Final = 8000
"""Views learned from, at most: the latest, spread over LATER of the window."""
LATER: Final = 0.6
MIN_GROUPS: Final = 200
"""With fewer views whose product was found, trees would learn names."""
NEGATIVES: Final = 50
ROUNDS: Final = 100


@dataclass(frozen=True)
class Touches:
    """Products that visitors came to, in time order. item: uint64 (n,); ids: their names, by hash; kind: uint8 (n,);
    visitor, session, ts_ms: int64 (n,); price: float32 (n,); category: int32 (n,). place: int64 (n,), where each
    stands visitor by visitor; first: int64 (n,), where its visitor begins there; begin: where its session does."""

    item: npt.NDArray[np.uint64]
    ids: Mapping[int, str]
    kind: npt.NDArray[np.uint8]
    visitor: Ints
    session: Ints
    ts_ms: Ints
    price: npt.NDArray[np.float32]
    category: npt.NDArray[np.int32]
    place: Ints
    first: Ints
    begin: Ints
    by_visitor: Ints

    @classmethod
    def of(cls, records: Records, visitor: Ints, session: Ints, ids: Mapping[int, str]) -> "Touches":
        """The touches of a log. records: EVENT (n,), visitor by visitor in time order."""
        mine = np.isin(records["kind"], TOUCHES) & (records["item"] != 0)
        taken, visitor, session = records[mine], visitor[mine], session[mine]
        place = np.argsort(taken["ts_ms"], kind="stable")
        by_visitor = np.empty(len(place), np.int64)
        by_visitor[place] = np.arange(len(place))
        first, begin = _starts(visitor), _starts(session)
        at = taken[place]
        columns = (at["item"], ids, at["kind"], visitor[place], session[place], at["ts_ms"].astype(np.int64))
        facts = (at["price"].astype(np.float32), at["category"].astype(np.int32))
        return cls(*columns, *facts, place, first[place], begin[place], by_visitor)

    def __len__(self) -> int:
        return len(self.item)

    def asked(self, at: int, context: npt.NDArray[np.float32] | None = None) -> Asked:
        """The visitor's question just before a touch: their earlier ones, as of the last of them."""
        place = int(self.place[at])
        since = max(int(self.first[at]), place - TAIL_EVENTS)
        tail = self.by_visitor[since:place]
        times = self.ts_ms[tail]
        begin = max(int(self.begin[at]), since) - since
        now_ms = int(times[-1]) if len(times) else int(self.ts_ms[at])
        return Asked(self.item[tail], times, begin, now_ms, context)

    def teach(self, index: SessionIndex, since: int, until: int) -> None:
        """Learns the touches of a range."""
        if since < until:
            part = slice(since, until)
            items = [self.ids[item] for item in self.item[part].tolist()]
            visitors, times = self.visitor[part].tolist(), self.ts_ms[part].tolist()
            index.learn(items, visitors, times, self.price[part].tolist(), self.category[part].tolist())


def _starts(group: Ints) -> Ints:
    """Where each row's group begins, of groups that stand together. Shape (n,)."""
    begins = np.flatnonzero(np.diff(group, prepend=-1))
    return np.repeat(begins, np.diff(np.append(begins, len(group))))


def as_it_happened(
    touches: Touches, wanted: Ints, index: SessionIndex, step_ms: int = STEP_MS, fresh: bool = True
) -> Iterator[tuple[int, SessionIndex]]:
    """Each wanted touch (positions, ascending) with the index as it was before the touch's step began.

    fresh=False: as it was before the first wanted touch's step.
    """
    learned = -1
    for at in wanted.tolist():
        if fresh or learned < 0:
            step = int(touches.ts_ms[at]) // step_ms * step_ms
            until = int(np.searchsorted(touches.ts_ms, step))
            touches.teach(index, max(learned, 0), until)
            learned = until
        yield at, index


@dataclass(frozen=True)
class Groups:
    """Candidates with what became of them. x: float32 (m, len(COLUMNS)); hit: int8 (m,); size: int64 (g,)."""

    x: npt.NDArray[np.float32]
    hit: npt.NDArray[np.int8]
    size: Ints


def targets(touches: Touches, since_ms: int) -> Ints:
    """Views that are not the first of their session, from since_ms on: positions, ascending."""
    later = (touches.ts_ms >= since_ms) & (touches.kind == CODE["view_item"]) & (touches.place > touches.begin)
    return np.flatnonzero(later)


def groups(
    touches: Touches,
    wanted: Ints,
    own: bool,
    fresh: bool,
    catalog: Catalog = EMPTY_CATALOG,
    negatives: int = NEGATIVES,
    contexts: Mapping[int, npt.NDArray[np.float32]] | None = None,
    seed: int = 0,
) -> Groups:
    """Candidates of the wanted views of which one was the view, that one and some of the others."""
    rng = np.random.default_rng(seed)
    index = SessionIndex()
    recommender: Recommender | None = None
    parts: list[tuple[npt.NDArray[np.float32], int]] = []
    shown = -1
    for at, state in as_it_happened(touches, wanted, index, fresh=fresh):
        if recommender is None or state.as_of_ms != shown:
            now = state.live() if catalog is EMPTY_CATALOG else with_facts(state.live(), catalog)
            recommender = Recommender.of(now) if recommender is None else recommender.on(now)
            shown = state.as_of_ms
        found = recommender.find(touches.asked(at, (contexts or {}).get(at)), own)
        hit = np.flatnonzero(found.items == touches.item[at])
        if len(hit):
            parts.append(_thinned(found, int(hit[0]), negatives, rng))
    x = np.concatenate([np.empty((0, len(COLUMNS)), np.float32), *(part for part, _ in parts)])
    size = np.array([len(part) for part, _ in parts], np.int64)
    target = np.zeros(len(x), np.int8)
    target[np.cumsum(size) - size + np.array([place for _, place in parts], np.int64)] = 1
    return Groups(x, target, size)


def _thinned(found: Found, hit: int, negatives: int, rng: np.random.Generator) -> tuple[Any, int]:
    """The hit and at most so many of the others, drawn evenly; and where the hit stands."""
    others = np.delete(np.arange(len(found.rows)), hit)
    if len(others) > negatives:
        others = np.sort(rng.choice(others, negatives, replace=False))
    return found.x[np.concatenate([[hit], others])], 0


def parameters(rows: int, seed: int) -> dict[str, Any]:
    """LightGBM's parameters."""
    return {
        "objective": "lambdarank",
        "lambdarank_truncation_level": 20,
        "learning_rate": 0.08,
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
    """The trees of one kind of group."""
    data = lgb.Dataset(found.x, found.hit.astype(np.float32), group=found.size, feature_name=list(COLUMNS))
    return lgb.train(parameters(len(found.x), seed) | changed, data, rounds)


def fit_ranker(
    touches: Touches,
    since_ms: int,
    seed: int,
    progress: Progress,
    fresh: bool = True,
    catalog: Catalog = EMPTY_CATALOG,
    at_most: int = GROUPS,
) -> str:
    """A ranker's text (models.ranker.Ranker), "" where there is too little to learn from.

    since_ms: groups begin here; what came before is only learned by the index.
    """
    wanted = _spread(targets(touches, since_ms), at_most)
    texts: list[str] = []
    for step, own in enumerate((True, False)):
        progress("ranker", step / 2)
        found = groups(touches, wanted, own, fresh, catalog, seed=seed)
        if len(found.size) < MIN_GROUPS:
            progress("ranker", 1.0)
            return ""
        texts.append(fit(found, seed).model_to_string())
    progress("ranker", 1.0)
    return BETWEEN.join(texts)


def _spread(wanted: Ints, at_most: int) -> Ints:
    """At most so many, evenly over all."""
    if len(wanted) <= at_most:
        return wanted
    return wanted[np.linspace(0, len(wanted) - 1, at_most).astype(np.int64)]
