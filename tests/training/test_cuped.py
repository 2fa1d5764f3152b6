"""CUPED takes variance off and leaves the lift where it is, with and without a time before."""

import numpy as np
import pytest

from training.cuped import Adjuster, covariates


def made(seed: int, n: int = 4000, lift: float = 0.5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(outcome, before, arm): half of the visitors have a time before, which explains much of theirs."""
    rng = np.random.default_rng(seed)
    known = rng.random(n) < 0.5
    events = np.where(known, rng.poisson(20, n), 0)
    arm = rng.integers(0, 2, n)
    outcome = 3 * known + 0.8 * np.log1p(events) + rng.normal(0, 1, n) + lift * arm
    return outcome, np.column_stack([events, events // 2, np.zeros(n), np.zeros(n)]).astype(float), arm


def lift_of(values: np.ndarray, arm: np.ndarray) -> float:
    return float(values[arm == 1].mean() - values[arm == 0].mean())


def test_variance_falls_and_the_mean_over_all_stays() -> None:
    outcome, before, _ = made(1)
    found = Adjuster.of(covariates(before)).adjust(outcome)
    assert found.saved > 0.8
    assert found.values.var() == pytest.approx((1 - found.saved) * outcome.var())
    assert found.values.mean() == pytest.approx(outcome.mean())


def test_over_many_shops_the_lift_is_unbiased_and_steadier() -> None:
    plain, adjusted = [], []
    for seed in range(200):
        outcome, before, arm = made(seed, 600)
        plain.append(lift_of(outcome, arm))
        adjusted.append(lift_of(Adjuster.of(covariates(before)).adjust(outcome).values, arm))
    assert np.std(adjusted) < 0.5 * np.std(plain)
    assert abs(np.mean(adjusted) - 0.5) < 3 * np.std(adjusted) / np.sqrt(200)


def test_who_was_not_there_before_is_told_from_who_did_little() -> None:
    columns = covariates(np.array([[0.0, 0, 0, 0], [1, 0, 0, 0]]))
    assert columns[:, -1].tolist() == [0.0, 1.0]


def test_without_anybody_from_before_nothing_changes() -> None:
    outcome = np.random.default_rng(0).normal(size=50)
    found = Adjuster.of(covariates(np.zeros((50, 4)))).adjust(outcome)
    assert found.values == pytest.approx(outcome)
    assert (found.saved, found.theta.tolist()) == (0.0, [0.0] * 5)


def test_theta_is_that_of_least_squares() -> None:
    outcome, before, _ = made(5, 300)
    columns = covariates(before)[:, [0, 4]]
    design = np.column_stack([np.ones(300), columns])
    expected = np.linalg.lstsq(design, outcome, rcond=None)[0][1:]
    assert Adjuster.of(columns).adjust(outcome).theta == pytest.approx(expected)


def test_a_visitor_with_a_million_events_does_not_decide_theta() -> None:
    outcome, before, arm = made(7)
    before[0] = [1e6, 1e6, 0, 0]
    found = Adjuster.of(covariates(before)).adjust(outcome)
    assert found.saved > 0.75
    assert lift_of(found.values, arm) == pytest.approx(0.5, abs=0.15)


def test_nobody_and_an_outcome_without_variance_are_no_trouble() -> None:
    nobody = Adjuster.of(covariates(np.zeros((0, 4)))).adjust(np.zeros(0))
    assert (len(nobody.values), nobody.saved) == (0, 0.0)
    _, before, _ = made(1, 20)
    assert Adjuster.of(covariates(before)).adjust(np.zeros(20)).values.tolist() == [0.0] * 20
