"""One decision as a story, and the latest ones as they come: what the console's decisions are made from."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from features.events import CHANNELS, DEVICES, KINDS, PAGE_TYPES, PROMOTION_KINDS, SEARCH_KINDS
from features.record import DEVICE_SHIFT, hash64, unpack
from features.schema import FEATURES
from models import receipt as receipts
from models.receipt import Receipt
from service import stream
from service.bundle_watcher import Watcher
from service.errors import Problem
from service.explain import why
from service.shop_live import Live
from service.store import Store, ask

FIRST: Final = 60
"""Entries of a partition that the first look reads; a decision comes with some three events."""
MORE: Final = 300
MOST_EVENTS: Final = 60
MEANINGS: Final[Mapping[str, tuple[str, str]]] = {one.name: (one.unit, one.meaning) for one in FEATURES}


async def latest(store: Store, shop: str, cursor: Sequence[str]) -> tuple[list[dict[str, Any]], list[str]]:
    """(decisions of the shop, newest first, the cursor to go on with). cursor: an entry's id for each partition, or ().

    Only the heading of each: no receipt is decoded. Raises StoreUnavailable.
    """
    keys = stream.log_keys(store.partitions)
    known = list(cursor) if len(cursor) == len(keys) else [""] * len(keys)
    async with store.client.pipeline(transaction=False) as pipe:  # one round trip: pages ask every second
        for key, after in zip(keys, known, strict=True):
            if after:
                pipe.xrange(key, min=f"({after}", max="+", count=MORE)
            else:
                pipe.xrevrange(key, count=FIRST)
        replies = await ask(pipe.execute())
    found, then = [], []
    for after, entries in zip(known, replies, strict=True):
        newest = max((entry[0] for entry in entries), key=_order, default=None)
        then.append(newest.decode() if newest else after or "0-0")
        found += [told for _, fields in entries if (told := _heading(fields, shop))]
    return sorted(found, key=lambda one: str(one["decision_id"]), reverse=True), then


def _order(entry_id: bytes) -> tuple[int, int]:
    at_ms, _, number = entry_id.partition(b"-")
    return int(at_ms), int(number)


def _heading(fields: Mapping[bytes, bytes], shop: str) -> dict[str, Any] | None:
    if fields.get(stream.KIND) != stream.DECISION or fields.get(stream.SHOP, b"").decode() != shop:
        return None
    entry = stream.decode({**fields, stream.VALUE: b""})
    if not isinstance(entry, stream.DecisionEntry):
        return None
    names = ("decision_id", "visitor_id", "ts_ms", "degraded", "stage", "silent", "actions")
    return {name: getattr(entry, name) for name in names}


def story(watcher: Watcher, live: Live, data: bytes) -> dict[str, Any]:
    """The decision with its page, the events before it, scores, candidates and contributions. Slow enough for a thread.

    Raises Problem receipt_unreadable.
    """
    try:
        receipt = receipts.decode(data)
    except receipts.InvalidReceipt as error:
        raise Problem("receipt_unreadable", f"{error}.") from None
    told = msgspec.json.decode(why(watcher, data, ""))
    moved = {part["feature"] for parts in (told["contributions"] or {}).values() for part in parts}
    inputs = receipt.inputs
    events, more = _events(receipt, live)
    return {
        "decision_id": receipt.decision_id,
        "visitor_id": receipt.visitor_id,
        "ts_ms": receipt.ts_ms,
        "bundle": receipt.bundle or None,
        "policy": receipt.policy,
        "live_policy": live.policy.version,
        "draws": receipt.draws or None,
        "degraded_because": receipt.degraded_because or None,
        "page": {name: value for name, value in msgspec.to_builtins(inputs.context).items() if value},
        "product": inputs.product.title or inputs.product.item_id if inputs.product else None,
        "attributes": dict(inputs.attributes),
        "consent": inputs.consent,
        "switches": dict(inputs.switches),
        "events": events,
        "events_before": more,
        "why": told,
        "features": {name: MEANINGS[name] for name in sorted(moved) if name in MEANINGS},
        "actions": [action.id for action in live.policy.actions],
        "titles": {action.id: _title(action) for action in live.policy.actions},
        "answer": msgspec.json.decode(receipt.answer),
    }


def _title(action: Any) -> str:
    words = next(iter(action.content.values()), None)
    return (words.title or words.text) if words is not None else ""


def _events(receipt: Receipt, live: Live) -> tuple[list[dict[str, Any]], int]:
    """(the visitor's latest events as the decision saw them, oldest first; how many lie before those)."""
    records = unpack(receipt.inputs.tail or b"")
    order = records["ts_ms"].argsort(kind="stable")
    records = records[order]
    names = {hash64(item): product.title or item for item, product in live.catalog.products.items()}
    actions = {action.hash: action.id for action in live.policy.actions}
    shown = [_event(record, names, actions) for record in records[-MOST_EVENTS:]]
    return shown, max(0, len(records) - MOST_EVENTS)


def _event(record: Any, names: Mapping[int, str], actions: Mapping[int, str]) -> dict[str, Any]:
    kind, item = KINDS[int(record["kind"])], int(record["item"])
    about = actions.get(item) if kind in PROMOTION_KINDS else names.get(item)
    price = float(record["price"])
    return {
        "ts_ms": int(record["ts_ms"]),
        "event": kind,
        "about": about,
        "unnamed": bool(item) and about is None and kind not in SEARCH_KINDS,
        "page": PAGE_TYPES[int(record["page"])],
        "price": None if price != price else price,
        "quantity": int(record["quantity"]),
        "channel": CHANNELS[int(record["source"]) & 15],
        "device": DEVICES[int(record["flags"]) >> DEVICE_SHIFT & 3],
    }
