"""An example visitor as the inputs of a decision: what the service would have gathered, without a service.

* Problem (service.errors)   an event, a product or a page that the service would refuse
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np

from features.catalog import Catalog, Product
from features.events import TOUCHES, Row
from features.record import hash64, pack
from features.tail import tail_of
from models.bundle import Scores
from models.inputs import Inputs, Suggestion
from models.intent import INTENTS
from models.moment import History
from models.policy_fields import NODE
from models.policy_terms import Policy
from models.stage import STAGES
from service.errors import Problem
from service.ingest import ANALYTICS, Terms, consents, inherit, rows
from service.page import context_of, event_of_page
from service.wire import DecisionRequest, read_decision, read_event

PERSONALIZATION: Final = "personalization"
VISITOR: Final = "persona"
SURE: Final = 0.75
"""The probability of a stage that is only named; the others share the rest."""
_CATALOG_MOST: Final = 40


@dataclass(frozen=True, slots=True)
class GivenScores:
    """A bundle that says what a case says."""

    stage: tuple[float, ...]
    intent: tuple[float, ...]
    id: str = "given"

    @classmethod
    def of(cls, stage: str | Mapping[str, float], intent: Mapping[str, float]) -> "GivenScores":
        rest = (1 - SURE) / (len(STAGES) - 1)
        by_stage = {s: SURE if s == stage else rest for s in STAGES} if isinstance(stage, str) else stage
        return cls(tuple(by_stage.get(s, 0.0) for s in STAGES), tuple(intent.get(i, 0.0) for i in INTENTS))

    def score(self, vector: np.ndarray) -> Scores:
        return Scores(np.array(self.stage), np.array(self.intent))


@dataclass(frozen=True, slots=True)
class Persona:
    """A visitor at a moment. earlier: lines of what is stored; own: of the page's own events."""

    request: DecisionRequest
    now_ms: int
    earlier: tuple[Row, ...]
    own: tuple[Row, ...]
    attributes: Mapping[str, Any]
    recommended: tuple[str, ...] | None
    degraded: bool

    @classmethod
    def of(cls, case: Mapping[str, Any], now_ms: int, policy: Policy, catalog: Catalog) -> "Persona":
        """The visitor of a case. Raises Problem. Without an event at `ago_s` 0 the page is one, as in the service."""
        now_ms = case.get("now", now_ms)
        request = _request(case, policy)
        against = Terms(policy.shop, policy, now_ms, now_ms, 0, now_ms)
        lines = [_lines(event, request, against, place) for place, event in enumerate(case.get("events", ()))]
        own = [line for found in lines for line in found if line.ts_ms == now_ms]
        if not own:
            page = event_of_page(request, "page", catalog.product(request.context.item_id))
            own = rows(page, against)
        earlier = tuple(line for found in lines for line in found if line.ts_ms < now_ms)
        found, degraded = case.get("recommended"), case.get("degraded", False)
        return cls(request, now_ms, earlier, tuple(own), case.get("attributes", {}), found, degraded)

    def inputs(self, placement: str, policy: Policy, catalog: Catalog) -> Inputs:
        """What the service would decide from; without consent for personalization, of the page's own events alone."""
        consent = self.request.context.consent
        use = consents(consent, policy, PERSONALIZATION)
        keep = consents(consent, policy, ANALYTICS)
        lines = (*self.earlier, *self.own) if use else self.own
        tail = tail_of(pack(lines).tobytes())
        suggested = _suggested(self, catalog, lines)
        remembered = History.of(tail_of(pack(self.earlier).tobytes()), self.now_ms).dismissed
        return Inputs(
            shop=policy.shop,
            decision_id="persona",
            visitor_id=VISITOR,
            user_id=self.request.user_id,
            now_ms=self.now_ms,
            placements=(placement,),
            context=context_of(self.request.context),
            consent=None if consent is None else tuple(consent),
            tail=None if self.degraded else tail.tobytes(),
            attributes=self.attributes if use else {},
            facts=catalog.facts(tail),
            product=catalog.product(self.request.context.item_id),
            recommended=tuple(s for s in suggested if s.source != "own"),
            returning=suggested,
            popular=tuple(Suggestion(product, 1.0) for product in catalog.listed[:_CATALOG_MOST]),
            arrivals=_arrivals(catalog),
            recent=tuple(catalog.product(item) or Product(item) for item in _touched(lines)),
            degraded_because="store" if self.degraded else "",
            dismissed=tuple(remembered.items()) if keep or use else (),
        )


def _request(case: Mapping[str, Any], policy: Policy) -> DecisionRequest:
    context = {k: v for k, v in case.get("context", {}).items() if k != NODE}
    if "consent" in case:
        context["consent"] = case["consent"]
    placements = [*policy.at][:1]
    body = {"visitor_id": VISITOR, "user_id": case.get("user_id", ""), "placements": placements, "context": context}
    return read_decision(msgspec.json.encode(body))


def _lines(event: Mapping[str, Any], request: DecisionRequest, against: Terms, place: int) -> list[Row]:
    """The lines of one event of a case. Raises Problem, with the event's place as its index."""
    body = {name: value for name, value in event.items() if name not in (NODE, "ago_s")}
    ago_s = event.get("ago_s", 0)
    try:
        if isinstance(ago_s, bool) or not isinstance(ago_s, int | float) or not 0 <= ago_s < 1e9:
            raise Problem("invalid_field", "`ago_s`: expected seconds, 0 or more.", "/ago_s")
        if "ts" in body:
            raise Problem("invalid_field", "`ts`: say how long ago it was: `ago_s`.", "/ts")
        body |= {"ts": against.now_ms - round(ago_s * 1000)}
        read = inherit(read_event(msgspec.json.encode({"event_id": f"e{place}", **body})), VISITOR, request.user_id)
        return rows(read, against)
    except Problem as problem:
        raise problem.at(place) from None


def _touched(lines: Sequence[Row]) -> list[str]:
    """Products of the events, the latest first, each once."""
    touched = sorted((line for line in lines if line.event in TOUCHES and line.item_id), key=lambda line: -line.ts_ms)
    return list(dict.fromkeys(line.item_id for line in touched))


def _suggested(persona: Persona, catalog: Catalog, lines: Sequence[Row]) -> tuple[Suggestion, ...]:
    """What a recommender might find: what the case says, else the catalog with the last product's category first."""
    touched = _touched(lines)
    last = persona.request.context.item_id or next(iter(touched), "")
    own = tuple(Suggestion(catalog.product(item) or Product(item), 1.0, "", "own") for item in touched if item != last)
    if persona.recommended is not None:
        named = (catalog.product(item) or Product(item) for item in persona.recommended)
        return (*(Suggestion(product, 1.0, last, "together" if last else "popular") for product in named), *own)
    return (*_alike(catalog.listed, last, catalog, {*touched, last}), *own)


def _alike(products: Iterable[Product], last: str, catalog: Catalog, known: set[str]) -> list[Suggestion]:
    looked_at = catalog.product(last)
    category = looked_at.category if looked_at is not None else ""
    others = [product for product in products if product.item_id not in known]
    alike = [Suggestion(p, 1.0, last, "category") for p in others if category and p.category == category]
    rest = [Suggestion(p, 0.5, "", "popular") for p in others if not category or p.category != category]
    return [*alike, *rest][:_CATALOG_MOST]


def _arrivals(catalog: Catalog) -> tuple[Suggestion, ...]:
    dated = sorted((p for p in catalog.listed if p.added_ms), key=lambda p: (-p.added_ms, hash64(p.item_id)))
    return tuple(Suggestion(product, 1.0, "", "new") for product in dated[:_CATALOG_MOST])
