import numpy as np
import pytest

from training.calibrate import FLOOR, fit_calibration, losses_of
from training.metrics_binary import calibration_bins, calibration_error

N = 20_000


def made_up(seed: int, distort: float, shift: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Raw probabilities whose truth has log-odds distort * raw + shift."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(-1.5, 1.2, N)
    truth = 1 / (1 + np.exp(-(distort * logits + shift)))
    label = (rng.random(N) < truth).astype(np.int64)
    return (1 / (1 + np.exp(-logits)))[:, None], label, np.arange(N) // 4


def test_honest_probabilities_are_left_as_they_are() -> None:
    raw, label, session = made_up(1, 1.0, 0.0)
    calibration, name = fit_calibration(raw, label, session)
    assert name == "identity"
    assert calibration.apply(raw) == pytest.approx(raw, abs=1e-7)


def test_overconfident_probabilities_are_mended_on_rows_not_fitted_on() -> None:
    calibration, name = fit_calibration(*made_up(2, 0.5, 0.4))
    assert name in ("line", "isotonic")
    raw, label, _ = made_up(3, 0.5, 0.4)
    mended = calibration.apply(raw)
    assert calibration_error(calibration_bins(label, mended[:, 0])) < 0.012
    assert calibration_error(calibration_bins(label, raw[:, 0])) > 0.05
    assert losses_of(mended, label).mean() < losses_of(raw, label).mean()


def test_a_bend_that_no_line_mends_is_mended_by_isotonic_regression() -> None:
    rng = np.random.default_rng(4)
    raw = rng.random((N, 1)) * 0.98 + 0.01
    truth = np.where(raw[:, 0] < 0.5, 0.1, 0.6)
    label = (rng.random(N) < truth).astype(np.int64)
    calibration, name = fit_calibration(raw, label, np.arange(N))
    assert name == "isotonic"
    assert calibration.apply(np.array([[0.2], [0.8]]))[:, 0] == pytest.approx([0.1, 0.6], abs=0.03)
    order = np.sort(raw[:, 0])[:, None]
    assert bool(np.all(np.diff(calibration.apply(order)[:, 0]) >= 0))


def test_few_positives_change_nothing() -> None:
    raw, label, session = made_up(5, 0.3, 1.0)
    label[:] = 0
    label[:20] = 1
    assert fit_calibration(raw, label, session)[1] == "identity"


def test_classes_that_are_said_too_often_are_mended_together() -> None:
    rng = np.random.default_rng(6)
    truth = rng.dirichlet(np.array([4.0, 2.0, 1.0]), N)
    label = (truth.cumsum(axis=1) < rng.random((N, 1))).sum(axis=1)
    raw = truth * np.array([1.0, 3.0, 1.0])
    raw /= raw.sum(axis=1, keepdims=True)
    calibration, name = fit_calibration(raw, label, np.arange(N))
    assert name == "line"
    assert np.abs(calibration.apply(raw) - truth).mean() < 0.02 < np.abs(raw - truth).mean()


def test_a_class_that_was_never_shown_stays_possible() -> None:
    """Else the log loss of a shop that has it would be that of certainties."""
    rng = np.random.default_rng(7)
    truth = rng.dirichlet(np.array([4.0, 2.0]), N)
    label = (rng.random(N) > truth[:, 0]).astype(np.int64)
    raw = np.column_stack([truth, np.full(N, 1e-12)])
    for spoilt in (raw, raw * np.array([1.0, 3.0, 1.0]), raw[:100]):
        said = spoilt / spoilt.sum(axis=1, keepdims=True)
        calibration, _ = fit_calibration(said, label[: len(said)], np.arange(len(said)))
        found = calibration.apply(said)
        assert found.sum(axis=1) == pytest.approx(1.0)
        assert found[:, 2].min() > FLOOR / 3 and found[:, 2].max() < 3 * FLOOR
        assert losses_of(found, np.full(len(said), 2)).mean() < 10.5
