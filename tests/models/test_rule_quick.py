"""Rules answered without CEL answer as CEL does, or leave it to CEL."""

import random
from collections.abc import Sequence
from typing import Any

import cel
import pytest

from models.rules import Rule, compile_rule, holds

LEAVES = (
    *("session.views >= 2", "session.views == 2", "2 < session.views", "cart.value != 50.0", "cart.value * 2.0 > 10.0"),
    *("visitor.known", "visitor.known == true", "event.channel == 'social'", "event.channel in ['social', 'email']"),
    *("has(item.stock)", "item.stock > 0", "intent.buy < 0.2", "stage.name != 'loyalty'", "session.views in [2, 3]"),
    *("visitor.attributes.tier == 'gold'", "has(visitor.attributes.tier)", "visitor.attributes.tier > 2.0"),
    *("event.query.size() > 2", "-1 < session.views", "session.views <= -1.0", "event.name > 'b'"),
)
VALUES: dict[tuple[str, str], tuple[Any, ...]] = {
    ("session", "views"): (0.0, 1.0, 2.0, 3.0),
    ("cart", "value"): (0.0, 5.5, 50.0),
    ("visitor", "known"): (True, False),
    ("event", "channel"): ("social", "email", "x"),
    ("event", "name"): ("add", "view"),
    ("event", "query"): ("t", "tent"),
    ("item", "stock"): (0.0, 4.0),
    ("intent", "buy"): (0.1, 0.2, 0.9),
    ("stage", "name"): ("loyalty", "purchase"),
    ("visitor", "attributes"): ({}, {"tier": "gold"}, {"tier": "silver"}, {"tier": 3.0}, {"tier": True}),
}


def outcome(ask: Any) -> object:
    try:
        return ask()
    except Exception as error:  # noqa: BLE001  # whatever CEL raises has to be the same
        return type(error), str(error)


def made_up(rng: random.Random, depth: int = 2, leaves: Sequence[str] = LEAVES) -> str:
    """A rule of some leaves, joined and negated at random."""
    if depth == 0 or rng.random() < 0.2:
        leaf = rng.choice(leaves)
        return f"!({leaf})" if rng.random() < 0.2 else leaf
    parts = [made_up(rng, depth - 1, leaves) for _ in range(rng.randint(2, 3))]
    joined = f"({rng.choice((' && ', ' || ')).join(parts)})"
    return f"!{joined}" if rng.random() < 0.2 else joined


def visitor(rng: random.Random, rule: Rule) -> dict[str, dict[str, Any]]:
    """Values of what a rule mentions; some unknown."""
    variables: dict[str, dict[str, Any]] = {of: {} for of, _ in rule.names}
    for name in rule.names:
        if name == ("visitor", "attributes") or rng.random() < 0.75:
            variables[name[0]][name[1]] = rng.choice(VALUES[name])
    return variables


def test_what_is_answered_without_cel_is_what_cel_answers() -> None:
    rng = random.Random(5)
    answered = 0
    for _ in range(1500):
        rule = compile_rule(made_up(rng))
        for _ in range(4):
            variables = visitor(rng, rule)
            said = rule.quick(variables) if rule.quick is not None else None
            if said is not None:
                answered += 1
                assert outcome(lambda: holds(rule, cel.Context(variables=variables))) is said, (rule.source, variables)  # noqa: B023
    assert answered > 1000


@pytest.mark.parametrize("source", ["session.views > 1 ? visitor.known : !visitor.known", "cart.value + 1.0 > 2.0"])
def test_other_shapes_are_left_to_cel(source: str) -> None:
    rule = compile_rule(source)
    assert rule.quick is None or rule.quick({"cart": {"value": 3.0}}) is None


def test_an_unknown_name_that_decides_is_left_to_cel() -> None:
    quick = compile_rule("session.views > 1 && cart.value > 1.0").quick
    assert quick is not None
    assert quick({"session": {}, "cart": {"value": 5.0}}) is None
    assert quick({"session": {}, "cart": {"value": 0.0}}) is False
