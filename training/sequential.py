"""Intervals that may be looked at every day: asymptotic confidence sequences, and a sequential test of sample ratios.

An interval of a fixed sample size is wrong far too often when it is looked at again and again until it says something.
A confidence sequence holds at all sample sizes together, so that one may stop whenever one likes.

    interval at n visitors:  estimate +- b(n) se,   b(n)^2 = (1 + 1/u) (ln(1 + u) + 2 ln(1/alpha)),   u = n rho^2

Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas 2021, "Time-uniform central limit theory and asymptotic confidence
sequences", theorem 2.2. rho is chosen so that b is smallest at a sample size stated beforehand; it costs little to be
some times off. "Asymptotic" as in any z-test: the means have to be nearly normal. The start rule of Plan sees to that.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MOST_VISITORS: Final = 10**12
"""More visitors than this is said to be never."""

RATIO_WEIGHT: Final = 1000.0
"""Visitors that the prior of the sample ratio's alternative is worth."""


@dataclass(frozen=True)
class Plan:
    """What is fixed before anybody looks.

    alpha: how often at most an interval may ever miss. visitors: the sample size, all arms together, at which the
    interval is tightest. buyers, people: each arm's least before there is a result.
    """

    alpha: float = 0.05
    visitors: int = 100_000
    buyers: int = 10
    people: int = 200

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1:
            raise ValueError(f"alpha {self.alpha} is not between 0 and 1")
        if self.visitors < 1:
            raise ValueError(f"a plan for {self.visitors} visitors is none")

    @cached_property
    def rho2(self) -> float:
        """rho squared: the u at which b is smallest, by the planned visitors."""
        return tightest(self.alpha) / self.visitors

    def started(self, people: Sequence[int], buyers: Sequence[int]) -> bool:
        """Whether arms of so many visitors and buyers are enough for a result."""
        return min(people) >= self.people and min(buyers) >= self.buyers


def tightest(alpha: float) -> float:
    """The u at which b is smallest: the root of u = ln(1 + u) + 2 ln(1/alpha)."""
    u = 2.0 * math.log(1.0 / alpha) + 2.0
    for _ in range(100):
        u = math.log1p(u) + 2.0 * math.log(1.0 / alpha)
    return u


def boundary(n: float, plan: Plan) -> float:
    """b: how many standard errors the interval reaches to each side at n visitors."""
    u = n * plan.rho2
    return math.sqrt((1.0 + 1.0 / u) * (math.log1p(u) + 2.0 * math.log(1.0 / plan.alpha)))


def p_value(z: float, n: float, plan: Plan) -> float:
    """Always-valid p of an estimate z standard errors from 0: the smallest alpha whose sequence leaves 0 out.

    At or below plan.alpha just where the interval leaves 0 out. Without an effect it ever falls below a with
    chance a at most.
    """
    u = n * plan.rho2
    return min(1.0, math.exp(0.5 * (math.log1p(u) - z * z * u / (1.0 + u))))


@dataclass(frozen=True, slots=True)
class Arm:
    """Visitors of an arm: how many, the mean and the variance (n - 1) of what is measured of each."""

    n: int
    mean: float
    variance: float

    @classmethod
    def of(cls, values: Floats) -> "Arm":
        """From one value a visitor, (n,)."""
        return cls(len(values), float(values.mean()), float(values.var(ddof=1)) if len(values) > 1 else 0.0)

    @property
    def se2(self) -> float:
        """The mean's squared standard error."""
        return self.variance / self.n


def arms_of(values: Floats, arm: npt.NDArray[np.intp], count: int) -> list[Arm]:
    """Arms 0 .. count - 1 of values (n,) by arm (n,). An empty arm has mean and variance 0."""
    middle = float(values.mean()) if len(values) else 0.0
    left = values - middle  # near 0, so that squares of large numbers do not cancel
    n = np.bincount(arm, minlength=count)
    mean = np.bincount(arm, left, minlength=count) / np.maximum(n, 1)
    squares = np.bincount(arm, left * left, minlength=count) - n * mean * mean
    variance = np.maximum(squares, 0.0) / np.maximum(n - 1, 1)
    return [Arm(int(a), float(m) + middle if a else 0.0, float(v)) for a, m, v in zip(n, mean, variance, strict=True)]


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate, its standard error, the ends of its sequence and the always-valid p of its being 0."""

    estimate: float
    se: float
    low: float
    high: float
    p: float

    @property
    def apart(self) -> bool:
        """Whether 0 is left out."""
        return self.low > 0 or self.high < 0


def _interval(estimate: float, se: float, n: float, plan: Plan) -> Interval:
    reach = boundary(n, plan) * se
    p = p_value(estimate / se, n, plan) if se > 0 else 1.0
    return Interval(estimate, se, estimate - reach, estimate + reach, p)


def mean_sequence(arm: Arm, n: float, plan: Plan) -> Interval:
    """The sequence of one arm's mean. n: visitors of all arms, the clock of the plan."""
    return _interval(arm.mean, math.sqrt(arm.se2), n, plan)


def difference(arm: Arm, base: Arm, n: float, plan: Plan) -> Interval:
    """The sequence of arm's mean less base's. n: visitors of all arms, the clock of the plan."""
    return _interval(arm.mean - base.mean, math.sqrt(difference_se2(arm, base)), n, plan)


def difference_se2(arm: Arm, base: Arm) -> float:
    """The larger of two squared standard errors: by each arm's own variance, and by that of both arms together.

    An arm of few and rare buyers that happens to have too few of them has too small a variance as well, and seems sure
    of it; the variance of both together does not. The other way round, one huge order in a small arm is seen only by
    the arm's own variance. Without a difference both estimate the same.
    """
    both = arm.n + base.n
    spread = (arm.n - 1) * arm.variance + (base.n - 1) * base.variance
    spread += arm.n * base.n / both * (arm.mean - base.mean) ** 2
    return max(arm.se2 + base.se2, spread / max(1, both - 1) * (1.0 / arm.n + 1.0 / base.n))


def relative(arm: Arm, base: Arm, n: float, plan: Plan) -> tuple[float, float] | None:
    """The ends of arm's mean over base's, less 1: every ratio r with arm - r base not told apart from 0.

    Fieller 1954. Leaves 0 out just where `difference` does. None where base is not told apart from 0.
    """
    raw = arm.se2 + base.se2
    if raw <= 0:
        return None
    square = boundary(n, plan) ** 2 * difference_se2(arm, base) / raw
    a = base.mean**2 - square * base.se2
    root = (arm.mean * base.mean) ** 2 - a * (arm.mean**2 - square * arm.se2)
    if a <= 0 or root < 0:
        return None
    middle, reach = arm.mean * base.mean / a, math.sqrt(root) / a
    return middle - reach - 1.0, middle + reach - 1.0


def more_visitors(effect: float, se: float, n: int, plan: Plan) -> int | None:
    """How many more visitors until the interval is narrow enough to tell `effect` from 0, about.

    se: of the estimate at n visitors, all arms together; it falls with the root of n. 0 where it is narrow enough
    already; None for an effect that more than MOST_VISITORS would not tell.
    """
    if effect == 0 or se <= 0:
        return None

    def reach(visitors: float) -> float:
        return boundary(visitors, plan) * se * math.sqrt(n / visitors)

    low, high = float(n), float(MOST_VISITORS)
    if reach(low) <= abs(effect):
        return 0
    if reach(high) > abs(effect):
        return None
    while high / low > 1.001:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if reach(middle) <= abs(effect) else (middle, high)
    return math.ceil(high) - n


def ratio_evidence(counts: Sequence[int], shares: Sequence[float]) -> float:
    """ln of the Bayes factor that visitors did not fall into arms by these shares. inf where a share of 0 got some.

    Lindon & Malek 2022, "Anytime-valid inference for multinomial count data": under the shares its exponential is a
    martingale from 1 on, so that it ever reaches 1/a with chance a at most (Ville 1939). The alternative is a
    Dirichlet around the shares, worth RATIO_WEIGHT visitors.
    """
    if any(count and share <= 0 for count, share in zip(counts, shares, strict=True)):
        return math.inf
    total, evidence = sum(counts), 0.0
    for count, share in zip(counts, shares, strict=True):
        if count:
            prior = RATIO_WEIGHT * share
            evidence += math.lgamma(prior + count) - math.lgamma(prior) - count * math.log(share)
    return evidence + math.lgamma(RATIO_WEIGHT) - math.lgamma(RATIO_WEIGHT + total)


def ratio_p(evidence: float) -> float:
    """Always-valid p of the largest evidence so far."""
    return math.exp(-max(0.0, evidence))
