"""What is asked about a shop's lift, and what was found: figures, alarms, plain values.

* SharesUnknown   raised by Question.shares: the sample ratio cannot be checked; says why
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from training.lift import Lift, describe
from training.lift_checks import ALARM_ALPHA, Halves, Ratio
from training.moments import iso
from training.sequential import Interval, Plan

MANY: Final = 1000
"""Visitors with more events than this are named: hardly a person."""


class SharesUnknown(LookupError):
    """The configured shares of the arms are not known."""


Shares = Callable[[Sequence[str]], Mapping[str, float]]
"""Configured shares by arm from the versions of the policies that decided. Raises SharesUnknown."""


def _not_told(versions: Sequence[str]) -> Mapping[str, float]:
    raise SharesUnknown("nobody told the configured shares")


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a lake. base: the arm compared with.

    since_ms: only visitors whose first decision ever lies at or after it. until_ms: everything before it.
    most_events: visitors with more events are left out from the look on at which they have.
    """

    shop: str
    since_ms: int | None = None
    until_ms: int | None = None
    base: str = "holdout"
    plan: Plan = field(default_factory=Plan)
    smallest: float | None = None
    shares: Shares = _not_told
    most_events: int | None = None


@dataclass(frozen=True, slots=True)
class Day:
    """One look. end_ms: what happened before it was seen. lifts: by outcome, one an arm."""

    end_ms: int
    visitors: int
    lifts: Mapping[str, list[Lift]]


@dataclass(frozen=True, slots=True)
class Found:
    """Everything that was found. people, buyers: by arm, at the last look. before: by arm, events before its start.

    busy: (visitor, events) of those with most events above MANY. ratio: None where shares_unknown says why.
    """

    question: Question
    people: Mapping[str, int]
    buyers: Mapping[str, int]
    days: tuple[Day, ...]
    ratio: Ratio | None
    shares_unknown: str
    halves: Halves | None
    before: Mapping[str, Interval]
    busy: tuple[tuple[str, int], ...]
    busy_count: int
    left_out: int
    moved: int
    unread: int
    undecided: int
    purchases: int
    unvalued: int
    policies: tuple[str, ...]

    @property
    def last(self) -> Day:
        """The last look."""
        return self.days[-1]

    @property
    def alarms(self) -> list[str]:
        """What forbids reading the lift, in sentences."""
        said = []
        if self.ratio is not None and self.ratio.alarm:
            said.append(f"the sample ratio is off (p {self.ratio.p:.1g}): do not read the lift; {_counts(self.ratio)}")
        if self.halves is not None and self.halves.alarm:
            said.append(f"the A/A check fails: halves of {self.halves.arm} are told apart in {_most(self.halves)}")
        for arm, one in self.before.items():
            if one.p < ALARM_ALPHA:
                word = "more" if one.estimate > 0 else "fewer"
                said.append(
                    f"{arm} had {word} events before the first decision than {self.question.base}: p {one.p:.1g}"
                )
        return said

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "shop": self.question.shop,
            "base": self.question.base,
            "since": None if self.question.since_ms is None else iso(self.question.since_ms),
            "until": iso(self.last.end_ms),
            "alpha": self.question.plan.alpha,
            "plan_visitors": self.question.plan.visitors,
            "arms": {arm: {"visitors": n, "buyers": self.buyers[arm]} for arm, n in self.people.items()},
            "outcomes": _by_outcome(self.last),
            "ratio": {"reason": self.shares_unknown} if self.ratio is None else self.ratio.as_dict(),
            "aa": None if self.halves is None else self.halves.as_dict(),
            "before": {
                arm: {"difference": one.estimate, "ci": [one.low, one.high], "p": one.p, "alarm": one.p < ALARM_ALPHA}
                for arm, one in self.before.items()
            },
            "alarms": self.alarms,
            "busy_visitors": {"over": MANY, "count": self.busy_count, "most": [list(one) for one in self.busy]},
            "left_out": self.left_out,
            "changed_arm": self.moved,
            "receipts_unread": self.unread,
            "events_of_undecided": self.undecided,
            "purchases": self.purchases,
            "purchases_without_value": self.unvalued,
            "policies": list(self.policies),
            "days": [{"until": iso(day.end_ms), "visitors": day.visitors} | _by_outcome(day) for day in self.days],
        }


def _by_outcome(day: Day) -> dict[str, Any]:
    return {outcome: {one.arm: describe(one) for one in arms} for outcome, arms in day.lifts.items()}


def _counts(found: Ratio) -> str:
    parts = [f"{arm} {n:,} for {found.expected[arm]:,.0f}" for arm, n in found.counts.items()]
    return "visitors for expected: " + ", ".join(parts)


def _most(found: Halves) -> str:
    shares = found.told_apart if max(found.told_apart.values()) > found.alpha else found.z
    test = "" if shares is found.told_apart else " by a z-test"
    return f"{max(shares.values()):.0%} of {found.splits} splits{test}"
