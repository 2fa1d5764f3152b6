"""How the vector is read from what the fold remembers: one small function for each group of FEATURES."""

from typing import Any, Final

import numba
import numpy as np

from features.catalog import CATEGORY_PRICE, FACT
from features.fold_state import BEFORE, DELIVERY_PAGE, NEVER, RETURNS_PAGE, SESSION, K, positions
from features.fold_steps import PACE_FAST_MS, PACE_SLOW_MS
from features.schema import FEATURES

F: Final[Any] = positions("F", [feature.name for feature in FEATURES])
"""Positions of the features by name, as compiled code reads them."""

COURTESY_MS = 30 * 24 * 3600 * 1000
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
THURSDAY = 3
"""1970-01-01 was a Thursday; Monday is 0."""


@numba.njit(cache=True, nogil=True)
def emit(s, items, counts, messages, facts, now_ms, out):  # type: ignore[no-untyped-def]
    """Writes the vector at now_ms. out: float32 (N_FEATURES,)."""
    _emit_counts(s, counts, out)
    _emit_visitor(s, counts, now_ms, out)
    _emit_time(s, now_ms, out)
    _emit_session_items(s, out)
    _emit_item(s, items, facts, now_ms, out)
    _emit_cart(s, counts, now_ms, out)
    _emit_search_and_friction(s, counts, now_ms, out)
    _emit_source(s, out)
    _emit_courtesy(s, counts, messages, now_ms, out)


@numba.njit(cache=True, nogil=True)
def _since(now_ms, then_ms):  # type: ignore[no-untyped-def]
    """Seconds since a time, NaN if it never was."""
    return (now_ms - then_ms) / 1000.0 if then_ms != NEVER else np.nan


@numba.njit(cache=True, nogil=True)
def _known(code):  # type: ignore[no-untyped-def]
    """A code, NaN where 0 stands for unknown."""
    return float(code) if code > 0 else np.nan


@numba.njit(cache=True, nogil=True)
def _share(part, whole):  # type: ignore[no-untyped-def]
    """part / whole, NaN where there is no whole."""
    return part / whole if whole > 0 else np.nan


@numba.njit(cache=True, nogil=True)
def _checkouts(counts, when):  # type: ignore[no-untyped-def]
    return counts[when, K.begin_checkout] + counts[when, K.add_shipping_info] + counts[when, K.add_payment_info]


@numba.njit(cache=True, nogil=True)
def _events(counts, when):  # type: ignore[no-untyped-def]
    total = 0
    for kind in range(len(K)):
        total += counts[when, kind]
    return total - counts[when, K.view_promotion] - counts[when, K.select_promotion] - counts[when, K.dismiss_promotion]


@numba.njit(cache=True, nogil=True)
def _emit_counts(s, counts, out):  # type: ignore[no-untyped-def]
    c = counts[SESSION]
    out[F.event_kind] = float(s.kind) if s.kind >= 0 else np.nan
    out[F.event_page] = _known(s.page)
    out[F.session_events] = _events(counts, SESSION)
    out[F.session_pages] = c[K.page_view]
    out[F.session_views] = c[K.view_item]
    out[F.session_lists] = c[K.view_item_list] + c[K.select_item]
    out[F.session_wishes] = c[K.add_to_wishlist]
    out[F.session_carts] = c[K.add_to_cart]
    out[F.session_cart_views] = c[K.view_cart]
    out[F.session_checkouts] = _checkouts(counts, SESSION)
    out[F.session_purchases] = c[K.purchase]
    out[F.session_reviews] = c[K.review_view]
    out[F.session_chats] = c[K.chat_open] + c[K.chat_message]


@numba.njit(cache=True, nogil=True)
def _emit_visitor(s, counts, now_ms, out):  # type: ignore[no-untyped-def]
    c, b = counts[SESSION], counts[BEFORE]
    out[F.visitor_events] = _events(counts, BEFORE)
    out[F.visitor_views] = b[K.view_item]
    out[F.visitor_carts] = b[K.add_to_cart]
    out[F.visitor_checkouts] = _checkouts(counts, BEFORE)
    out[F.visitor_searches] = b[K.search]
    out[F.visitor_known] = s.known
    out[F.visitor_sessions] = s.sessions
    out[F.visitor_since_session_s] = _since(s.session_start_ms, s.earlier_end_ms)
    out[F.visitor_since_first_s] = _since(now_ms, s.first_ms)
    out[F.visitor_purchases] = c[K.purchase] + b[K.purchase]
    out[F.visitor_since_purchase_s] = _since(now_ms, s.purchase_ms)
    out[F.visitor_spent] = s.spent if s.unvalued == 0 else np.nan
    out[F.visitor_refunds] = c[K.refund] + b[K.refund]
    out[F.visitor_store_visits] = c[K.store_visit] + b[K.store_visit]
    out[F.visitor_email_clicks] = c[K.email_open] + b[K.email_open] + c[K.email_click] + b[K.email_click]


@numba.njit(cache=True, nogil=True)
def _emit_time(s, now_ms, out):  # type: ignore[no-untyped-def]
    idle = float(now_ms - s.last_ms) if s.kind >= 0 else 0.0
    out[F.session_age_s] = _since(now_ms, s.session_start_ms) if s.kind >= 0 else 0.0
    out[F.time_idle_s] = _since(now_ms, s.last_ms)
    out[F.time_gap_last_s] = s.gap_last / 1000.0
    out[F.time_gap_mean_s] = _share(s.gap_sum / 1000.0, s.gaps)
    out[F.time_gap_max_s] = s.gap_max / 1000.0
    out[F.time_since_view_s] = _since(now_ms, s.view_ms)
    out[F.time_since_list_s] = _since(now_ms, s.list_ms)
    out[F.time_since_cart_s] = _since(now_ms, s.cart_ms)
    out[F.time_since_checkout_s] = _since(now_ms, s.checkout_ms)
    out[F.time_pace_fast] = s.pace_fast * np.exp(-idle / PACE_FAST_MS) if idle > 0 else s.pace_fast
    out[F.time_pace_slow] = s.pace_slow * np.exp(-idle / PACE_SLOW_MS) if idle > 0 else s.pace_slow
    out[F.time_hour] = now_ms // HOUR_MS % 24
    out[F.time_weekday] = (now_ms // DAY_MS + THURSDAY) % 7


@numba.njit(cache=True, nogil=True)
def _emit_session_items(s, out):  # type: ignore[no-untyped-def]
    out[F.session_distinct_items] = s.items
    out[F.session_distinct_categories] = s.categories
    out[F.session_returns] = s.returns
    out[F.session_return_share] = _share(s.returns, out[F.session_views])
    out[F.session_earlier_items] = s.earlier_items
    out[F.session_max_item_views] = s.max_item_views
    out[F.session_category_switches] = s.category_switches
    out[F.session_category_run] = _known(s.category_run)
    out[F.session_price_mean] = _share(s.price_sum, s.prices)
    out[F.session_price_min] = s.price_min
    out[F.session_price_max] = s.price_max
    out[F.session_buy_lift] = s.buy_lift
    out[F.session_cart_lift] = s.cart_lift


@numba.njit(cache=True, nogil=True)
def _emit_item(s, items, facts, now_ms, out):  # type: ignore[no-untyped-def]
    if s.item < 0:
        for f in range(F.item_session_views, F.shop_cart_rate + 1):
            out[f] = np.nan
        return
    item = items[s.item]
    fact = facts[item.fact]
    out[F.item_session_views] = item.session_views
    out[F.item_visitor_views] = item.views
    out[F.item_since_first_s] = _since(now_ms, item.first_ms)
    out[F.item_price] = item.price
    out[F.item_price_to_session] = item.price / _share(s.price_sum, s.prices) if s.price_sum > 0 else np.nan
    out[F.item_price_to_category] = item.price / fact[CATEGORY_PRICE] if fact[CATEGORY_PRICE] > 0 else np.nan
    out[F.item_views] = fact[FACT.views]
    out[F.item_cart_rate] = fact[FACT.cart_rate]
    out[F.item_buy_rate] = fact[FACT.buy_rate]
    out[F.item_buy_lift] = fact[FACT.buy_lift]
    out[F.item_cart_lift] = fact[FACT.cart_lift]
    out[F.shop_buy_rate] = fact[FACT.shop_buy_rate]
    out[F.shop_cart_rate] = fact[FACT.shop_cart_rate]
    out[F.item_in_cart] = 1.0 if item.cart == s.cart and item.cart_units > 0 else 0.0


@numba.njit(cache=True, nogil=True)
def _emit_cart(s, counts, now_ms, out):  # type: ignore[no-untyped-def]
    out[F.cart_units] = s.cart_units
    out[F.cart_items] = s.cart_items
    out[F.cart_value] = s.cart_value if s.cart_unpriced == 0 else np.nan
    out[F.cart_removals] = counts[SESSION, K.remove_from_cart]
    out[F.cart_age_s] = _since(now_ms, s.cart_open_ms)
    out[F.cart_carried] = (1.0 if s.cart_session != s.session else 0.0) if s.cart_units > 0 else np.nan
    out[F.cart_step] = s.step


@numba.njit(cache=True, nogil=True)
def _emit_search_and_friction(s, counts, now_ms, out):  # type: ignore[no-untyped-def]
    c = counts[SESSION]
    out[F.search_count] = c[K.search]
    out[F.search_refinements] = s.refinements
    out[F.search_zero_results] = c[K.zero_results]
    out[F.search_since_s] = _since(now_ms, s.search_ms)
    out[F.friction_form_errors] = c[K.form_error]
    out[F.friction_payment_errors] = c[K.payment_error]
    out[F.friction_rage_clicks] = c[K.rage_click]
    out[F.friction_returns_views] = c[RETURNS_PAGE]
    out[F.friction_delivery_views] = c[DELIVERY_PAGE]
    out[F.friction_since_s] = _since(now_ms, s.friction_ms)


@numba.njit(cache=True, nogil=True)
def _emit_source(s, out):  # type: ignore[no-untyped-def]
    out[F.source_channel] = _known(s.channel)
    out[F.source_referrer] = _known(s.referrer)
    out[F.source_device] = _known(s.device)
    out[F.source_landing_kind] = float(s.landing_kind) if s.landing_kind >= 0 else np.nan
    out[F.source_landing_page] = _known(s.landing_page)


@numba.njit(cache=True, nogil=True)
def _emit_courtesy(s, counts, messages, now_ms, out):  # type: ignore[no-untyped-def]
    while s.oldest < s.messages and messages[s.oldest].ts_ms < now_ms - COURTESY_MS:
        kind = messages[s.oldest].kind
        if kind == K.view_promotion:
            s.shown -= 1
        elif kind == K.select_promotion:
            s.clicked -= 1
        else:
            s.dismissed -= 1
        s.oldest += 1
    out[F.courtesy_session_shown] = counts[SESSION, K.view_promotion]
    out[F.courtesy_session_clicked] = counts[SESSION, K.select_promotion]
    out[F.courtesy_session_dismissed] = counts[SESSION, K.dismiss_promotion]
    out[F.courtesy_30d_shown] = s.shown
    out[F.courtesy_30d_clicked] = s.clicked
    out[F.courtesy_30d_dismissed] = s.dismissed
    out[F.courtesy_since_shown_s] = _since(now_ms, s.shown_ms)
