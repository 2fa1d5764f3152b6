"""Products for a decision: what the recommender ranks for this visitor now, and beside it what needs no ranking.

Where ranking fails, or there is no time left for it, the popular products stay: counted, and never an error. A decision
keeps what it was given in its receipt, so a replay needs no recommender.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import exp
from typing import Final

import numpy as np
import structlog
from msgspec import structs

from features.catalog import Product
from features.events import CODE, TOUCHES
from features.record import Records, hash64_again
from models.candidates import KEEP
from models.decision import Known
from models.inputs import Inputs, Suggestion
from models.item_index import ItemIndex
from models.recommend import Asked, Recommended
from models.touched import touched
from service.metrics import Metrics
from service.needs import needed
from service.shop_live import Live

RECENT_ITEMS: Final = 20
"""Products of the visitor whose facts a decision has at hand, the latest."""
RESERVE_S: Final = 0.005
"""What the rest of a decision needs of the time that is left."""
FADE: Final = 0.8

_TOUCHES: Final = np.isin(np.arange(256), [CODE[name] for name in TOUCHES])
"""Whether a kind is one of TOUCHES, by its code."""

Rankings = Mapping[bool, tuple[Suggestion, ...]]
"""By whether what the visitor looked at before may be among them."""

_log = structlog.get_logger("tact.suggest")


class Pace:
    """How long ranking took lately: the longest, faded by every ranking and every one that was left out."""

    def __init__(self) -> None:
        self.expected_s = 0.0

    def took(self, seconds: float) -> None:
        """One ranking was made."""
        self.expected_s = max(seconds, FADE * self.expected_s)

    def allows(self, left_s: float) -> bool:
        """Whether there is time for one. A refusal fades what is expected, so it is tried again before long."""
        fits = self.expected_s + RESERVE_S <= left_s
        if not fits:
            self.expected_s *= FADE
        return fits


class Suggester:
    """Adds products to what a decision is made from."""

    def __init__(self, metrics: Metrics, candidates: int = KEEP) -> None:
        """candidates: products that are ranked for a visitor, at most."""
        self._metrics, self._pace, self._candidates = metrics, Pace(), candidates
        self._told: object = None

    def add(self, inputs: Inputs, known: Known, live: Live, left_s: float) -> Inputs:
        """The inputs with products in them. left_s: until the decision has to be made."""
        needs = needed(live.needs, inputs.placements)
        found = self._ranked(inputs, known, live, left_s)
        return structs.replace(
            inputs,
            recommended=found.get(False, ()),
            returning=found.get(True, ()),
            popular=live.popular[: needs.at_most] if needs.popular else (),
            arrivals=live.arrivals[: needs.at_most] if needs.arrivals else (),
            recent=recent_products(live, known.tail, found, needs.recent),
        )

    def _ranked(self, inputs: Inputs, known: Known, live: Live, left_s: float) -> Rankings:
        if live.recommender is None or not needed(live.needs, inputs.placements).rankings:
            return {}
        if not self._pace.allows(left_s):
            self._metrics.unranked("deadline")
            return {}
        started = time.perf_counter()
        try:
            return rank(inputs, known, live, self._candidates)
        except Exception as error:  # noqa: BLE001  # the popular products do instead
            failed = error
        finally:
            took_s = time.perf_counter() - started
            self._pace.took(took_s)
            self._metrics.recommend_s.observe(took_s)
        self._tell(failed, inputs, live)
        return {}

    def _tell(self, error: Exception, inputs: Inputs, live: Live) -> None:
        """Counted always; in the log once for each version, not for every decision."""
        self._metrics.unranked("error")
        if self._told is not live.recommender:
            self._told = live.recommender
            _log.error("ranking_failed", shop=live.shop, decision_id=inputs.decision_id, exc_info=error)


def rank(inputs: Inputs, known: Known, live: Live, candidates: int = KEEP) -> Rankings:
    """What the recommender finds for the visitor on this page, best first, for each ranking that is needed."""
    recommender, needs = live.recommender, needed(live.needs, inputs.placements)
    if recommender is None:
        return {}
    asked = asked_of(known.tail, inputs.context.item_id, inputs.now_ms)
    if True in needs.rankings:
        asked = replace(asked, ids=names_of(asked.items[-RECENT_ITEMS:], live))
    return {
        own: _suggestions(
            recommender.recommend(asked, needs.at_most, own, candidates), live, recommender.ranker is not None
        )
        for own in sorted(needs.rankings)
    }


def _suggestions(found: Sequence[Recommended], live: Live, log_odds: bool) -> tuple[Suggestion, ...]:
    """With scores above 0 that levers can multiply: a ranker's are logarithms of odds."""
    best = max([r.score for r in found], default=0.0)
    return tuple(
        [
            Suggestion(
                live.product(r.item_id),
                exp(r.score - best) if log_odds else r.score,
                "" if r.because == r.item_id else r.because,
                r.source,
            )
            for r in found
        ]
    )


def asked_of(tail: Records, item_id: str, now_ms: int) -> Asked:
    """What the recommender is asked: the tail's products in time order, the page's last.

    It is asked as of the last of them, as in training (training/replay_views.py).
    """
    items, times, session_from = touched(tail, hash64_again(item_id), now_ms)
    return Asked(items, times, session_from, int(times[-1]) if times.size else now_ms)


def recent_products(live: Live, tail: Records, found: Rankings, all_of_them: bool) -> tuple[Product, ...]:
    """The products of the latest items, newest first: all that are known by name, or those that led to another."""
    items = tail["item"][_TOUCHES[tail["kind"]]][::-1].tolist()
    latest = [item for item in dict.fromkeys(items) if item][:RECENT_ITEMS]
    if all_of_them:
        names = names_of(np.array(latest, np.uint64), live)
    else:
        led = {s.because for suggestions in found.values() for s in suggestions}
        names = {hash64_again(name): name for name in led}
    return tuple(live.product(names[i]) for i in latest if i in names)


def names_of(items: "np.ndarray[tuple[int], np.dtype[np.uint64]]", live: Live) -> dict[int, str]:
    """The ids of items by their hash, of those that index or catalog know."""
    index = live.recommender.index if live.recommender is not None else ItemIndex.empty()
    rows = zip(items.tolist(), index.rows_of(items).tolist(), strict=True)
    found = {item: str(index.ids[row]) if row >= 0 else live.catalog.item_of(item) for item, row in rows}
    return {item: item_id for item, item_id in found.items() if item_id}
