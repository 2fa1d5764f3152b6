"""Figures of a probability for yes or no, with intervals by resampling whole sessions.

AUC and average precision are read in one pass over rows sorted once, with each row counted as often as its session
was drawn: two hundred resamples cost about as much as two sorts would.
"""

from dataclasses import dataclass
from typing import Final

import numba
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

RESAMPLES: Final = 200
LEVEL: Final = 0.95
BINS: Final = 15
MIN_BIN: Final = 200
"""Rows a calibration bin should hold; fewer rows make fewer bins, for an empty bin's error is chance."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """Rows in order of falling score. label: 0 or 1; group: the session's number, 0..groups; tie: last of equals."""

    label: npt.NDArray[np.int8]
    group: Ints
    tie: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, label: npt.NDArray[np.integer], score: Floats, group: Ints) -> "Ranked":
        """From columns (n,) in any order."""
        order = np.argsort(-score, kind="stable")
        falling = score[order]
        tie = np.ones(len(order), bool)
        tie[:-1] = falling[1:] != falling[:-1]
        return cls(label[order].astype(np.int8), group[order], tie)


@numba.njit(cache=True)
def _auc_and_precision(label, group, tie, weight):  # type: ignore[no-untyped-def]
    """Weighted AUC and average precision; equal scores count as one step. NaN without both labels."""
    positives, negatives, wins, precision = 0.0, 0.0, 0.0, 0.0
    new_positives, new_negatives = 0.0, 0.0
    for i in range(label.size):
        w = weight[group[i]]
        if label[i] == 1:
            new_positives += w
        else:
            new_negatives += w
        if tie[i]:
            # negatives seen from here on lose to all positives so far, and halve with those of the same score
            wins += new_negatives * (positives + 0.5 * new_positives)
            positives += new_positives
            negatives += new_negatives
            if new_positives > 0:
                precision += new_positives * positives / (positives + negatives)
            new_positives, new_negatives = 0.0, 0.0
    if positives == 0 or negatives == 0:
        return np.nan, np.nan
    return wins / (positives * negatives), precision / positives


def auc_and_precision(ranked: Ranked, weight: Floats) -> tuple[float, float]:
    """Area under the ROC curve and average precision. weight: how often each session counts, (groups,)."""
    auc, precision = _auc_and_precision(ranked.label, ranked.group, ranked.tie, weight)
    return float(auc), float(precision)


def draws(groups: int, seed: int, resamples: int = RESAMPLES) -> Floats:
    """How often each session is drawn in each bootstrap resample. Shape (resamples, groups)."""
    rng = np.random.default_rng(seed)
    return np.stack([np.bincount(rng.integers(0, groups, groups), minlength=groups) for _ in range(resamples)]).astype(
        np.float64
    )


def resampled(ranked: Ranked, weights: Floats) -> Floats:
    """AUC and average precision in each resample, shape (resamples, 2). The same weights make comparisons paired."""
    return np.array([auc_and_precision(ranked, weight) for weight in weights])


def interval(values: Floats, level: float = LEVEL) -> list[float] | None:
    """The central interval of resampled values, or None if too few could be computed."""
    finite = values[np.isfinite(values)]
    if len(finite) < len(values) / 2 or not len(finite):
        return None
    low, high = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2])
    return [float(low), float(high)]


@dataclass(frozen=True, slots=True)
class Bin:
    """Rows of similar probability: how many, what was said on average, how often it was so."""

    n: int
    said: float
    was: float


def _places(probability: Floats, bins: int) -> Ints:
    """Each row's bin: (nearly) equally many rows in each, equal probabilities together."""
    fitting = max(1, min(bins, len(probability) // MIN_BIN))
    edges = np.unique(np.quantile(probability, np.linspace(0, 1, fitting + 1)[1:-1]))
    return np.searchsorted(edges, probability, side="right").astype(np.int64)


def calibration_bins(label: npt.NDArray[np.integer], probability: Floats, bins: int = BINS) -> list[Bin]:
    """At most `bins` bins of (nearly) equally many rows, ordered by what was said."""
    place = _places(probability, bins)
    n = np.bincount(place)
    said = np.bincount(place, probability)
    was = np.bincount(place, label.astype(np.float64))
    return [Bin(int(k), float(s / k), float(w / k)) for k, s, w in zip(n, said, was, strict=True) if k]


def calibration_error(bins: list[Bin]) -> float:
    """Expected calibration error: the mean distance of said from was, by rows."""
    return sum(b.n * abs(b.said - b.was) for b in bins) / sum(b.n for b in bins)


def resampled_error(label: npt.NDArray[np.integer], probability: Floats, group: Ints, weights: Floats) -> Floats:
    """The calibration error in each session resample, the bins kept. Shape (resamples,)."""
    place = _places(probability, BINS)
    bins, sessions = int(place.max()) + 1, weights.shape[1]
    gap = np.bincount(group * bins + place, probability - label, sessions * bins).reshape(sessions, bins)
    rows = np.bincount(group, minlength=sessions)
    return np.asarray(np.abs(weights @ gap).sum(axis=1) / (weights @ rows))
