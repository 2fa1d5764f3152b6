import lightgbm as lgb
import numpy as np
import pytest

from features.schema import N_FEATURES
from models.forest import Forest
from models.forest_layout import LEAVES, PLACE
from models.forest_quick import QuickForest, add_leaves, reachable
from models.forest_rows import ForestRows
from models.modeltext import InvalidModel
from models.ranker import COLUMNS, Ranker
from models.scorer import Scorer
from tests.models.bundles import FIXED, booster, model_text, vectors


def predicted(text: str, matrix: np.ndarray) -> np.ndarray:
    """Row by row and, the same to the bit, all rows at once."""
    forest = Forest.of(text)
    rows, found = ForestRows.of(forest), forest.predict(matrix)
    assert rows is not None
    np.testing.assert_array_equal(rows.predict(matrix), found)
    np.testing.assert_array_equal([without_walking(forest, row) for row in matrix], found)
    for few in (0, 1, 5, 121):
        np.testing.assert_array_equal(rows.predict(matrix[:few]), found[:few])
    return found


def without_walking(forest: Forest, row: np.ndarray) -> float:
    quick = QuickForest.of(forest)
    assert quick is not None
    *splits, leaf, first_leaf = quick.arrays
    left, out = np.empty(len(forest.roots), np.uint32), np.zeros(1)
    reachable(row, *splits, left)
    add_leaves(left, 0, left.size, leaf, first_leaf, PLACE, out)
    return float(out[0])


def test_the_forest_says_what_the_booster_says_bit_by_bit() -> None:
    matrix = vectors().copy()
    matrix[::7, ::3] = 0.0
    matrix[::11] *= 1e-36  # what LightGBM takes for zero
    expected = booster(1).predict(matrix, raw_score=True, num_threads=1)
    np.testing.assert_array_equal(predicted(model_text(1), matrix), expected)


@pytest.mark.parametrize("changed", [{"use_missing": False}, {"num_leaves": 2}])
def test_it_treats_the_missing_as_the_booster_does(changed: dict[str, object]) -> None:
    matrix = vectors().copy()
    matrix[::5, ::2] = 0.0
    target = (np.nan_to_num(matrix[:, 0]) > 0).astype(float)
    model = lgb.train({**FIXED, **changed, "objective": "binary"}, lgb.Dataset(matrix, target), 10)
    expected = model.predict(matrix, raw_score=True, num_threads=1)
    np.testing.assert_array_equal(predicted(model.model_to_string(), matrix), expected)


def test_a_forest_that_takes_zero_for_unknown_is_refused_and_scored_by_the_library() -> None:
    matrix = np.nan_to_num(vectors())
    matrix[::2] = 0.0
    target = (matrix[:, 0] > 0).astype(float)
    data = lgb.Dataset(matrix, target)
    model = lgb.train({**FIXED, "zero_as_missing": True, "objective": "binary"}, data, 3)
    with pytest.raises(InvalidModel, match="zero_as_missing"):
        Forest.of(model.model_to_string())
    scorer = Scorer(model.model_to_string(), N_FEATURES)
    assert scorer.forest is None
    assert scorer.predict(matrix[1])[0] == model.predict(matrix[1:2])[0]


@pytest.mark.parametrize("value", [1e300, -1e300, 1e-30, -1e-30, 0.1, -0.1, 1.0])
def test_a_threshold_between_two_float32_numbers_splits_them_the_same_way(value: float) -> None:
    text = model_text(1)
    first = next(line for line in text.splitlines() if line.startswith("threshold="))
    changed = text.replace(first, first.replace(first.split("=")[1].split(" ")[0], repr(value), 1), 1)
    text = resized(text, changed)
    near = np.float32(value) if abs(value) < 1e38 else np.float32(np.copysign(3e38, value))
    matrix = vectors(40).copy()
    for place, x in enumerate(
        (near, np.nextafter(near, np.float32(9e9)), np.nextafter(near, np.float32(-9e9)), np.inf, -np.inf, 0.0)
    ):
        matrix[place] = x
    expected = lgb.Booster(model_str=text).predict(matrix, raw_score=True, num_threads=1)
    np.testing.assert_array_equal(predicted(text, matrix), expected)


def resized(before: str, text: str) -> str:
    """The text with the first tree's size put right."""
    sizes = next(line for line in before.splitlines() if line.startswith("tree_sizes="))
    first = sizes.split("=")[1].split(" ")[0]
    return text.replace(sizes, sizes.replace(first, str(int(first) + len(text) - len(before)), 1), 1)


def test_trees_of_one_leaf_count() -> None:
    matrix = vectors(200)
    model = lgb.train({**FIXED, "objective": "regression"}, lgb.Dataset(matrix, np.full(200, 3.0)), 3)
    expected = model.predict(matrix, raw_score=True, num_threads=1)
    np.testing.assert_array_equal(predicted(model.model_to_string(), matrix), expected)


@pytest.mark.parametrize("leaves", [LEAVES - 1, LEAVES, LEAVES + 1, 300])
def test_trees_of_many_leaves_are_walked_row_by_row(leaves: int) -> None:
    matrix = np.random.default_rng(2).normal(size=(4000, 7)).astype(np.float32)
    matrix[::9, ::2] = np.nan
    target = np.nan_to_num(matrix) @ np.arange(7.0)
    settings = {**FIXED, "objective": "regression", "num_leaves": leaves, "min_data_in_leaf": 1}
    model = lgb.train(settings, lgb.Dataset(matrix, target), 5)
    forest = Forest.of(model.model_to_string())
    assert len(forest.leaf) == 5 * leaves
    rows = ForestRows.of(forest)
    assert (rows is None) == (leaves > LEAVES)
    if rows is not None:
        np.testing.assert_array_equal(rows.predict(matrix), model.predict(matrix, raw_score=True, num_threads=1))
    assert ForestRows.of(Forest.of(model_text(6))) is None


def test_damaged_texts_are_refused() -> None:
    for text in ("", "tree\n", model_text(1).replace("left_child=", "left_child=9 ", 1)):
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


def test_a_ranker_trained_before_columns_were_added_still_ranks() -> None:
    matrix = np.random.default_rng(1).normal(size=(300, len(COLUMNS))).astype(np.float32)
    before = np.ascontiguousarray(matrix[:, :-5])
    data = lgb.Dataset(before, matrix[:, 0].copy(), feature_name=list(COLUMNS[:-5]))
    text = lgb.train({**FIXED, "objective": "regression"}, data, 3).model_to_string()
    np.testing.assert_array_equal(Ranker.of(text).score(matrix), Forest.of(text).predict(before))


def test_a_forest_of_several_outputs_gives_no_one_number_a_row() -> None:
    with pytest.raises(ValueError, match="6 outputs"):
        Forest.of(model_text(6)).predict(vectors(2))
    with pytest.raises(InvalidModel, match="one number"):
        Ranker.of(model_text(6))
