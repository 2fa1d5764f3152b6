"""Whether a log can tell what a policy would have earned; and all estimates of it, or why there are none.

An estimate from few effective rows is worse than none: its interval is made from the rows that are there, and does not
know of the large weights that are not. So below these limits the answer is "cannot say", with the reasons.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from training.off_policy import ESTIMATORS, Estimate, Logged, mean_of, switch_tau

Floats = npt.NDArray[np.float64]

MIN_ESS: Final = 1_000.0
"""Effective rows below which nothing is said. A rate of 0.5 % over 1,000 rows is 5 rewards: known to within half."""
MIN_SHARE: Final = 0.01
"""Effective rows as a share of all. The least a policy with an exploration floor of 1 % leaves to any action."""
MIN_VISITORS: Final = 100.0
"""Effective visitors: the interval is made of visitors, and needs many that weigh alike."""
MIN_REWARDED: Final = 10
"""Visitors with a reward that the target could have had."""
MAX_ROW: Final = 0.01
"""Share of all weight on one row. Where one row is seen to weigh so much, others like it were missed by chance."""
MAX_UNSUPPORTED: Final = 0.01
"""Share of the target's probability on what the log never does."""
MEAN_WEIGHT_OFF, MEAN_WEIGHT_ERRORS = 0.05, 4.0
"""How far the mean weight may be from 1, and in standard errors. Beyond both a row is missing, or chances are wrong."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """How much of the log speaks about the target.

    ess: (sum of w)^2 / sum of w^2 (Kish 1965), over rows; visitors: the same over visitors' sums. rewarded: visitors
    with a reward and a weight. mean_weight: 1 but for chance and `unsupported`; its error beside it.
    """

    rows: int
    ess: float
    visitors: float
    rewarded: int
    max_weight: float
    mean_weight: float
    mean_weight_error: float
    unsupported: float

    @property
    def share(self) -> float:
        """Effective rows as a share of the rows."""
        return self.ess / self.rows

    @property
    def largest(self) -> float:
        """The largest weight as a share of all weight; 0 where there is none."""
        return self.max_weight / (self.mean_weight * self.rows) if self.mean_weight > 0 else 0.0

    def as_dict(self) -> dict[str, Any]:
        """As `--json` writes it."""
        return {
            "rows": self.rows,
            "effective_sample_size": self.ess,
            "effective_share": self.share,
            "effective_visitors": self.visitors,
            "rewarded_visitors": self.rewarded,
            "max_weight": self.max_weight,
            "max_weight_share": self.largest,
            "mean_weight": self.mean_weight,
            "unsupported_share": self.unsupported,
        }


def kish(weight: Floats) -> float:
    """Effective sample size of weights; 0 where all are 0."""
    squares = float((weight**2).sum())
    return float(weight.sum()) ** 2 / squares if squares > 0 else 0.0


def overlap(logged: Logged) -> Overlap:
    """How much of the log speaks about the target."""
    weight = logged.weight
    _, place = np.unique(logged.cluster, return_inverse=True)
    spoken = (weight > 0) & (logged.reward != 0)
    return Overlap(
        rows=len(weight),
        ess=kish(weight),
        visitors=kish(np.bincount(place, weight).astype(np.float64)),
        rewarded=len(np.unique(logged.cluster[spoken])),
        max_weight=float(weight.max()),
        mean_weight=float(weight.mean()),
        mean_weight_error=mean_of(weight, logged.cluster).error,
        unsupported=float(logged.unsupported.mean()),
    )


def refusals(found: Overlap) -> tuple[str, ...]:
    """Why nothing can be said of the target's value; () where it can."""
    said = []
    if found.unsupported > MAX_UNSUPPORTED:
        never = f"{found.unsupported:.1%} of the target's choices are never made in the log"
        said.append(f"{never}; at most {MAX_UNSUPPORTED:.0%} may be")
    if found.ess < MIN_ESS:
        said.append(f"the effective sample size is {found.ess:,.0f} of {found.rows:,} rows; {MIN_ESS:,.0f} are needed")
    elif found.share < MIN_SHARE:
        said.append(f"the effective sample size is {found.share:.2%} of the rows; {MIN_SHARE:.0%} is needed")
    elif found.largest > MAX_ROW:
        said.append(f"one row carries {found.largest:.1%} of all weight; at most {MAX_ROW:.0%} may be on one")
    if found.visitors < MIN_VISITORS:
        said.append(f"that is {found.visitors:,.0f} effective visitors; {MIN_VISITORS:.0f} are needed")
    if found.rewarded < MIN_REWARDED:
        said.append(
            f"{found.rewarded} visitors with a reward that the target could have had; {MIN_REWARDED} are needed"
        )
    missed = abs(found.mean_weight - (1.0 - found.unsupported))
    if missed > max(MEAN_WEIGHT_OFF, MEAN_WEIGHT_ERRORS * found.mean_weight_error):
        why = "rare large weights did not come up, or these propensities are not the log's"
        said.append(f"the weights' mean is {found.mean_weight:.3f} instead of 1: {why}")
    return tuple(said)


@dataclass(frozen=True, slots=True)
class Assessment:
    """What can be said of a target: either estimates by name, or why there are none. tau: of switch."""

    overlap: Overlap
    estimates: Mapping[str, Estimate]
    refused: tuple[str, ...]
    tau: float | None

    def as_dict(self) -> dict[str, Any]:
        """As `--json` writes it: each estimator null where refused."""
        said = {name: one.as_dict() if (one := self.estimates.get(name)) else None for name in ESTIMATORS}
        tau = self.tau if self.tau is not None and np.isfinite(self.tau) else None  # JSON knows no infinity
        return {**said, "switch_tau": tau, **self.overlap.as_dict(), "refused": list(self.refused)}


def assess(logged: Logged) -> Assessment:
    """All estimators, or the refusal."""
    found = overlap(logged)
    refused = refusals(found)
    if refused:
        return Assessment(found, {}, refused, None)
    estimates = {name: estimator(logged) for name, estimator in ESTIMATORS.items()}
    return Assessment(found, estimates, (), switch_tau(logged))
