"""TRAITS: what tells visitors apart, read from a tail alone, so that the same numbers are known online at a decision.

`traits(tail)` is one compiled pass over at most TAIL_EVENTS records; over a log the same pass runs visitor by visitor.
What a visitor bought is no trait: personas describe how people travel, and whether they buy is told beside.
"""

from typing import Final, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from features.events import CHANNELS, CODE, PAGE_TYPES, PROMOTION_KINDS, SESSION_GAP_MS, TAIL_EVENTS
from features.record import DEVICE_SHIFT, Records

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LEAST_STEPS: Final = 3
"""Who has done less than this has no persona yet: there is nothing to tell one from."""


class Trait(NamedTuple):
    """group: those that share a weight. unit: of the number; "log" is the natural logarithm of what is named."""

    name: str
    group: str
    unit: str
    meaning: str


TRAITS: Final = (
    Trait("visits", "return", "log", "Sessions in the tail."),
    Trait("span", "return", "log", "1 + days from the first to the last step."),
    Trait("evening", "when", "share", "Steps from 18 to 24 o'clock."),
    Trait("office", "when", "share", "Steps on Monday to Friday from 8 to 18 o'clock."),
    Trait("weekend", "when", "share", "Steps on Saturday and Sunday."),
    Trait("pages", "effort", "log", "Steps a session."),
    Trait("pace", "effort", "log", "Seconds between two steps of a session, geometric mean; NaN if there are none."),
    Trait("products", "look", "log", "1 + different products viewed."),
    Trait("compares", "look", "share", "Product views of a product viewed before; NaN without views."),
    Trait("searches", "look", "share", "Steps that are searches."),
    Trait("lists", "look", "share", "Steps that are product lists."),
    Trait("reads", "look", "share", "Steps that are reviews, delivery, returns or contact pages."),
    Trait("price", "money", "log", "Price of the products viewed, geometric mean; NaN if none is known."),
    Trait("carts", "money", "log", "1 + products put in the cart, a session."),
    Trait("units", "money", "log", "Most units of one product put in the cart at once; NaN without."),
    Trait("mail", "source", "share", "Sessions that came by e-mail; NaN where no session tells its channel."),
    Trait("direct", "source", "share", "Sessions that came directly."),
    Trait("engine", "source", "share", "Sessions from a search engine, unpaid."),
    Trait("adverts", "source", "share", "Sessions from adverts and partners."),
    Trait("social", "source", "share", "Sessions from social media and referrals."),
    Trait("phone", "device", "share", "Sessions on a phone; NaN where no session tells its device."),
)
NAMES: Final = tuple(trait.name for trait in TRAITS)
N_TRAITS: Final = len(TRAITS)
(VISITS, SPAN, EVENING, OFFICE, WEEKEND, PAGES, PACE, PRODUCTS, COMPARES, SEARCHES, LISTS, READS, PRICE, CARTS, UNITS,
 MAIL, DIRECT, ENGINE, ADVERTS, SOCIAL, PHONE) = range(N_TRAITS)  # fmt: skip

HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * HOUR_MS


def _flags(names: tuple[str, ...], words: tuple[str, ...]) -> npt.NDArray[np.bool_]:
    return np.isin(np.array(words), names)


_KINDS: Final = tuple(CODE)
_NO_STEP: Final = _flags((*PROMOTION_KINDS, "leave"), _KINDS)
_READING: Final = _flags(("review_view", "return_policy_view"), _KINDS)
_READING_PAGE: Final = _flags(("delivery", "returns", "contact"), PAGE_TYPES)
_SOURCES: Final = np.full(16, -1, np.int64)
for _name, _trait in {
    "email": MAIL, "direct": DIRECT, "organic_search": ENGINE, "paid": ADVERTS, "partner": ADVERTS, "social": SOCIAL,
    "referral": SOCIAL,
}.items():  # fmt: skip
    _SOURCES[CHANNELS.index(_name)] = _trait
_VIEW, _ADD = CODE["view_item"], CODE["add_to_cart"]
_SEARCH, _LIST, _MOBILE = CODE["search"], CODE["view_item_list"], 2


@numba.njit(cache=True, nogil=True)
def _traits(  # type: ignore[no-untyped-def]
    ts_ms, item, price, kind, line, quantity, page, source, flags, offset_ms,
    no_step, reading, reading_page, sources, out
):  # fmt: skip
    """Fills out (N_TRAITS,) from one visitor's records in order. Returns how many steps there were."""
    out[:] = 0.0
    steps, sessions, gaps, views, again, distinct, priced, carted = 0, 0, 0, 0, 0, 0, 0, 0
    channelled, phones, deviced = 0, 0, 0
    log_gaps, log_prices, units = 0.0, 0.0, 0
    first_ms, last_ms, before_ms = 0, 0, 0
    has_channel, has_device = False, False
    seen = np.empty(kind.size, np.uint64)
    for i in range(kind.size):
        k = kind[i]
        if no_step[k]:
            continue
        if k == _ADD:
            units = max(units, quantity[i])
        if k == _VIEW and item[i] != 0:
            views += 1
            known = False
            for j in range(distinct):
                if seen[j] == item[i]:
                    known = True
                    break
            if known:
                again += 1
            else:
                seen[distinct] = item[i]
                distinct += 1
            if price[i] > 0:
                priced += 1
                log_prices += np.log(price[i])
        if line[i] != 0:
            continue
        now = ts_ms[i]
        if steps == 0 or now - before_ms > SESSION_GAP_MS:
            sessions += 1
            has_channel, has_device = False, False
        else:
            gaps += 1
            log_gaps += np.log(max(1.0, (now - before_ms) / 1000.0))
        if steps == 0:
            first_ms = now
        before_ms, last_ms = now, now
        steps += 1
        channel, device = source[i] & 15, flags[i] >> DEVICE_SHIFT & 3
        if channel != 0 and not has_channel:
            has_channel = True
            channelled += 1
            if sources[channel] >= 0:
                out[sources[channel]] += 1.0
        if device != 0 and not has_device:
            has_device = True
            deviced += 1
            phones += device == _MOBILE
        local = now + offset_ms
        hour, day = local // HOUR_MS % 24, (local // _DAY_MS + 3) % 7  # the epoch was a Thursday
        out[EVENING] += hour >= 18
        out[OFFICE] += day < 5 and 8 <= hour < 18
        out[WEEKEND] += day >= 5
        out[SEARCHES] += k == _SEARCH
        out[LISTS] += k == _LIST
        out[READS] += reading[k] or reading_page[page[i]]
        carted += k == _ADD
    if steps == 0:
        return 0
    for trait in (EVENING, OFFICE, WEEKEND, SEARCHES, LISTS, READS):
        out[trait] /= steps
    for trait in (MAIL, DIRECT, ENGINE, ADVERTS, SOCIAL):
        out[trait] = out[trait] / channelled if channelled > 0 else np.nan
    out[PHONE] = phones / deviced if deviced > 0 else np.nan
    out[VISITS] = np.log(sessions)
    out[SPAN] = np.log(1.0 + (last_ms - first_ms) / _DAY_MS)
    out[PAGES] = np.log(steps / sessions)
    out[PACE] = log_gaps / gaps if gaps > 0 else np.nan
    out[PRODUCTS] = np.log(1.0 + distinct)
    out[COMPARES] = again / views if views > 0 else np.nan
    out[PRICE] = log_prices / priced if priced > 0 else np.nan
    out[CARTS] = np.log(1.0 + carted / sessions)
    out[UNITS] = np.log(units) if units > 0 else np.nan
    return steps


def _columns(records: Records) -> tuple[npt.NDArray[np.generic], ...]:
    names = ("ts_ms", "item", "price", "kind", "line", "quantity", "page", "source", "flags")
    return tuple(np.ascontiguousarray(records[name]) for name in names)


@numba.njit(cache=True, nogil=True)
def _of_log(  # type: ignore[no-untyped-def]
    bounds, ts_ms, item, price, kind, line, quantity, page, source, flags, offset_ms,
    no_step, reading, reading_page, sources, out, steps
):  # fmt: skip
    for v in range(bounds.size - 1):
        a, b = max(bounds[v], bounds[v + 1] - TAIL_EVENTS), bounds[v + 1]
        steps[v] = _traits(
            ts_ms[a:b], item[a:b], price[a:b], kind[a:b], line[a:b], quantity[a:b], page[a:b], source[a:b],
            flags[a:b], offset_ms, no_step, reading, reading_page, sources, out[v],
        )  # fmt: skip


def traits_of_log(records: Records, bounds: Ints, utc_offset_h: float = 0.0) -> tuple[Floats, Ints]:
    """The traits of many visitors: of each the same as traits(tail). bounds: where each visitor's records begin, and
    last the end, (v + 1,). Returns (v, N_TRAITS) and steps (v,)."""
    out, steps = np.zeros((len(bounds) - 1, N_TRAITS)), np.zeros(len(bounds) - 1, np.int64)
    tables = (_NO_STEP, _READING, _READING_PAGE, _SOURCES)
    _of_log(bounds, *_columns(records), round(utc_offset_h * HOUR_MS), *tables, out, steps)  # type: ignore[call-arg]
    return out, steps


def traits(tail: Records, utc_offset_h: float = 0.0) -> tuple[Floats, int]:
    """The traits of a tail (n,) in order, as features.tail gives it: float64 (N_TRAITS,), and how many steps it has.

    NaN where unknown. utc_offset_h: the shop's hours ahead of UTC. A tail without steps: zeros and 0.
    """
    values, steps = traits_of_log(tail, np.array([0, len(tail)], np.int64), utc_offset_h)
    return values[0], int(steps[0])
