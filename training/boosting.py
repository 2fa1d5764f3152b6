"""Growing LightGBM models the same way each time: fixed seed, fixed threads, rounds chosen on the later slice.

Settings (training/settings.py) are few and the same for every shop, unless `tact train --search` finds better ones:
extremely randomised splits over half the features, because rows of one session resemble each other and ordinary splits
fit them too closely. The rounds found on the later slice are then grown anew on the whole window: the latest days
resemble tomorrow most. A linear part, fitted beside the trees, is blended into what they say (training/fit_linear.py).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import lightgbm as lgb
import numpy as np
import numpy.typing as npt

from features.schema import FEATURES
from models.linear import Linear
from training.fit_linear import fit_linear
from training.settings import Settings
from training.split import Split

Matrix = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
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
    """text: the trees of the whole window. linear: what is blended into them, if anything. held: what the model of the
    earlier part said of the held rows, (h, K).
    """

    text: str
    linear: Linear | None
    held: Floats
    rounds: int
    importance: dict[str, float]


@dataclass(frozen=True, slots=True)
class Rows:
    """What trees grow on. matrix: (n, N); target: int8 (n,), negative where there is no label; session: int64 (n,)."""

    matrix: Matrix
    target: Codes
    session: Ints

    def dataset(self, chosen: Flags, power: float, reference: lgb.Dataset | None = None) -> lgb.Dataset:
        """The chosen rows as LightGBM takes them, each weighted by its session's length among them."""
        names = [feature.name for feature in FEATURES]
        weight = session_weights(self.session[chosen], power) if power else None
        target = self.target[chosen].astype(np.float32)
        return lgb.Dataset(self.matrix[chosen], target, reference=reference, weight=weight, feature_name=names)


def session_weights(session: Ints, power: float) -> Floats:
    """Each row's weight: its session's rows to a power, 1 on average. session: (n,)."""
    _, place, rows = np.unique(session, return_inverse=True, return_counts=True)
    weight = rows[place].astype(np.float64) ** power
    return np.asarray(weight / weight.mean()) if len(weight) else weight


def parameters(rows: int, outputs: int, seed: int, chosen: Settings) -> dict[str, Any]:
    """LightGBM's parameters for so many rows and outputs."""
    objective = {"objective": "binary"} if outputs == 1 else {"objective": "multiclass", "num_class": outputs}
    return {
        **objective,
        "learning_rate": chosen.learning_rate,
        "num_leaves": chosen.leaves,
        "min_data_in_leaf": chosen.min_rows or int(np.clip(rows // 500, 10, 100)),
        "extra_trees": chosen.extra_trees,
        "feature_fraction": chosen.feature_share,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "lambda_l2": chosen.l2,
        "seed": seed,
        "deterministic": True,
        "force_col_wise": True,
        "num_threads": THREADS,
        "verbose": -1,
        **_constraints(chosen.rises),
    }


def _constraints(rises: Sequence[str]) -> dict[str, Any]:
    """Monotone constraints, where any. Raises ValueError for a name that is no feature."""
    if not rises:
        return {}
    unknown = set(rises) - {feature.name for feature in FEATURES}
    if unknown:
        raise ValueError(f"no such features: {', '.join(sorted(unknown))}")
    return {"monotone_constraints": [int(feature.name in rises) for feature in FEATURES]}


def grow(rows: Rows, split: Split, outputs: int, seed: int, told: Told, settings: Settings) -> Grown:
    """A model of the target on the split's rows, by the rounds that were best for its later slice."""
    known = rows.target >= 0
    fit, hold = split.fit & known, split.hold & known
    early, best = grow_early(rows, fit, hold, outputs, seed, lambda share: told(share * 0.6), settings)
    held = predicted(early, _linear(rows, fit, outputs, settings), rows.matrix[hold], outputs)
    rounds = max(1, round(best * REGROWN))
    chosen = parameters(int(fit.sum()), outputs, seed, settings)
    train = rows.dataset(fit | hold, settings.session_power)
    final = lgb.train(chosen, train, rounds, callbacks=[_teller(lambda share: told(0.6 + share * 0.4), rounds)])
    linear = _linear(rows, fit | hold, outputs, settings)
    return Grown(final.model_to_string(), linear, held, rounds, _importance(final))


def _linear(rows: Rows, chosen: Flags, outputs: int, settings: Settings) -> Linear | None:
    return fit_linear(rows.matrix[chosen], rows.target[chosen], outputs, settings)


def _importance(model: lgb.Booster) -> dict[str, float]:
    """Share of the gain of each feature that has any."""
    gains = model.feature_importance("gain")
    total = float(gains.sum()) or 1.0
    return {f.name: round(float(gain) / total, 6) for f, gain in zip(FEATURES, gains, strict=True) if gain > 0}


def predicted(model: lgb.Booster, linear: Linear | None, matrix: Matrix, outputs: int) -> Floats:
    """Probabilities, (n, K), of the trees' best rounds, blended with the linear part if there is one."""
    said = np.asarray(model.predict(matrix, num_threads=THREADS), np.float64).reshape(len(matrix), outputs)
    return said if linear is None else linear.blend(said, matrix)


def grow_early(
    rows: Rows, fit: Flags, hold: Flags, outputs: int, seed: int, told: Told, settings: Settings
) -> tuple[lgb.Booster, int]:
    """A model of the fit rows, and its rounds: where the held rows' log loss was lowest. fit, hold: with a label."""
    chosen = parameters(int(fit.sum()), outputs, seed, settings)
    train = rows.dataset(fit, settings.session_power)
    if len(np.unique(rows.target[hold])) < 2:  # nothing there to see an improvement on
        rounds = ROUNDS_WITHOUT_HOLD
        return lgb.train(chosen, train, rounds, callbacks=[_teller(told, rounds)]), rounds
    later = rows.dataset(hold, settings.session_power, train)
    stop = lgb.early_stopping(PATIENCE, verbose=False)
    model = lgb.train(chosen, train, MAX_ROUNDS, [later], callbacks=[stop, _teller(told, MAX_ROUNDS)])
    told(1.0)
    return model, model.best_iteration or MAX_ROUNDS


def _teller(told: Told, rounds: int) -> Callable[[Any], None]:
    def after_round(environment: Any) -> None:
        told(min(1.0, (environment.iteration + 1) / rounds))

    return after_round
