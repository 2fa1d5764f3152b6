"""What to recommend a visitor: candidates of one shop's index, ranked.

Filters (stock, cart, already bought, excluded) are the caller's: ask for more than needed.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec
import numba
import numpy as np
import numpy.typing as npt

from features.catalog import CATEGORY, PRICE, Catalog
from features.events import TAIL_EVENTS
from models.candidates import ALIKE, ALS, ALS_RANK, FEATURES, KEEP, POOL, SOURCES, Scratch, scratch
from models.factors import NOTHING_ALIKE, ItemFactors
from models.finding import find_all
from models.item_index import Ids, ItemIndex, read_only
from models.ranker import Ranker, plain_scores

__all__ = ["BECAUSE_POPULAR", "Asked", "Found", "Ids", "ItemIndex", "Recommended", "Recommender", "recommend"]

Hashes = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]

RECENT_ITEMS: Final = 20
"""How many of the visitor's last products are asked for neighbours."""

RECENCY_DECAY: Final = 0.8
"""Each product further back counts this share of the one after it."""

BECAUSE_POPULAR: Final = ""
ALIKE_AT_MOST: Final = 10
NAMES: Final = 20_000
"""Names that are kept as texts, at most (some 2 MB)."""
OWN_SOURCES: Final = ("own", "earlier")


class Recommended(msgspec.Struct, frozen=True):
    """A candidate: score, comparable within one answer; because: the id of the product that led to it, or "".

    source: one of models.candidates.SOURCES.
    """

    item_id: str
    score: float
    because: str
    source: str = "together"


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks. items: uint64 (m,), hashes of the products in the tail, in time order; ts_ms: int64 (m,).

    session_from: the first of them in this session (m if none is). ids: names of products that the index may not know
    yet, by hash.
    """

    items: Hashes
    ts_ms: npt.NDArray[np.int64]
    session_from: int
    now_ms: int
    ids: Mapping[int, str] = field(default_factory=dict)


class Found(NamedTuple):
    """Candidates of one call, in no order.

    items: uint64 (c,), their hashes. rows, by: int32 (c,), the same and the products that led to them as rows of the
    index, -1 for none (an own product it has not met yet). source: uint8 (c,) in SOURCES. x: float32
    (c, len(models.ranker.COLUMNS)).
    """

    items: Hashes
    rows: npt.NDArray[np.int32]
    by: npt.NDArray[np.int32]
    source: npt.NDArray[np.uint8]
    x: npt.NDArray[np.float32]

    @classmethod
    def room(cls, n: int) -> "Found":
        """Room for n candidates."""
        rows, by, source = np.empty(n, np.int32), np.empty(n, np.int32), np.empty(n, np.uint8)
        return cls(np.empty(n, np.uint64), rows, by, source, np.empty((n, len(FEATURES)), np.float32))

    def first(self, n: int) -> "Found":
        """The first n of them."""
        return Found(self.items[:n], self.rows[:n], self.by[:n], self.source[:n], self.x[:n])


class Recommender:
    """Recommends from one index. Safe to share between threads: calls take turns."""

    def __init__(
        self,
        index: ItemIndex,
        ranker: Ranker | None,
        room: Scratch,
        factors: ItemFactors | None = None,
        turn: "threading.Lock | None" = None,
    ) -> None:
        self.index, self.ranker, self.factors, self._room = index, ranker, factors, room
        self._hashes, self._names = read_only(index.hashes), dict[int, str]()
        self._like = NOTHING_ALIKE if factors is None else factors.alike
        self._turn = threading.Lock() if turn is None else turn

    @classmethod
    def of(
        cls,
        index: ItemIndex,
        factors: ItemFactors | None = None,
        ranker_text: str = "",
        facts: Catalog | None = None,
    ) -> "Recommender":
        """A recommender of an index as of now.

        factors: learned offline, or None. ranker_text: "" for the sources' own scores. facts: prices and categories
        that the shop told. Raises models.scorer.InvalidModel.
        """
        ranker = Ranker.of(ranker_text) if ranker_text else None
        room = scratch(len(index), len(index.tables.item))
        return cls(index if facts is None else with_facts(index, facts), ranker, room, factors)

    def on(self, index: ItemIndex) -> "Recommender":
        """The same for a later state of the index: cheap, the room is kept while it is large enough."""
        room = self._room
        if len(room.item_call) < len(index) + TAIL_EVENTS or len(room.root_call) < len(index.tables.item):
            room = scratch(2 * len(index), 2 * len(index.tables.item))
            return Recommender(index, self.ranker, room, self.factors)
        return Recommender(index, self.ranker, room, self.factors, self._turn)  # who shares the room takes turns

    def find(self, asked: Asked, own: bool, keep: int = KEEP) -> Found:
        """Candidates and what is known of each, in no order.

        own: whether the visitor's own products are a source. If not, nothing from before this session is known, and
        a product of this session is a candidate only where another source found it, as in the published methods, which
        know the session's products and their order, too; how often and how long ago it was looked at is told of it.
        """
        items, ts_ms = asked.items[-TAIL_EVENTS:], asked.ts_ms[-TAIL_EVENTS:]
        begin = min(max(asked.session_from - (len(asked.items) - len(items)), 0), len(items))
        if not own:  # what was before this session is an own product's number, too
            items, ts_ms, begin = items[begin:], ts_ms[begin:], 0
        found, now_s, like = Found.room(min(keep, POOL)), asked.now_ms // 1000, self._like
        with self._turn:
            n = find_all(
                self.index.tables,
                self._room,
                self._hashes,
                like,
                ALIKE_AT_MOST,
                items,
                ts_ms,
                begin,
                now_s,
                own,
                keep,
                *found,
            )
        found = found.first(n)
        if self.factors is not None:
            self._add_factors(self.factors, items[begin:], found)
        return found

    def _add_factors(self, factors: ItemFactors, session: Hashes, found: Found) -> None:
        score, alike = factors.scores(session, found.items)
        found.x[:, ALS], found.x[:, ALIKE] = score, alike
        _rank(score, found.x[:, ALS_RANK])

    def score(self, found: Found) -> Floats:
        """The score of each candidate, the larger the better. float64 (c,)."""
        return plain_scores(found.x) if self.ranker is None else self.ranker.score(found.x)

    def rank(self, asked: Asked, k: int, own: bool = True) -> Hashes:
        """Hashes of the best k candidates, best first. own: as in `find`."""
        found = self.find(asked, own)
        return found.items[np.argsort(-self.score(found), kind="stable")[:k]]

    def recommend(self, asked: Asked, k: int, returns: bool = True, keep: int = KEEP) -> tuple[Recommended, ...]:
        """At most k of `keep` candidates, best first. returns: whether products looked at before may be among them."""
        found = self.find(asked, returns, keep)
        scores = self.score(found)
        left_out = frozenset(() if returns else asked.items[asked.session_from :].tolist())
        named: list[Recommended] = []
        for item, score, row, by, code in _best_first(found, scores, k + len(left_out)):
            if len(named) == k:
                break
            item_id = self._id(row) if row >= 0 else asked.ids.get(item, "")
            if item_id and item not in left_out:
                source = SOURCES[code]
                because = item_id if source in OWN_SOURCES else self._id(by) if by >= 0 else BECAUSE_POPULAR
                named.append(Recommended(item_id, score, because, source))
        return tuple(named)

    def _id(self, row: int) -> str:
        """A product's name; those asked for lately are kept: a few are named again and again."""
        found = self._names.get(row)
        if found is None:
            if len(self._names) >= NAMES:
                self._names.clear()
            found = self._names[row] = str(self.index.ids[row])
        return found


@numba.njit(cache=True)
def _rank(score, out):  # type: ignore[no-untyped-def]
    """How many scores are larger than each, or as large and before it; NaN where there is none."""
    for i in range(score.size):
        larger = 0
        for j in range(score.size):
            larger += (score[j] > score[i]) | ((score[j] == score[i]) & (j < i))
        out[i] = larger if score[i] == score[i] else np.nan


def _best_first(found: Found, scores: Floats, at_first: int) -> "Iterator[tuple[int, float, int, int, int]]":
    """Item, score, row, by and source of each candidate, best first. Beyond `at_first` of them, which nearly always
    are enough, only if asked for."""
    best = np.argsort(-scores, kind="stable")
    for part in (best[:at_first], best[at_first:]):
        columns = (found.items, scores, found.rows, found.by, found.source)
        yield from zip(*[column[part].tolist() for column in columns], strict=True)


def with_facts(index: ItemIndex, facts: Catalog) -> ItemIndex:
    """The index with the prices and categories that the catalog knows."""
    at = np.maximum(facts.index.find(index.hashes), 0)
    told = facts.table[at]
    price = np.where(np.isfinite(told[:, PRICE]), told[:, PRICE], index.tables.price)
    category = np.where(told[:, CATEGORY] > 0, told[:, CATEGORY], index.tables.category)
    tables = index.tables._replace(
        price=read_only(price.astype(np.float32)), category=read_only(category.astype(np.int32))
    )
    return ItemIndex(index.ids, index.hashes, tables)


def recommend(
    indexes: ItemIndex | Sequence[ItemIndex], recent: Sequence[int], k: int, returns: bool = False
) -> tuple[Recommended, ...]:
    """At most k products for a visitor who lately looked at `recent` (item hashes, newest first), best first.

    Neighbours of the recent products first, each product's share fading with its position; what several indexes say
    is added (a bundle's, learned last night, and the live one). Then the popular, scored below any neighbour. The
    newest product itself is never among them, unless returns is set: then the recent products, the newest included,
    stand for themselves as well, as in "recently viewed". Nothing else is filtered.
    """
    several = (indexes,) if isinstance(indexes, ItemIndex) else tuple(indexes)
    scored: dict[str, tuple[float, str]] = {}
    for index in several:
        for item_id, score, because in _neighbours_of(index, recent, k + 1, returns):
            earlier, why = scored.get(item_id, (0.0, because))
            scored[item_id] = (earlier + score, why)
    newest = "" if returns else _newest(several, recent)
    best = sorted((pair for pair in scored.items() if pair[0] != newest), key=lambda pair: (-pair[1][0], pair[0]))[:k]
    found = [Recommended(item_id, score, because) for item_id, (score, because) in best]
    return (*found, *_popular(several, {*scored, newest}, k - len(found), found[-1].score if found else 1.0))


def _newest(indexes: Sequence[ItemIndex], recent: Sequence[int]) -> str:
    """The id of the newest product, "" where no index knows it."""
    for index in indexes:
        row = index.row(recent[0]) if recent else -1
        if row >= 0:
            return index.ids[row]
    return ""


def _neighbours_of(index: ItemIndex, recent: Sequence[int], k: int, returns: bool) -> list[tuple[str, float, str]]:
    """The k best (item id, score, id of the product that added most)."""
    rows = [(row, RECENCY_DECAY**at) for at, item in enumerate(recent[:RECENT_ITEMS]) if (row := index.row(item)) >= 0]
    if not rows:
        return []
    sources, faded = np.array([row for row, _ in rows]), np.array([weight for _, weight in rows])
    candidates = index.neighbours[sources].ravel()
    strength = np.where(index.neighbours[sources] >= 0, index.scores[sources], 0.0).astype(np.float64)
    total = strength.sum(axis=1, keepdims=True)
    weights = (strength / np.where(total > 0, total, 1.0) * faded[:, None]).ravel()
    by = np.repeat(sources, index.neighbours.shape[1])
    if returns:  # a product is as similar to itself as can be
        candidates, by = np.concatenate([candidates, sources]), np.concatenate([by, sources])
        weights = np.concatenate([weights, faded])
    real = (candidates >= 0) & (weights > 0)
    candidates, weights, by = candidates[real], weights[real], by[real]
    items, place = np.unique(candidates, return_inverse=True)
    totals = np.bincount(place, weights, len(items))
    strongest = np.lexsort((-weights, place))[np.searchsorted(np.sort(place), np.arange(len(items)))]
    best = np.lexsort((items, -totals))[:k]
    return [(index.ids[int(items[i])], float(totals[i]), index.ids[int(by[strongest[i]])]) for i in best]


def _popular(indexes: Sequence[ItemIndex], taken: set[str], k: int, below: float) -> list[Recommended]:
    """The k most popular that are not taken, the last index (the freshest) first, scored under `below`."""
    found: list[Recommended] = []
    for index in reversed(indexes):
        for row in index.by_popularity[: k + len(taken)].tolist():
            item_id = index.ids[row]
            if len(found) >= k:
                return found
            if item_id not in taken:
                taken.add(item_id)
                found.append(Recommended(item_id, below / (len(found) + 2), BECAUSE_POPULAR))
    return found
