"""Confidence sequences hold under peeking where a z-test does not; the sample-ratio test fires where it should."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.sequential import (
    Arm,
    Plan,
    arms_of,
    boundary,
    difference,
    difference_se2,
    mean_sequence,
    more_visitors,
    p_value,
    ratio_evidence,
    ratio_p,
    relative,
    tightest,
)

PLAN = Plan(visitors=2000)
EVENLY = np.arange(4000) % 2


def test_the_sequence_is_tightest_at_the_planned_visitors() -> None:
    reach = {n: boundary(n, Plan(visitors=5000)) for n in (500, 2000, 4900, 5000, 5100, 12_000, 100_000)}
    assert min(reach, key=lambda n: reach[n]) == 5000
    assert reach[5000] == pytest.approx(math.sqrt(tightest(0.05) + 1), rel=1e-9)


def test_it_is_wider_than_an_interval_of_one_look_and_not_by_much() -> None:
    assert 2.9 < boundary(PLAN.visitors, PLAN) < 3.1
    assert boundary(10 * PLAN.visitors, PLAN) < 3.4


@given(z=st.floats(0, 12), n=st.integers(1, 10**7), alpha=st.floats(0.001, 0.5))
def test_p_is_at_most_alpha_just_where_the_interval_leaves_0_out(z: float, n: int, alpha: float) -> None:
    plan = Plan(alpha, 10_000)
    edge = boundary(n, plan)
    if abs(z - edge) > 1e-6:
        assert (p_value(z, n, plan) < alpha) == (z > edge)


def coin_flips(shops: int, seed: int = 3) -> tuple[int, int]:
    """Shops of 4,000 fair flips in two arms, looked at every 50: how many ours, and a z-test, ever tell apart."""
    rng, ours, plain = np.random.default_rng(seed), 0, 0
    for _ in range(shops):
        values = (rng.random(4000) < 0.3).astype(np.float64)
        found = [difference(*arms_of(values[:n], EVENLY[:n], 2), n, PLAN) for n in range(200, 4001, 50)]
        ours += any(one.apart for one in found)
        plain += any(abs(one.estimate) > 1.96 * one.se for one in found)
    return ours, plain


def test_looking_often_does_not_make_it_err_more_than_alpha_and_makes_a_z_test() -> None:
    ours, plain = coin_flips(200)
    assert ours <= 10
    assert plain > 40


def test_a_true_lift_is_found() -> None:
    rng = np.random.default_rng(1)
    values = (rng.random(4000) < np.where(EVENLY == 0, 0.36, 0.28)).astype(np.float64)
    found = difference(*arms_of(values, EVENLY, 2), 4000, PLAN)
    assert found.low > 0 and found.p < 0.05
    assert found.low < 0.08 < found.high


def test_a_mean_is_covered_at_every_look_together() -> None:
    rng, missed = np.random.default_rng(2), 0
    for _ in range(200):
        values = rng.lognormal(0, 0.5, 3000)
        looks = (mean_sequence(Arm.of(values[:n]), n, PLAN) for n in range(100, 3001, 100))
        missed += any(not one.low <= math.exp(0.125) <= one.high for one in looks)
    assert missed <= 10


def test_arms_are_those_of_plain_means_and_variances() -> None:
    values, arm = np.array([1e9 + 1, 1e9 + 2, 1e9 + 4, 5.0]), np.array([0, 0, 0, 2])
    one, empty, other = arms_of(values, arm, 3)
    assert (one.n, one.mean) == (3, pytest.approx(1e9 + 7 / 3))
    assert (empty, other.n, other.mean, other.variance) == (Arm(0, 0.0, 0.0), 1, 5.0, 0.0)


def test_a_small_arm_with_too_few_buyers_is_not_sure_of_it() -> None:
    few, base = Arm(1000, 0.001, 0.001), Arm(19_000, 0.01, 0.0099)
    assert difference_se2(few, base) > 4 * (few.se2 + base.se2)


def test_one_huge_order_in_a_small_arm_is_not_a_lift() -> None:
    values = np.zeros(20_000)
    values[::100], values[0] = 50.0, 1e6
    arm = (np.arange(20_000) % 20 != 0).astype(np.intp)
    found = difference(*arms_of(values, arm, 2), 20_000, Plan())
    assert not found.apart and found.estimate > 900


@pytest.mark.parametrize("lift", [-0.2, 0.0, 0.15, 0.4])
def test_the_relative_interval_agrees_with_the_absolute_one(lift: float) -> None:
    arm, base = Arm(50_000, 0.05 * (1 + lift), 0.0475), Arm(50_000, 0.05, 0.0475)
    absolute, ends = difference(arm, base, 100_000, Plan()), relative(arm, base, 100_000, Plan())
    assert ends is not None
    assert ends[0] < lift < ends[1]
    assert (ends[0] > 0, ends[1] < 0) == (absolute.low > 0, absolute.high < 0)


def test_there_is_no_relative_lift_over_a_base_near_0() -> None:
    assert relative(Arm(1000, 0.1, 0.09), Arm(50, 0.02, 0.02), 1050, Plan()) is None


def test_so_many_more_visitors_tell_the_effect_and_fewer_do_not() -> None:
    se, n = 0.01, 5000
    more = more_visitors(0.015, se, n, Plan())
    assert more is not None and more > 0

    def reach(visitors: int) -> float:
        return boundary(visitors, Plan()) * se * math.sqrt(n / visitors)

    assert reach(n + more) <= 0.015 < reach(int(0.99 * (n + more)))
    assert more_visitors(0.5, se, n, Plan()) == 0
    assert more_visitors(0.0, se, n, Plan()) is None
    assert more_visitors(1e-9, se, n, Plan()) is None


def sample(shares: list[float], n: int, seed: int) -> list[int]:
    return np.random.default_rng(seed).multinomial(n, shares).tolist()


SHARES = [0.91, 0.05, 0.01, 0.01, 0.01, 0.01]


def test_a_fair_ratio_looked_at_every_day_is_silent() -> None:
    rng = np.random.default_rng(4)
    alarms = 0
    for _ in range(300):
        days = rng.multinomial(1000, SHARES, 28).cumsum(axis=0)
        alarms += any(ratio_p(ratio_evidence(day.tolist(), SHARES)) < 0.05 for day in days)
    assert alarms <= 15


@pytest.mark.parametrize("lost", [0.2, 0.3])
def test_a_holdout_that_loses_visitors_raises_the_alarm(lost: float) -> None:
    counts = sample(SHARES, 100_000, 1)
    counts[1] = round(counts[1] * (1 - lost))
    assert ratio_p(ratio_evidence(counts, SHARES)) < 1e-6


def test_visitors_in_an_arm_of_no_share_are_an_alarm_at_once() -> None:
    assert ratio_p(ratio_evidence([99, 0, 1], [0.9, 0.1, 0.0])) == 0.0
    assert ratio_p(ratio_evidence([0, 0, 0], [0.9, 0.1, 0.0])) == 1.0


def test_the_evidence_is_a_bayes_factor_its_mean_is_1_under_the_shares() -> None:
    shares = [0.7, 0.3]
    factors = [
        math.comb(6, k) * 0.7**k * 0.3 ** (6 - k) * math.exp(ratio_evidence([k, 6 - k], shares)) for k in range(7)
    ]
    assert sum(factors) == pytest.approx(1.0, rel=1e-9)


@pytest.mark.parametrize("wrong", [{"alpha": 0.0}, {"alpha": 1.0}, {"alpha": math.nan}, {"visitors": 0}])
def test_a_plan_that_is_none_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        Plan(**wrong)  # type: ignore[arg-type]
