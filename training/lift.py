"""Lift per visitor: each arm against the holdout, in conversion and in revenue, by intervals that may be read daily.

The unit is the visitor, as the arm is the visitor's: who was decided for counts from the first decision on, shown
something or not. What a visitor did before is a covariate (training/cuped.py). docs/lift.md says how to read it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from training.cuped import Adjuster
from training.sequential import Arm, Interval, Plan, arms_of, difference, mean_sequence, more_visitors, relative

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.intp]

OUTCOMES: Final[Mapping[str, str]] = {
    "conversion": "visitors who bought",
    "revenue": "revenue per visitor",
    "revenue_winsorised": "revenue per visitor, winsorised",
}
"""What is measured of a visitor, and its name for people."""

BEFORE: Final = ("events", "views", "orders", "revenue")
"""What a visitor did before the first decision, and outcomes are adjusted by."""

WINSOR: Final = 0.99
"""Quantile of the buyers' revenue that nobody's counts above, in the winsorised outcome. Fixed, never tuned."""

NONE_YET, BETTER, WORSE, NOT_APART = "no result yet", "better", "worse", "not told apart"
OFF: Final = "sample ratio is off: do not read this"

_NO_BUYERS: Final = "nobody in one of the arms has bought"


@dataclass(frozen=True, slots=True)
class Visitors:
    """Those who had a first decision, one row each, as of some moment.

    arm: code of the arm, (n,). columns: cuped.covariates of BEFORE, up to the first decision, (n, 5). bought: whether
    they did since. revenue: since, refunds taken off, money. valued: whether any order in the log told its value.
    """

    arm: Codes
    columns: Floats
    bought: Flags
    revenue: Floats
    valued: bool = True

    def __len__(self) -> int:
        return len(self.arm)

    def outcomes(self) -> dict[str, Floats]:
        """Each of OUTCOMES as values (n,); those of money only where there is any."""
        found = {"conversion": self.bought.astype(np.float64)}
        if self.valued:
            found |= {"revenue": self.revenue, "revenue_winsorised": winsorised(self.revenue, self.bought)}
        return found


def winsorised(revenue: Floats, bought: Flags, quantile: float = WINSOR) -> Floats:
    """Revenue (n,) cut at the quantile of the buyers' revenue, all arms together."""
    if not bought.any():
        return revenue
    return np.minimum(revenue, np.quantile(revenue[bought], quantile))


@dataclass(frozen=True, slots=True)
class Lift:
    """One outcome of one arm against the base. adjusted: by what was before; plain: not. mean: unadjusted.

    relative: ends over the base's mean, None where that is not told apart from 0. saved: share of variance that the
    adjustment took off. more: visitors still needed, None if too many. verdict: one of the words above.
    """

    arm: str
    visitors: int
    buyers: int
    mean: Interval
    adjusted: Interval
    plain: Interval
    base_mean: float
    relative: tuple[float, float] | None
    saved: float
    more: int | None
    verdict: str

    @property
    def relative_estimate(self) -> float:
        """The lift over the base's mean, NaN where that is 0."""
        return self.adjusted.estimate / self.base_mean if self.base_mean > 0 else math.nan

    @property
    def words(self) -> str:
        """The verdict as a sentence."""
        if self.verdict not in (NONE_YET, NOT_APART):
            return self.verdict
        if self.more is None:
            return f"{self.verdict}; " + (_NO_BUYERS if self.verdict == NONE_YET else "there is nothing to see")
        return f"{self.verdict}; needs about {rounded(self.more):,} more visitors"


def rounded(count: int) -> int:
    """To two digits, upwards: more would claim to be known."""
    step: int = 10 ** max(0, len(str(count)) - 2)
    return -(-count // step) * step


@dataclass(frozen=True, slots=True)
class Asked:
    """How arms are compared. arms: their names by code; base: the one compared with.

    smallest: the least relative lift worth seeing, for the visitors still needed; None: the lift estimated.
    """

    arms: tuple[str, ...]
    base: str = "holdout"
    plan: Plan = field(default_factory=Plan)
    smallest: float | None = None


def lifts(visitors: Visitors, asked: Asked) -> dict[str, list[Lift]]:
    """For each outcome each arm that has visitors, but the base, against the base. {} where either is missing."""
    people = np.bincount(visitors.arm, minlength=len(asked.arms))
    base = asked.arms.index(asked.base) if asked.base in asked.arms else -1
    others = [code for code in np.flatnonzero(people).tolist() if code != base]
    if base < 0 or not people[base] or not others:
        return {}
    buyers = np.bincount(visitors.arm[visitors.bought], minlength=len(asked.arms))
    before = Adjuster.of(visitors.columns)
    found = {}
    for name, values in visitors.outcomes().items():
        changed = before.adjust(values)
        sides = _Sides(
            arms_of(values, visitors.arm, len(asked.arms)),
            arms_of(changed.values, visitors.arm, len(asked.arms)),
            buyers.tolist(),
            changed.saved,
        )
        found[name] = [_lift(sides, code, base, asked) for code in others]
    return found


@dataclass(frozen=True, slots=True)
class _Sides:
    """An outcome by arm, as it is and adjusted."""

    plain: list[Arm]
    adjusted: list[Arm]
    buyers: list[int]
    saved: float


def _lift(sides: _Sides, code: int, base: int, asked: Asked) -> Lift:
    n, plan = sum(arm.n for arm in sides.plain), asked.plan
    adjusted = difference(sides.adjusted[code], sides.adjusted[base], n, plan)
    pair = [sides.plain[code].n, sides.plain[base].n], [sides.buyers[code], sides.buyers[base]]
    verdict = _verdict(adjusted, plan.started(*pair))
    base_mean = sides.adjusted[base].mean
    effect = asked.smallest * base_mean if asked.smallest is not None else adjusted.estimate
    more = _until_start(*pair, n, plan) if verdict == NONE_YET else more_visitors(effect, adjusted.se, n, plan)
    return Lift(
        asked.arms[code],
        sides.plain[code].n,
        sides.buyers[code],
        mean_sequence(sides.plain[code], n, plan),
        adjusted,
        difference(sides.plain[code], sides.plain[base], n, plan),
        base_mean,
        relative(sides.adjusted[code], sides.adjusted[base], n, plan),
        sides.saved,
        more,
        verdict,
    )


def _verdict(lift: Interval, started: bool) -> str:
    if not started:
        return NONE_YET
    return BETTER if lift.low > 0 else WORSE if lift.high < 0 else NOT_APART


def _until_start(people: Sequence[int], buyers: Sequence[int], n: int, plan: Plan) -> int | None:
    """Visitors of all arms still to come before both arms have enough of both, at the pace so far."""
    pairs = zip(people, buyers, strict=True)
    least = max(max(plan.people / max(1, p), plan.buyers / b if b else math.inf) for p, b in pairs)
    return None if math.isinf(least) else max(1, math.ceil(n * (least - 1.0)))


def describe(lift: Lift) -> dict[str, Any]:
    """Plain JSON values: figures of the lift are adjusted, those under `plain` are not."""
    return {
        "visitors": lift.visitors,
        "buyers": lift.buyers,
        "mean": lift.mean.estimate,
        "mean_ci": [lift.mean.low, lift.mean.high],
        "lift": lift.adjusted.estimate,
        "lift_ci": [lift.adjusted.low, lift.adjusted.high],
        "p": lift.adjusted.p,
        "relative": None if math.isnan(lift.relative_estimate) else lift.relative_estimate,
        "relative_ci": None if lift.relative is None else list(lift.relative),
        "plain": {"lift": lift.plain.estimate, "lift_ci": [lift.plain.low, lift.plain.high], "p": lift.plain.p},
        "variance_saved": lift.saved,
        "verdict": lift.verdict,
        "more_visitors": lift.more,
        "words": lift.words,
    }
