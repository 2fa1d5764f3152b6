"""The gate before other draws, models of effect or another policy file decide: what the receipts say of the change.

The candidate and the live policy are valued on the same decisions, row by row, and the interval is of their difference:
what is common to both (which visitors came, what they would have bought anyway) falls out of it. The candidate passes
where the lower end of the 95 % interval is not below the live policy's value by more than the margin. It is also
refused where the receipts cannot tell (training/overlap.py): no answer is no permission.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from training.off_policy import Estimate, Logged, dr, dr_rows, mean_of
from training.overlap import Overlap, overlap, refusals

MARGIN: Final = 0.05
"""How much of the live policy's value may be lost at the lower end of the interval."""


@dataclass(frozen=True, slots=True)
class Promotion:
    """The verdict. reasons: why it is refused, () if it passes.

    live, candidate: doubly robust values per row; difference: candidate less live, paired; None where the receipts
    cannot tell. same: the two choose alike everywhere: nothing can be lost. allowed: the margin in reward units.
    """

    reasons: tuple[str, ...]
    live: Estimate | None
    candidate: Estimate | None
    difference: Estimate | None
    margin: float
    allowed: float | None
    same: bool
    overlap: Overlap

    @property
    def passed(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.reasons

    def as_dict(self) -> dict[str, Any]:
        """As `--json` and the audit log write it."""
        values = {"live": self.live, "candidate": self.candidate, "difference": self.difference}
        return {
            "passed": self.passed,
            "reasons": list(self.reasons),
            "margin": self.margin,
            "allowed": self.allowed,
            "same": self.same,
            **{name: None if one is None else one.as_dict() for name, one in values.items()},
            **self.overlap.as_dict(),
        }


def judge(live: Logged, candidate: Logged, margin: float = MARGIN, placements: float = 1.0) -> Promotion:
    """The verdict on a candidate. live, candidate: the same rows under each policy. margin: a share, 0 or more.

    placements: rows a decision; what the reasons tell of values is per decision.

    Raises ValueError where the rows are not the same, or the margin is below 0.
    """
    if not margin >= 0:
        raise ValueError(f"a margin of {margin} is below 0")
    _check_paired(live, candidate)
    found = overlap(candidate)
    if _alike(live, candidate):
        return Promotion((), None, None, None, margin, None, True, found)
    refused = _untold(found, overlap(live))
    if refused:
        return Promotion(refused, None, None, None, margin, None, False, found)
    difference = mean_of(dr_rows(candidate) - dr_rows(live), live.cluster)
    now, then = dr(live), dr(candidate)
    allowed = margin * abs(now.value)
    reasons = () if difference.low >= -allowed else (_worse(difference, now, margin, placements),)
    return Promotion(reasons, now, then, difference, margin, allowed, False, found)


def _check_paired(live: Logged, candidate: Logged) -> None:
    pairs = (
        (live.reward, candidate.reward),
        (live.propensity, candidate.propensity),
        (live.cluster, candidate.cluster),
    )
    if not all(np.array_equal(one, other) for one, other in pairs):
        raise ValueError("the live policy and the candidate are not valued on the same rows")


def _alike(live: Logged, candidate: Logged) -> bool:
    """Whether the candidate does what the live policy does, in what was logged and in what a model expects of it."""
    pairs = [(getattr(live, name), getattr(candidate, name)) for name in ("target", "q_target", "before")]
    supported = not candidate.unsupported.any() and not live.unsupported.any()
    return supported and all(np.array_equal(one, other) for one, other in pairs)


def _untold(candidate: Overlap, live: Overlap) -> tuple[str, ...]:
    """Why nothing can be said. Of the live policy only where the candidate could be: else it says the same again."""
    told = tuple(f"cannot say: {reason}" for reason in refusals(candidate))
    return told or tuple(f"cannot say of the live policy: {reason}" for reason in refusals(live))


def _worse(difference: Estimate, live: Estimate, margin: float, placements: float) -> str:
    """What a person can act on: surely worse, or not known well enough."""
    rows = (difference.value, difference.low, difference.high, live.value)
    value, low, high, beside = (number * placements for number in rows)
    how = "the candidate is worse" if difference.high < 0 else "the candidate may be worse"
    return (
        f"{how}: {value:+.4g} per decision [{low:+.4g}, {high:+.4g}] beside the live policy's {beside:.4g}; "
        f"at most {margin:.0%} of that may be lost"
    )
