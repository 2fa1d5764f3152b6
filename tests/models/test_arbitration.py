"""Arbitration: propensities are exact, silence always stands, and the same inputs give the same bits."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.arbitration import DRAWS, SILENCE, Contest, Draws, arbitrate, floor_of, prior_draws
from models.arms import ARMS, arm_of, shares_of
from models.effects import N_EFFECTS
from models.policy_terms import Arms
from tests.models.deciding import action, shop

EVEN = np.array([1 / 6] * 6 + [0.0] * (N_EFFECTS - 6))


def contest(policy, draws=None, stage=EVEN, shown=0, actions=None, arm="full") -> Contest:
    chosen = tuple(range(len(policy.actions))) if actions is None else actions
    return Contest.of(policy, draws or prior_draws(policy), chosen, stage, 1.0 + shown, arm)


def several(count: int, **fields):
    return shop(*(action(f"x{i}", **fields) for i in range(count)))


def test_the_draws_of_a_policy_are_the_same_in_every_process():
    policy = several(3)
    here = prior_draws(policy).id
    code = (
        "from tests.models.test_arbitration import several; from models.arbitration import prior_draws;"
        "print(prior_draws(several(3)).id)"
    )
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, env=environment)
    assert there.stdout.strip() == here, there.stderr


def test_draws_have_their_prior_s_mean_and_spread():
    policy = shop(action("x", prior={"mean": {"evaluation": 0.1, "loyalty": 1.0}, "strength": 100}))
    draws = prior_draws(policy, 20_000)
    mean, std = draws.table.mean(axis=2)[0], draws.table.std(axis=2)[0]
    assert mean[2] == pytest.approx(0.1, abs=0.002)
    assert std[2] == pytest.approx(np.sqrt(0.1 * 0.9 / 101), rel=0.05)
    assert (mean[0], mean[5]) == (0, 1)


def test_an_action_s_draws_do_not_depend_on_its_neighbours():
    one, two = action("x"), action("y")
    both, other = shop(one, two), shop(two, one)
    same_version = replace(other, version=both.version)
    assert np.array_equal(prior_draws(both).table[0], prior_draws(same_version).table[1])
    assert not np.array_equal(prior_draws(both).table[0], prior_draws(both).table[1])


@pytest.mark.parametrize(
    "table",
    [np.zeros((1, 5, 4)), np.zeros((6, 4)), np.full((1, N_EFFECTS, 4), np.nan), np.full((1, N_EFFECTS, 4), np.inf)],
)
def test_a_table_that_is_no_table_of_effects_is_refused(table):
    with pytest.raises(ValueError):
        Draws.of(table)


def test_net_value_is_value_times_probability_times_lever_less_growing_cost():
    policy = shop(action("x", value=10, cost=0.5, lever=2, prior={"mean": 0.3}))
    table = np.full((1, N_EFFECTS, 4), 0.25, np.float32)
    at = contest(policy, Draws.of(table), shown=2)
    assert at.net[0].tolist() == pytest.approx([10 * 0.25 * 2 - 0.5 * 3] * 4)
    assert at.numbers[2, 0] == pytest.approx(3.5)


def test_the_probability_is_mixed_over_the_stages():
    policy = shop(action("x", value=1, cost=0))
    table = np.zeros((1, N_EFFECTS, 2), np.float32)
    table[0, 3] = 0.5
    stage = np.array([0, 0, 0.25, 0.75, 0, 0, 0, 0, 0])
    at = contest(policy, Draws.of(table), stage)
    assert at.net[0].tolist() == [0.375, 0.375]
    assert at.probability[0] == 0.375


def shifted(policy, shift, draws=None, stage=EVEN) -> Contest:
    return Contest.of(
        policy, draws or prior_draws(policy), tuple(range(len(policy.actions))), stage, 1.0, "full", shift
    )


def test_an_uplift_model_becomes_the_centre_and_the_draws_keep_their_spread():
    policy = shop(action("x", value=10, lever=2, cost=0.5), action("y", value=10))
    plain, moved = contest(policy), shifted(policy, {policy.actions[0].hash: 0.25})
    assert moved.probability.tolist() == [0.25, plain.probability[1]]
    assert moved.numbers[2, 0] == pytest.approx(10 * 2 * 0.25 - 0.5)
    assert moved.net[0].mean(dtype=np.float64) == pytest.approx(moved.numbers[2, 0], abs=1e-5)
    by = 10 * 2 * (0.25 - plain.probability[0])
    assert moved.net[0] - plain.net[0] == pytest.approx(np.full(DRAWS, by), abs=1e-5)
    assert np.array_equal(moved.net[1], plain.net[1])


def test_an_uplift_model_that_says_what_the_posterior_says_changes_no_bit():
    policy = several(3)
    plain = contest(policy)
    means = {one.hash: float(plain.probability[place]) for place, one in enumerate(policy.actions)}
    same = shifted(policy, means)
    assert same.net.tobytes() == plain.net.tobytes()
    assert same.probability.tobytes() == plain.probability.tobytes()
    assert arbitrate(same, (0, 1, 2), "id", "top", 0.01) == arbitrate(plain, (0, 1, 2), "id", "top", 0.01)


def test_effects_of_actions_that_do_not_compete_change_nothing():
    policy = several(2)
    assert shifted(policy, {12345: 0.9}).net.tobytes() == contest(policy).net.tobytes()
    assert Contest.of(policy, prior_draws(policy), (), EVEN, 1.0, "full", {policy.actions[0].hash: 0.1}).net.shape == (
        0,
        DRAWS,
    )


def test_a_harmful_effect_silences_an_action_that_its_prior_would_show():
    policy = shop(action("x", value=30, prior={"mean": 0.3, "strength": 1000}))
    assert arbitrate(contest(policy), (0,), "id", "top", 0.0).share == (0.0, 1.0)
    harmed = shifted(policy, {policy.actions[0].hash: -0.3})
    assert arbitrate(harmed, (0,), "id", "top", 0.0).share == (1.0, 0.0)
    assert arbitrate(harmed, (0,), "id", "top", 0.01).propensity == pytest.approx((0.99, 0.01))


@settings(max_examples=60, deadline=None)
@given(effects=st.lists(st.floats(-1, 1), min_size=4, max_size=4), floor=st.floats(0, 0.1))
def test_with_uplift_models_propensities_are_still_the_exact_shares(effects, floor):
    policy = shop(*(action(f"x{i}", cost=0.5, prior={"mean": 0.1, "strength": 20}) for i in range(4)))
    at = shifted(policy, {one.hash: effect for one, effect in zip(policy.actions, effects, strict=True)})
    outcome = arbitrate(at, (0, 1, 2, 3), "id", "top", floor)
    by_hand = np.argmax(np.vstack([np.zeros((1, DRAWS), np.float32), at.net]), axis=0)
    assert outcome.share == tuple(np.bincount(by_hand, minlength=5) / DRAWS)
    assert sum(outcome.propensity) == pytest.approx(1, abs=1e-12)
    each = floor_of(5, floor)
    assert outcome.propensity == tuple((1 - 5 * each) * won + each for won in outcome.share)


def test_propensities_sum_to_one_and_are_what_a_hundred_thousand_ids_give():
    policy = shop(action("a", value=30), action("b", value=28), action("c", value=1, cost=3))
    at = contest(policy)
    first = arbitrate(at, (0, 1, 2), "id", "top", 0.02)
    assert sum(first.propensity) == pytest.approx(1, abs=1e-12)
    assert sum(first.share) == 1
    times = 20_000
    counts = np.bincount([arbitrate(at, (0, 1, 2), f"id-{i}", "top", 0.02).winner for i in range(times)], minlength=4)
    error = np.sqrt(np.array(first.propensity) * (1 - np.array(first.propensity)) / times)
    assert np.all(np.abs(counts / times - first.propensity) < 4 * error)


def test_the_share_is_the_count_of_draws_an_action_wins():
    policy = several(4)
    at = contest(policy)
    by_hand = np.argmax(np.vstack([np.zeros((1, DRAWS), np.float32), at.net]), axis=0)
    outcome = arbitrate(at, (0, 1, 2, 3), "id", "top", 0.0)
    assert outcome.share == tuple(np.bincount(by_hand, minlength=5) / DRAWS)
    assert outcome.winner == by_hand[outcome.draw]
    assert outcome.propensity == outcome.share


def test_an_action_worth_nothing_loses_to_silence():
    policy = several(2, value=0, cost=0)
    outcome = arbitrate(contest(policy), (0, 1), "id", "top", 0.0)
    assert outcome.winner == SILENCE
    assert outcome.share == (1.0, 0.0, 0.0)


def test_silence_alone_is_certain():
    outcome = arbitrate(contest(several(1)), (), "id", "top", 0.1)
    assert (outcome.winner, outcome.propensity, outcome.explored) == (SILENCE, (1.0,), False)


def test_the_floor_gives_every_eligible_action_its_chance_and_takes_at_most_a_fifth():
    policy = several(1, value=0, cost=5)
    outcome = arbitrate(contest(policy), (0,), "id", "top", 0.05)
    assert outcome.propensity == pytest.approx((0.95, 0.05))
    assert floor_of(40, 0.1) * 40 == pytest.approx(0.2)
    assert floor_of(1, 0.1) == 0


def test_a_tie_goes_to_the_first_in_the_policy():
    policy = several(3, value=1, cost=0)
    at = contest(policy, Draws.of(np.full((3, N_EFFECTS, 8), 0.5, np.float32)))
    assert arbitrate(at, (0, 1, 2), "id", "top", 0.0).share == (0.0, 1.0, 0.0, 0.0)
    assert arbitrate(at, (1, 2), "id", "top", 0.0).share == (0.0, 1.0, 0.0)


@settings(max_examples=60, deadline=None)
@given(
    nets=st.lists(st.floats(-5, 5, width=32), min_size=6, max_size=6),
    floor=st.floats(0, 0.1),
    count=st.integers(0, 6),
    identifier=st.text(min_size=1, max_size=8),
)
def test_propensities_always_sum_to_one_and_respect_the_floor(nets, floor, count, identifier):
    at = Contest(
        tuple(range(6)), np.zeros((3, 6)), np.array([[n, -n] for n in nets], np.float32), np.zeros(6, np.int64)
    )
    outcome = arbitrate(at, tuple(range(count)), identifier, "top", floor)
    assert sum(outcome.propensity) == pytest.approx(1)
    assert min(outcome.propensity) >= floor_of(count + 1, floor) - 1e-12
    assert outcome.propensity[outcome.winner] > 0


def test_each_arm_gets_its_share_of_visitors_and_keeps_them():
    policy = replace(several(1), holdout=0.1, arms=Arms(0.05, 0.02, 0.02, 0.02))
    arms = [arm_of(policy, f"visitor-{i}") for i in range(20_000)]
    assert arms == [arm_of(policy, f"visitor-{i}") for i in range(20_000)]
    for arm, share in shares_of(policy).items():
        assert arms.count(arm) / 20_000 == pytest.approx(share, abs=0.006)
    assert arms != [arm_of(replace(policy, shop="other"), f"visitor-{i}") for i in range(20_000)]
    assert set(ARMS) == set(arms)


def test_a_smaller_holdout_moves_nobody_else_into_it():
    policy = replace(several(1), holdout=0.1, arms=Arms(0, 0, 0, 0))
    smaller = replace(policy, holdout=0.05)
    held = {i for i in range(5000) if arm_of(policy, f"v{i}") == "holdout"}
    assert {i for i in range(5000) if arm_of(smaller, f"v{i}") == "holdout"} < held


def test_the_random_arm_makes_everything_eligible_as_likely():
    outcome = arbitrate(contest(several(3, value=9), arm="random"), (0, 1, 2), "d", "top", 0.01)
    assert outcome.propensity == pytest.approx((0.25,) * 4)


def test_the_rules_arm_takes_the_first_for_certain_and_silence_if_there_is_none():
    at = contest(several(3, value=0), arm="rules_only")
    assert arbitrate(at, (1, 2), "d", "top", 0.01).propensity == (0.0, 1.0, 0.0)
    assert arbitrate(at, (), "d", "top", 0.01).winner == SILENCE


def test_levers_values_and_costs_count_as_the_arm_has_it():
    policy = shop(action("x", value=10, lever=3, cost=1, prior={"mean": 0.5}))
    assert contest(policy).numbers[2, 0] == pytest.approx(14, abs=0.5)
    assert contest(policy, arm="no_levers").numbers[2, 0] == pytest.approx(4, abs=0.2)
    assert contest(policy, arm="propensity_only").numbers[2, 0] == pytest.approx(0.5, abs=0.02)


def test_what_does_harm_loses_to_silence():
    policy = several(1, value=10, cost=0)
    harmful = Draws.of(np.full((1, N_EFFECTS, 8), -0.1, np.float32))
    assert arbitrate(contest(policy, harmful), (0,), "d", "top", 0.0).propensity == (1.0, 0.0)
