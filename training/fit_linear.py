"""Fitting the linear part that is blended into the trees (models/linear.py): a logistic regression on the same rows.

Logarithms within the range that training showed, standardised; unknowns flagged, the event's kind as indicators. What
may only rise gets no falling slope: where the fit gives one, it is fitted again without that feature. The more rows
there are, the smaller the linear part's share, for trees need rows to be sure of what runs straight.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from features.events import KINDS
from features.schema import INDEX
from models.linear import Linear
from training.settings import Settings

Matrix = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int8]

MAX_ROWS: Final = 60_000
"""Some 130 columns gain nothing from more: every n-th row."""

FULL_SHARE_ROWS: Final = 40_000
"""Up to so many rows the linear part has its full share; beyond, the share falls with the root of the rows."""

PENALTY: Final = 0.1
"""Inverse strength of the L2 penalty, as LogisticRegression takes it."""

NEVER: Final = -15.0
"""Log-odds of a class that training never showed."""


@dataclass(frozen=True, slots=True)
class _Scale:
    """Standardised logarithms of features. low, high, middle, centre, spread: (N,); flagged: unknown in some rows."""

    low: Floats
    high: Floats
    middle: Floats
    centre: Floats
    spread: Floats
    flagged: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, logs: Floats) -> "_Scale":
        unknown = np.isnan(logs)
        some = ~unknown.all(axis=0)
        low, high, middle = np.zeros((3, logs.shape[1]))
        low[some], high[some] = np.nanmin(logs[:, some], axis=0), np.nanmax(logs[:, some], axis=0)
        middle[some] = np.nanmedian(logs[:, some], axis=0)
        filled = np.where(unknown, middle, logs)
        spread = filled.std(axis=0)
        flagged = np.asarray(unknown.any(axis=0) & some)
        return cls(low, high, middle, filled.mean(axis=0), np.where(spread > 1e-6, spread, np.inf), flagged)

    def columns(self, logs: Floats, kind: npt.NDArray[np.int64]) -> Matrix:
        """What the regression sees: N columns, those of the flags, those of the kinds; 32 bits take half the time."""
        unknown = np.isnan(logs)
        standard = (np.where(unknown, self.middle, logs) - self.centre) / self.spread
        parts = [standard, unknown[:, self.flagged], np.eye(len(KINDS))[kind]]
        return np.concatenate(parts, axis=1).astype(np.float32)

    def unfolded(self, weights: Floats, base: Floats, share: float) -> Linear:
        """The regression in terms of the features. weights: (K, columns); base: (K,)."""
        n = len(self.low)
        slopes, missing = weights[:, :n] / self.spread, np.zeros((len(weights), n))
        missing[:, self.flagged] = weights[:, n : -len(KINDS)]
        missing += slopes * (self.middle - self.centre)
        each = np.stack([slopes, missing], axis=1).reshape(-1, n)
        columns = np.concatenate([[self.low, self.high, self.centre], each])
        return Linear(columns, np.concatenate([weights[:, -len(KINDS) :], base[:, None]], axis=1), share)


def fit_linear(matrix: Matrix, target: Codes, outputs: int, settings: Settings) -> Linear | None:
    """The linear part of a target on rows (n, N); None where settings want none or there is one class.

    target: int8 (n,), 0 and 1 or classes.
    """
    if not settings.linear or len(np.unique(target)) < 2:
        return None
    step = -(-len(matrix) // MAX_ROWS)
    rows, labels = matrix[::step].astype(np.float64), target[::step]
    if len(np.unique(labels)) < 2:
        return None
    logs = np.sign(rows) * np.log1p(np.abs(rows))
    scale = _Scale.of(logs)
    kind = np.clip(np.nan_to_num(rows[:, INDEX["event_kind"]]), 0, len(KINDS) - 1).astype(np.int64)
    columns = scale.columns(logs, kind)
    weights, base = _rising(columns, labels, outputs, [INDEX[name] for name in settings.rises])
    return scale.unfolded(weights, base, share_of(len(matrix), settings))


def share_of(rows: int, settings: Settings) -> float:
    """The linear part's share of the log-odds when fitted on so many rows."""
    return settings.linear * min(1.0, float(np.sqrt(FULL_SHARE_ROWS / rows)))


def _rising(columns: Matrix, labels: Codes, outputs: int, rises: Sequence[int]) -> tuple[Floats, Floats]:
    """Weights (K, columns) and bases (K,) without a falling slope where none may be."""
    while True:
        weights, base = _regression(columns, labels, outputs)
        falling = [i for i in rises if weights[0, i] < 0]
        if not falling:
            return weights, base
        columns[:, falling] = 0.0  # without spread the penalty leaves it no weight


def _regression(columns: Matrix, labels: Codes, outputs: int) -> tuple[Floats, Floats]:
    solver = "newton-cholesky" if outputs == 1 else "lbfgs"  # one is faster for two classes, the other for more
    model = LogisticRegression(C=PENALTY, max_iter=200, solver=solver)
    # One thread: products this small are slower on more, and their sums then differ from run to run.
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # 200 steps are near enough
        model.fit(columns, labels)
    if outputs == 1:
        return model.coef_.astype(np.float64), model.intercept_.astype(np.float64)
    return _of_all(model, outputs)


def _of_all(model: LogisticRegression, outputs: int) -> tuple[Floats, Floats]:
    """Weights and bases of every class, also those that the rows did not show."""
    weights, base = np.zeros((outputs, model.coef_.shape[1])), np.full(outputs, NEVER)
    if len(model.classes_) == 2:  # one row of weights for the second class against the first
        weights[model.classes_[1]], base[model.classes_] = model.coef_[0], (0.0, model.intercept_[0])
    else:
        weights[model.classes_], base[model.classes_] = model.coef_, model.intercept_
    return weights, base
