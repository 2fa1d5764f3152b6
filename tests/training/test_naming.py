"""Which class is named, where macro-F1 counts every class alike."""

import numpy as np
import pytest

from training.calibrate import FLOOR
from training.metrics_stage import confusion, macro_f1
from training.naming import class_weights, expected_macro_f1

Floats = np.ndarray[tuple[int, int], np.dtype[np.float64]]


def some_said(rows: int, *strength: float, shape: float = 0.5) -> Floats:
    """Calibrated probabilities of classes, the first common."""
    rng = np.random.default_rng(1)
    weighted = rng.gamma(shape, size=(rows, len(strength))) * np.array(strength)
    return weighted / weighted.sum(axis=1, keepdims=True)


def drawn(said: Floats) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Classes that the probabilities are true of."""
    chance = np.random.default_rng(2).random((len(said), 1))
    return np.minimum((said.cumsum(axis=1) < chance).sum(axis=1), said.shape[1] - 1)


def test_weights_lift_rare_classes_that_would_hardly_be_named() -> None:
    said = some_said(6000, 1.0, 0.1, 0.03, shape=3.0)
    truth, weights = drawn(said), class_weights(said)
    plain, lifted = (macro_f1(confusion(truth, p.argmax(axis=1), 3)) for p in (said, said * weights))
    assert lifted > plain + 0.03
    assert weights[0] < weights[1] < weights[2]


def test_the_macro_f1_to_expect_is_what_many_draws_give() -> None:
    said = some_said(20_000, 1.0, 0.5, 0.2)
    named = said.argmax(axis=1)
    assert expected_macro_f1(said, named) == pytest.approx(macro_f1(confusion(drawn(said), named, 3)), abs=0.01)


def test_a_class_that_the_shop_never_showed_is_not_named() -> None:
    said = np.column_stack([some_said(5000, 1.0, 0.5) * (1 - FLOOR), np.full(5000, FLOOR)])
    assert 2 not in (said * class_weights(said)).argmax(axis=1)
    without = said[:, :2] / said[:, :2].sum(axis=1, keepdims=True)
    np.testing.assert_array_equal(class_weights(said)[:2], class_weights(without))


def test_without_rows_all_classes_weigh_the_same() -> None:
    assert class_weights(np.empty((0, 3))).tolist() == [1.0, 1.0, 1.0]
