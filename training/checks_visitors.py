"""Data checks of visitors and sessions: enough of them, people rather than programs, each once."""

from typing import Final

import numpy as np
import numpy.typing as npt

from training.check_events import DAY_MS, HOUR_MS, Events, Flags, Ints, run_starts
from training.check_finding import ERROR, WARNING, Finding, percent
from training.figures import counted
from training.split import MIN_SESSIONS

FEW_SESSIONS: Final = 500
BOT_PER_MINUTE: Final = 60
"""Events of one visitor within a minute: people do not keep up one a second."""

BOT_PER_SESSION: Final = 300
BOT_STEADY: Final = 30
"""Pauses at least this many, nearly all the same length."""

BOT_SHARE: Final = 0.005
LONE_SHARE: Final = 0.1
REPEATED_SHARE: Final = 0.005
RETURN_DAYS: Final = 3
AWAY_MS: Final = 6 * HOUR_MS
SINGLE_SHARE: Final = 0.75


def too_little(events: Events) -> Finding:
    """Enough to learn from."""
    rows = int(events.first.sum())
    if not rows:
        return Finding.bad(
            ERROR, 0, 0, "no events in the window", "Look at --shop, --since and --until, or import a log."
        )
    sessions, visitors = events.sessions, len(np.unique(events.visitor))
    told = f"{counted(rows, 'event')}, {counted(sessions, 'session')}, {counted(visitors, 'visitor')}"
    if sessions < MIN_SESSIONS:
        advice = f"Training needs {MIN_SESSIONS} sessions: import more, or serve without a model until there are."
        return Finding.bad(ERROR, sessions, sessions, told, advice)
    if sessions < FEW_SESSIONS:
        advice = "Figures will have wide intervals; collect more before trusting them."
        return Finding.bad(WARNING, sessions, sessions, told, advice)
    return Finding.ok(told, 0, sessions)


def lone_purchases(events: Events) -> Finding:
    """Purchases that no visit leads to: sent by a server under other ids."""
    bought = events.of("purchase") & events.first
    total = int(bought.sum())
    if not total:
        return Finding.ok("no purchases")
    n = len(events.texts("visitor_id"))
    other = np.bincount(events.visitor[events.first & ~bought], minlength=n)
    rows = np.flatnonzero(bought & (other[events.visitor] == 0))
    share = len(rows) / total
    told = f"{len(rows):,} of {total:,} purchases are by visitors who did nothing else"
    if share < LONE_SHARE:
        return Finding.ok(told, len(rows), total)
    advice = "Send purchases under the visitor id of the browser: else nothing is learned of what leads to them."
    level = ERROR if share > 0.5 else WARNING
    return Finding.bad(level, len(rows), total, told, advice, events.example(rows[0]))


def bots(events: Events) -> Finding:
    """Programs: inhuman rates, hundreds of events in a session, pauses of one length."""
    rows = events.by_visitor
    visitor, ts_ms = events.visitor[rows], events.ts_ms[rows]
    flags = _fast(visitor, ts_ms) | _long(events) | _steady(visitor, ts_ms, events.session)
    programs = np.unique(visitor[flags])
    counts = np.bincount(visitor)
    held = int(counts[programs].sum())
    told = f"visitors that look like programs: {len(programs):,}, with {percent(held / len(rows))} of the events"
    if held < BOT_SHARE * len(rows):
        return Finding.ok(told, held, len(rows))
    busiest = programs[counts[programs].argmax()]
    example = {
        **events.example(rows[np.searchsorted(visitor, busiest)]),
        "events of this visitor": int(counts[busiest]),
    }
    advice = "Leave them out of the log (by user agent, address or these ids): they never buy and drown who may."
    return Finding.bad(WARNING, held, len(rows), told, advice, example)


def _fast(visitor: npt.NDArray[np.int32], ts_ms: Ints) -> Flags:
    """Rows that end BOT_PER_MINUTE events of one visitor within a minute."""
    flags, back = np.zeros(len(ts_ms), bool), BOT_PER_MINUTE - 1
    flags[back:] = (visitor[back:] == visitor[:-back]) & (ts_ms[back:] - ts_ms[:-back] < 60_000)
    return flags


def _long(events: Events) -> Flags:
    """Rows of sessions of very many events."""
    lengths = np.diff(events.starts)
    return np.asarray(np.repeat(lengths >= BOT_PER_SESSION, lengths))


def _steady(visitor: npt.NDArray[np.int32], ts_ms: Ints, session: Ints) -> Flags:
    """Rows of sessions with many pauses, nine in ten within 5 % of their middle one."""
    gap = np.diff(ts_ms, prepend=ts_ms[:1])
    inner = ~run_starts(session)
    groups = session[inner]
    if not len(groups):
        return np.zeros(len(ts_ms), bool)
    many = np.bincount(groups, minlength=int(session[-1]) + 1)
    chosen = many[groups] >= BOT_STEADY
    gaps, of = gap[inner][chosen], groups[chosen]
    order = np.lexsort((gaps, of))
    gaps, of = gaps[order], of[order]
    begin = np.flatnonzero(run_starts(of)) if len(of) else np.zeros(0, np.int64)
    size = np.diff(np.append(begin, len(of)))
    middle = gaps[begin + size // 2]
    near = np.abs(gaps - np.repeat(middle, size)) <= np.maximum(0.05 * np.repeat(middle, size), 1)
    steady = np.add.reduceat(near, begin) >= 0.9 * size if len(begin) else np.zeros(0, bool)
    return np.isin(session, of[begin][steady & (middle >= 100)])


def one_visitor(events: Events) -> Finding:
    """An id that many people share, or one enormous session."""
    counts = np.bincount(events.visitor[events.first])
    most, total = int(counts.max()), int(counts.sum())
    told = f"the busiest of {int((counts > 0).sum()):,} visitors holds {most:,} events ({percent(most / total)})"
    if most < max(0.02 * total, 200):
        return Finding.ok(told, most, total)
    row = np.flatnonzero(events.first & (events.visitor == counts.argmax()))[0]
    advice = "Is this a default id (null, 0, guest) or a test device? Give each browser its own, or leave it out."
    return Finding.bad(ERROR if most > 0.5 * total else WARNING, most, total, told, advice, events.example(row))


def repeated_sessions(events: Events) -> Finding:
    """Sessions of three events or more copied to another visitor, pauses and all."""
    rows, starts = events.by_visitor, events.starts
    lengths = np.diff(starts)
    offset = events.ts_ms[rows] - np.repeat(events.ts_ms[rows[starts[:-1]]], lengths)
    place = np.arange(len(rows)) - np.repeat(starts[:-1], lengths)
    step = _mixed(_mixed(offset) ^ _mixed(events.item[rows].astype(np.int64) * 256 + events.kind[rows])) * (
        2 * place + 1
    ).astype(np.uint64)
    mark = np.add.reduceat(_mixed(step), starts[:-1])
    telling = (lengths >= 3) & (offset[starts[1:] - 1] > 0)
    chosen = np.flatnonzero(telling)
    _, first, which, copies = np.unique(mark[chosen], return_index=True, return_inverse=True, return_counts=True)
    again = chosen[(copies[which] > 1) & (first[which] != np.arange(len(chosen)))]
    held = int(lengths[again].sum())
    told = f"{len(again):,} of {events.sessions:,} sessions repeat another's events and pauses"
    if held < REPEATED_SHARE * len(rows):
        return Finding.ok(told, held, len(rows))
    twin = chosen[first[which[np.searchsorted(chosen, again[0])]]]
    example = events.example(rows[starts[twin]], rows[starts[again[0]]])
    advice = "The log was probably imported twice under other visitor ids, or two trackers send it: keep one of each."
    return Finding.bad(WARNING, held, len(rows), told, advice, example)


def _mixed(values: npt.NDArray[np.integer]) -> npt.NDArray[np.uint64]:
    """Numbers spread over 64 bits (splitmix64's finisher; Steele, Lea & Flood 2014)."""
    z = values.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(z ^ (z >> np.uint64(31)))


def repeated_events(events: Events) -> Finding:
    """A tag that fires twice: same visitor, kind and product within a second, under another event id."""
    rows = np.flatnonzero(events.first & events.known("item_id"))
    if not len(rows):
        return Finding.ok("no events about products")
    order = rows[np.lexsort((events.ts_ms[rows], events.item[rows], events.kind[rows], events.visitor[rows]))]
    same = ~run_starts(events.visitor[order], events.kind[order], events.item[order])
    again = np.flatnonzero(same & (np.diff(events.ts_ms[order], prepend=-10_000) <= 1000))
    told = f"{len(again):,} of {len(rows):,} product events repeat one within a second"
    if len(again) < REPEATED_SHARE * len(rows):
        return Finding.ok(told, len(again), len(rows))
    example = events.example(order[again[0] - 1], order[again[0]])
    advice = "Send each event once, with an event id that stays the same when it is sent again."
    return Finding.bad(WARNING, len(again), len(rows), told, advice, example)


def never_return(events: Events) -> Finding:
    """Whether the id is a visitor's or only a session's: does anybody come back half a day later?"""
    rows, starts = events.by_visitor, events.starts
    begins, ends = rows[starts[:-1]], rows[starts[1:] - 1]
    same = events.visitor[begins[1:]] == events.visitor[begins[:-1]]
    away = events.ts_ms[begins[1:]] - events.ts_ms[ends[:-1]] >= AWAY_MS
    visitors, again = int((~same).sum()) + 1, len(np.unique(events.visitor[begins[1:]][same & away]))
    days = (events.core[1] - events.core[0]) / DAY_MS
    told = f"{again:,} of {visitors:,} visitors come back after {AWAY_MS // HOUR_MS} h or more, in {days:.1f} days"
    if days < RETURN_DAYS or visitors < 100 or again >= 0.01 * visitors:
        return Finding.ok(told, visitors - again, visitors)
    advice = (
        "The visitor id seems to be a session id. Models then know nothing of earlier visits; "
        "send an id that a browser keeps, if consent allows it."
    )
    return Finding.bad(WARNING, visitors - again, visitors, told, advice, events.example(begins[0]))


def one_event_sessions(events: Events) -> Finding:
    """Visits that ended at once, or whose events do not belong together."""
    lengths = np.diff(events.starts)
    alone = np.flatnonzero(lengths == 1)
    share = len(alone) / events.sessions
    told = f"{len(alone):,} of {events.sessions:,} sessions have a single event"
    if share < SINGLE_SHARE:
        return Finding.ok(told, len(alone), events.sessions)
    advice = (
        "Are visitor ids new on each page, or are pages missing from the log? Nothing can be told of such sessions."
    )
    return Finding.bad(
        WARNING, len(alone), events.sessions, told, advice, events.example(events.by_visitor[events.starts[alone[0]]])
    )
