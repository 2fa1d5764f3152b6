"""The vocabulary of events: what a visitor can do, and the row each event becomes.

Names are GA4's recommended e-commerce events, plus the few a journey needs and GA4 lacks.
The position of a name is its code in the packed record (record.py): append, never reorder.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

KINDS: tuple[str, ...] = (
    "custom",
    "page_view",
    "view_item_list",
    "select_item",
    "view_item",
    "add_to_wishlist",
    "add_to_cart",
    "remove_from_cart",
    "view_cart",
    "begin_checkout",
    "add_shipping_info",
    "add_payment_info",
    "purchase",
    "refund",
    "search",
    "login",
    "sign_up",
    "view_promotion",
    "select_promotion",
    "dismiss_promotion",
    "chat_open",
    "chat_message",
    "form_error",
    "payment_error",
    "zero_results",
    "rage_click",
    "leave",
    "store_visit",
    "email_open",
    "email_click",
    "return_policy_view",
    "review_view",
)
CODE: Mapping[str, int] = {name: code for code, name in enumerate(KINDS)}

PAGE_TYPES: tuple[str, ...] = (
    "",
    "home",
    "list",
    "product",
    "cart",
    "checkout",
    "search",
    "delivery",
    "returns",
    "contact",
    "account",
    "thank_you",
    "store",
    "content",
    "other",
)
CHANNELS: tuple[str, ...] = (
    "",
    "organic_search",
    "direct",
    "referral",
    "partner",
    "social",
    "paid",
    "email",
    "store",
    "chat",
    "other",
)
REFERRERS: tuple[str, ...] = ("", "internal", "search", "social", "mail", "partner", "other")
DEVICES: tuple[str, ...] = ("", "desktop", "mobile", "tablet")

SESSION_GAP_MS = 30 * 60 * 1000
"""A session is a run of events with no gap over 30 minutes (GA4's default)."""

TAIL_EVENTS = 256
"""How many records a visitor's tail holds."""

MAX_LINES = 32
"""How many items of one event become records of their own in the tail; the lake keeps all."""

PROMOTION_KINDS = ("view_promotion", "select_promotion", "dismiss_promotion")
"""Outcomes of a message: shown, clicked, dismissed. Their record's item is the action."""

SEARCH_KINDS = ("search", "zero_results")
"""Events about what was searched for. Their record's item is the query."""

PER_ITEM_KINDS = frozenset({"add_to_cart", "remove_from_cart", "purchase", "refund", "view_item", "add_to_wishlist"})
"""Events whose every item becomes a record; the others become one record."""

TOUCHES = ("view_item", "add_to_wishlist", "add_to_cart", "purchase")
"""Kinds by which a visitor comes to a product: what recommendations are learned from, trained on and asked with."""

MANY_ITEM_KINDS = frozenset({"view_item_list", "view_cart", "begin_checkout", "add_shipping_info", "add_payment_info"})
"""Events about several products at once: their record is about none of them."""


class Row(msgspec.Struct, frozen=True, gc=False):
    """One line of one event: the lake's row and the record's source.

    A struct, because one is made of every event that comes, and a frozen dataclass takes five times as long to make.

    ts_ms: Unix time in milliseconds. line: 0 for the event itself and its first item, 1.. for further items.
    price: money per unit, NaN if unknown. value: money of the whole event, NaN if unknown. Text is "" if unknown.
    received_ms: when the service took it (a replay that states its clock: that clock).
    """

    shop: str
    visitor_id: str
    event_id: str
    ts_ms: int
    event: str
    line: int = 0
    user_id: str = ""
    item_id: str = ""
    category: str = ""
    price: float = math.nan
    quantity: int = 1
    value: float = math.nan
    query: str = ""
    page_type: str = ""
    channel: str = ""
    referrer: str = ""
    device: str = ""
    locale: str = ""
    order_id: str = ""
    decision_id: str = ""
    action: str = ""
    placement: str = ""
    name: str = ""
    received_ms: int = 0

    if TYPE_CHECKING:
        __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]
        """So that dataclasses.fields, replace and astuple take it as they take the other values."""


def _field(one: msgspec.structs.FieldInfo) -> tuple[str, Any, Any]:
    default = dataclasses.MISSING if one.required else one.default
    return one.name, one.type, dataclasses.field(default=default)


Row.__dataclass_fields__ = vars(dataclasses.make_dataclass("Row", map(_field, msgspec.structs.fields(Row))))[
    "__dataclass_fields__"
]
