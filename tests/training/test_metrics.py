import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, f1_score, log_loss, roc_auc_score

from training import metrics_stage
from training.figures import binary_figures, stage_figures
from training.metrics_binary import (
    Ranked,
    auc_and_precision,
    calibration_bins,
    calibration_error,
    draws,
    interval,
    resampled,
)


@settings(deadline=None)  # the first call compiles
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 8)), min_size=2, max_size=60))
def test_auc_and_average_precision_are_scikit_learns_also_with_ties(rows: list[tuple[int, int]]) -> None:
    label = np.array([y for y, _ in rows])
    score = np.array([s / 8 for _, s in rows])
    auc, precision = auc_and_precision(Ranked.of(label, score, np.zeros(len(label), np.int64)), np.ones(1))
    if 0 < label.sum() < len(label):
        assert auc == pytest.approx(roc_auc_score(label, score))
        assert precision == pytest.approx(average_precision_score(label, score))
    else:
        assert np.isnan(auc)


def test_a_session_drawn_twice_counts_as_if_it_stood_there_twice() -> None:
    rng = np.random.default_rng(1)
    label, score, group = rng.integers(0, 2, 200), rng.random(200), rng.integers(0, 20, 200)
    weight = rng.integers(0, 4, 20).astype(float)
    times = weight[group].astype(int)
    auc, precision = auc_and_precision(Ranked.of(label, score, group), weight)
    assert auc == pytest.approx(roc_auc_score(np.repeat(label, times), np.repeat(score, times)))
    assert precision == pytest.approx(average_precision_score(np.repeat(label, times), np.repeat(score, times)))


def test_the_interval_of_a_useless_score_holds_one_half_and_of_a_good_one_does_not() -> None:
    rng = np.random.default_rng(2)
    group = np.repeat(np.arange(500), 4)
    label = rng.integers(0, 2, 2000)
    weights = draws(500, seed=3)
    useless = interval(resampled(Ranked.of(label, rng.random(2000), group), weights)[:, 0])
    good = interval(resampled(Ranked.of(label, label + rng.normal(0, 1, 2000), group), weights)[:, 0])
    assert useless is not None and useless[0] < 0.5 < useless[1]
    assert good is not None and good[0] > 0.65


def test_an_interval_that_cannot_be_computed_is_none() -> None:
    assert interval(np.array([np.nan, np.nan, 0.5])) is None


def test_calibration_error_is_small_for_honest_probabilities_and_the_shift_for_shifted_ones() -> None:
    rng = np.random.default_rng(4)
    probability = rng.random(50_000) * 0.5
    label = (rng.random(50_000) < probability).astype(int)
    assert calibration_error(calibration_bins(label, probability)) < 0.01
    assert calibration_error(calibration_bins(label, probability + 0.2)) == pytest.approx(0.2, abs=0.01)


def test_figures_without_positives_are_none_with_a_reason() -> None:
    found = binary_figures(np.zeros(5, int), np.full(5, 0.1))
    assert (found["auc"], found["average_precision"], found["reason"]) == (None, None, "no positives")
    assert found["base_rate"] == 0.0
    empty = binary_figures(np.zeros(0, int), np.zeros(0))
    assert (empty["n"], empty["ece"], empty["base_rate"], empty["reason"]) == (0, None, None, "no rows")
    assert stage_figures(np.zeros(0, np.int64), np.zeros((0, 6)))["reason"] == "no rows"


def test_stage_figures_are_scikit_learns_over_the_stages_that_occur() -> None:
    rng = np.random.default_rng(5)
    truth, p = rng.integers(0, 4, 400), rng.dirichlet(np.ones(6), 400)
    found = stage_figures(truth, p)
    said = p.argmax(axis=1)
    assert found["macro_f1"] == pytest.approx(f1_score(truth, said, average="macro", labels=np.arange(4)), abs=1e-6)
    assert found["log_loss"] == pytest.approx(log_loss(truth, p, labels=np.arange(6)), abs=1e-6)


def test_stage_resamples_of_weight_one_are_the_plain_figures() -> None:
    rng = np.random.default_rng(6)
    truth, p, group = rng.integers(0, 6, 300), rng.dirichlet(np.ones(6), 300), rng.integers(0, 30, 300)
    once = metrics_stage.resampled_stage(p, p.argmax(axis=1), truth, group, np.ones((1, 30)))[0]
    plain = stage_figures(truth, p)
    assert once == pytest.approx([plain["macro_f1"], plain["log_loss"]], abs=1e-6)
