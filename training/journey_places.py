"""Where sessions stop: each place against what is expected at the same point of a session, with intervals.

A *place* is what a step is about for people: a kind of page or event ("product page", "search without a result"), or
one product's page. A session *stops* at its last step unless it has bought by then; visits after a sale are left out.
A step that the next follows within three seconds is part of it (a search and its list) and no place to stop.

Late in a session more stop than early, with an open cart fewer: so a place is compared with all of its sort at the
same depth, with a cart open as often, on the same device, and with visitors known or new (indirect standardisation, as
for mortality between hospitals). The figure is observed / expected. The place itself is in what is expected, so that
the page where most sessions are anyway does not count as a dead end; where it is alone at such a point, it is not
compared.

The interval is of visitors, not of steps (a visitor who passes ten times is one): sum over visitors of
(stopped - expected)^2, plus the error of what is expected. Many places are looked at, so a dead end has to pass
Benjamini & Hochberg 1995 at 5 %, by a one-sided test, beside being at least a quarter above what is expected.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.events import CODE, KINDS, PAGE_TYPES
from training.journey_sessions import AFTER_SALE, Journeys, Sessions
from training.wilson import Z

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

LEAST_VISITORS: Final = 50
LEAST_STOPS: Final = 10
"""A place with fewer visitors passing, or fewer sessions that stop there, is not judged."""

AT_ONCE_MS: Final = 3_000

FALSE_SHARE: Final = 0.05
LEAST_RATIO: Final = 1.25
MOST_PRODUCTS: Final = 2_000
"""Of products those with the most passes are looked at."""

_DEPTHS: Final = np.array([1, 2, 3, 5, 9, 17])
_PAGE: Final = CODE["page_view"]
_ITEM: Final = CODE["view_item"]


@dataclass(frozen=True, slots=True)
class Place:
    """One place. id: "kind:zero_results", "page:delivery" or "product:ITEM". compared: passes that had others to be
    compared with. ratio: stopped / expected of those, with its 95 % interval; None where it is not judged.
    """

    id: str
    visitors: int
    passed: int
    stopped: int
    compared: int
    expected: float
    ratio: float | None
    low: float | None
    high: float | None
    dead_end: bool

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values. share: that stops here, of the passes compared where it is judged, else of all."""
        share = self.stopped / self.passed if self.ratio is None else self.ratio * self.expected / self.compared
        told = {name: getattr(self, name) for name in ("id", "visitors", "passed", "stopped", "compared", "ratio")}
        expected = self.expected / self.compared if self.compared else None
        ci = None if self.low is None else [self.low, self.high]
        return told | {"share": share, "expected_share": expected, "ratio_ci": ci, "dead_end": self.dead_end}


@dataclass(frozen=True, slots=True)
class Passes:
    """Steps at which a session could stop without having bought. All (n,).

    step: its position in Steps; session: its row in Sessions; place: code; stops: whether it is the session's last;
    stratum: at which point of a session; visitor: code.
    """

    step: Ints
    session: Ints
    stops: Flags
    stratum: Ints
    visitor: Ints


def passes(found: Journeys, sessions: Sessions) -> Passes:
    """Those of the given sessions, which are some of found.sessions."""
    lengths = sessions.end - sessions.first
    session = np.repeat(np.arange(len(sessions)), lengths)
    within = np.arange(len(session)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    step = sessions.first[session] + within
    free = ~found.steps.bought[step] & (sessions.outcome[session] != AFTER_SALE) & _rests(found, step, session)
    step, session, within = step[free], session[free], within[free]
    depth = np.searchsorted(_DEPTHS, within + 1, side="right")
    strata = (depth * 2 + found.steps.open_cart[step]) * 4 + sessions.device[session]
    stratum = strata * 2 + sessions.before[session]
    stops = step == sessions.end[session] - 1
    return Passes(step, session, stops, stratum.astype(np.int64), sessions.visitor[session])


def _rests(found: Journeys, step: Ints, session: Ints) -> Flags:
    """Which steps are not followed at once by another of the session. step: ascending in each session."""
    ts_ms = found.log.records["ts_ms"][found.steps.row[step]]
    rests = np.ones(len(step), bool)
    rests[:-1] = (session[1:] != session[:-1]) | (np.diff(ts_ms) > AT_ONCE_MS)
    return rests


def kinds_of(found: Journeys, step: Ints) -> Ints:
    """The code of each step's place among NAMES: of a plain page view its type of page, else the kind of event."""
    records = found.log.records[found.steps.row[step]]
    kind, page = records["kind"].astype(np.int64), records["page"].astype(np.int64)
    return np.where((kind == _PAGE) & (page > 0), len(KINDS) + page, kind)


NAMES: Final = (*(f"kind:{name}" for name in KINDS), *(f"page:{name}" for name in PAGE_TYPES))
"""Places by kind. "page:" is for page views only; the page of a product is "kind:view_item"."""


def places(found: Journeys, sessions: Sessions) -> list[Place]:
    """Places by kind, the most passed first."""
    at = passes(found, sessions)
    return judged(at, kinds_of(found, at.step), NAMES)


def products(found: Journeys, sessions: Sessions) -> list[Place]:
    """Pages of single products against those of the other products, the most passed first."""
    at = passes(found, sessions)
    records = found.log.records[found.steps.row[at.step]]
    looked = np.flatnonzero((records["kind"] == _ITEM) & (records["item"] != 0))
    some = Passes(*(getattr(at, name)[looked] for name in ("step", "session", "stops", "stratum", "visitor")))
    items, code, count = np.unique(records["item"][looked], return_inverse=True, return_counts=True)
    busiest = np.argsort(-count, kind="stable")[:MOST_PRODUCTS]
    names = found.log.item_ids
    ids = [f"product:{names.get(int(item), '?')}" for item in items]
    return judged(some, code.astype(np.int64), ids, set(busiest.tolist()))


def judged(at: Passes, place: Ints, names: Sequence[str], only: set[int] | None = None) -> list[Place]:
    """Each place against the others. place: codes in `names`, (n,). only: codes to look at, default all."""
    if not len(place):
        return []
    table = _Table.of(at, place, len(names))
    codes = [c for c in np.flatnonzero(table.passed).tolist() if only is None or c in only]
    order = np.argsort(place, kind="stable")
    bounds = np.searchsorted(place[order], np.arange(len(names) + 1))
    rows = [_place(table, at, order[bounds[c] : bounds[c + 1]], c, names[c]) for c in codes]
    marked = _dead_ends(rows)
    out = [replace(one, dead_end=n in marked) for n, (one, _) in enumerate(rows)]
    return sorted(out, key=lambda one: (-one.passed, one.id))


@dataclass(frozen=True, slots=True)
class _Table:
    """Passes and stops by stratum, and by stratum and place (sparse keys)."""

    passed: Ints
    of_all: Ints
    stops_all: Ints

    @classmethod
    def of(cls, at: Passes, place: Ints, count: int) -> "_Table":
        strata = int(at.stratum.max()) + 1
        return cls(
            np.bincount(place, minlength=count),
            np.bincount(at.stratum, minlength=strata),
            np.bincount(at.stratum[at.stops], minlength=strata),
        )


def _place(table: _Table, at: Passes, rows: Ints, code: int, name: str) -> tuple[Place, float]:
    """A place and the one-sided p of its stopping no more than expected; 1 where it is not judged."""
    strata, stops, visitor = at.stratum[rows], at.stops[rows], at.visitor[rows]
    size = len(table.of_all)
    own = np.bincount(strata, minlength=size)
    others = table.of_all - own
    rate = (table.stops_all + 0.5) / (table.of_all + 1.0)
    comparable = others[strata] >= LEAST_VISITORS
    people = len(np.unique(visitor))
    compared = int(comparable.sum())
    expected = float(rate[strata[comparable]].sum())
    plain = Place(name, people, len(rows), int(stops.sum()), compared, expected, None, None, None, False)
    hits = int(stops[comparable].sum())
    if people < LEAST_VISITORS or hits < LEAST_STOPS or expected <= 0 or len(np.unique(visitor[comparable])) < 30:
        return plain, 1.0
    left = np.bincount(np.unique(visitor, return_inverse=True)[1], (stops - rate[strata]) * comparable)
    weight = np.bincount(strata[comparable], minlength=size)
    of_base = float(np.sum(weight.astype(float) ** 2 * rate * (1 - rate) / np.maximum(table.of_all, 1)))
    spread = math.sqrt(float(np.sum(left * left)) + of_base)
    ratio = hits / expected
    ends = (max(0.0, ratio - Z * spread / expected), ratio + Z * spread / expected)
    p = 0.5 * math.erfc((hits - expected) / spread / math.sqrt(2.0)) if spread > 0 else 1.0
    told = Place(name, people, len(rows), int(stops.sum()), compared, expected, ratio, *ends, False)
    return told, p


def _dead_ends(rows: Sequence[tuple[Place, float]]) -> set[int]:
    """Which rows pass Benjamini & Hochberg and lie high enough."""
    tried = sorted((p, n) for n, (place, p) in enumerate(rows) if place.ratio is not None)
    most = max((rank for rank, (p, _) in enumerate(tried, 1) if p <= FALSE_SHARE * rank / len(tried)), default=0)
    return {n for _, n in tried[:most] if (rows[n][0].ratio or 0.0) >= LEAST_RATIO}
