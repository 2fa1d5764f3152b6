"""Requests as a shop sends them: events in batches, decisions for visitors who did so much before."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import numpy as np

from load_tests.bench_shop import item_id
from load_tests.policy import PLACEMENTS, ROW
from load_tests.sender import request
from load_tests.traffic import Traffic, sessions

BATCH: Final = 50
ONE: Final = PLACEMENTS[:1]
FOUR: Final = PLACEMENTS
PRODUCTS: Final = (ROW,)


@dataclass(frozen=True, slots=True)
class Door:
    """Where requests go."""

    url: str
    key: str

    def post(self, path: str, body: Any) -> bytes:
        """A whole request."""
        return request("POST", path, self.url, json.dumps(body, separators=(",", ":")).encode(), self.key)


def pasts(
    names: Sequence[str], events: int, traffic: Traffic, products: int, now_ms: int, seed: int
) -> list[dict[str, Any]]:
    """As many events of each visitor, oldest first: the last some seconds ago, pauses by the model, some in carts."""
    rng = np.random.default_rng(seed)
    made: list[dict[str, Any]] = []
    for name in names:
        pauses_ms = (1000 * traffic.thinks_s(rng, events)).astype(int)
        items = traffic.items(rng, events, products)
        times = now_ms - 3000 - (np.cumsum(pauses_ms) - pauses_ms[0])[::-1]
        kinds = np.where(rng.random(events) < 0.06, "add_to_cart", "view_item")
        made += (
            event(name, f"{name}-{seed}-{n}", str(kind), int(item), int(at_ms))
            for n, (kind, item, at_ms) in enumerate(zip(kinds, items, times, strict=True))
        )
    return sorted(made, key=lambda one: (one["ts"], one["event_id"]))


def event(visitor: str, name: str, kind: str, item: int, at_ms: int | None) -> dict[str, Any]:
    """One event about a product; at_ms None: now."""
    about = {
        "event": kind,
        "event_id": name,
        "visitor_id": visitor,
        "item_id": item_id(item),
        "price": 19.5 + item % 90,
        "page_type": "product",
        "device": "mobile",
    }
    return about if at_ms is None else about | {"ts": at_ms}


def batches(door: Door, events: Sequence[dict[str, Any]], size: int = BATCH) -> list[bytes]:
    """POST /v1/events, so many in each."""
    return [door.post("/v1/events", {"events": part}) for part in _parts(events, size)]


def single(door: Door, events: Sequence[dict[str, Any]]) -> list[bytes]:
    """POST /v1/events, one in each."""
    return [door.post("/v1/events", one) for one in events]


def decisions(
    door: Door, visitors: Sequence[str], items: Sequence[int], placements: Sequence[str], path: str = "/v1/decisions"
) -> list[bytes]:
    """A product page of each visitor in turn."""
    return [door.post(path, decision(visitor, item, placements)) for visitor, item in zip(visitors, items, strict=True)]


def decision(visitor: str, item: int, placements: Sequence[str]) -> dict[str, Any]:
    """The body of a decision on a product page; the page itself is the event."""
    context = {"page_type": "product", "item_id": item_id(item), "locale": "en", "device": "mobile"}
    return {"visitor_id": visitor, "placements": list(placements), "context": context}


def fresh_events(prefix: str, count: int, traffic: Traffic, products: int, seed: int) -> list[dict[str, Any]]:
    """Events of now, of visitors by the model, in order of their sessions."""
    views = sessions(traffic, int(1.3 * count / traffic.mean_length) + 10, 600.0, products, seed)
    pairs = zip(views.visitor[:count].tolist(), views.item[:count].tolist(), strict=True)
    return [
        event(f"{prefix}{visitor}", f"{prefix}{n}", "view_item", int(item), None)
        for n, (visitor, item) in enumerate(pairs)
    ]


def _parts(events: Sequence[dict[str, Any]], size: int) -> Iterator[list[dict[str, Any]]]:
    rest = iter(events)
    while part := list(islice(rest, size)):
        yield part
