"""GA4's BigQuery export: an event with parameters and items, as one flat row an item.

https://support.google.com/analytics/answer/7029846 (the export's schema).
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

Record = Mapping[str, Any]

_VALUES: Final = ("string_value", "int_value", "float_value", "double_value")
PARAMETERS: Final = ("transaction_id", "value", "search_term", "promotion_id", "creative_slot")


def is_export(record: Record) -> bool:
    """Whether an object is an event of the export, not of its flat variant."""
    return isinstance(record.get("event_params"), list) and "event_name" in record


def flat_events(record: Record) -> Sequence[Record]:
    """The rows of one event: one for each of its items, one if it has none.

    Columns: those of PARAMETERS, event_timestamp (µs), event_name, user_pseudo_id, user_id, device_category,
    device_language, traffic_medium, item_id, item_category, price, quantity, line and event_id: a hash of the
    whole event, for GA4 has no id of its own.
    """
    event = _event(record)
    given = record.get("items")
    items = [item for item in given if isinstance(item, dict) and _id(item)] if isinstance(given, list) else []
    lines = [_line(item) for item in items] or [{}]
    whole = msgspec.json.encode([event, lines, record.get("event_bundle_sequence_id"), record.get("batch_event_index")])
    event["event_id"] = hashlib.blake2b(whole, digest_size=12).hexdigest()
    return [{**event, **item, "line": line} for line, item in enumerate(lines)]


def _event(record: Record) -> dict[str, Any]:
    parameters = {p.get("key"): _value(p.get("value")) for p in record["event_params"] if isinstance(p, dict)}
    device, traffic, commerce = (_inner(record, name) for name in ("device", "traffic_source", "ecommerce"))
    event: dict[str, Any] = {name: parameters.get(name) for name in PARAMETERS}
    event["transaction_id"] = event["transaction_id"] or commerce.get("transaction_id")
    if event["value"] is None:
        event["value"] = commerce.get("purchase_revenue")
    return {
        **event,
        **{name: record.get(name) for name in ("event_timestamp", "event_name", "user_pseudo_id", "user_id")},
        "device_category": device.get("category"),
        "device_language": device.get("language"),
        "traffic_medium": traffic.get("medium"),
    }


def _line(item: Record) -> dict[str, Any]:
    return {
        "item_id": _id(item),
        "item_category": item.get("item_category"),
        "price": item.get("price"),
        "quantity": item.get("quantity"),
    }


def _id(item: Record) -> Any:
    """GA4 asks for an id or a name."""
    return next((item[n] for n in ("item_id", "item_name") if item.get(n) not in (None, "", "(not set)")), None)


def _value(value: Any) -> Any:
    found = value if isinstance(value, dict) else {}
    return next((found[name] for name in _VALUES if found.get(name) is not None), None)


def _inner(record: Record, name: str) -> Record:
    inner = record.get(name)
    return inner if isinstance(inner, dict) else {}
