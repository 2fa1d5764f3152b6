"""The lift of a shop out of the lake, as it would have been read at the end of each day, and whether it may be read.

* NoLift   nothing to compare: no decisions, or no visitors in the arm compared with; says what there is
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from features.record import hash64
from training.lift import Asked, Visitors, lifts
from training.lift_checks import Halves, Ratio, alike_before, halves, ratio
from training.lift_found import MANY, Day, Found, Question, SharesUnknown
from training.lift_journal import Entrants, Journal
from training.lift_read import Look, entrants, looks

NAMED: Final = 5

ARMS: Final = ("full", "holdout", "random", "propensity_only", "no_levers", "rules_only")
"""The order arms are shown in; others come after."""


class NoLift(ValueError):
    """There are no two arms to compare."""


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
