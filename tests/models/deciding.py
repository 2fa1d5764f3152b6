"""A small shop, a bundle with fixed scores at the port, and visitors made from events, for the tests of decisions."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import yaml

from features.catalog import Catalog, Product
from features.events import Row
from features.fold import fold
from features.record import pack
from features.tail import tail_of
from models.bundle import Scores
from models.inputs import Context, Inputs, Suggestion
from models.moment import Moment
from models.policy import load_policy
from models.policy_terms import Policy
from models.stage import STAGES

NOW = 1_795_435_200_000
"""2026-11-23 12:00 UTC, a Monday."""
MINUTE = 60_000
DAY = 86_400_000

PRODUCTS = tuple(
    Product(
        f"p{i}", f"Product {i}", f"/p/{i}", price=10.0 * i + 10, stock=5, stores={"Utrecht": i}, rating=4.0, reviews=9
    )
    for i in range(6)
)
CATALOG = Catalog.of(PRODUCTS)
NO_CONTEXT = Context()

SHOP = """
shop: demo
locales: [en, nl]
timezone: Europe/Amsterdam
placements:
  - {id: top, kinds: [badge, hint, bar, recommend, availability]}
  - {id: side, kinds: [badge, hint, chat]}
consent: {assumed: [analytics, personalization]}
"""
NO_ARMS = dict.fromkeys(("random", "propensity_only", "no_levers", "rules_only"), 0)


def action(identifier: str, **fields: Any) -> dict[str, Any]:
    """An action's fields as a policy file has them, with ordinary ones where not given."""
    content = {locale: {"text": f"{identifier} {locale}"} for locale in ("en", "nl")}
    return {"id": identifier, "kind": "badge", "placements": ["top"], "content": content, "value": 20, **fields}


def shop(*actions: Mapping[str, Any], **fields: Any) -> Policy:
    """The small shop's policy with these actions; `fields` are further top-level fields."""
    return load_policy(text_of(*actions, **fields), "shop.yaml")


def text_of(*actions: Mapping[str, Any], **fields: Any) -> str:
    alone = {"holdout": 0, "arms": NO_ARMS}  # every visitor is served alike
    return SHOP + yaml.safe_dump({"actions": [dict(a) for a in actions], **alone, **fields}, sort_keys=False)


@dataclass(frozen=True)
class FixedScores:
    """A bundle that says the same of every vector."""

    stage: str = "evaluation"
    sure: float = 0.75
    id: str = "0123456789abcdef"
    intent: tuple[float, ...] = (0.2, 0.4, 0.3, 0.1)

    def score(self, vector: np.ndarray) -> Scores:
        rest = (1 - self.sure) / (len(STAGES) - 1)
        return Scores(np.array([self.sure if s == self.stage else rest for s in STAGES]), np.array(self.intent))


@dataclass(frozen=True)
class Visitor:
    """A visitor as events: (kind, minutes before NOW, fields)."""

    rows: tuple[Row, ...] = ()
    context: Context = NO_CONTEXT
    product: Product | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    consent: tuple[str, ...] | None = None
    recommended: tuple[Suggestion, ...] = tuple(Suggestion(p, 1.0, "p0", "together") for p in PRODUCTS[1:])
    returning: tuple[Suggestion, ...] = ()
    popular: tuple[Suggestion, ...] = ()
    arrivals: tuple[Suggestion, ...] = ()
    recent: tuple[Product, ...] = PRODUCTS

    def did(self, event: str, minutes_ago: float = 1.0, **fields: Any) -> "Visitor":
        ts_ms = NOW - round(minutes_ago * MINUTE)
        row = Row("demo", "v1", f"{event}-{len(self.rows)}-{ts_ms}", ts_ms, event, **fields)
        return replace(self, rows=(*self.rows, row))

    def on(self, page_type: str = "", **fields: Any) -> "Visitor":
        """On a page; its product comes from the catalog."""
        product = CATALOG.product(fields.get("item_id", ""))
        return replace(self, context=Context(page_type=page_type, **fields), product=product or self.product)

    def inputs(self, *placements: str, decision_id: str = "d1", now_ms: int = NOW) -> Inputs:
        tail = pack(self.rows).tobytes()
        return Inputs(
            shop="demo",
            decision_id=decision_id,
            visitor_id="v1",
            now_ms=now_ms,
            placements=placements or ("top",),
            context=self.context,
            consent=self.consent,
            tail=tail,
            attributes=self.attributes,
            facts=CATALOG.facts(tail_of(tail)),
            product=self.product,
            recommended=self.recommended,
            returning=self.returning,
            popular=self.popular,
            arrivals=self.arrivals,
            recent=self.recent,
        )


NOBODY = Visitor()
"""A visitor of whom nothing is known."""


def moment(policy: Policy, visitor: Visitor = NOBODY, stage: str = "evaluation", now_ms: int = NOW) -> Moment:
    """The moment of a visitor in a stage, on a page with every placement."""
    inputs = visitor.inputs(*policy.at, now_ms=now_ms)
    tail = tail_of(inputs.tail or b"")
    assert inputs.facts is not None
    vector = fold(tail, now_ms, inputs.facts)
    return Moment.of(inputs, policy, tail, vector, FixedScores(stage).score(vector))
