"""Small models trained on made-up vectors, for the tests of models/."""

from functools import cache

import lightgbm as lgb
import numpy as np
import numpy.typing as npt

from features.record import hash64
from features.schema import N_FEATURES
from models.bundle import MODELS, Parts
from models.calibration import Calibration
from models.recommend import ItemIndex
from models.stage import STAGES

FIXED = {"verbose": -1, "num_threads": 1, "seed": 7, "deterministic": True, "force_row_wise": True, "num_leaves": 15}


@cache
def vectors(rows: int = 3000, seed: int = 1) -> npt.NDArray[np.float32]:
    """Vectors with unknowns, float32 (rows, N_FEATURES)."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(rows, N_FEATURES)).astype(np.float32)
    matrix[rng.random(matrix.shape) < 0.2] = np.nan
    return matrix


@cache
def booster(outputs: int) -> lgb.Booster:
    """A model of 1 output (binary) or several classes."""
    matrix = vectors()
    signal = np.nan_to_num(matrix[:, 0]) + 0.5 * np.nan_to_num(matrix[:, 3])
    edges = np.quantile(signal, np.linspace(0, 1, max(outputs, 2) + 1)[1:-1])
    labels = np.digitize(signal, edges)
    objective = {"objective": "binary"} if outputs == 1 else {"objective": "multiclass", "num_class": outputs}
    return lgb.train({**FIXED, **objective}, lgb.Dataset(matrix, labels), 20)


def model_text(outputs: int) -> str:
    text: str = booster(outputs).model_to_string()
    return text


def item_index(n: int = 6) -> ItemIndex:
    """n items in a ring: each item's neighbours are the two after it."""
    ids = [f"item-{i}" for i in range(n)]
    hashes = np.array([hash64(i) for i in ids], np.uint64)
    neighbours = np.array([[(i + 1) % n, (i + 2) % n] for i in range(n)], np.int32)
    scores = np.tile(np.array([1.0, 0.5], np.float32), (n, 1))
    return ItemIndex.of(ids, hashes, neighbours, scores, np.arange(n, 0, -1).astype(np.float32))


def parts(**about: object) -> Parts:
    """Parts of a bundle whose `help` is a constant."""
    models = {name: model_text(len(STAGES) if name == "stage" else 1) for name in MODELS}
    return Parts(
        models={**models, "intent_help": np.array([0.01])},
        calibrations={name: Calibration.identity(len(STAGES) if name == "stage" else 1) for name in MODELS},
        items=item_index(),
        about={"seed": 7, **about},
    )
