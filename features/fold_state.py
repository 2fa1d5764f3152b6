"""What the fold remembers between records, and how a session begins."""

from collections import namedtuple
from collections.abc import Sequence
from typing import Any, Final

import numba
import numpy as np

from features.events import KINDS


def positions(typename: str, names: Sequence[str]) -> Any:
    """The names' positions as a named tuple, which compiled code reads as constants."""
    return namedtuple(typename, names)(*range(len(names)))


K: Final[Any] = positions("K", KINDS)
"""Codes of the kinds by name, as compiled code reads them."""

NEVER: Final = np.int64(-(2**62))
"""A time before all others."""

SESSION, BEFORE = 0, 1
"""Rows of the counts: of this session, and of the earlier ones. Columns are kinds."""

RETURNS_PAGE, DELIVERY_PAGE = 40, 41
"""Columns of the counts past the kinds: page views that are about returns and delivery."""

ITEM_SLOT: Final = np.dtype(
    {
        "names": [
            "key",
            "run",
            "session",
            "first_ms",
            "price",
            "fact",
            "session_views",
            "views",
            "cart",
            "cart_units",
            "earlier",
        ],
        "formats": ["u8", "i8", "i8", "i8", "f8", "i4", "i4", "i4", "i4", "i4", "i4"],
    },
    align=True,
)
"""What is known of a product: run and session say when its counts are of this visitor and of this session."""

CATEGORY_SLOT: Final = np.dtype([("session", "i8"), ("key", "i8")], align=True)
MESSAGES: Final = np.dtype([("ts_ms", "i8"), ("kind", "i8")], align=True)

_TIMES = (
    *("first_ms", "last_any_ms", "last_ms", "session_start_ms", "earlier_end_ms", "view_ms", "list_ms", "cart_ms"),
    *("checkout_ms", "purchase_ms", "search_ms", "friction_ms", "shown_ms", "cart_open_ms"),
)
_WHOLE = (
    *("tick", "run", "session", "sessions", "kind", "page", "landing_kind", "landing_page"),
    *("channel", "referrer", "device", "known", "gaps", "item", "items", "categories", "category", "category_run"),
    *("category_switches", "returns", "earlier_items", "max_item_views", "prices", "searching", "refinements", "step"),
    *("cart", "cart_units", "cart_items", "cart_unpriced", "cart_session", "unvalued"),
    *("messages", "oldest", "shown", "clicked", "dismissed"),
)
_REAL = (
    *("gap_last", "gap_sum", "gap_max", "pace_fast", "pace_slow"),
    *("price_sum", "price_min", "price_max", "cart_value", "spent"),
    *("buy_lift", "cart_lift"),
)

STATE: Final = np.dtype(
    [(name, "i8") for name in (*_TIMES, *_WHOLE)] + [("query", "u8")] + [(name, "f8") for name in _REAL], align=True
)


@numba.njit(cache=True, nogil=True)
def begin(s, counts):  # type: ignore[no-untyped-def]
    """Forgets everything: a new visitor. Only the tick goes on: it tells an earlier visitor's slots from this one's."""
    s.tick += 1
    s.run = s.tick
    s.session = s.tick
    s.sessions = 0
    s.first_ms = NEVER
    s.last_any_ms = NEVER
    s.last_ms = NEVER
    s.session_start_ms = NEVER
    s.earlier_end_ms = NEVER
    s.view_ms = NEVER
    s.list_ms = NEVER
    s.cart_ms = NEVER
    s.checkout_ms = NEVER
    s.purchase_ms = NEVER
    s.search_ms = NEVER
    s.friction_ms = NEVER
    s.shown_ms = NEVER
    s.known = 0
    s.channel = 0
    s.referrer = 0
    s.device = 0
    s.spent = 0.0
    s.unvalued = 0
    s.cart = s.tick
    empty_cart(s)
    s.messages = 0
    s.oldest = 0
    s.shown = 0
    s.clicked = 0
    s.dismissed = 0
    counts[:] = 0
    _forget_session(s)


@numba.njit(cache=True, nogil=True)
def empty_cart(s):  # type: ignore[no-untyped-def]
    """The cart is empty: nothing was added yet, or all was bought."""
    s.tick += 1
    s.cart = s.tick
    s.cart_units = 0
    s.cart_items = 0
    s.cart_unpriced = 0
    s.cart_value = 0.0
    s.cart_open_ms = NEVER
    s.cart_session = 0


@numba.njit(cache=True, nogil=True)
def _forget_session(s):  # type: ignore[no-untyped-def]
    """Sets what is of one session back to its beginning."""
    s.kind = -1
    s.page = 0
    s.landing_kind = -1
    s.landing_page = 0
    s.gaps = 0
    s.gap_last = np.nan
    s.gap_sum = 0.0
    s.gap_max = np.nan
    s.pace_fast = 0.0
    s.pace_slow = 0.0
    s.item = -1
    s.items = 0
    s.categories = 0
    s.category = 0
    s.category_run = 0
    s.category_switches = 0
    s.returns = 0
    s.earlier_items = 0
    s.max_item_views = 0
    s.prices = 0
    s.price_sum = 0.0
    s.buy_lift = np.nan
    s.cart_lift = np.nan
    s.price_min = np.nan
    s.price_max = np.nan
    s.searching = 0
    s.query = np.uint64(0)
    s.refinements = 0
    s.step = 0


@numba.njit(cache=True, nogil=True)
def roll_session(s, counts, start_ms):  # type: ignore[no-untyped-def]
    """A new session begins; what was counted becomes 'before'."""
    if s.last_any_ms != NEVER:
        s.sessions += 1
        s.earlier_end_ms = s.last_any_ms
        for k in range(counts.shape[1]):
            counts[BEFORE, k] += counts[SESSION, k]
            counts[SESSION, k] = 0
    s.tick += 1
    s.session = s.tick
    s.session_start_ms = start_ms
    s.channel = 0
    s.referrer = 0
    _forget_session(s)
