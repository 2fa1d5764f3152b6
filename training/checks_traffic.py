"""Data checks of what kinds of events come, and when: a tag that went missing teaches that nobody does it any more."""

from typing import Final

import numpy as np
import numpy.typing as npt

from training.check_events import DAY_MS, HOUR_MS, Events, Floats
from training.check_finding import WARNING, Finding
from training.moments import iso

MIN_EVENTS: Final = 50
ABSENT_MS: Final = 2 * HOUR_MS
MISSED: Final = 40
"""A kind's absence counts where so many sessions would be expected to show it: no chance, even with busy hours."""

SHIFT: Final = 2.0
SHIFT_EVENTS: Final = 300
SIDE_DAYS: Final = 3
ODD_DAY: Final = 5.0


def kind_stopped(events: Events) -> Finding:
    """The longest stretch of other events without one of a kind, against the kind's own rate."""
    rows = np.flatnonzero(events.in_core)
    kind, worst = events.kind[rows], (0.0, 0, 0)
    names = []
    for code in np.flatnonzero(np.bincount(kind, minlength=len(events.kinds)) >= MIN_EVENTS):
        at = np.flatnonzero(kind == code)
        missed, before, after = _hole(at, len(rows), len(np.unique(events.visitor[rows[at]])) / len(at))
        edges = rows[[max(before, 0), min(after, len(rows) - 1)]]
        if missed >= MISSED and np.diff(events.ts_ms[edges])[0] >= ABSENT_MS:
            names.append(_stretch(events, rows, int(code), before, after))
            worst = max(worst, (missed, before, after))
    if not names:
        return Finding.ok("every kind comes all the time", 0, len(rows))
    _, before, after = worst
    seen = [at for at in (before, after) if 0 <= at < len(rows)]
    advice = "A tag was added, broken or removed. Learn from a window in which all kinds come: --since, --until."
    return Finding.bad(WARNING, after - before, len(rows), "; ".join(names), advice, events.example(*rows[seen]))


def _hole(at: npt.NDArray[np.int64], n: int, people: float) -> tuple[float, int, int]:
    """(occurrences missed, last place before, first after) of the longest stretch without the kind.

    people: different visitors an occurrence: what comes in bursts of one visitor counts once.
    """
    edges = np.concatenate([[-1], at, [n]])
    gap = np.diff(edges)
    longest = int(gap.argmax())
    others = max(n - int(gap[longest]), 1)
    return float(gap[longest] * len(at) / others * people), int(edges[longest]), int(edges[longest + 1])


def _stretch(events: Events, rows: npt.NDArray[np.int64], code: int, before: int, after: int) -> str:
    name, ts_ms = events.kinds[code], events.ts_ms
    if before < 0:
        return f"{name} begins only at {iso(int(ts_ms[rows[after]]))}"
    if after >= len(rows):
        return f"{name} stops after {iso(int(ts_ms[rows[before]]))}"
    return f"no {name} from {iso(int(ts_ms[rows[before]]))} to {iso(int(ts_ms[rows[after]]))}"


def rate_shift(events: Events) -> Finding:
    """A kind's share of a day's events, before and after the day that parts them most."""
    rows = np.flatnonzero(events.in_core)
    day = (events.ts_ms[rows] - events.core[0]) // DAY_MS
    days = int(day[-1]) + 1
    if days < 2 * SIDE_DAYS:
        return Finding.ok(f"too few days to tell: {days}", 0, len(rows))
    table = np.zeros((days, len(events.kinds)))
    np.add.at(table, (day, events.kind[rows]), 1)
    table = table[table.sum(axis=1) > 0]
    if len(table) < 2 * SIDE_DAYS:
        return Finding.ok(f"too few days with events to tell: {len(table)}", 0, len(rows))
    share = table / table.sum(axis=1, keepdims=True)
    named = [(code, *_shift(share[:, code])) for code in np.flatnonzero(table.sum(axis=0) >= SHIFT_EVENTS)]
    moved = [(code, at, low, high) for code, at, low, high in named if at]
    if not moved:
        return Finding.ok("every kind keeps its share of the events", 0, len(rows))
    words = [
        f"{events.kinds[c]} from {100 * low:.2g} to {100 * high:.2g} % of events at {_day(events, at)}"
        for c, at, low, high in moved
    ]
    code, at = moved[0][:2]
    after = rows[(day >= at) & (events.kind[rows] == code)]
    advice = "Did the shop change, or its tracking? Learn from after the change, if enough came since: --since."
    return Finding.bad(
        WARNING, len(after), len(rows), "; ".join(words), advice, events.example(after[0]) if len(after) else None
    )


def _day(events: Events, at: int) -> str:
    return iso(events.core[0] + at * DAY_MS)[:10]


def _shift(share: Floats) -> tuple[int, float, float]:
    """(first day after, median before, median after) where they differ most; day 0 where by less than SHIFT.

    Nearly every day must lie on its own side of the middle: a slow trend or a noisy kind is no shift.
    """
    best, found = SHIFT, (0, 0.0, 0.0)
    for at in range(SIDE_DAYS, len(share) - SIDE_DAYS + 1):
        before, after = share[:at], share[at:]
        low, high = float(np.median(before)), float(np.median(after))
        ratio = max(low, high) / max(min(low, high), 1e-9)
        middle = np.sqrt(max(low, 1e-9) * max(high, 1e-9))
        apart = np.mean((before < middle) == (low < high)) >= 0.9 and np.mean((after > middle) == (low < high)) >= 0.9
        if apart and ratio > best:
            best, found = ratio, (at, low, high)
    return found


def buy_rate_days(events: Events) -> Finding:
    """Each day's share of sessions that buy, against the middle day's, by standard errors and the days' own spread."""
    begins = events.by_visitor[events.starts[:-1]]
    bought = np.zeros(events.sessions, bool)
    bought[events.session[events.of("purchase")[events.by_visitor]]] = True
    day = (events.ts_ms[begins] - events.core[0]) // DAY_MS
    inside = (events.ts_ms[begins] >= events.core[0]) & (events.ts_ms[begins] <= events.core[1])
    if not bought.any() or not inside.any():
        return Finding.ok("no purchases")
    sessions = np.bincount(day[inside])
    buys = np.bincount(day[inside], bought[inside])
    full = sessions >= 50
    if full.sum() < 5:
        return Finding.ok(f"too few days to tell: {int(full.sum())}", 0, events.sessions)
    rate = buys[full] / sessions[full]
    usual = float(np.median(rate))
    base = max(usual, 0.5 / float(sessions[full].max()))
    z = (rate - usual) / np.sqrt(base * (1 - min(base, 0.99)) / sessions[full])
    spread = max(1.0, 1.4826 * float(np.median(np.abs(z - np.median(z)))))
    odd = np.flatnonzero(np.abs(z) / spread > ODD_DAY)
    if not len(odd):
        span = f"{100 * rate.min():.2g} to {100 * rate.max():.2g} % over {len(rate)} days"
        return Finding.ok(f"{100 * usual:.2g} % of a middle day's sessions buy; {span}", 0, events.sessions)
    worst = odd[np.argmax(np.abs(z[odd]))]
    days = np.flatnonzero(full)
    held = int(sessions[full][odd].sum())
    example = {
        "day": _day(events, int(days[worst])),
        "sessions": int(sessions[days[worst]]),
        "buying": int(buys[days[worst]]),
    }
    told = f"{len(odd)} of {len(rate)} days are far from the usual {100 * usual:.2g} % of sessions that buy"
    advice = (
        "Purchases lost or sent twice, a sale, a programme's visits? Leave such days out if they will not come again."
    )
    return Finding.bad(WARNING, held, events.sessions, told, advice, example)
