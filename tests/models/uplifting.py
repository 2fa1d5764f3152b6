"""Small uplift models of Tact's own vectors, for the tests of models/."""

from functools import cache

import lightgbm as lgb
import numpy as np

from features.schema import FEATURES
from models.uplift import TREATED, Effect, encode
from tests.models.bundles import FIXED, vectors

COLUMNS = tuple(feature.name for feature in FEATURES)


def grown(target: np.ndarray, treated: np.ndarray | None = None) -> lgb.Booster:
    """Trees of a target over the made-up vectors, with the column `treated` where one is given."""
    x = vectors()
    columns = list(COLUMNS)
    if treated is not None:
        x, columns = np.column_stack([x, treated.astype(np.float32)]), [*columns, TREATED]
    return lgb.train({**FIXED, "objective": "regression"}, lgb.Dataset(x, target, feature_name=columns), 20)


@cache
def boosters() -> dict[str, tuple[lgb.Booster, ...]]:
    """An S-learner's and an X-learner's trees: the effect follows the first features."""
    rng, x = np.random.default_rng(3), np.nan_to_num(vectors())
    treated = rng.random(len(x)) < 0.5
    effect = 0.1 * np.sign(x[:, 0]) + 0.05 * x[:, 1]
    mu = grown(0.2 * x[:, 2] + treated * effect, treated)
    return {"s": (mu,), "x": (grown(effect), grown(effect + 0.01 * x[:, 4]))}


def effect(kind: str) -> Effect:
    return Effect.of(kind, 0.3, [one.model_to_string() for one in boosters()[kind]], COLUMNS)


def part(*actions: str) -> str:
    """The text of a bundle's uplift part: "s" and "x" by turns."""
    return encode({action: effect("sx"[place % 2]) for place, action in enumerate(actions)})
