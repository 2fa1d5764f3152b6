import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.calibration import Calibration

PROBABILITY = st.floats(0.0, 1.0)


@settings(deadline=None)  # the first call compiles
@given(st.lists(PROBABILITY, min_size=1, max_size=20))
def test_the_identity_changes_nothing_but_rounding(values: list[float]) -> None:
    raw = np.array(values)[:, None]
    assert Calibration.identity(1).apply(raw) == pytest.approx(np.clip(raw, 1e-9, 1 - 1e-9), abs=1e-8)


@settings(deadline=None)  # the first call compiles
@given(st.lists(PROBABILITY, min_size=6, max_size=6))
def test_six_outputs_always_sum_to_one(values: list[float]) -> None:
    out = Calibration.line(np.linspace(0.5, 2.0, 6), np.linspace(-1.0, 1.0, 6)).apply(np.array(values))
    assert out.shape == (6,)
    assert out.sum() == pytest.approx(1.0)
    assert bool(np.all((out >= 0) & (out <= 1)))


def test_a_line_is_platt_scaling() -> None:
    raw = np.array([0.01, 0.2, 0.5, 0.9])[:, None]
    logits = np.log(raw / (1 - raw))
    expected = 1 / (1 + np.exp(-(0.7 * logits - 0.4)))
    assert Calibration.line(np.array([0.7]), np.array([-0.4])).apply(raw) == pytest.approx(expected)


def test_a_curve_is_linear_between_its_knots_and_flat_outside() -> None:
    curve = Calibration.of([(np.array([-2.0, 0.0, 2.0]), np.array([-1.0, 0.0, 3.0]))])
    logits = np.array([-5.0, -2.0, -1.0, 1.0, 9.0])
    out = curve.apply((1 / (1 + np.exp(-logits)))[:, None])[:, 0]
    assert np.log(out / (1 - out)) == pytest.approx([-1.0, -1.0, -0.5, 1.5, 3.0])


def test_one_row_equals_its_row_in_a_batch_bit_by_bit() -> None:
    raw = np.random.default_rng(1).dirichlet(np.ones(6), 200)
    curve = Calibration.line(np.linspace(0.5, 2.0, 6), np.zeros(6))
    assert np.array_equal(np.stack([curve.apply(row) for row in raw]), curve.apply(raw))


def test_arrays_give_the_same_curves_back() -> None:
    curve = Calibration.line(np.array([0.5, 2.0]), np.array([1.0, -1.0]))
    again = Calibration.from_arrays(curve.to_arrays("stage"), "stage")
    raw = np.array([0.3, 0.7])
    assert np.array_equal(curve.apply(raw), again.apply(raw))


@pytest.mark.parametrize(
    ("xs", "ys"), [([0.0], [0.0]), ([0.0, 0.0], [0.0, 1.0]), ([1.0, 0.0], [0.0, 1.0]), ([0.0, 1.0], [0.0, np.nan])]
)
def test_knots_that_are_no_curve_are_refused(xs: list[float], ys: list[float]) -> None:
    with pytest.raises(ValueError, match="calibration"):
        Calibration.of([(np.array(xs), np.array(ys))])
