"""What has to hold before a lift may be read: the sample ratio, the A/A check, and arms alike before they began.

* Sample ratio: as many visitors in each arm as configured (training/sequential.py, Lindon & Malek).
* A/A: one arm cut into two halves by a second hash, many times; the share told apart must not be above alpha.
* Before: what visitors did before their first decision cannot depend on their arm.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from training.lift import Asked, Visitors
from training.sequential import Arm, Interval, Plan, arms_of, difference, ratio_evidence, ratio_p

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Keys = npt.NDArray[np.uint64]

SPLITS: Final = 200
ALARM_ALPHA: Final = 0.001
"""How often at most a fair ratio, or an arm that is alike, may ever raise the alarm."""

_Z: Final = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Ratio:
    """counts, expected: visitors by arm. evidence: ln of the largest Bayes factor at any look so far."""

    counts: Mapping[str, int]
    expected: Mapping[str, float]
    evidence: float

    @property
    def p(self) -> float:
        """Always-valid p of the shares being as configured."""
        return ratio_p(self.evidence)

    @property
    def alarm(self) -> bool:
        """Whether the ratio is off."""
        return self.p < ALARM_ALPHA

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"counts": dict(self.counts), "expected": dict(self.expected), "p": self.p, "alarm": self.alarm}


def ratio(names: Sequence[str], counts: Sequence[int], shares: Mapping[str, float], before: float = 0.0) -> Ratio:
    """The ratio at a look. before: the evidence of earlier looks, which does not go away."""
    arms = list(dict.fromkeys([*names, *shares]))
    found = dict.fromkeys(arms, 0) | dict(zip(names, counts, strict=True))
    wanted = [shares.get(arm, 0.0) for arm in arms]
    evidence = ratio_evidence(list(found.values()), wanted)
    total = sum(counts)
    shown = [(arm, share) for arm, share in zip(arms, wanted, strict=True) if share > 0 or found[arm]]
    return Ratio({a: found[a] for a, _ in shown}, {a: s * total for a, s in shown}, max(before, evidence))


Halve = Callable[[Keys, int], Flags]
"""Which of the visitors, by the hashes of their ids (n,), are in the first half of split number i."""


def by_second_hash(keys: Keys, split: int) -> Flags:
    """A fair half: SplitMix64's finalizer (Steele, Lea & Flood 2014) over key and split."""
    mixed = keys + np.uint64((split + 1) * 0x9E3779B97F4A7C15 % (1 << 64))
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return np.asarray((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(63) == 1)


@dataclass(frozen=True, slots=True)
class Halves:
    """The A/A check of one arm. told_apart: share of splits by our test, by outcome; z: by a z-test of one look."""

    arm: str
    visitors: int
    splits: int
    alpha: float
    told_apart: Mapping[str, float]
    z: Mapping[str, float]

    @property
    def alarm(self) -> bool:
        """Whether ours is above alpha, or the z-test above what chance makes of .05 in 999 of 1,000 checks."""
        return any(share > self.alpha for share in self.told_apart.values()) or any(
            round(share * self.splits) > most_by_chance(self.splits) for share in self.z.values()
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        about = {"arm": self.arm, "visitors": self.visitors, "splits": self.splits, "alpha": self.alpha}
        return {**about, "told_apart": dict(self.told_apart), "z": dict(self.z), "alarm": self.alarm}


def most_by_chance(splits: int, share: float = 0.05, level: float = 0.999) -> int:
    """The most of so many splits that a test which errs in `share` of them tells apart, by the binomial quantile."""
    term = total = (1.0 - share) ** splits
    most = 0
    while total < level:
        term *= (splits - most) / (most + 1) * share / (1.0 - share)
        most += 1
        total += term
    return most


def halves(
    visitors: Visitors, keys: Keys, code: int, asked: Asked, halve: Halve = by_second_hash, splits: int = SPLITS
) -> Halves | None:
    """Cuts the arm of that code in two, `splits` times. keys: hashes of the visitors' ids, (n,).

    None where halves would not have buyers enough for a result.
    """
    rows = np.flatnonzero(visitors.arm == code)
    people, buyers = len(rows) // 2, int(visitors.bought[rows].sum()) // 2
    if not asked.plan.started([people], [buyers]):
        return None
    values = {name: one[rows] for name, one in visitors.outcomes().items()}
    ours, plain = dict.fromkeys(values, 0), dict.fromkeys(values, 0)
    for split in range(splits):
        side = halve(keys[rows], split).astype(np.intp)
        for name, one in values.items():
            first, second = arms_of(one, side, 2)
            if min(first.n, second.n) > 1:
                ours[name] += difference(first, second, len(rows), asked.plan).apart
                plain[name] += _z_apart(first, second)
    shares = [{name: count / splits for name, count in counted.items()} for counted in (ours, plain)]
    return Halves(asked.arms[code], len(rows), splits, asked.plan.alpha, shares[0], shares[1])


def _z_apart(first: Arm, second: Arm) -> bool:
    se2 = first.se2 + second.se2
    return se2 > 0 and abs(first.mean - second.mean) > _Z * math.sqrt(se2)


def alike_before(visitors: Visitors, asked: Asked) -> dict[str, Interval]:
    """By arm the difference to the base in the logarithm of events before the first decision. Arms too small: left out.

    visitors.columns[:, 0] is that logarithm. It is an alarm where p lies below ALARM_ALPHA.
    """
    arms = arms_of(visitors.columns[:, 0], visitors.arm, len(asked.arms))
    base = arms[asked.arms.index(asked.base)]
    plan: Plan = asked.plan
    enough = [(name, arm) for name, arm in zip(asked.arms, arms, strict=True) if arm.n >= plan.people]
    if base.n < plan.people:
        return {}
    return {name: difference(arm, base, len(visitors), plan) for name, arm in enough if name != asked.base}
