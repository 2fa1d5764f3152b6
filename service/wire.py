"""What callers send: bodies to checked values, and an event to its rows. Nothing here does I/O.

An event has the fields of the table in docs/api.md. GA4's names are taken as they are; GA4's fields that Tact has no
use for are taken and not kept; any other field is refused by name: a misspelt one is noticed on the first day.
"""

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from operator import attrgetter
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from features.events import CHANNELS, DEVICES, KINDS, PAGE_TYPES, PROMOTION_KINDS, REFERRERS, Row
from service.errors import Problem
from service.reading import read_json

MAX_ID: Final = 128
MAX_TEXT: Final = 512
MAX_EVENTS: Final = 100
MAX_ITEMS: Final = 100
MAX_PLACEMENTS: Final = 20
MAX_DISMISSED: Final = 50
MAX_MONEY: Final = 1e12
MAX_QUANTITY: Final = 1_000_000
PURPOSES: Final = ("analytics", "personalization", "marketing")
"""What a visitor can grant: to store events; to use them for messages; to be sent marketing."""

LATEST_MS: Final = 253_402_300_799_999 - 86_400_000
"""The end of the year 9999, less a day: every zone has a date then, and so has the end of every answer."""

EVENT_NAMES: Final = frozenset(KINDS[1:])
"""Names that are taken from every shop; "custom" needs the policy."""

Id = Annotated[str, Meta(min_length=1, max_length=MAX_ID)]
OptionalId = Annotated[str, Meta(max_length=MAX_ID)]
Text = Annotated[str, Meta(max_length=MAX_TEXT)]
Money = Annotated[float, Meta(ge=0, le=MAX_MONEY)]
Quantity = Annotated[int, Meta(ge=0, le=MAX_QUANTITY)]
ClockMs = Annotated[int, Meta(ge=0, le=LATEST_MS)]
Purpose = Annotated[str, Meta(max_length=32)]
Anything = Any
"""A GA4 field that is taken and not kept."""


T = TypeVar("T")


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """A body whose unknown fields are refused."""


class Item(_Strict, frozen=True):
    """One line of an event, with GA4's item fields."""

    item_id: Id
    item_category: OptionalId = ""
    category: OptionalId = ""
    price: Money | None = None
    quantity: Quantity = 1
    item_name: Anything = None
    item_brand: Anything = None
    item_variant: Anything = None
    item_category2: Anything = None
    item_category3: Anything = None
    item_category4: Anything = None
    item_category5: Anything = None
    item_list_id: Anything = None
    item_list_name: Anything = None
    affiliation: Anything = None
    coupon: Anything = None
    currency: Anything = None
    discount: Anything = None
    index: Anything = None
    location_id: Anything = None


class Event(_Strict, frozen=True):
    """What a visitor did. Text that is absent is "", numbers None."""

    event: Id
    event_id: OptionalId = ""
    visitor_id: OptionalId = ""
    user_id: OptionalId = ""
    ts: int | str | None = None
    items: Annotated[list[Item], Meta(max_length=MAX_ITEMS)] = []
    item_id: OptionalId = ""
    item_category: OptionalId = ""
    category: OptionalId = ""
    price: Money | None = None
    quantity: Quantity = 1
    value: Money | None = None
    search_term: Text = ""
    query: Text = ""
    page_type: OptionalId = ""
    channel: OptionalId = ""
    referrer: OptionalId = ""
    device: OptionalId = ""
    locale: OptionalId = ""
    transaction_id: OptionalId = ""
    order_id: OptionalId = ""
    decision_id: OptionalId = ""
    action: OptionalId = ""
    promotion_id: OptionalId = ""
    placement: OptionalId = ""
    name: OptionalId = ""
    clock_ms: ClockMs | None = None
    consent: Annotated[list[Purpose], Meta(max_length=8)] | None = None
    currency: Anything = None
    tax: Anything = None
    shipping: Anything = None
    coupon: Anything = None
    affiliation: Anything = None
    method: Anything = None
    item_list_id: Anything = None
    item_list_name: Anything = None
    payment_type: Anything = None
    shipping_tier: Anything = None
    promotion_name: Anything = None
    creative_name: Anything = None
    creative_slot: Anything = None


class Batch(_Strict, frozen=True):
    """Several events of one shop; each is read on its own, so that one bad event does not spoil the others."""

    events: list[Raw]
    clock_ms: ClockMs | None = None
    consent: Annotated[list[Purpose], Meta(max_length=8)] | None = None


class RequestContext(_Strict, frozen=True):
    """The page a decision is for."""

    page_type: OptionalId = ""
    item_id: OptionalId = ""
    category: OptionalId = ""
    locale: OptionalId = ""
    device: OptionalId = ""
    channel: OptionalId = ""
    referrer: OptionalId = ""
    query: Text = ""
    search_term: Text = ""
    cart_item_ids: Annotated[list[Id], Meta(max_length=MAX_ITEMS)] = []
    exclude: Annotated[list[Id], Meta(max_length=MAX_ITEMS)] = []
    consent: Annotated[list[Purpose], Meta(max_length=8)] | None = None
    dismissed: Annotated[list[Id], Meta(max_length=MAX_DISMISSED)] | None = None


class DecisionRequest(_Strict, frozen=True):
    """What to show to this visitor, on this page, now."""

    visitor_id: Id
    placements: Annotated[list[Id], Meta(max_length=MAX_PLACEMENTS)]
    user_id: OptionalId = ""
    context: RequestContext = RequestContext()
    events: list[Raw] | UnsetType = UNSET
    clock_ms: ClockMs | None = None


class _Probe(msgspec.Struct):
    events: Raw | UnsetType = UNSET


_event = msgspec.json.Decoder(Event)
_batch = msgspec.json.Decoder(Batch)
_decision = msgspec.json.Decoder(DecisionRequest)
_probe = msgspec.json.Decoder(_Probe)

_VOCABULARY: Final[Mapping[str, tuple[str, ...]]] = {
    "page_type": PAGE_TYPES,
    "channel": CHANNELS,
    "referrer": REFERRERS,
    "device": DEVICES,
}
_PAGE_TYPES, _CHANNELS, _REFERRERS, _DEVICES = map(frozenset, (PAGE_TYPES, CHANNELS, REFERRERS, DEVICES))
_SURROGATES: Final = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(?P<lone>\\u[dD][89a-fA-F][0-9a-fA-F]{2}|\xed[\xa0-\xbf][\x80-\xbf])|\\.",
    re.DOTALL,
)
"""Escapes of a string, whole pairs of surrogates first: what is left of these is lone."""

_SAME: Final = (
    ("category", "item_category"),
    ("query", "search_term"),
    ("order_id", "transaction_id"),
    ("action", "promotion_id"),
)
"""Ours and GA4's names of the same."""

_IDS: Final = ("visitor_id", "user_id", "event_id", "item_id", "decision_id", "action", "placement", "locale")


_ids = attrgetter(*_IDS)


def read_body(decoder: "msgspec.json.Decoder[T]", data: Raw | bytes) -> T:
    """As read_json, but half a surrogate pair is called what it is: the decoder says that the data was cut short."""
    try:
        return read_json(decoder, data)
    except Problem as problem:
        at = _lone_surrogate(bytes(data)) if problem.code == "malformed_json" else None
        if at is None:
            raise
    raise Problem("malformed_json", f"Half of a surrogate pair is no character (byte {at}).")


def _lone_surrogate(data: bytes) -> int | None:
    """Where a half of a surrogate pair stands by itself, escaped or in bytes; None if nowhere."""
    return next((found.start() for found in _SURROGATES.finditer(data) if found["lone"]), None)


def read_batch(body: bytes) -> Batch:
    """The body of POST /v1/events: one event, or {"events": [...]}. Raises Problem."""
    if read_body(_probe, body).events is UNSET:
        alone = read_body(_event, body)
        return Batch([Raw(body)], alone.clock_ms, alone.consent)
    batch = read_body(_batch, body)
    if not batch.events:
        raise Problem("invalid_field", "`events` is empty.", "/events")
    _limit_events(batch.events)
    return batch


def read_decision(body: bytes) -> DecisionRequest:
    """The body of POST /v1/decisions. Raises Problem."""
    request = read_body(_decision, body)
    if not request.placements:
        raise Problem("no_placements", "`placements` is empty.", "/placements")
    if len(set(request.placements)) < len(request.placements):
        raise Problem("invalid_field", "`placements` names a placement twice.", "/placements")
    check_id("visitor_id", request.visitor_id, "/visitor_id")
    check_id("user_id", request.user_id, "/user_id")
    check_vocabulary(request.context, "/context")
    check_consent(request.context.consent, "/context/consent")
    if not isinstance(request.events, UnsetType):
        _limit_events(request.events)
    return request


def read_event(raw: Raw | bytes) -> Event:
    """One event, checked but for its time and name. Raises Problem."""
    event = read_body(_event, raw)
    if not "".join(_ids(event)).isprintable():  # all at once: the many good events need no look at each
        for name in _IDS:
            check_id(name, getattr(event, name), f"/{name}")
    if event.item_category or event.search_term or event.transaction_id or event.promotion_id:
        for name, other in _SAME:
            _one_of(event, name, other)
    if event.event in PROMOTION_KINDS and not (event.action or event.promotion_id):
        raise Problem("invalid_field", f"`action`: a {event.event} names the message it is about.", "/action")
    if event.items and event.item_id and event.item_id != event.items[0].item_id:
        raise Problem("invalid_field", "`item_id` beside `items` has to be the first item's.", "/item_id")
    for i, item in enumerate(event.items):
        check_id("item_id", item.item_id, f"/items/{i}/item_id")
    check_vocabulary(event, "")
    check_consent(event.consent, "/consent")
    return event


def time_ms(ts: int | str | None, now_ms: int) -> int:
    """Unix milliseconds of a `ts`: milliseconds, or ISO 8601 (UTC if it names no zone); None is now. Raises Problem."""
    if ts is None:
        return now_ms
    if isinstance(ts, int):
        return ts
    try:
        moment = datetime.fromisoformat(ts)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return round(moment.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise Problem("invalid_field", "`ts`: neither milliseconds nor ISO 8601.", "/ts") from None


def rows_of(event: Event, *, shop: str, kind: str, name: str, event_id: str, ts_ms: int, received_ms: int) -> list[Row]:
    """The lines of an event. kind: its name in KINDS, or "custom" and then `name` is what the shop calls it."""
    return [
        Row(
            shop=shop,
            visitor_id=event.visitor_id,
            event_id=event_id,
            ts_ms=ts_ms,
            event=kind,
            line=line,
            user_id=event.user_id,
            item_id=item_id,
            category=category,
            price=_number(price),
            quantity=quantity,
            value=_number(event.value),
            query=event.query or event.search_term,
            page_type=event.page_type,
            channel=event.channel,
            referrer=event.referrer,
            device=event.device,
            locale=event.locale,
            order_id=event.order_id or event.transaction_id,
            decision_id=event.decision_id,
            action=event.action or event.promotion_id,
            placement=event.placement,
            name=name,
            received_ms=received_ms,
        )
        for line, (item_id, category, price, quantity) in enumerate(_lines(event))
    ]


def check_id(name: str, value: str, pointer: str) -> None:
    """Raise Problem for an id with characters nobody can see."""
    if not value.isprintable():
        raise Problem("invalid_field", f"`{name}`: has control characters.", pointer)


def check_consent(consent: Sequence[str] | None, pointer: str) -> None:
    """Raise Problem for a purpose Tact does not know: a misspelt one must not pass as refused."""
    for i, purpose in enumerate(consent or ()):
        if purpose not in PURPOSES:
            detail = f"`{purpose}` is no purpose; there are {', '.join(PURPOSES)}."
            raise Problem("invalid_field", detail, f"{pointer}/{i}")


def _lines(event: Event) -> list[tuple[str, str, float | None, int]]:
    if event.items:
        return [(item.item_id, item.category or item.item_category, item.price, item.quantity) for item in event.items]
    return [(event.item_id, event.category or event.item_category, event.price, event.quantity)]


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _limit_events(events: list[Raw]) -> None:
    if len(events) > MAX_EVENTS:
        raise Problem("too_many_events", f"{len(events)} events; at most {MAX_EVENTS} in one request.", "/events")


def _one_of(event: Event, name: str, other: str) -> None:
    ours, theirs = getattr(event, name), getattr(event, other)
    if ours and theirs and ours != theirs:
        raise Problem("invalid_field", f"`{name}` and `{other}` mean the same and differ.", f"/{name}")


def check_vocabulary(value: Event | RequestContext, under: str) -> None:
    """Raise Problem for a page type, channel, referrer or device that is none. under: where the fields lie."""
    if (
        value.page_type in _PAGE_TYPES
        and value.device in _DEVICES
        and value.channel in _CHANNELS
        and value.referrer in _REFERRERS
    ):
        return
    for name, known in _VOCABULARY.items():
        given = getattr(value, name)
        if given not in known:
            raise Problem("invalid_field", f"`{name}`: `{given}` is none of {', '.join(known[1:])}.", f"{under}/{name}")
