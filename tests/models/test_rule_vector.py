"""Rules answered from the vector answer as the quick ones and CEL do, or leave it to them."""

import random
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from features.schema import N_FEATURES
from models.rule_vector import NO, UNKNOWN, YES, VectorRules
from models.rules import FEATURE_NAMES, FLAGS, compile_rule
from tests.models.test_rule_quick import made_up

LEAVES = (
    *("session.views >= 2", "session.views == 2", "2 < session.views", "cart.value != 50.0", "session.views <= -1.0"),
    *("visitor.known", "visitor.known == true", "visitor.known != true", "has(cart.value)", "session.views > 1.5"),
)
VALUES: dict[tuple[str, str], tuple[float, ...]] = {
    ("session", "views"): (0.0, 1.0, 2.0, 3.0),
    ("cart", "value"): (0.0, 5.5, 50.0, 0.1),
    ("visitor", "known"): (0.0, 1.0),
}


def vector(rng: random.Random) -> npt.NDArray[np.float32]:
    """Some of the features, a fourth of them unknown."""
    made = np.full(N_FEATURES, np.nan, np.float32)
    for name, values in VALUES.items():
        if rng.random() < 0.75:
            made[FEATURE_NAMES[name]] = rng.choice(values)
    return made


def variables(of: npt.NDArray[np.float32]) -> dict[str, dict[str, Any]]:
    """The same as rules see it."""
    told: dict[str, dict[str, Any]] = {variable: {} for variable, _ in VALUES}
    for name in VALUES:
        number = float(of[FEATURE_NAMES[name]])
        if number == number:
            told[name[0]][name[1]] = number == 1.0 if name in FLAGS else number
    return told


def test_what_the_vector_answers_is_what_the_quick_rule_answers() -> None:
    rng = random.Random(7)
    rules = [compile_rule(made_up(rng, leaves=LEAVES)) for _ in range(400)]
    together = VectorRules.of(rules)
    said = set()
    for _ in range(20):
        at = vector(rng)
        seen = variables(at)
        for rule, answer in zip(rules, together.answers(at), strict=True):
            assert rule.quick is not None
            assert {YES: True, NO: False, UNKNOWN: None}[answer] is rule.quick(seen), (rule.source, seen)
            said.add(answer)
    assert said == {YES, NO, UNKNOWN}


@pytest.mark.parametrize(
    "source",
    [
        "event.channel == 'social'",
        "item.stock > 0.0",
        "session.views > 1 && stage.name == 'loyalty'",
        "cart.value * 2.0 > 10.0",
        "session.views > 1 ? visitor.known : !visitor.known",
        "visitor.attributes.tier == 'gold'",
        "time.hour == 13.0",
    ],
)
def test_what_needs_more_than_the_vector_is_left_to_others(source: str) -> None:
    whole = np.ones(N_FEATURES, np.float32)
    assert VectorRules.of([compile_rule(source)]).answers(whole) == [UNKNOWN]


def test_no_rules_have_no_answers() -> None:
    assert VectorRules.of([]).answers(np.ones(N_FEATURES, np.float32)) == []
