import lightgbm as lgb
import numpy as np
import pytest

from models.forest import Forest
from models.modeltext import InvalidModel
from models.ranker import COLUMNS, Ranker
from tests.models.bundles import FIXED, booster, model_text, vectors


def test_the_forest_says_what_the_booster_says_bit_by_bit() -> None:
    matrix = vectors().copy()
    matrix[::7, ::3] = 0.0
    matrix[::11] *= 1e-36  # what LightGBM takes for zero
    expected = booster(1).predict(matrix, raw_score=True, num_threads=1)
    np.testing.assert_array_equal(Forest.of(model_text(1)).predict(matrix), expected)


@pytest.mark.parametrize("changed", [{"zero_as_missing": True}, {"use_missing": False}, {"num_leaves": 2}])
def test_it_treats_the_missing_as_the_booster_does(changed: dict[str, object]) -> None:
    matrix = vectors().copy()
    matrix[::5, ::2] = 0.0
    target = (np.nan_to_num(matrix[:, 0]) > 0).astype(float)
    model = lgb.train({**FIXED, **changed, "objective": "binary"}, lgb.Dataset(matrix, target), 10)
    expected = model.predict(matrix, raw_score=True, num_threads=1)
    np.testing.assert_array_equal(Forest.of(model.model_to_string()).predict(matrix), expected)


def test_trees_of_one_leaf_count() -> None:
    matrix = vectors(200)
    model = lgb.train({**FIXED, "objective": "regression"}, lgb.Dataset(matrix, np.full(200, 3.0)), 3)
    expected = model.predict(matrix, raw_score=True, num_threads=1)
    np.testing.assert_array_equal(Forest.of(model.model_to_string()).predict(matrix), expected)


def test_damaged_texts_and_several_outputs_are_refused() -> None:
    for text in ("", "tree\n", model_text(6), model_text(1).replace("left_child=", "left_child=9 ", 1)):
        with pytest.raises(InvalidModel):
            Forest.of(text)
    with pytest.raises(ValueError, match="columns"):
        Forest.of(model_text(1)).predict(np.zeros((2, 3), np.float32))


def test_a_ranker_of_other_columns_is_refused() -> None:
    matrix = np.random.default_rng(1).normal(size=(300, len(COLUMNS))).astype(np.float32)
    data = lgb.Dataset(matrix, matrix[:, 0].copy(), feature_name=list(COLUMNS))
    text = lgb.train({**FIXED, "objective": "regression"}, data, 3).model_to_string()
    np.testing.assert_array_equal(Ranker.of(text).score(matrix), Forest.of(text).predict(matrix))
    for wrong in (model_text(1), "", text.replace("knn_rank", "knn_rang")):
        with pytest.raises(InvalidModel):
            Ranker.of(wrong)
