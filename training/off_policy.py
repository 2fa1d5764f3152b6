"""What another policy would have earned, from a log of decisions with their exact propensities.

With w = P(target takes what was logged) / P(the log took it), r the reward and q a model of the reward (n rows; where
a page has several placements, each row's part is further weighted by the product of w of the placements before it,
Precup, Sutton & Singh 2000):

* ips     mean of w r: right on average, wide                               Horvitz & Thompson 1952
* snips   sum of w r / sum of w: steadier where the weights vary            Swaminathan & Joachims 2015
* dr      mean of q(target) + w (r - q(logged)): right on average whatever the model says, narrower the better it is
                                                                            Dudik, Langford & Li 2011
* switch  dr with the weights above tau left to the model alone             Wang, Agarwal & Dudik 2017

Every interval is of 95 %, from the rows' influence summed by visitor (cluster-robust), with the skewness of those sums
taken out (Hall 1992, "On the removal of skewness by transformation"): rewards are rare, and a plain normal interval
reaches too low and not high enough. Whether the log can tell anything is asked in training/overlap.py, first.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

TAUS: Final = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, np.inf)
"""Thresholds that switch chooses from; the last leaves nothing to the model."""
_Z: Final = 1.959963984540054


@dataclass(frozen=True, slots=True, eq=False)
class Logged:
    """Decisions that were logged, beside what a target policy would do. All arrays (n,), n >= 1.

        reward: what followed, any unit. propensity: the log's probability of what it did, above 0 to 1. target: the
    target's probability of the same. cluster: which visitor, any integers. q_logged: what a model that has not seen
    the row expects of what was done; q_target: what it expects of the target. before: product of the weights of what
    was decided earlier on the same page, 1 where nothing was. above: (n, len(TAUS)), the target's probability of what
    it weighs above each of TAUS: `weighed` makes it. Raises ValueError where they are not that.
    """

    reward: Floats
    propensity: Floats
    target: Floats
    cluster: Ints
    q_logged: Floats
    q_target: Floats
    before: Floats
    above: Floats

    def __post_init__(self) -> None:
        arrays = (
            self.reward,
            self.propensity,
            self.target,
            self.cluster,
            self.q_logged,
            self.q_target,
            self.unsupported,
        )
        if not len(self.reward) or any(len(part) != len(self.reward) for part in arrays):
            raise ValueError(f"arrays of one length above 0 are needed, not {[len(part) for part in arrays]}")
        if not all(bool(np.isfinite(part).all()) for part in arrays):
            raise ValueError("a reward, a probability or a model's answer is not a finite number")
        if not bool(((self.propensity > 0) & (self.propensity <= 1 + 1e-9)).all()):
            raise ValueError("a propensity is not above 0 and up to 1")
        if not bool(((self.target >= 0) & (self.target <= 1 + 1e-9)).all()):
            raise ValueError("a target probability is not from 0 to 1")
        if not bool((self.before >= 0).all()):
            raise ValueError("a weight is below 0")

    @property
    def weight(self) -> Floats:
        """How much more often the target does it, and what stood before it, than the log did, (n,)."""
        return np.asarray(self.before * self.target / self.propensity)

    @property
    def unsupported(self) -> Floats:
        """The target's probability of what the log never does, (n,)."""
        return np.asarray(self.above[:, -1])

    def take(self, rows: npt.NDArray[np.bool_]) -> "Logged":
        """Some of the rows. rows: (n,)."""
        return Logged(*(getattr(self, part.name)[rows] for part in fields(self)))


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value per row with its 95 % interval and standard error, all in reward units."""

    value: float
    low: float
    high: float
    error: float

    def covers(self, value: float) -> bool:
        """Whether the interval holds a value."""
        return self.low <= value <= self.high

    def as_dict(self) -> dict[str, Any]:
        """As `--json` writes it."""
        return {"value": self.value, "value_ci": [self.low, self.high], "standard_error": self.error}


def mean_of(rows: Floats, cluster: Ints, value: float | None = None) -> Estimate:
    """The mean of rows (n,), summed by cluster. value: default the mean itself; rows are then its influence.

    Of fewer than two clusters nothing is known: the limits are infinite.
    """
    centre = float(rows.mean())
    _, place = np.unique(cluster, return_inverse=True)
    off = np.bincount(place, rows - centre)
    at, groups = centre if value is None else value, len(off)
    if groups < 2:
        return Estimate(at, -np.inf, np.inf, np.inf)
    squares = float((off**2).sum())
    error = float(np.sqrt(squares * groups / (groups - 1))) / len(rows)
    skew = float((off**3).sum()) / squares**1.5 if squares > 0 else 0.0
    return Estimate(at, at - error * _unskewed(_Z, skew), at - error * _unskewed(-_Z, skew), error)


def _unskewed(quantile: float, skew: float) -> float:
    """The quantile of a mean's t statistic. skew: of one sum, over the root of their number. Hall 1992."""
    if abs(skew) < 1e-6:
        return quantile
    return float(3.0 / skew * (np.cbrt(1.0 + skew * (quantile - skew / 6.0)) - 1.0))


def ips(logged: Logged) -> Estimate:
    """Inverse-propensity value of the target."""
    return mean_of(logged.weight * logged.reward, logged.cluster)


def snips(logged: Logged) -> Estimate:
    """Self-normalised inverse-propensity value; the interval is of its linear part. 0 where no row has weight."""
    weight = logged.weight
    total = float(weight.mean())
    if total == 0.0:
        return Estimate(0.0, -np.inf, np.inf, np.inf)
    value = float((weight * logged.reward).mean()) / total
    return mean_of(weight * (logged.reward - value) / total, logged.cluster, value)


def dr_rows(logged: Logged, tau: float = np.inf) -> Floats:
    """Each row's part of the doubly robust value, (n,); weights above tau count as 0."""
    weight = np.where(logged.weight <= tau, logged.weight, 0.0)
    return np.asarray(logged.before * logged.q_target + weight * (logged.reward - logged.q_logged))


def dr(logged: Logged) -> Estimate:
    """Doubly robust value."""
    return mean_of(dr_rows(logged), logged.cluster)


def weighed(target: Floats, propensity: Floats, before: Floats | float = 1.0) -> Floats:
    """The target's probability of what it weighs above each of TAUS, (n, len(TAUS)).

    target, propensity: (n, A), of every action; what the log never does has an infinite weight. before: (n,).
    """
    target = target * np.reshape(before, (-1, 1))
    weight = np.divide(target, propensity, out=np.full(target.shape, np.inf), where=propensity > 0)
    return np.stack([(target * ((weight > tau) | np.isinf(weight))).sum(axis=1) for tau in TAUS], axis=1)


def switch_tau(logged: Logged) -> float:
    """The weight above which switch trusts the model: least variance + squared bound of the bias (the paper, 3.3).

    The bound: the target's probability above tau, times the largest residual there is.
    """
    worst = float(np.abs(logged.reward - logged.q_logged).max())
    bias = (logged.above - logged.above[:, -1:]).mean(axis=0) * worst
    error = [mean_of(dr_rows(logged, tau), logged.cluster).error for tau in TAUS]
    badness = np.nan_to_num(np.array(error), posinf=1e300) ** 2 + bias**2
    return TAUS[len(TAUS) - 1 - int(np.argmin(badness[::-1]))]


def switch(logged: Logged) -> Estimate:
    """Doubly robust value, the largest weights left to the model."""
    return mean_of(dr_rows(logged, switch_tau(logged)), logged.cluster)


ESTIMATORS: Final[Mapping[str, Callable[[Logged], Estimate]]] = {"ips": ips, "snips": snips, "dr": dr, "switch": switch}
