import numpy as np
import pytest

from features.events import KINDS
from features.schema import N_FEATURES
from models.calibration import Calibration
from models.intent import INTENTS, IntentModel
from models.scorer import ConstantScorer, InvalidModel, Scorer
from models.stage import STAGES, STATIC_STAGE, StageModel
from tests.models.bundles import model_text, vectors


def test_every_kind_of_event_has_a_static_stage_and_every_stage_a_kind() -> None:
    assert set(STATIC_STAGE) == set(KINDS)
    assert set(STATIC_STAGE.values()) == set(STAGES)


def test_stage_probabilities_sum_to_one_and_equal_their_batch() -> None:
    model = StageModel(Scorer(model_text(6), N_FEATURES), Calibration.line(np.full(6, 0.8), np.zeros(6)))
    rows = vectors(200, seed=11)
    batch = model.probabilities_batch(rows)
    assert batch.sum(axis=1) == pytest.approx(1.0)
    assert np.array_equal(np.stack([model.probabilities(row) for row in rows]), batch)


def test_the_stage_named_is_that_of_the_largest_weighted_probability() -> None:
    scorer, same = Scorer(model_text(6), N_FEATURES), Calibration.identity(6)
    weights = np.array([0.5, 1.0, 1.0, 4.0, 1.0, 1.0])
    said = StageModel(scorer, same).probabilities_batch(vectors(300, seed=13))
    weighted = StageModel(scorer, same, weights)
    assert np.array_equal(weighted.probabilities_batch(vectors(300, seed=13)), said)
    assert weighted.named(said).tolist() == (said * weights).argmax(axis=1).tolist()
    assert weighted.named(said).tolist() != StageModel(scorer, same).named(said).tolist()
    assert [int(weighted.named(row)) for row in said] == weighted.named(said).tolist()


@pytest.mark.parametrize("weights", [np.ones(5), np.zeros(6), np.full(6, np.nan), np.ones((1, 6))])
def test_weights_that_are_none_are_refused(weights: np.ndarray) -> None:
    with pytest.raises(InvalidModel, match="weights"):
        StageModel(Scorer(model_text(6), N_FEATURES), Calibration.identity(6), weights)


def test_intents_are_scored_each_on_its_own_and_equal_their_batch() -> None:
    constant = ConstantScorer(np.array([0.1]), N_FEATURES)
    scorers = (Scorer(model_text(1), N_FEATURES), constant, constant, constant)
    model = IntentModel(scorers, (Calibration.identity(1),) * len(INTENTS))
    rows = vectors(200, seed=12)
    batch = model.probabilities_batch(rows)
    assert batch.shape == (200, len(INTENTS))
    assert np.array_equal(np.stack([model.probabilities(row) for row in rows]), batch)


def test_models_of_the_wrong_width_are_refused() -> None:
    with pytest.raises(InvalidModel):
        StageModel(Scorer(model_text(1), N_FEATURES), Calibration.identity(6))
    with pytest.raises(InvalidModel):
        IntentModel((Scorer(model_text(6), N_FEATURES),) * len(INTENTS), (Calibration.identity(1),) * len(INTENTS))
    with pytest.raises(InvalidModel):
        IntentModel((Scorer(model_text(1), N_FEATURES),), (Calibration.identity(1),))
