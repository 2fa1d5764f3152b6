"""A log's rows as the requests that a shop would have sent: an event each, a decision with each product view."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa

from features.lakefile import EVENTS
from features.record import hash64

CONSENT: Final = ("analytics", "personalization")
MAX_EVENTS: Final = 100
_SENT_AS_IT_IS: Final = tuple(
    name
    for name in EVENTS.names
    if name not in ("shop", "visitor_id", "ts_ms", "line", "event", "received_ms", "quantity", "name")
)
_OF_AN_ITEM: Final = ("item_id", "category", "price")


@dataclass(frozen=True, slots=True)
class Sent:
    """One event to send. body: its JSON fields, ts in milliseconds. rows: how many rows of the lake it makes."""

    visitor_id: str
    ts_ms: int
    body: Mapping[str, Any]
    rows: int

    @property
    def is_product_view(self) -> bool:
        """Whether a decision is asked for with it."""
        return self.body["event"] == "view_item" and "item_id" in self.body


def in_order(tables: Sequence[pa.Table]) -> pa.Table:
    """A log's rows by (ts_ms, event_id, line): the order of the lake."""
    if not tables:
        return EVENTS.empty_table()
    order = [("ts_ms", "ascending"), ("event_id", "ascending"), ("line", "ascending")]
    return pa.concat_tables(tables).sort_by(order)


def events(table: pa.Table, batch_rows: int = 10_000) -> Iterator[Sent]:
    """The events of rows in order; the lines of one event are one."""
    lines: list[dict[str, Any]] = []
    for batch in table.to_batches(batch_rows):
        for row in batch.to_pylist():
            if lines and row["event_id"] != lines[0]["event_id"]:
                yield event_of(lines)
                lines = []
            lines.append(row)
    if lines:
        yield event_of(lines)


def event_of(lines: Sequence[Mapping[str, Any]]) -> Sent:
    """One event from its rows."""
    first = lines[0]
    body: dict[str, Any] = {"event": first["event"], "visitor_id": first["visitor_id"], "ts": first["ts_ms"]}
    body |= {name: first[name] for name in _SENT_AS_IT_IS if first[name] not in ("", None)}
    if first["event"] == "custom":
        body["event"] = first["name"]
    elif first["name"]:
        body["name"] = first["name"]
    if len(lines) > 1:
        body = {name: value for name, value in body.items() if name not in _OF_AN_ITEM}
        body["items"] = [_item(line) for line in lines]
    elif first["quantity"] != 1:
        body["quantity"] = first["quantity"]
    return Sent(first["visitor_id"], first["ts_ms"], body, len(lines))


def events_body(batch: Sequence[Sent]) -> bytes:
    """POST /v1/events of events of one time: the clock is that time, so that the rows are those of an import."""
    listed = [event.body for event in batch]
    return msgspec.json.encode({"events": listed, "clock_ms": batch[0].ts_ms, "consent": CONSENT})


def decision_body(event: Sent, placements: Sequence[str]) -> bytes:
    """POST /v1/decisions of the product page that an event viewed."""
    body = event.body
    context = {"page_type": "product", "consent": CONSENT} | {
        name: body[name] for name in ("item_id", "category", "device", "channel", "locale", "referrer") if name in body
    }
    return msgspec.json.encode(
        {
            "visitor_id": event.visitor_id,
            "placements": placements,
            "context": context,
            "events": [body],
            "clock_ms": event.ts_ms,
        }
    )


def lane(visitor_id: str, lanes: int) -> int:
    """Which of some senders a visitor's events go through: always the same one, so that they stay in order."""
    return int(np.uint64(hash64(visitor_id)) % np.uint64(lanes))


def _item(line: Mapping[str, Any]) -> dict[str, Any]:
    item = {name: line[name] for name in _OF_AN_ITEM if line[name] not in ("", None)}
    return item if line["quantity"] == 1 else {**item, "quantity": line["quantity"]}
