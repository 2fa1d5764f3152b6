"""The compiled pass of item statistics: what each event adds to the counts, and the rates that can be read from them.

Row 0 is the whole shop, the others are products. Rates of categories were tried, as features and as what a product's
rate is drawn to: both made the scores of later months worse, so there are none.
"""

from typing import Any, Final

import numba
import numpy as np

from features.events import CODE, SESSION_GAP_MS
from features.fold_state import positions
from features.table import find, insert
from features.visits import FLAG_BITS, MAX_VISITS, SEEN, place_of

DAY_MS = 24 * 3600 * 1000
HALF_LIFE_MS = 7 * DAY_MS
"""Of popularity: a season's end shows within days."""
LONG_HALF_LIFE_MS = 60 * DAY_MS
"""Of conversion: a rate needs many sessions (90, 28 and 7 days gave .287, .280 and .273 of average precision)."""
SHORT_HALF_LIFE_MS = DAY_MS
"""Of trends."""
SWEEP_MS = 5 * 60_000
"""How often sessions are looked for that are over."""
PRIOR = 20.0
"""A rate is drawn to the shop's with the weight of so many views or sessions (empirical Bayes)."""

COUNTS: Final = (
    *("views", "carts", "units"),
    *("sessions", "bought", "carted"),
    *("new_sessions", "new_bought", "new_carted"),
)
"""What is counted of each row, fading by LONG from "sessions" on, by SHORT from "new_sessions" on (the shop alone).

sessions: that viewed it; bought, carted: of those, that then bought or carted anything.
"""
C: Final[Any] = positions("C", COUNTS)
RATES: Final = ("views", "cart_rate", "buy_rate", "buy_lift", "cart_lift", "shop_buy_rate", "shop_cart_rate")
"""What can be read of a product: columns of the rates.

buy_lift, cart_lift: log of the share of its viewers' sessions that then bought (carted) anything against the shop's
share. shop_buy_rate, shop_cart_rate: the shop's own of lately. NaN while the shop has no such event.
"""
R: Final[Any] = positions("R", RATES)
N_COUNTS: Final = len(COUNTS)

_VIEW, _CART, _PURCHASE = CODE["view_item"], CODE["add_to_cart"], CODE["purchase"]
_BOUGHT, _CARTED = 1, 2


@numba.njit(cache=True)
def fade(counts, touched, row, now_ms):  # type: ignore[no-untyped-def]
    """Brings a row's counts to the present; a late event does not bring the past back."""
    age_ms = now_ms - touched[row]
    if age_ms <= 0:
        return
    middle, long = 0.5 ** (age_ms / HALF_LIFE_MS), 0.5 ** (age_ms / LONG_HALF_LIFE_MS)
    for c in range(C.sessions):
        counts[row, c] *= middle
    for c in range(C.sessions, C.new_sessions):
        counts[row, c] *= long
    if row == 0:
        short = 0.5 ** (age_ms / SHORT_HALF_LIFE_MS)
        for c in range(C.new_sessions, N_COUNTS):
            counts[row, c] *= short
    touched[row] = now_ms


@numba.njit(cache=True)
def fade_all(counts, touched, now_ms):  # type: ignore[no-untyped-def]
    """Brings every row's counts to the present."""
    for row in range(touched.size):
        fade(counts, touched, row, now_ms)


@numba.njit(cache=True)
def _add(counts, touched, row, column, amount, now_ms):  # type: ignore[no-untyped-def]
    """Counts for one row; what comes late counts as much as it would have, had it come in time."""
    fade(counts, touched, row, now_ms)
    late_ms = touched[row] - now_ms
    if late_ms > 0:
        half_life = HALF_LIFE_MS if column < C.sessions else LONG_HALF_LIFE_MS
        half_life = half_life if column < C.new_sessions else SHORT_HALF_LIFE_MS
        amount *= 0.5 ** (late_ms / half_life)
    counts[row, column] += amount


@numba.njit(cache=True)
def _add_session(counts, touched, row, column, now_ms):  # type: ignore[no-untyped-def]
    """Counts a session for a product and the shop, and for the shop also what it is lately."""
    _add(counts, touched, row, column, 1.0, now_ms)
    _add(counts, touched, 0, column, 1.0, now_ms)
    _add(counts, touched, 0, column - C.sessions + C.new_sessions, 1.0, now_ms)


@numba.njit(cache=True)
def _look(counts, touched, seen, many, row, now_ms):  # type: ignore[no-untyped-def]
    """A session views a product: remembered once. What must make room for it counts with what came of it so far."""
    for at in range(min(many, SEEN)):
        if seen[at] >> FLAG_BITS == row:
            return many
    if many >= SEEN:
        _count_seen(counts, touched, seen[many % SEEN], now_ms)
    seen[many % SEEN] = row << FLAG_BITS
    return many + 1


@numba.njit(cache=True)
def _convert(seen, many, kind):  # type: ignore[no-untyped-def]
    """A session buys or carts: all that it viewed before has led to it."""
    flag = _BOUGHT if kind == _PURCHASE else _CARTED
    for at in range(min(many, SEEN)):
        seen[at] |= flag


@numba.njit(cache=True)
def _count_seen(counts, touched, entry, end_ms):  # type: ignore[no-untyped-def]
    """One product of a session counts, with what the session did after it; not one whose row has gone."""
    row = entry >> FLAG_BITS
    if row < 0:
        return
    _add_session(counts, touched, row, C.sessions, end_ms)
    if entry & _BOUGHT:
        _add_session(counts, touched, row, C.bought, end_ms)
    if entry & _CARTED:
        _add_session(counts, touched, row, C.carted, end_ms)


@numba.njit(cache=True)
def _end_session(counts, touched, visitors, last_ms, seen, many, place):  # type: ignore[no-untyped-def]
    """The session in a place counts, as of its last event, and leaves."""
    for at in range(min(many[place], SEEN)):
        _count_seen(counts, touched, seen[place, at], last_ms[place])
    visitors[place], last_ms[place], many[place] = 0, 0, 0


@numba.njit(cache=True)
def end_sessions(counts, touched, visitors, last_ms, seen, many, now_ms):  # type: ignore[no-untyped-def]
    """All sessions that are over at now_ms count."""
    for place in range(visitors.size):
        if visitors[place] != 0 and now_ms - last_ms[place] > SESSION_GAP_MS:
            _end_session(counts, touched, visitors, last_ms, seen, many, place)


@numba.njit(cache=True)
def _share(part, whole, prior_part, prior_whole):  # type: ignore[no-untyped-def]
    """A rate drawn to the shop's; NaN where the shop has none yet."""
    if prior_part <= 0.0:
        return np.nan
    return (part + PRIOR * prior_part / (prior_whole + 1.0)) / (whole + PRIOR)


@numba.njit(cache=True)
def _lift(counts, row, column):  # type: ignore[no-untyped-def]
    """Log of a product's rate, drawn to the shop's, against the shop's."""
    base = counts[0, column] / (counts[0, C.sessions] + 1.0)
    if base <= 0.0:
        return np.nan
    if row < 0:
        return 0.0
    return np.log((counts[row, column] + PRIOR * base) / (counts[row, C.sessions] + PRIOR) / base)


@numba.njit(cache=True)
def write_rates(out, counts, row):  # type: ignore[no-untyped-def]
    """RATES of a row, it and the shop's faded to one moment; row -1 is a product that nobody touched yet."""
    shop = counts[0]
    views = carts = units = 0.0
    if row >= 0:
        views, carts, units = counts[row, C.views], counts[row, C.carts], counts[row, C.units]
    out[R.views] = views
    out[R.cart_rate] = _share(carts, views, shop[C.carts], shop[C.views])
    out[R.buy_rate] = _share(units, views, shop[C.units], shop[C.views])
    out[R.buy_lift] = _lift(counts, row, C.bought)
    out[R.cart_lift] = _lift(counts, row, C.carted)
    out[R.shop_buy_rate] = _share(shop[C.new_bought], shop[C.new_sessions], shop[C.bought], shop[C.sessions])
    out[R.shop_cart_rate] = _share(shop[C.new_carted], shop[C.new_sessions], shop[C.carted], shop[C.sessions])


@numba.njit(cache=True)
def _in_session(counts, touched, visitors, last_ms, seen, many, place, visitor, now_ms):  # type: ignore[no-untyped-def]
    """Whether an event belongs to the session in its visitor's place, which it may begin; not if it came before it."""
    if visitors[place] == visitor and last_ms[place] - now_ms > SESSION_GAP_MS:
        return False
    if visitors[place] != visitor or now_ms - last_ms[place] > SESSION_GAP_MS:
        _end_session(counts, touched, visitors, last_ms, seen, many, place)
        visitors[place] = visitor
        last_ms[place] = now_ms
    last_ms[place] = max(last_ms[place], now_ms)
    return True


@numba.njit(cache=True)
def count(  # type: ignore[no-untyped-def]
    records, order, keys, slots, rows, items, counts, touched, used, visitors, last_ms, seen, many, out, at
):
    """Counts records[order[at:]] of visitors keys; where `out` has rows, first writes what was known before each.

    Returns the rows used and how far it came: not to the end where the table of sessions must grow first.
    """
    for n in range(at, order.size):
        i = order[n]
        kind, item, now_ms = records[i].kind, records[i].item, records[i].ts_ms
        if now_ms // SWEEP_MS > touched[0] // SWEEP_MS:
            end_sessions(counts, touched, visitors, last_ms, seen, many, now_ms)
        counted = kind in (_VIEW, _CART, _PURCHASE)
        place = -1
        if counted and keys[i] != 0:
            place = place_of(visitors, last_ms, keys[i])
            other = visitors[place] != 0 and visitors[place] != keys[i]
            if other and now_ms - last_ms[place] <= SESSION_GAP_MS and visitors.size < MAX_VISITS:
                return used, n
        about = counted or out.shape[0] > 0
        row = find(slots, rows, item) if item != 0 and about else -1
        if out.shape[0] > 0:
            fade(counts, touched, 0, now_ms)
            if row >= 0:
                fade(counts, touched, row, now_ms)
            write_rates(out[i], counts, row)
        if not counted:
            continue
        if item != 0:
            if row < 0:
                row = used
                used += 1
                insert(slots, rows, item, row)
                items[row] = item
                touched[row] = now_ms
            units = float(max(1, records[i].quantity)) if kind == _PURCHASE else 1.0
            column = C.views if kind == _VIEW else (C.carts if kind == _CART else C.units)
            _add(counts, touched, 0, column, units, now_ms)
            _add(counts, touched, row, column, units, now_ms)
        if place < 0 or not _in_session(counts, touched, visitors, last_ms, seen, many, place, keys[i], now_ms):
            continue
        if kind != _VIEW:
            _convert(seen[place], many[place], kind)
        elif item != 0:
            many[place] = _look(counts, touched, seen[place], many[place], row, now_ms)
    return used, order.size


@numba.njit(cache=True)
def rates_of_all(counts, out):  # type: ignore[no-untyped-def]
    """RATES of every row; all rows faded to one moment. Row 0 is a product that nobody touched yet."""
    for row in range(counts.shape[0]):
        write_rates(out[row], counts, row if row > 0 else -1)
