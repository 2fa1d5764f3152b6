"""How each record changes what the fold remembers."""

import math

import numba
import numpy as np

from features.catalog import CATEGORY, FACT, PRICE
from features.events import PAGE_TYPES
from features.fold_state import DELIVERY_PAGE, RETURNS_PAGE, SESSION, K, empty_cart
from features.record import DEVICE_SHIFT, KNOWN
from features.table import slot_of

PACE_FAST_MS, PACE_SLOW_MS = 60_000.0, 600_000.0
REFINE_MS = 120_000
"""A search counts as a refinement if it follows another within two minutes, with no product viewed between."""

_RETURNS, _DELIVERY = PAGE_TYPES.index("returns"), PAGE_TYPES.index("delivery")


@numba.njit(cache=True, nogil=True)
def apply_message(s, counts, messages, record):  # type: ignore[no-untyped-def]
    """A message was shown, clicked or dismissed: courtesy, and nothing else."""
    counts[SESSION, record.kind] += 1
    messages[s.messages].ts_ms = record.ts_ms
    messages[s.messages].kind = record.kind
    s.messages += 1
    if record.kind == K.view_promotion:
        s.shown += 1
        s.shown_ms = record.ts_ms
    elif record.kind == K.select_promotion:
        s.clicked += 1
    else:
        s.dismissed += 1


@numba.njit(cache=True, nogil=True)
def apply_event(s, counts, record):  # type: ignore[no-untyped-def]
    """What and how much, when, where from: each event once."""
    _apply_time(s, record)
    kind = record.kind
    counts[SESSION, kind] += 1
    if kind == K.return_policy_view or record.page == _RETURNS:
        counts[SESSION, RETURNS_PAGE] += 1
    if record.page == _DELIVERY:
        counts[SESSION, DELIVERY_PAGE] += 1
    s.kind = kind
    s.page = record.page
    if s.landing_kind < 0:
        s.landing_kind = kind
        s.landing_page = record.page
    if s.channel == 0:
        s.channel = record.source & 15
    if s.referrer == 0:
        s.referrer = record.source >> 4
    if record.flags & KNOWN:
        s.known = 1
    if record.flags >> DEVICE_SHIFT:
        s.device = record.flags >> DEVICE_SHIFT
    _apply_moment(s, kind, record)


@numba.njit(cache=True, nogil=True)
def _apply_time(s, record):  # type: ignore[no-untyped-def]
    """Dwell and pace within the session."""
    if s.kind >= 0:
        gap = float(record.ts_ms - s.last_ms)
        s.gap_last = gap
        s.gap_sum += gap
        s.gaps += 1
        if not gap <= s.gap_max:
            s.gap_max = gap
        s.pace_fast *= math.exp(-gap / PACE_FAST_MS)
        s.pace_slow *= math.exp(-gap / PACE_SLOW_MS)
    s.pace_fast += 1.0
    s.pace_slow += 1.0
    s.last_ms = record.ts_ms


@numba.njit(cache=True, nogil=True)
def _apply_moment(s, kind, record):  # type: ignore[no-untyped-def]
    """When each kind happened last; the steps of the checkout; searches."""
    ts = record.ts_ms
    if kind == K.view_item:
        s.view_ms = ts
        s.searching = 0
    elif kind == K.view_item_list or kind == K.select_item:
        s.list_ms = ts
    elif kind == K.add_to_cart:
        s.cart_ms = ts
    elif kind == K.begin_checkout or kind == K.add_shipping_info or kind == K.add_payment_info:
        s.checkout_ms = ts
        s.step = max(s.step, kind - K.begin_checkout + 1)
    elif kind == K.purchase:
        s.purchase_ms = ts
        s.step = 0
        empty_cart(s)
    elif kind == K.search:
        if s.searching and record.item != s.query and ts - s.search_ms <= REFINE_MS:
            s.refinements += 1
        s.searching = 1
        s.query = record.item
        s.search_ms = ts
    elif kind == K.form_error or kind == K.payment_error or kind == K.rage_click:
        s.friction_ms = ts


@numba.njit(cache=True, nogil=True)
def apply_item(s, items, categories, record, facts, row):  # type: ignore[no-untyped-def]
    """What about: the product of the record."""
    if record.item == 0:
        if record.kind == K.purchase:
            _spend(s, record, float(record.price))
        return
    at = _item_slot(s, items, record.item)
    item = items[at]
    price = float(record.price) if not np.isnan(record.price) else float(facts[row, PRICE])
    category = int(record.category)
    if category == 0 and not np.isnan(facts[row, CATEGORY]):
        category = int(facts[row, CATEGORY])
    if item.run != s.run:
        item.run = s.run
        item.session = 0
        item.first_ms = record.ts_ms
        item.views = 0
        item.cart = 0
        item.price = np.nan
    if item.session != s.session:
        item.session = s.session
        item.session_views = 0
        item.earlier = item.views
        s.items += 1
    item.fact = row
    if not np.isnan(price):
        item.price = price
    s.item = at
    _apply_kind(s, item, categories, record, price, category, facts[row])


@numba.njit(cache=True, nogil=True)
def _apply_kind(s, item, categories, record, price, category, fact):  # type: ignore[no-untyped-def]
    """What was done with the product."""
    kind = record.kind
    if category:
        _see_category(s, categories, category, kind)
    if kind == K.view_item:
        _view(s, item, price, fact)
    elif kind == K.add_to_cart:
        _add_to_cart(s, item, record)
    elif kind == K.remove_from_cart:
        _remove_from_cart(s, item, record)
    elif kind == K.purchase:
        _spend(s, record, price)


@numba.njit(cache=True, nogil=True)
def _added(total, part):  # type: ignore[no-untyped-def]
    """A sum of what is known; NaN while nothing is."""
    if np.isnan(part):
        return total
    return part if np.isnan(total) else total + part


@numba.njit(cache=True, nogil=True)
def _view(s, item, price, fact):  # type: ignore[no-untyped-def]
    if item.session_views == 0:
        s.buy_lift = _added(s.buy_lift, float(fact[FACT.buy_lift]))
        s.cart_lift = _added(s.cart_lift, float(fact[FACT.cart_lift]))
    if item.session_views > 0:
        s.returns += 1
    elif item.earlier > 0:
        s.earlier_items += 1
    item.session_views += 1
    item.views += 1
    s.max_item_views = max(s.max_item_views, item.session_views)
    if not np.isnan(price):
        s.prices += 1
        s.price_sum += price
        if not price >= s.price_min:
            s.price_min = price
        if not price <= s.price_max:
            s.price_max = price


@numba.njit(cache=True, nogil=True)
def _see_category(s, categories, category, kind):  # type: ignore[no-untyped-def]
    mask = categories.size - 1
    at = category & mask
    while categories[at].session == s.session and categories[at].key != category:
        at = (at + 1) & mask
    if categories[at].session != s.session:
        categories[at].session = s.session
        categories[at].key = category
        s.categories += 1
    if kind == K.view_item:
        if category == s.category:
            s.category_run += 1
        else:
            if s.category:
                s.category_switches += 1
            s.category_run = 1
        s.category = category


@numba.njit(cache=True, nogil=True)
def _add_to_cart(s, item, record):  # type: ignore[no-untyped-def]
    units = max(1, int(record.quantity))
    if item.cart != s.cart:
        item.cart = s.cart
        item.cart_units = 0
    if item.cart_units == 0:
        s.cart_items += 1
    if s.cart_units == 0:
        s.cart_open_ms = record.ts_ms
        s.cart_session = s.session
    item.cart_units += units
    s.cart_units += units
    if np.isnan(item.price):
        s.cart_unpriced += units
    else:
        s.cart_value += units * item.price


@numba.njit(cache=True, nogil=True)
def _remove_from_cart(s, item, record):  # type: ignore[no-untyped-def]
    if item.cart != s.cart or item.cart_units == 0:
        return
    units = min(max(1, int(record.quantity)), item.cart_units)
    item.cart_units -= units
    s.cart_units -= units
    if item.cart_units == 0:
        s.cart_items -= 1
    if np.isnan(item.price):
        s.cart_unpriced = max(0, s.cart_unpriced - units)
    else:
        s.cart_value = max(0.0, s.cart_value - units * item.price)
    if s.cart_units == 0:
        empty_cart(s)


@numba.njit(cache=True, nogil=True)
def _spend(s, record, price):  # type: ignore[no-untyped-def]
    if np.isnan(price):
        s.unvalued += 1
    else:
        s.spent += max(1, int(record.quantity)) * price


@numba.njit(cache=True, nogil=True)
def _item_slot(s, items, key):  # type: ignore[no-untyped-def]
    """The product's slot: its own, or the first that no product of this visitor holds."""
    mask = np.uint64(items.size - 1)
    at = slot_of(key, mask)
    while items[at].run == s.run and items[at].key != key:
        at = (at + np.uint64(1)) & mask
    items[at].key = key
    return int(at)
