"""The one pass over all models says what the models say one by one, to the bit."""

from dataclasses import replace

import lightgbm as lgb
import numba
import numpy as np
import pytest

from features.schema import INDEX, N_FEATURES
from models import bundle
from models.bundle import MODELS, Bundle, Parts
from models.calibration import Calibration
from models.linear import N_KINDS, Linear
from models.panel import Panel
from models.scorer import ConstantScorer, Scorer
from tests.models.bundles import FIXED, model_text, parts, vectors

ROWS = 500


def linear(outputs: int, seed: int) -> Linear:
    random = np.random.default_rng(seed)
    columns = random.normal(size=(3 + 2 * outputs, N_FEATURES))
    columns[0], columns[1] = -1.0, 2.0
    return Linear(columns, random.normal(size=(outputs, N_KINDS + 1)), 0.4)


def curves(seed: int) -> dict[str, Calibration]:
    random = np.random.default_rng(seed)

    def one() -> tuple[np.ndarray, np.ndarray]:
        return np.sort(random.normal(size=7)) * 3, np.sort(random.normal(size=7))

    return {name: Calibration.of([one() for _ in range(6 if name == "stage" else 1)]) for name in MODELS}


def blended() -> Parts:
    """Every model blended but two; one of those is constant."""
    mixed = {"stage": linear(6, 1), "intent_buy": linear(1, 2), "intent_leave": linear(1, 3)}
    weights = np.array([1.0, 2.0, 0.5, 3.0, 1.0, 9.0])
    return replace(parts(), linears=mixed, calibrations=curves(4), stage_weights=weights)


@pytest.fixture(params=["trees", "blended"])
def loaded(request: pytest.FixtureRequest) -> Bundle:
    identifier, files = bundle.encode(parts() if request.param == "trees" else blended())
    return bundle.decode(identifier, files)


def rows() -> np.ndarray:
    matrix = vectors(ROWS, seed=5).copy()
    matrix[:, INDEX["event_kind"]] = np.arange(ROWS) % (N_KINDS + 2) - 1
    matrix[3] = np.nan
    matrix[4] = 1e30
    matrix[5] = 1e-36
    return matrix


def test_one_pass_equals_the_models_asked_one_by_one_and_as_a_batch(loaded: Bundle) -> None:
    assert loaded.panel is not None
    matrix = rows()
    said = np.stack([loaded.panel.score(row)[0] for row in matrix])
    one_by_one = [np.concatenate([loaded.stage.probabilities(r), loaded.intent.probabilities(r)]) for r in matrix]
    batch = [loaded.stage.probabilities_batch(matrix), loaded.intent.probabilities_batch(matrix)]
    assert np.array_equal(said, np.stack(one_by_one))
    assert np.array_equal(said, np.concatenate(batch, axis=1))
    for few in (0, 1, 5, ROWS):
        scores, named = loaded.panel.score_rows(matrix[:few])
        assert np.array_equal(scores, said[:few])
        assert named.tolist() == [loaded.panel.score(row)[1] for row in matrix[:few]]
        assert np.array_equal(named, loaded.stage.named(said[:few, :6]))


def test_a_bundle_scores_by_the_pass(loaded: Bundle) -> None:
    row = rows()[9]
    scores = loaded.score(row)
    assert np.array_equal(np.concatenate([scores.stage, scores.intent]), loaded.panel.score(row)[0])  # type: ignore[union-attr]


def test_a_model_with_another_objective_is_left_to_the_library(loaded: Bundle) -> None:
    other = Scorer(model_text(1).replace("objective=binary sigmoid:1\n", "objective=cross_entropy\n"), N_FEATURES)
    assert other.forest is None
    assert Panel.of([(other, Calibration.identity(1))]) is None
    without = replace(loaded, panel=None)
    row = rows()[7]
    assert np.array_equal(without.score(row).stage, loaded.score(row).stage)


def test_a_panel_of_constants_is_of_the_same_types_so_that_it_compiles_for_all(loaded: Bundle) -> None:
    constants = Panel.of([(ConstantScorer(np.full(n, 0.5), N_FEATURES), Calibration.identity(n)) for n in (6, 1)])
    assert constants is not None and loaded.panel is not None
    for one, other in ((constants.models, loaded.panel.models), (constants.quick.arrays, loaded.panel.quick.arrays)):  # type: ignore[union-attr]
        assert numba.typeof(one) == numba.typeof(other)
    said, _ = constants.score(rows()[0])
    assert said[6] == 0.5 and np.allclose(said[:6], 1 / 6)
    assert np.array_equal(constants.score_rows(rows())[0], np.tile(said, (ROWS, 1)))


def test_trees_of_many_leaves_are_walked_and_say_what_the_library_says() -> None:
    random = np.random.default_rng(1)
    matrix = vectors(3000, seed=2).copy()
    matrix[random.random(matrix.shape) < 0.2] = np.nan
    target = (np.nan_to_num(matrix[:, 0]) + random.normal(size=3000) > 0).astype(float)
    model = lgb.train({**FIXED, "num_leaves": 50, "objective": "binary"}, lgb.Dataset(matrix, target), 5)
    scorer = Scorer(model.model_to_string(), N_FEATURES)
    panel = Panel.of([(scorer, Calibration.identity(1))])
    assert panel is not None and panel.quick is None and panel.rows is None
    expected = Calibration.identity(1).apply(scorer.predict_batch(matrix[:ROWS]))
    assert np.array_equal(panel.score_rows(matrix[:ROWS])[0], expected)
