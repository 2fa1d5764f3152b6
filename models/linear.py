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
from models.calibration import TINY
from models.modeltext import InvalidModel
from models.scorer import Predictor

Vector = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]

N_KINDS: Final = len(KINDS)
_KIND: Final = INDEX["event_kind"]
_LOW, _HIGH, _CENTRE, _FIRST = range(4)
"""Rows of Linear.columns before those of the outputs, which have two each: slope and weight where unknown."""


@numba.njit(cache=True)
def _log(x: float, low: float, high: float) -> float:
    log = np.log1p(abs(x))
    return float(min(max(-log if x < 0 else log, low), high))


@numba.njit(cache=True)
def _terms(vector: Vector, columns: Floats, kinds: Floats, out: Floats) -> None:
    """What each feature adds to each output, into out (K, N)."""
    for i in range(vector.size):
        x = np.float64(vector[i])  # float() would stay of 32 bits here
        unknown = np.isnan(x)
        above = 0.0 if unknown else _log(x, columns[_LOW, i], columns[_HIGH, i]) - columns[_CENTRE, i]
        for k in range(out.shape[0]):
            slope, missing = columns[_FIRST + 2 * k, i], columns[_FIRST + 2 * k + 1, i]
            out[k, i] = missing if unknown else slope * above
    x = np.float64(vector[_KIND])
    kind = 0 if np.isnan(x) else int(min(max(x, 0.0), N_KINDS - 1.0))
    for k in range(out.shape[0]):
        out[k, _KIND] += kinds[k, kind]


@numba.njit(cache=True)
def _blend(matrix: Vector, said: Floats, columns: Floats, kinds: Floats, share: float, out: Floats) -> None:
    """Probabilities said (n, K) drawn to the linear part's by a share of the log-odds, into out. The last of kinds'
    columns is each output's base.
    """
    outputs = said.shape[1]
    terms = np.empty((outputs, matrix.shape[1]))
    for r in range(matrix.shape[0]):
        _terms(matrix[r], columns, kinds, terms)
        total, top = 0.0, -np.inf
        for k in range(outputs):
            linear = kinds[k, N_KINDS]
            for i in range(terms.shape[1]):
                linear += terms[k, i]
            p = min(max(said[r, k], TINY), 1.0 - TINY)
            trees = np.log(p) if outputs > 1 else np.log(p / (1.0 - p))
            out[r, k] = (1.0 - share) * trees + share * linear
            top = max(top, out[r, k])
        if outputs == 1:
            out[r, 0] = 1.0 / (1.0 + np.exp(-out[r, 0]))
            continue
        for k in range(outputs):
            out[r, k] = np.exp(out[r, k] - top)
            total += out[r, k]
        for k in range(outputs):
            out[r, k] /= total


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
        out = np.empty((len(rows), self.outputs))
        _blend(rows, np.ascontiguousarray(said, np.float64), self.columns, self.kinds, self.share, out)
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
