"""The policy of the load tests' shop: 20 messages that may all stand at `page.message`, and a row of 20 products.

Of the kinds of rules, caps and claims that a shop's own file has (examples/shop/policy.yaml); a third each may also
stand at three more places, so that a page can ask for four.
"""

from typing import Any, Final

import yaml

SHOP: Final = "bench"
ACTIONS: Final = 20
PLACEMENTS: Final = ("page.message", "page.top", "page.side", "page.bottom")
ROW: Final = "page.recommend"
ROW_PRODUCTS: Final = 20
KINDS: Final = ("badge", "hint", "badge", "hint", "compare", "account", "care", "availability")
RULES: Final = (
    "",
    "session.events >= 1",
    "item.session_views >= 1 || friction.delivery_views >= 1",
    "",
    "cart.units == 0 && session.age_s >= 0",
    "!visitor.known",
    "friction.returns_views == 0 && cart.step < 3",
    "",
    "session.events <= 400 && visitor.purchases == 0",
    "time.idle_s < 7200",
)
LINK: Final = {"cta": "Go", "url": "/there"}
STAGES: Final[tuple[list[str], ...]] = (
    [],
    ["consideration", "evaluation", "hesitation"],
    [],
    ["awareness", "consideration", "evaluation"],
)


OPEN_RULE: Final = "session.events >= 1 && time.idle_s < 7200"


def policy(all_open: bool = False) -> str:
    """The policy file. all_open: one whose messages no gate closes for a visitor who looks at products now."""
    places = [{"id": at, "kinds": sorted(set(KINDS)), "max_chars": 200} for at in PLACEMENTS]
    row = {"id": ROW, "kinds": ["recommend"], "max_items": ROW_PRODUCTS}
    head = {
        "shop": SHOP,
        "locales": ["en", "nl"],
        "timezone": "Europe/Amsterdam",
        "currency": "EUR",
        "session_budget": {"per_session": 500, "per_day": 1000},
        "holdout": 0.05,
        "exploration_floor": 0.01,
        "consent": {"assumed": ["analytics", "personalization"]},
        "placements": [*places, row],
        "actions": [*(_message(n, all_open) for n in range(ACTIONS)), _row()],
    }
    return yaml.safe_dump(head, sort_keys=False, allow_unicode=True)


def _message(n: int, is_open: bool) -> dict[str, Any]:
    kind, rule, stages = KINDS[n % len(KINDS)], RULES[n % len(RULES)], STAGES[n % len(STAGES)]
    made: dict[str, Any] = {
        "id": f"message_{n:02}",
        "kind": kind,
        "placements": [PLACEMENTS[0], PLACEMENTS[1 + n % (len(PLACEMENTS) - 1)]],
        "value": 20 + 3 * n,
        "caps": {"per_session": 100 + n, "per_day": 200 + n},
        "content": {
            "en": LINK | {"title": f"Message {n}", "text": "A sentence that tells a visitor something of use."},
            "nl": LINK | {"title": f"Bericht {n}", "text": "Een zin waar een bezoeker iets aan heeft."},
        },
        "reason": {"en": "You looked at this.", "nl": "Je bekeek dit."},
    }
    if rule:
        made["when"] = rule
    if stages:
        made["stages"] = stages
    if kind == "availability":
        made["claims"] = [{"text": "It is in stock", "evidence": "catalog:stock"}]
    if n == 0:
        made["fallback"] = True
    if is_open:
        made |= {"kind": "badge", "prior": {"mean": 0.1, "strength": 50}}
        made = {name: value for name, value in made.items() if name not in ("stages", "claims", "fallback", "when")}
        return made | ({"when": OPEN_RULE} if rule else {})
    return made


def _row() -> dict[str, Any]:
    return {
        "id": "what_next",
        "kind": "recommend",
        "placements": [ROW],
        "value": 14,
        "cost": 0,
        "prior": {"mean": 0.5, "strength": 1000},
        "recommend": {"source": "next", "count": ROW_PRODUCTS},
        "content": {"en": {"title": "What next?"}, "nl": {"title": "Wat nu?"}},
    }
