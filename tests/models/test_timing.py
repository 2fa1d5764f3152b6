"""Timing: a message waits until going on is no longer the likely reason for the silence."""

import json
from dataclasses import dataclass

import numpy as np
import pytest

from features.events import PAGE_TYPES
from models.arbitration import prior_draws
from models.decision import answer, decide
from models.receipt import decode, encode, replay
from models.timing import LONGEST_S, SURE, Timing
from tests.models.deciding import NOBODY, FixedScores, action, shop

CART = PAGE_TYPES.index("cart")


def timing(scale_s=20.0) -> Timing:
    random = np.random.default_rng(1)
    pages = random.integers(0, len(PAGE_TYPES), 30_000)
    made = Timing.of(random.exponential(np.where(pages == CART, 2 * scale_s, scale_s)), pages)
    assert made is not None
    return made


def test_the_moment_is_where_bayes_has_it():
    for leave in (0.3, 0.5, 0.7):
        left = leave * (1 - SURE) / ((1 - leave) * SURE)
        assert timing().moment_s("product", leave, 0) == pytest.approx(-20 * np.log(left), rel=0.15)


def test_who_is_likely_to_leave_is_asked_sooner_and_slow_pages_wait_longer():
    made = timing()
    assert made.moment_s("product", 0.7, 0) < made.moment_s("product", 0.4, 0) < made.moment_s("cart", 0.4, 0)
    assert made.moment_s("product", 0.99, 8) == 8
    assert made.moment_s("product", 1e-9, 8) == LONGEST_S
    assert 8 <= made.moment_s("nowhere", float("nan"), 8) <= LONGEST_S


def test_a_rare_page_is_timed_like_all_pages():
    random = np.random.default_rng(1)
    made = Timing.of(random.exponential(20, 1000), np.full(1000, CART))
    assert made is not None
    assert made.moment_s("home", 0.5, 0) == made.moment_s("cart", 0.5, 0)
    assert Timing.of(np.ones(10), np.zeros(10, int)) is None


def test_arrays_are_the_way_there_and_back():
    made = timing()
    again = Timing.from_arrays(made.to_arrays())
    assert again.moment_s("cart", 0.5, 1) == made.moment_s("cart", 0.5, 1)
    with pytest.raises(ValueError):
        Timing.from_arrays({"seconds": np.zeros((2, 2))})


@dataclass(frozen=True)
class Timed(FixedScores):
    timing: Timing | None = None


def test_a_timed_message_says_its_moment_and_the_receipt_replays():
    policy = shop(
        action("c", kind="chat", placements=["side"], prior={"mean": 0.5, "strength": 1000}),
        action("fixed", kind="chat", placements=["side"], show_after_s=3, value=0),
        exploration_floor=0,
    )
    assert [a.timed for a in policy.actions] == [True, False]
    inputs = NOBODY.inputs("side")
    made = decide(inputs, Timed(timing=timing()), policy, prior_draws(policy))
    waits = json.loads(answer(made))["placements"]["side"]["show_after_s"]
    assert waits == timing().moment_s("", 0.3, 8) > 8
    assert replay(decode(encode(made)), lambda _: Timed(timing=timing()), lambda _: policy).identical
    untaught = decide(inputs, FixedScores(), policy, prior_draws(policy))
    assert json.loads(answer(untaught))["placements"]["side"]["show_after_s"] == 8
