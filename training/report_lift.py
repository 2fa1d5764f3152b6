"""The lift as one page a person can read, and its table's words for the terminal as well."""

import math
from collections.abc import Iterator
from html import escape
from typing import Final

import numpy as np

from training.lift import BETTER, NONE_YET, OFF, OUTCOMES, WINSOR, WORSE, Lift
from training.lift_checks import ALARM_ALPHA
from training.lift_found import MANY, Found
from training.moments import iso
from training.pictures import lift_by_day
from training.report_page import page, picture, row, section, table

HEAD: Final = ("arm", "visitors", "each", "lift", "relative", "verdict")
NOTHING: Final = "–"
_SHADE: Final = {BETTER: "good", WORSE: "bad"}


def amount(outcome: str, value: float) -> str:
    """A mean as shown: conversion in per cent, money with two digits."""
    shown = round(100 * value if outcome == "conversion" else value, 2) + 0.0  # no -0.00
    return f"{shown:.2f} %" if outcome == "conversion" else f"{shown:.2f}"


def gain(outcome: str, value: float, low: float, high: float) -> str:
    """A lift with its interval: of conversion in percentage points."""
    scale, unit = (100, " pp") if outcome == "conversion" else (1, "")
    return f"{scale * value:+.2f}{unit} [{scale * low:+.2f}, {scale * high:+.2f}]"


def percent(value: float, ends: tuple[float, float] | None) -> str:
    """A relative lift with its interval."""
    shown = NOTHING if math.isnan(value) else f"{100 * value:+.1f} %"
    return shown + (f" [{100 * ends[0]:+.1f}, {100 * ends[1]:+.1f}]" if ends else "")


def verdict(found: Found, one: Lift) -> str:
    """The verdict in words; none where the arms may not be compared."""
    return OFF if found.ratio is not None and found.ratio.alarm else one.words


def cells(found: Found, outcome: str) -> Iterator[tuple[str, ...]]:
    """An outcome's rows under HEAD: the arm compared with, then the others."""
    base, arms = found.question.base, found.last.lifts[outcome]
    each = arms[0].mean.estimate - arms[0].plain.estimate
    yield base, f"{found.people[base]:,}", amount(outcome, each), "", "", ""
    for one in arms:
        lift = gain(outcome, one.adjusted.estimate, one.adjusted.low, one.adjusted.high)
        told = (NOTHING, NOTHING) if one.verdict == NONE_YET else (lift, percent(one.relative_estimate, one.relative))
        yield one.arm, f"{one.visitors:,}", amount(outcome, one.mean.estimate), *told, verdict(found, one)


def notes(found: Found) -> list[str]:
    """What else has to be known, in sentences."""
    said = [_adjusted(found)] if found.purchases and found.last.lifts else []
    if not found.purchases:
        said.append("Nobody with a decision has bought anything in that time.")
    elif found.unvalued == found.purchases:
        said.append("No order tells its value: there is no revenue to compare.")
    elif found.unvalued:
        said.append(f"{found.unvalued:,} of {found.purchases:,} orders tell no value and count as 0 in revenue.")
    if found.ratio is None:
        said.append(f"The sample ratio was not checked: {found.shares_unknown}.")
    if found.halves is None:
        said.append("The A/A check was not made: too few buyers in one arm to cut it in two.")
    if found.busy_count:
        most = ", ".join(f"{name} ({count:,})" for name, count in found.busy)
        said.append(f"{found.busy_count:,} visitors have over {MANY:,} events, hardly people: {most}.")
    if found.left_out:
        said.append(f"{found.left_out:,} visitors with over {found.question.most_events:,} events are left out.")
    if found.moved:
        said.append(f"{found.moved:,} visitors changed their arm and count in the first: were shares changed?")
    if found.unread:
        said.append(f"{found.unread:,} receipts could not be read.")
    return said


def _adjusted(found: Found) -> str:
    parts = [f"{OUTCOMES[name]} {arms[0].saved:.0%}" for name, arms in found.last.lifts.items()]
    return f"Lifts are adjusted by what visitors did before; of the variance that took off: {', '.join(parts)}."


def render(found: Found, title: str) -> str:
    """The whole page as HTML."""
    plan = found.question.plan
    until = iso(found.last.end_ms)[:16].replace("T", " ")
    told = (
        f'<p class="quiet">Visitors by arm from their first decision to {until} '
        f"UTC, against {escape(found.question.base)}. Intervals hold at every look together, {1 - plan.alpha:.0%}.</p>"
    )
    parts = [f"<h1>{escape(title)}</h1>", told, _lead(found)]
    parts += [_outcome(found, outcome) for outcome in found.last.lifts]
    return page(title, [*parts, _checks(found), _how(found)])


def _lead(found: Found) -> str:
    said = [f'<li class="bad"><b>Do not read this</b>{escape(alarm)}</li>' for alarm in found.alarms]
    for outcome in found.last.lifts:
        for one in found.last.lifts[outcome][:1]:
            shade = _SHADE.get(one.verdict, "none") if verdict(found, one) != OFF else "bad"
            lift = percent(one.relative_estimate, one.relative)
            words = escape(f"{one.arm}: {verdict(found, one)}")
            shown = "" if one.verdict == NONE_YET else f", {lift}"
            said.append(f'<li class="{shade}"><b>{escape(OUTCOMES[outcome])}</b>{words}{escape(shown)}</li>')
    return f'<ul class="lead">{"".join(said)}</ul>'


def _outcome(found: Found, outcome: str) -> str:
    rows = [tuple(escape(cell) for cell in line) for line in cells(found, outcome)]
    name = OUTCOMES[outcome].capitalize()
    chances = ", ".join(f"{one.arm} {one.adjusted.p:.2g}" for one in found.last.lifts[outcome])
    below = f'<p class="quiet">Always-valid p: {escape(chances)}.</p>'
    return section(outcome, name, table(HEAD, rows, "words stack"), below, row(_pictures(found, outcome)))


def _pictures(found: Found, outcome: str) -> Iterator[str]:
    for at, last in enumerate(found.last.lifts[outcome]):
        looks = [
            (iso(day.end_ms - 1)[:10], day.lifts[outcome][at].adjusted)
            for day in found.days
            if _there(day.lifts.get(outcome, []), at, last.arm)
        ]
        if looks:
            scale = 100.0 if outcome == "conversion" else 1.0
            lift, low, high = (
                scale * np.array([getattr(one, end) for _, one in looks]) for end in ("estimate", "low", "high")
            )
            unit = "percentage points" if outcome == "conversion" else "money a visitor"
            words = f"{last.arm} against {found.question.base}: lift in {OUTCOMES[outcome]} by day"
            yield picture(lift_by_day([day for day, _ in looks], lift, low, high, unit, words), words)


def _there(arms: list[Lift], at: int, arm: str) -> bool:
    """Whether a look has a result of the arm at that place."""
    return at < len(arms) and arms[at].arm == arm and arms[at].verdict != NONE_YET


def _checks(found: Found) -> str:
    rows = []
    if found.ratio is not None:
        counts = ", ".join(f"{arm} {n:,} ({found.ratio.expected[arm]:,.0f})" for arm, n in found.ratio.counts.items())
        rows.append(("sample ratio", _mark(found.ratio.alarm), f"visitors (expected): {counts}; p {found.ratio.p:.2g}"))
    if found.halves is not None:
        shares = "; ".join(
            f"{OUTCOMES[name]} {share:.1%}, by a z-test of one look {found.halves.z[name]:.1%}"
            for name, share in found.halves.told_apart.items()
        )
        words = f"{found.halves.splits} splits of {found.halves.arm} told apart: {shares}"
        rows.append(("A/A", _mark(found.halves.alarm), words))
    for arm, one in found.before.items():
        words = f"{arm}: events before, logarithm, {one.estimate:+.3f} [{one.low:+.3f}, {one.high:+.3f}]"
        rows.append(("before the start", _mark(one.p < ALARM_ALPHA), words))
    told = "".join(f"<p>{escape(note)}</p>" for note in notes(found))
    lines = [(name, mark, escape(words)) for name, mark, words in rows]
    return section("checks", "May this be read?", table(("check", "", "found"), lines, "words stack said"), told)


def _mark(alarm: bool) -> str:
    return '<span class="bad">alarm</span>' if alarm else '<span class="good">fine</span>'


def _how(found: Found) -> str:
    plan = found.question.plan
    words = (
        "The unit is the visitor, from the first decision on, shown a message or not. Lifts are adjusted by what "
        "visitors did before it (CUPED); “each” is not; pp are percentage points. Intervals are confidence sequences: "
        f"look as often as you like. There is no result before each arm has {plan.people} visitors and {plan.buyers} "
        f"buyers. The interval is tightest about {plan.visitors:,} visitors. Winsorised revenue is cut at the "
        f"{WINSOR:.0%} quantile of the buyers' revenue. Each arm and outcome has its own interval: of twenty without a "
        f"lift one may err. The sample ratio raises a false alarm in one of {1 / ALARM_ALPHA:,.0f} shops at most."
    )
    return section("how", "How to read this", f"<p>{words}</p>")
