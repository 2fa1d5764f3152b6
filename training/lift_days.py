"""The lift of a shop out of the lake, as it would have been read at the end of each day, and whether it may be read.

* NoLift          nothing to compare: no decisions, or no visitors in the arm compared with; says what there is
* SharesUnknown   raised by Question.shares: the sample ratio cannot be checked; says why
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.record import hash64
from training.lift import Asked, Lift, Visitors, describe, lifts
from training.lift_checks import ALARM_ALPHA, Halves, Ratio, alike_before, halves, ratio
from training.lift_read import Entrants, Journal, Look, entrants, looks
from training.moments import iso
from training.sequential import Interval, Plan

MANY: Final = 1000
"""Visitors with more events than this are named: hardly a person."""

NAMED: Final = 5

ARMS: Final = ("full", "holdout", "random", "propensity_only", "no_levers", "rules_only")
"""The order arms are shown in; others come after."""


class NoLift(ValueError):
    """There are no two arms to compare."""


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


def evaluate(
    lake: Path,
    question: Question,
    arm_of: Callable[[str], str] | None = None,
    progress: Callable[[str, float], None] = lambda name, share: None,
) -> Found:
    """Reads a shop's lake. arm_of: a visitor's arm by id; without it each receipt says. Raises NoLift.

    Each day stands for itself: sequences are not intersected with those of earlier days, as what is measured moves
    (visitors counted yesterday buy today).
    """
    progress("decisions", 0.0)
    first = tuple(dict.fromkeys([*ARMS, question.base]))
    who = entrants(lake, question.shop, question.since_ms, question.until_ms, first, arm_of)
    progress("decisions", 1.0)
    asked = Asked(who.arms, question.base, question.plan, question.smallest)
    _two_arms(lake, question, who)
    shares, unknown = _shares(question, who)
    days, found_ratio = [], None
    for look in looks(lake, question.shop, who, question.since_ms, question.until_ms):
        visitors = look.journal.visitors(look.rows, question.most_events)
        days.append(Day(look.end_ms, len(visitors), lifts(visitors, asked)))
        if shares is not None:
            counts = np.bincount(who.arm[look.rows], minlength=len(who.arms)).tolist()
            found_ratio = ratio(who.arms, counts, shares, found_ratio.evidence if found_ratio else 0.0)
        progress("days", look.rows.stop / len(who.first_ms))
    return _found(question, asked, who, look, visitors, days, (found_ratio, unknown))


def _shares(question: Question, who: Entrants) -> tuple[Mapping[str, float] | None, str]:
    try:
        return question.shares(who.policies), ""
    except SharesUnknown as why:
        return None, str(why)


def _two_arms(lake: Path, question: Question, who: Entrants) -> None:
    start = 0 if question.since_ms is None else int(np.searchsorted(who.first_ms, question.since_ms))
    counts = np.bincount(who.arm[start:], minlength=len(who.arms))
    people = {arm: int(n) for arm, n in zip(who.arms, counts, strict=True) if n}
    if not people:
        told = f" (receipts that could not be read: {who.unread:,})" if who.unread else ""
        raise NoLift(f"{lake} has no visitor of shop {question.shop!r} whose first decision lies in that time{told}")
    if question.base not in people:
        there = ", ".join(f"{arm} ({n:,} visitors)" for arm, n in people.items())
        raise NoLift(
            f"there is no visitor in {question.base!r} to compare with, only in {there}: set `holdout` in the policy"
        )
    if len(people) == 1:
        raise NoLift(
            f"all {people[question.base]:,} visitors are in {question.base!r}: there is no other arm to compare"
        )


def _found(
    question: Question,
    asked: Asked,
    who: Entrants,
    look: Look,
    visitors: Visitors,
    days: list[Day],
    shares: tuple[Ratio | None, str],
) -> Found:
    """The last look's checks beside all days."""
    journal, rows = look.journal, look.rows
    people = np.bincount(visitors.arm, minlength=len(asked.arms))
    buyers = np.bincount(visitors.arm[visitors.bought], minlength=len(asked.arms))
    there = [(code, arm) for code, arm in enumerate(asked.arms) if people[code]]
    names = list(who.place)[rows]
    busy = np.flatnonzero(journal.events[rows] > MANY)
    most = busy[np.argsort(-journal.events[rows][busy], kind="stable")][:NAMED].tolist()
    return Found(
        question=question,
        people={arm: int(people[code]) for code, arm in there},
        buyers={arm: int(buyers[code]) for code, arm in there},
        days=tuple(days),
        ratio=shares[0],
        shares_unknown=shares[1],
        halves=_halves(question, asked, journal, rows, names, visitors),
        before=alike_before(visitors, asked),
        busy=tuple((names[at], int(journal.events[rows][at])) for at in most),
        busy_count=len(busy),
        left_out=len(names) - len(visitors),
        moved=len(who.moved),
        unread=who.unread,
        undecided=journal.undecided,
        purchases=journal.purchases,
        unvalued=journal.unvalued,
        policies=tuple(who.policies),
    )


def _halves(
    question: Question, asked: Asked, journal: Journal, rows: slice, names: list[str], visitors: Visitors
) -> Halves | None:
    """The A/A check of the largest arm."""
    keys: npt.NDArray[np.uint64] = np.fromiter(map(hash64, names), np.uint64, len(names))
    if question.most_events is not None:
        keys = keys[journal.events[rows] <= question.most_events]
    largest = int(np.argmax(np.bincount(visitors.arm, minlength=len(asked.arms))))
    return halves(visitors, keys, largest, asked)
