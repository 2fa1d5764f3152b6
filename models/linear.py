"""The linear part of a model: log-odds that are a sum over the features, blended with what trees say.

Trees need many rows to find what runs straight through all of them; a linear model finds it in few and errs
elsewhere, so a mean of both log-odds is better than either. A feature counts as the signed logarithm of 1 + its size,
held within what training showed and taken from its middle there; an unknown one has a weight of its own; the event's
kind has one each. One row and a batch go through the same loop and give the same bits.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numba
import numpy as np
import numpy.typing as npt

from features.events import KINDS
from features.schema import INDEX, N_FEATURES
from models.calibration import TINY, squash
from models.modeltext import InvalidModel
from models.scorer import Predictor

Vector = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]

N_KINDS: Final = len(KINDS)
_KIND: Final = INDEX["event_kind"]
_LOW, _HIGH, _CENTRE, _FIRST = range(4)
"""Rows of Linear.columns before those of the outputs, which have two each: slope and weight where unknown."""


@numba.njit(cache=True)
def logs_of(vector: Vector, out: Floats) -> None:
    """The signed logarithm of 1 + the size of each feature, into out (N,); NaN where it is unknown."""
    for i in range(vector.size):
        x = np.float64(vector[i])  # float() would stay of 32 bits here
        log = np.log1p(abs(x))
        out[i] = -log if x < 0 else log


@numba.njit(cache=True)
def _term(log: float, columns: Floats, k: int, i: int) -> float:
    """What a feature adds to an output."""
    if np.isnan(log):
        return float(columns[_FIRST + 2 * k + 1, i])
    above = min(max(log, columns[_LOW, i]), columns[_HIGH, i]) - columns[_CENTRE, i]
    return float(columns[_FIRST + 2 * k, i] * above)


@numba.njit(cache=True)
def _kind_of(vector: Vector) -> int:
    x = np.float64(vector[_KIND])
    return 0 if np.isnan(x) else int(min(max(x, 0.0), N_KINDS - 1.0))


@numba.njit(cache=True)
def _terms(vector: Vector, columns: Floats, kinds: Floats, out: Floats) -> None:
    """What each feature adds to each output, into out (K, N)."""
    logs = np.empty(vector.size)
    logs_of(vector, logs)
    for k in range(out.shape[0]):
        for i in range(vector.size):
            out[k, i] = _term(logs[i], columns, k, i)
        out[k, _KIND] += kinds[k, _kind_of(vector)]


@numba.njit(cache=True)
def blend(vector: Vector, logs: Floats, columns: Floats, kinds: Floats, share: float, out: Floats) -> None:
    """Draws probabilities in out (K,) to the linear part's by a share of the log-odds. logs: as from logs_of. The last
    of kinds' columns is each output's base.
    """
    kind, top = _kind_of(vector), -np.inf
    for k in range(out.size):
        linear = kinds[k, N_KINDS]
        for i in range(logs.size):
            term = _term(logs[i], columns, k, i)
            linear += term + kinds[k, kind] if i == _KIND else term
        p = min(max(out[k], TINY), 1.0 - TINY)
        trees = np.log(p) if out.size > 1 else np.log(p / (1.0 - p))
        out[k] = (1.0 - share) * trees + share * linear
        top = max(top, out[k])
    squash(out, top)


@numba.njit(cache=True)
def _blend(matrix: Vector, columns: Floats, kinds: Floats, share: float, out: Floats) -> None:
    """Blends each row's probabilities, which stand in out (n, K)."""
    logs = np.empty(matrix.shape[1])
    for r in range(matrix.shape[0]):
        logs_of(matrix[r], logs)
        blend(matrix[r], logs, columns, kinds, share, out[r])


@dataclass(frozen=True, slots=True)
class Linear:
    """A linear part of K outputs and its share in the blend, above 0 to 1.

    columns: float64 (3 + 2 K, N): of each feature the lowest and highest logarithm, the middle; then of each output the
    slope, and what is added where the feature is unknown. kinds: (K, kinds + 1): what a kind of event adds; last the
    base. Raises InvalidModel where they do not fit or are not finite.
    """

    columns: Floats
    kinds: Floats
    share: float

    def __post_init__(self) -> None:
        shapes = self.kinds.ndim == self.columns.ndim == 2 and self.kinds.shape[1] == N_KINDS + 1
        if not shapes or not self.outputs or self.columns.shape != (_FIRST + 2 * self.outputs, N_FEATURES):
            raise InvalidModel("linear: arrays of another shape than the features and kinds need")
        if not bool(np.all(np.isfinite(self.columns)) and np.all(np.isfinite(self.kinds))):
            raise InvalidModel("linear: a weight is not a finite number")
        if not 0.0 < self.share <= 1.0:
            raise InvalidModel(f"linear: a share of {self.share} instead of above 0 to 1")

    @property
    def outputs(self) -> int:
        """K."""
        return len(self.kinds)

    def blend(self, said: Floats, matrix: Vector) -> Floats:
        """Probabilities of both parts. said: the trees', (n, K); matrix: float32 (n, N)."""
        rows = np.ascontiguousarray(matrix, np.float32)
        out = np.array(said, np.float64, order="C")
        _blend(rows, self.columns, self.kinds, self.share, out)
        return out

    def contributions(self, vector: Vector) -> Floats:
        """What each feature adds to the linear log-odds, and last the base: shape (K, N + 1)."""
        terms = np.empty((self.outputs, N_FEATURES))
        _terms(np.ascontiguousarray(vector, np.float32), self.columns, self.kinds, terms)
        return np.concatenate([terms, self.kinds[:, -1:]], axis=1)

    def to_arrays(self, prefix: str) -> dict[str, npt.NDArray[np.generic]]:
        """Arrays for an .npz, their names beginning with `prefix`."""
        share = np.array(self.share)
        return {f"{prefix}_columns": self.columns, f"{prefix}_kinds": self.kinds, f"{prefix}_share": share}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[np.generic]], prefix: str) -> "Linear":
        """The inverse of to_arrays. Raises KeyError where an array is missing, InvalidModel where they do not fit."""
        columns, kinds = (np.ascontiguousarray(arrays[f"{prefix}_{n}"], np.float64) for n in ("columns", "kinds"))
        share = arrays[f"{prefix}_share"]
        if share.shape != ():
            raise InvalidModel("linear: the share is not one number")
        return cls(columns, kinds, float(share))


class Blended:
    """Trees and a linear part as one Predictor. Raises InvalidModel if they have different outputs."""

    def __init__(self, trees: Predictor, linear: Linear) -> None:
        if trees.outputs != linear.outputs:
            raise InvalidModel(f"linear: {linear.outputs} outputs instead of the trees' {trees.outputs}")
        self.trees, self.linear = trees, linear

    @property
    def outputs(self) -> int:
        """Numbers a prediction has."""
        return self.trees.outputs

    def predict(self, vector: Vector) -> Floats:
        """Shape (N,) -> (K,)."""
        said: Floats = self.linear.blend(self.trees.predict(vector)[None], vector[None])[0]
        return said

    def predict_batch(self, matrix: Vector) -> Floats:
        """Shape (n, N) -> (n, K)."""
        return self.linear.blend(self.trees.predict_batch(matrix), matrix)

    def contributions(self, vector: Vector) -> Floats:
        """What each feature adds to the blended log-odds, and last the base: shape (K, N + 1)."""
        share = self.linear.share
        return (1.0 - share) * self.trees.contributions(vector) + share * self.linear.contributions(vector)
