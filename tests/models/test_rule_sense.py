"""A rule that is said never to hold never does: random rules beside CEL itself, on random visitors."""

from typing import Any

import cel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.rule_sense import SIZES, TEXTS, why_never
from models.rule_tree import Asked, formula_of, ways
from models.rules import NAMES, compile_rule, holds
from models.stage import STAGES

ATOMS = (
    *(f"session.views {op} {n}" for op in ("<", "<=", ">", ">=", "==", "!=") for n in (0, 2, 3)),
    *(f"{n} {op} cart.value" for op in ("<", ">=") for n in (0.5, 2)),
    *(f"stage.{stage} {op} 0.45" for op in ("<", ">") for stage in ("purchase", "loyalty")),
    "stage.name == 'purchase'",
    "stage.name in ['awareness', 'loyalty']",
    "visitor.known",
    "event.channel == 'paid'",
    "event.channel != 'paid'",
    "event.channel == 'none of them'",
    "has(item.stock)",
    "item.stock > 2",
    "item.stock <= 2",
    "visitor.attributes.tier == 'gold'",
    "visitor.attributes.tier > 1",
    "visitor.attributes.tier == true",
    "cart.value * 2.0 > 3.0",
    "event.query.contains('tent')",
    "true",
)

FORMULAS = st.recursive(
    st.sampled_from(ATOMS),
    lambda below: st.one_of(
        st.tuples(below, st.sampled_from(("&&", "||")), below).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        below.map(lambda text: f"!({text})"),
        st.tuples(below, below, below).map(lambda t: f"({t[0]} ? {t[1]} : {t[2]})"),
    ),
    max_leaves=6,
)


@st.composite
def visitors(draw: st.DrawFn) -> dict[str, dict[str, Any]]:
    """What a rule sees; what is unknown is absent."""
    weights = draw(st.lists(st.integers(0, 9), min_size=6, max_size=6).filter(any))
    stages = {stage: weight / sum(weights) for stage, weight in zip(STAGES, weights, strict=True)}
    known: dict[str, dict[str, Any]] = {
        "session": {"views": float(draw(st.integers(0, 5)))},
        "cart": {"value": draw(st.sampled_from((0.0, 0.5, 1.0, 2.0, 9.5)))},
        "stage": {**stages, "name": max(stages, key=lambda stage: stages[stage])},
        "visitor": {"known": draw(st.booleans()), "attributes": {}},
        "event": {},
        "item": {},
    }
    for variable, name, values in (
        ("event", "channel", TEXTS["event.channel"]),
        ("event", "query", ("tent", "boots")),
        ("item", "stock", (0.0, 1.0, 2.0, 3.0)),
    ):
        if (value := draw(st.sampled_from((None, *values)))) is not None:
            known[variable][name] = value
    if (tier := draw(st.sampled_from((None, "gold", "red", 1.0, 2.0, True, False)))) is not None:
        known["visitor"]["attributes"]["tier"] = tier
    return known


def is_true(source: str, known: dict[str, dict[str, Any]]) -> bool:
    try:
        return holds(compile_rule(source), cel.Context(variables=known))
    except Exception:  # noqa: BLE001  # what is unknown or fails does not hold, whatever it raises
        return False


@settings(max_examples=600, deadline=None)
@given(FORMULAS, st.lists(visitors(), min_size=8, max_size=8))
def test_a_rule_that_holds_for_anybody_is_never_called_impossible(source: str, crowd: list[dict[str, Any]]) -> None:
    if any(is_true(source, known) for known in crowd):
        assert why_never(source) == ""


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="abs.()[]!&|<>=?:'\"\\ \n/*-+%0123456789truefalsehas", max_size=60))
def test_any_text_is_read_or_left_alone(source: str) -> None:
    formula = formula_of(source)
    assert formula is None or ways(formula) is not None
    why_never(source)


@pytest.mark.parametrize("count", [3, 200])
def test_a_rule_of_very_many_ways_is_left_alone(count: int) -> None:
    source = " && ".join("(session.views > 5 || cart.value > 3)" for _ in range(count)) + " && session.views < 0"
    assert bool(why_never(source)) == (count == 3)


@pytest.mark.parametrize("number", ["5u", "5U", "5.0", "5e0", "5"])
def test_a_number_is_read_however_it_is_written(number: str) -> None:
    assert why_never(f"session.views > {number} && session.views < 3")


def test_every_number_a_rule_can_name_has_its_bounds() -> None:
    numbers = {f"{variable}.{name}" for variable, name in NAMES if variable not in ("event", "visitor")}
    flags_and_texts = {"stage.name", "item.category", "item.in_cart", "cart.carried", "item.margin", "item.price"}
    assert numbers - set(SIZES) <= flags_and_texts


def test_what_is_given_counts_like_a_part_of_the_rule() -> None:
    assert why_never("cart.units > 1", [Asked("cart.units", "<", (1.0,))])
    assert why_never("cart.units > 1", [Asked("cart.units", ">", (1.0,))]) == ""
