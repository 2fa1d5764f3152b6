"""What a decision is made from, besides bundle, policy and draws: values the service gathers and a receipt keeps."""

from collections.abc import Mapping
from typing import Final

import msgspec

from features.catalog import Facts, Product
from models.leave_level import NO_LINE, Line

DEGRADED_BECAUSE: Final = ("store", "deadline", "bundle", "policy")
"""Why a decision is made without the visitor's state: Redis gone, no time left, no bundle, no valid policy."""


FOUND_BY: Final = ("together", "next", "alike", "own", "earlier", "category", "popular", "new")
"""How a product was found: others looked at it in the same sessions, or next, or at the same things; the visitor looked
at it in this session, or in an earlier one; it is of the same category; many look at it; it is new."""


class Context(msgspec.Struct, frozen=True):
    """The page as the request described it; everything "" or () if not said.

    dismissed: actions this browser knows the visitor waved away; None if it does not keep them.
    """

    page_type: str = ""
    item_id: str = ""
    category: str = ""
    locale: str = ""
    device: str = ""
    channel: str = ""
    referrer: str = ""
    query: str = ""
    cart_item_ids: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    dismissed: tuple[str, ...] | None = None


class Suggestion(msgspec.Struct, frozen=True):
    """A recommended product with its facts. because: id of the product that led to it, "" if none did.

    score: comparable within one list. source: one of FOUND_BY.
    """

    product: Product
    score: float
    because: str = ""
    source: str = "popular"


class Inputs(msgspec.Struct, frozen=True):
    """Everything a decision is made from, besides bundle, policy and draws.

    placements: at least one. consent: purposes granted; None if the request said nothing.
    tail: packed records; None if the store is gone or may not be read; b"" for a new visitor. Without the purpose
    "personalization" the caller passes only this page's own event.
    facts: catalog.facts(tail_of(tail)); None if there is no catalog.
    product: of context.item_id. recommended: as the recommender ranked them, best first, whatever found them, without
    what the visitor looked at before; returning: the same with it; beside them the popular and the arrivals.
    recent: products of items in the tail, any order (recently_viewed orders them by the tail).
    dismissed: (hash of the action, Unix ms of the last no), kept for longer than the tail reaches.
    switches: (target, state) of what was switched by hand, as models/switches.py has it.
    persona: of the visitor, by the tail, where a rule at the placements asks for it; "" where none is known or asked.
    leave_line: what moves the log-odds of `leave`, as models/leave_level.py has it.
    degraded_because: "" or "store", "deadline", "bundle", "policy".
    """

    shop: str
    decision_id: str
    visitor_id: str
    now_ms: int
    placements: tuple[str, ...]
    user_id: str = ""
    context: Context = Context()
    consent: tuple[str, ...] | None = None
    tail: bytes | None = b""
    attributes: Mapping[str, str | float | bool] = msgspec.field(default_factory=dict)
    facts: Facts | None = None
    product: Product | None = None
    recommended: tuple[Suggestion, ...] = ()
    returning: tuple[Suggestion, ...] = ()
    popular: tuple[Suggestion, ...] = ()
    arrivals: tuple[Suggestion, ...] = ()
    recent: tuple[Product, ...] = ()
    degraded_because: str = ""
    dismissed: tuple[tuple[int, int], ...] = ()
    switches: tuple[tuple[str, str], ...] = ()
    persona: str = ""
    leave_line: Line = NO_LINE
