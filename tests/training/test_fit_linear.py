"""Fitting the linear part: it is the regression, keeps what may only rise, and weighs less on many rows."""

import numpy as np
import pytest

from features.events import KINDS
from features.schema import INDEX, N_FEATURES
from models.linear import Linear
from training.fit_linear import FULL_SHARE_ROWS, fit_linear, share_of
from training.settings import Settings


def rows(n: int = 8000, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of which one feature raises the odds, one lowers them, and one says more by being unknown."""
    rng = np.random.default_rng(seed)
    matrix = rng.random((n, N_FEATURES)).astype(np.float32)
    matrix[:, INDEX["event_kind"]] = rng.integers(len(KINDS), size=n)
    unknown = rng.random(n) < 0.3
    matrix[unknown, INDEX["item_price"]] = np.nan
    odds = 4 * matrix[:, INDEX["session_views"]] - 4 * matrix[:, INDEX["item_buy_rate"]] + 2 * unknown
    return matrix, (rng.random(n) < 1 / (1 + np.exp(-odds))).astype(np.int8)


def fitted(matrix: np.ndarray, target: np.ndarray, outputs: int = 1, settings: Settings | None = None) -> Linear:
    found = fit_linear(matrix, target, outputs, settings or Settings(linear=1.0))
    assert found is not None
    return found


def slope(one: Linear, name: str) -> float:
    return float(one.columns[3, INDEX[name]])


def test_it_finds_what_raises_and_what_lowers_and_what_is_unknown() -> None:
    matrix, target = rows()
    found = fitted(matrix, target)
    assert slope(found, "session_views") > 2 and slope(found, "item_buy_rate") < -2
    assert found.columns[4, INDEX["item_price"]] > 1
    said = found.blend(np.full((len(matrix), 1), 0.5), matrix)[:, 0]
    assert said.mean() == pytest.approx(target.mean(), abs=0.002)
    assert np.mean(np.abs(said - target)) < 0.4


def test_what_may_only_rise_has_no_falling_slope() -> None:
    matrix, target = rows()
    found = fitted(matrix, target, settings=Settings(linear=1.0, rises=("item_buy_rate",)))
    assert slope(found, "item_buy_rate") == pytest.approx(0.0, abs=1e-12)
    assert slope(found, "session_views") > 2


def test_classes_that_training_never_showed_stay_improbable() -> None:
    matrix, target = rows()
    for classes in (target * 3, target * 3 + (matrix[:, 7] > 0.5)):
        said = fitted(matrix, classes.astype(np.int8), outputs=6).blend(np.full((len(matrix), 6), 1 / 6), matrix)
        shown = np.unique(classes)
        assert said[:, shown].sum(axis=1).min() > 0.999
        assert said.mean(axis=0)[shown] == pytest.approx(np.bincount(classes)[shown] / len(classes), abs=0.01)


def test_the_share_falls_with_the_root_of_the_rows() -> None:
    settings = Settings(linear=0.5)
    assert share_of(10, settings) == share_of(FULL_SHARE_ROWS, settings) == 0.5
    assert share_of(4 * FULL_SHARE_ROWS, settings) == pytest.approx(0.25)


def test_no_linear_part_where_none_is_wanted_or_nothing_differs() -> None:
    matrix, target = rows(200)
    assert fit_linear(matrix, target, 1, Settings(linear=0.0)) is None
    assert fit_linear(matrix, np.ones_like(target), 1, Settings()) is None


def test_a_feature_that_training_never_knew_or_never_saw_move_adds_nothing() -> None:
    matrix, target = rows()
    matrix[:, INDEX["item_price"]], matrix[:, INDEX["item_views"]] = np.nan, 3.0
    found = fitted(matrix, target)
    other = matrix[:5].copy()
    other[:, INDEX["item_price"]], other[:, INDEX["item_views"]] = 9.0, 500.0
    even = np.full((5, 1), 0.5)
    assert np.array_equal(found.blend(even, other), found.blend(even, matrix[:5]))
