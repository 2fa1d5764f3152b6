"""Data checks of time: clocks, pauses of the whole shop, edges that are not whole."""

from typing import Final

import numpy as np

from training.check_events import DAY_MS, HOUR_MS, Events, Floats, Ints
from training.check_finding import ERROR, WARNING, Finding, percent
from training.figures import counted
from training.moments import iso

FUTURE_MS: Final = HOUR_MS
SILENT_SESSIONS: Final = 25
"""A pause counts where this many sessions usually begin in it: by chance it is that quiet once in 10^10."""

SILENT_MS: Final = 15 * 60_000
CROWD: Final = 10
EDGE_WINDOW: Final = 6
EDGE_RATIO: Final = 0.5
LATE_SHARE: Final = 0.01
WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
EARLY_MS: Final = 5 * 60_000


def clock_jumps(events: Events) -> Finding:
    """Times that no visitor can have had."""
    low, high = events.core
    stray = events.first & ((events.ts_ms < low) | (events.ts_ms > high))
    future = events.first & (events.ts_ms > events.now_ms + FUTURE_MS)
    rows, total = np.flatnonzero(stray | future), int(events.first.sum())
    told = f"{int(stray.sum()):,} events lie far from all others, {int(future.sum()):,} in the future"
    if not len(rows):
        return Finding.ok(told, 0, total)
    advice = (
        f"Nearly all events are from {iso(low)} to {iso(high)}. Correct the clocks (seconds for milliseconds? "
        "a device's own clock?) or leave these out with --since and --until."
    )
    level = ERROR if len(rows) > 0.01 * total else WARNING
    return Finding.bad(level, len(rows), total, told, advice, events.example(rows[0]))


def coarse_clock(events: Events) -> Finding:
    """Whether the order of events within a session can be told."""
    ts_ms, total = events.ts_ms[events.first], int(events.first.sum())
    for unit_ms, word, level in ((DAY_MS, "days", ERROR), (60_000, "minutes", WARNING)):
        whole = int((ts_ms % unit_ms == 0).sum())
        if total >= 20 and whole > 0.9 * total:
            told = f"{whole:,} of {total:,} times are whole {word}"
            advice = "Send times to the second at least: pauses and the order of events are what models learn from."
            return Finding.bad(level, whole, total, told, advice, events.example(np.flatnonzero(events.first)[0]))
    seconds = int((ts_ms % 1000 == 0).sum())
    return Finding.ok("times are to the second" if seconds > 0.9 * total else "times are finer than a second", 0, total)


def same_moment(events: Events) -> Finding:
    """Crowds at one moment: a batch that got the time of its sending."""
    rows = np.flatnonzero(events.first)
    ts_ms = events.ts_ms[rows]
    unit_ms = next(unit for unit in (DAY_MS, 60_000, 1000, 1) if np.mean(ts_ms % unit == 0) > 0.9)
    _, begin, count = np.unique(ts_ms, return_index=True, return_counts=True)
    hourly = np.bincount((ts_ms[events.in_core[rows]] - events.core[0]) // HOUR_MS)
    busiest = float(np.quantile(hourly, 0.99)) * unit_ms / HOUR_MS
    crowded = count >= CROWD + busiest + 8 * np.sqrt(busiest)
    held = int(count[crowded].sum())
    told = f"{int(crowded.sum()):,} moments hold a crowd of events, {held:,} together"
    if held < max(CROWD, 0.0005 * len(rows)):
        return Finding.ok(told, held, len(rows))
    worst = int(np.argmax(np.where(crowded, count, 0)))
    example = {**events.example(rows[begin[worst]]), "events at this moment": int(count[worst])}
    advice = "These got the time of an import or a batch, not their own: restore it, or leave them out."
    return Finding.bad(WARNING, held, len(rows), told, advice, example)


def silences(events: Events) -> Finding:
    """Pauses in which the shop is usually busy at that hour: the log, not the visitors, stopped."""
    rows = np.flatnonzero(events.in_core)
    ts_ms = events.ts_ms[rows]
    gap = np.diff(ts_ms)
    missed = events.begun.expected(ts_ms[:-1], ts_ms[1:])
    found = np.flatnonzero((missed >= SILENT_SESSIONS) & (gap >= SILENT_MS))
    lost, total = round(float(missed[found].sum())), int(events.begun.count.sum())
    told = (
        f"{counted(len(found), 'pause')} in busy hours{_when(ts_ms[found])}; about {counted(lost, 'session')} missing"
    )
    if not len(found):
        longest = int(gap.max(initial=0))
        return Finding.ok(f"no pause in busy hours; the longest of all is {longest / HOUR_MS:.1f} h", 0, total)
    worst = found[np.argmax(missed[found])]
    example = {
        **events.example(rows[worst], rows[worst + 1]),
        "hours": round(float(gap[worst]) / HOUR_MS, 2),
        "sessions usual in them": round(float(missed[worst])),
    }
    advice = "Look for files or days that were not imported. Sessions cut by a pause look like visitors who left."
    return Finding.bad(WARNING, lost, total, told, advice, example)


def _when(ts_ms: Ints) -> str:
    """The days of some moments in words; the weekday where it is nearly always the same."""
    days = np.unique(ts_ms // DAY_MS)
    if not len(days):
        return ""
    weekdays = np.bincount((ts_ms // DAY_MS + 3) % 7, minlength=7)
    named = f", mostly {WEEKDAYS[weekdays.argmax()]}s" if len(days) > 3 and weekdays.max() >= 0.7 * len(ts_ms) else ""
    return f" of {len(days)} days{named}, the first {iso(int(days[0]) * DAY_MS)[:10]}"


def thin_edges(events: Events) -> Finding:
    """Hours at the beginning or the end with under half of what is usual: an export that was cut."""
    hours = events.begun
    span = len(hours.count)
    total = int(events.in_core.sum())
    if span < 72 or hours.usual.sum() < 5 * span:
        return Finding.ok("too short or too quiet a log to tell", 0, total)
    thin = {"beginning": _thin(hours.count, hours.usual), "end": _thin(hours.count[::-1], hours.usual[::-1])}
    edges = {where: hours_of for where, hours_of in thin.items() if hours_of >= EDGE_WINDOW}
    if not edges:
        return Finding.ok("beginning and end are as busy as the rest", 0, total)
    since = hours.begin_ms + HOUR_MS * edges.get("beginning", 0)
    until = hours.begin_ms + HOUR_MS * (span - edges.get("end", 0))
    outside = np.flatnonzero(events.in_core & ((events.ts_ms < since) | (events.ts_ms >= until)))
    told = " and ".join(
        f"the {where} has {hours_of} h with under half the usual sessions" for where, hours_of in edges.items()
    )
    options = {"beginning": f"--since {iso(since)}", "end": f"--until {iso(until)}"}
    wanted = " ".join(options[where] for where in edges)
    advice = f"The log is probably cut there, and sessions in it incomplete: leave it out with {wanted}."
    return Finding.bad(WARNING, len(outside), total, told, advice, events.example(outside[0]))


def _thin(count: Ints, usual: Floats) -> int:
    """Hours from the first one on until the sessions of some hours reach half of what is usual."""
    ones = np.ones(EDGE_WINDOW)
    seen, normal = (np.convolve(values[1:], ones, "valid") for values in (count.astype(np.float64), usual))
    busy = np.flatnonzero((normal > 0) & (seen >= EDGE_RATIO * normal))
    if not len(busy) or not (normal[: busy[0]] >= SILENT_SESSIONS).any():
        return 0
    if float((usual - count)[: busy[0]].sum()) < 2 * SILENT_SESSIONS:
        return 0
    first = int(busy[0]) + 1  # its window only reaches into the busy hours: where do they begin?
    full = (count[first:] >= EDGE_RATIO * usual[first:]) & (usual[first:] > 0)
    return first + int(np.argmax(full & np.append(full[1:], True)))


def late_events(events: Events) -> Finding:
    """How long after its time an event arrived, where the log says so."""
    ts_ms, received = events.ts_ms[events.first], events.numbers("received_ms")[events.first]
    known = (received > 0) & (received != ts_ms)
    if known.mean() < 0.01:
        return Finding.ok("arrival is not told apart from the event's time (an import)", 0, len(ts_ms))
    wait = np.where(known, received - ts_ms, 0)
    late, early = (wait > HOUR_MS) & (wait < 365 * DAY_MS), wait < -EARLY_MS
    rows, total = np.flatnonzero(events.first)[late | early], len(ts_ms)
    told = (
        f"{int(late.sum()):,} events arrived over an hour late, {int(early.sum()):,} over 5 minutes before their time"
    )
    if len(rows) < LATE_SHARE * total:
        return Finding.ok(told, len(rows), total)
    advice = "Serving did not know these in time, training does: send events at once, and the server's time."
    told += f" ({percent(len(rows) / total)})"
    return Finding.bad(WARNING, len(rows), total, told, advice, events.example(rows[0]))
