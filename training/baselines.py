"""What any shop could have without this engine, fitted on the same rows: the figures beside which ours stand.

* base_rate / majority   the same answer for everyone
* static_map             read off the last event alone: the rate (or stage) of its kind
* logistic               logistic regression on the same vectors: logarithms, standardised, unknowns flagged, the
                         event's kind as indicators
"""

import warnings
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from features.events import KINDS
from features.schema import INDEX
from models.stage import STAGES, STATIC_STAGE
from training.table import Table

Matrix = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LOGISTIC_ROWS: Final = 60_000
"""A logistic regression of some 150 columns gains nothing from more; every n-th row, in time order."""

STATIC_OF_KIND: Final = np.array([STAGES.index(STATIC_STAGE[kind]) for kind in KINDS])
SMOOTHING: Final = 1.0


@dataclass(frozen=True, slots=True)
class _Scaler:
    """Turns vectors into columns a linear model can read."""

    median: Floats
    centre: Floats
    scale: Floats
    flagged: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, matrix: Matrix) -> "_Scaler":
        unknown = np.isnan(matrix)
        flagged = np.asarray(unknown.any(axis=0) & ~unknown.all(axis=0))
        logs = _logs(matrix)
        median = np.zeros(matrix.shape[1])
        some = ~unknown.all(axis=0)
        median[some] = np.nanmedian(logs[:, some], axis=0)
        filled = np.where(unknown, median, logs)
        scale = filled.std(axis=0)
        return cls(median, filled.mean(axis=0), np.where(scale > 1e-9, scale, 1.0), flagged)

    def columns(self, matrix: Matrix) -> Matrix:
        unknown = np.isnan(matrix)
        filled = np.where(unknown, self.median, _logs(matrix))
        kind = np.nan_to_num(matrix[:, INDEX["event_kind"]]).astype(np.int64)
        parts = [(filled - self.centre) / self.scale, unknown[:, self.flagged], np.eye(len(KINDS))[kind]]
        return np.concatenate(parts, axis=1).astype(np.float32)


def _logs(matrix: Matrix) -> Floats:
    return np.asarray(np.sign(matrix) * np.log1p(np.abs(matrix)), np.float64)


def logistic(train: Table, target: Ints, test: Matrix, classes: int) -> Floats:
    """Probabilities of a logistic regression, (m, 1) of class 1 for two classes, else (m, classes)."""
    step = max(1, len(train) // LOGISTIC_ROWS)
    sample, labels = train.matrix[::step], target[::step]
    scaler = _Scaler.of(sample)
    model = LogisticRegression(C=0.1, max_iter=200)
    # One thread: products this small are slower on more, and their sums then differ from run to run.
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # 200 steps are enough for a baseline
        model.fit(scaler.columns(sample), labels)
    found = np.zeros((len(test), classes))
    found[:, model.classes_] = model.predict_proba(scaler.columns(test))
    return found[:, 1:] if classes == 2 else found


def rate_of_kind(kind: npt.NDArray[np.uint8], target: Ints, tested: npt.NDArray[np.uint8]) -> Floats:
    """Each tested row's rate of its event's kind in training, shape (m,)."""
    rows = np.bincount(kind, minlength=len(KINDS))
    positives = np.bincount(kind, target, len(KINDS))
    base = target.mean() if len(target) else 0.0
    return np.asarray(((positives + SMOOTHING * base) / (rows + SMOOTHING))[tested])


def stages_of_map(kind: npt.NDArray[np.uint8], stage: Ints, tested: npt.NDArray[np.uint8]) -> tuple[Ints, Floats]:
    """The static map's stage of each tested row, and how the stages were spread in training where it said so."""
    said = STATIC_OF_KIND[kind]
    classes = len(STAGES)
    spread = np.bincount(said * classes + stage, minlength=classes**2).reshape(classes, classes) + SMOOTHING
    named = STATIC_OF_KIND[tested]
    return named, (spread / spread.sum(axis=1, keepdims=True))[named]
