"""`visitor.persona` in rules: asked where it is mentioned, absent where unknown, and replayed from the receipt."""

from dataclasses import replace

import numpy as np
import pytest
from msgspec import structs

from features.record import pack
from features.tail import tail_of
from models import receipt
from models.arbitration import prior_draws
from models.decision import decide
from models.lint_reach import personas_asked
from models.persona import Personas
from models.persona_traits import EVENING, N_TRAITS
from models.policy_terms import Policy
from models.rules import PERSONA, compile_rule
from service.shop_live import Live
from tests.models.deciding import CATALOG, FixedScores, Visitor, action, shop

BUNDLE = FixedScores()


def personas() -> Personas:
    """Who comes after 18 o'clock UTC is by-night, the others by-day."""
    weight, centres = np.zeros(N_TRAITS), np.zeros((2, N_TRAITS))
    weight[EVENING], centres[1, EVENING] = 1.0, 1.0
    return Personas("demo", ("by-day", "by-night"), np.zeros(N_TRAITS), np.ones(N_TRAITS), weight, centres)


def policy(rule: str) -> Policy:
    return shop(action("one", when=rule, prior={"mean": 0.5, "strength": 1000}, cost=0))


def by_day(steps: int = 3) -> Visitor:
    visitor = Visitor()
    for n in range(steps):
        visitor = visitor.did("view_item", 3 * (steps - n), item_id="p1")
    return visitor


def live_of(about: Policy) -> Live:
    return Live("demo", None, about, True, prior_draws(about), CATALOG, personas=personas())


def said(rule: str, visitor: Visitor) -> str | None:
    about = policy(rule)
    inputs = visitor.inputs("top")
    persona = live_of(about).persona(inputs.placements, tail_of(inputs.tail or b""))
    (chosen,) = decide(structs.replace(inputs, persona=persona), BUNDLE, about, prior_draws(about)).chosen
    return chosen.action


def test_a_rule_may_ask_for_a_persona() -> None:
    assert compile_rule('visitor.persona == "by-day"').names == (PERSONA,)
    assert said('visitor.persona == "by-day"', by_day()) == "one"
    assert said('visitor.persona == "by-night"', by_day()) is None
    assert said('visitor.persona in ["by-day", "x"]', by_day()) == "one"


def test_a_persona_that_is_not_known_yet_is_absent() -> None:
    assert said('visitor.persona != "by-night"', by_day(2)) is None
    assert said('!has(visitor.persona) || visitor.persona == "by-night"', by_day(2)) == "one"


def test_nobody_is_given_a_persona_that_no_rule_asks_for() -> None:
    tail = pack(by_day().rows)
    assert live_of(policy("session.views > 0")).persona(("top",), tail) == ""
    assert live_of(policy('visitor.persona == "by-day"')).persona(("side",), tail) == ""
    assert live_of(policy('visitor.persona == "by-day"')).persona(("top",), tail) == "by-day"


def test_a_shop_without_personas_or_a_store_that_is_away_has_none() -> None:
    about = policy('visitor.persona == "by-day"')
    assert replace(live_of(about), personas=None).persona(("top",), pack(by_day().rows)) == ""
    assert live_of(about).persona(("top",), None) == ""


def test_a_receipt_keeps_the_persona_and_replays_to_the_same_bytes() -> None:
    about = policy('visitor.persona == "by-day"')
    draws = prior_draws(about)
    made = decide(structs.replace(by_day().inputs("top"), persona="by-day"), BUNDLE, about, draws)
    data = receipt.encode(made)
    kept = receipt.decode(data)
    assert kept.inputs.persona == "by-day" and made.chosen[0].action == "one"
    again = receipt.replay(kept, lambda _: BUNDLE, lambda _: about, lambda _: draws)
    assert again.identical


@pytest.mark.parametrize(
    ("rule", "names"),
    [
        ('visitor.persona == "a"', ("a",)),
        ("'b' != visitor.persona", ("b",)),
        ('session.views > 2 && visitor.persona in ["a", "b"]', ("a", "b")),
        ('event.name == "search"', ()),
        ("has(visitor.persona)", ()),
    ],
)
def test_the_names_a_rule_asks_for_are_read_from_it(rule: str, names: tuple[str, ...]) -> None:
    assert personas_asked(rule) == names
