"""The Qini coefficient: by hand, with ties, with unequal chances, and its intervals."""

import numpy as np
import pytest

from training.qini import Held, Outcomes, Ranked, compare, perfect, qini


def fair(treated: list[int], reward: list[float]) -> Outcomes:
    return Outcomes(np.array(treated, bool), np.ones(len(treated)), np.array(reward, np.float64))


def drawn(rows: int = 4000, seed: int = 1) -> tuple[np.ndarray, Outcomes]:
    """A column that is the effect, and outcomes of a fair experiment."""
    rng = np.random.default_rng(seed)
    x, treated = rng.random(rows), rng.random(rows) < 0.5
    reward = (rng.random(rows) < 0.2 + 0.3 * x * treated).astype(np.float64)
    return x, Outcomes.of(treated, np.full(rows, 0.5), reward)


def test_a_curve_by_hand():
    """Rows by score: treated 1, silent 0, treated 0, silent 1."""
    outcomes = fair([1, 0, 1, 0], [1, 0, 0, 1])
    curve = Ranked.of(np.array([4.0, 3.0, 2.0, 1.0]), outcomes).curve()
    assert curve.rows.tolist() == [0, 1, 2, 3, 4]
    assert curve.gain.tolist() == [0, 1, 1, 1, 0]
    assert curve.above_random == pytest.approx(3.0)


def test_the_perfect_score_has_a_coefficient_of_one_and_its_reverse_is_worse_than_chance():
    outcomes = fair([1, 0, 1, 0, 1, 0], [1, 0, 0, 1, 0, 0])
    best = np.where(outcomes.treated, outcomes.reward, -outcomes.reward)
    assert qini(best, outcomes) == 1.0
    assert qini(-best, outcomes) < -0.3


def test_equal_scores_are_one_step_whatever_the_order_of_the_rows():
    x, outcomes = drawn()
    coarse = np.round(x, 1)
    shuffled = np.random.default_rng(3).permutation(len(x))
    assert qini(np.zeros(len(x)), outcomes) == 0.0
    assert qini(coarse[shuffled], outcomes.at(shuffled)) == pytest.approx(qini(coarse, outcomes), abs=1e-12)


def test_a_score_counts_by_its_order_alone():
    x, outcomes = drawn()
    assert qini(np.exp(5 * x), outcomes) == qini(x, outcomes)


def test_the_order_of_the_effect_is_above_chance_and_noise_is_at_it():
    x, outcomes = drawn(20_000)
    noise = [qini(np.random.default_rng(seed).random(len(x)), outcomes) for seed in range(20)]
    assert qini(x, outcomes) > 0.05
    assert abs(np.mean(noise)) < 0.01


def test_a_fair_experiment_has_weights_of_one_and_so_has_an_unequal_one_with_one_chance():
    treated = np.array([True, False, False, False])
    assert Outcomes.of(treated, np.full(4, 0.25), np.zeros(4)).weight.tolist() == [1, 1, 1, 1]


def test_inverse_propensities_undo_chances_that_lean_on_the_reward():
    """Without weights a score that follows the base rate looks like an effect: its likelier rows are treated."""
    rng = np.random.default_rng(5)
    rows = 40_000
    x = rng.random(rows)
    base, chance = np.where(x > 0.5, 0.4, 0.1), np.where(x > 0.5, 0.9, 0.2)
    treated = rng.random(rows) < chance
    reward = (rng.random(rows) < base + 0.05 * treated).astype(np.float64)
    weighted = Outcomes.of(treated, chance, reward)
    unweighted = Outcomes(treated, np.ones(rows), reward)
    coarse = (x > 0.5).astype(float) + 0.01 * rng.random(rows)
    assert abs(qini(coarse, weighted)) < 0.02
    assert abs(qini(coarse, unweighted)) > 0.04


def test_rewards_may_be_amounts_and_below_zero():
    rng = np.random.default_rng(2)
    x, treated = rng.normal(size=5000), rng.random(5000) < 0.5
    outcomes = Outcomes.of(treated, np.full(5000, 0.5), rng.normal(size=5000) + treated * x)
    assert qini(x, outcomes) > 0.3


@pytest.mark.parametrize(
    ("treated", "reward"), [([1, 0, 1], [0, 0, 0]), ([1, 1, 1], [1, 1, 1]), ([0, 0, 0], [0, 0, 0])]
)
def test_where_nobody_could_rank_there_is_no_coefficient(treated, reward):
    assert np.isnan(qini(np.array([1.0, 2.0, 3.0]), fair(treated, reward)))
    assert np.isnan(qini(np.empty(0), fair([], [])))


def test_counting_a_row_twice_is_having_it_twice():
    x, outcomes = drawn(500)
    counts = np.random.default_rng(1).integers(0, 3, 500).astype(np.float64)
    rows = np.repeat(np.arange(500), counts.astype(int))
    there = Ranked.of(x, outcomes).curve(counts)
    again = Ranked.of(x[rows], outcomes.at(rows)).curve()
    assert there.above_random == pytest.approx(again.above_random)
    best = perfect(outcomes).curve(counts).above_random
    assert best == pytest.approx(perfect(outcomes.at(rows)).curve().above_random)


def test_the_interval_is_as_wide_as_new_experiments_scatter():
    found = [qini(*drawn(2000, seed)) for seed in range(60)]
    x, outcomes = drawn(2000, 100)
    compared = compare([Held(np.arange(2000), {"x": x})], outcomes, np.arange(2000), 1)
    low, high = compared.interval("x")
    assert (high - low) / (2 * 1.96) == pytest.approx(np.std(found), rel=0.35)
    assert low < compared.mean("x") < high


def test_a_difference_is_paired():
    """A score beside nearly the same one: their difference is told more sharply than either."""
    x, outcomes = drawn(3000)
    near = x + 0.02 * np.random.default_rng(4).random(3000)
    compared = compare([Held(np.arange(3000), {"x": x, "near": near})], outcomes, np.arange(3000), 1, resamples=100)
    alone, apart = compared.interval("x"), compared.difference("x", "near")
    assert apart[1] - apart[0] < 0.3 * (alone[1] - alone[0])
    assert compared.difference("x", "x") == (0.0, 0.0)


def test_rows_of_a_visitor_are_drawn_together():
    """Every row thrice is no more evidence where the three are one visitor's."""
    x, outcomes = drawn(600)
    thrice = np.tile(np.arange(600), 3)
    held = [Held(np.arange(1800), {"x": x[thrice]})]
    widths = [
        np.subtract(*compare(held, outcomes.at(thrice), visitor, 1).interval("x")[::-1])
        for visitor in (np.arange(1800), thrice)
    ]
    assert widths[1] == pytest.approx(widths[0] * np.sqrt(3), rel=0.25)
