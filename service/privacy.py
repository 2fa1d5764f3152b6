"""What is kept of one visitor: shown, and forgotten.

Forgetting takes the tail, the attributes and the receipts at once; the recorder and the learner follow an entry in the
stream, so that events under way go too. Statistics that no longer name anybody stay.
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from features.events import KINDS
from features.record import as_dict, unpack
from models.receipt import InvalidReceipt, spelled
from service.errors import Problem
from service.store import Attribute, Attributes, Store
from service.wire import MAX_ID, MAX_TEXT, check_id, read_body

MAX_ATTRIBUTES: Final = 50

Name = Annotated[str, Meta(min_length=1, max_length=64)]
Value = Annotated[str, Meta(max_length=MAX_TEXT)] | float | bool | None


class VisitorBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """PUT /v1/visitors/{id}: attributes to set; null removes one, what is not named stays."""

    attributes: Annotated[dict[Name, Value], Meta(max_length=MAX_ATTRIBUTES)]


_body = msgspec.json.Decoder(VisitorBody)


def check_visitor_id(visitor_id: str) -> None:
    """Raises Problem for what cannot be a visitor id."""
    if not 0 < len(visitor_id) <= MAX_ID:
        raise Problem("invalid_field", f"A visitor id has 1 to {MAX_ID} characters.", "/visitor_id")
    check_id("visitor_id", visitor_id, "/visitor_id")


class Privacy:
    """PUT, GET and DELETE of /v1/visitors/{id}, after the key is checked."""

    def __init__(self, store: Store, lake: Path) -> None:
        self._store, self._lake = store, lake

    async def put(self, shop: str, visitor_id: str, body: bytes) -> Attributes:
        """Set attributes; returns all there are. Raises Problem, StoreUnavailable."""
        check_visitor_id(visitor_id)
        given: Mapping[str, Attribute | None] = read_body(_body, body).attributes
        for name in given:
            pointer = "/attributes/" + name.replace("~", "~0").replace("/", "~1")
            check_id(name, name, pointer)
            if name.startswith("~"):
                raise Problem("invalid_field", f"`{name}`: names beginning with ~ are the service's own.", pointer)
        return await self._store.set_attributes(shop, visitor_id, given)

    async def export(self, shop: str, visitor_id: str) -> bytes:
        """Everything that is kept, as JSON. Raises Problem unknown_visitor, StoreUnavailable."""
        check_visitor_id(visitor_id)
        kept = await self._store.visitor(shop, visitor_id)
        events, decisions = await asyncio.to_thread(self._lake_rows, shop, visitor_id)
        if not (kept.tail or kept.attributes or kept.dismissed or kept.receipts or events or decisions):
            raise Problem("unknown_visitor", f"`{visitor_id}` has left nothing in this shop.")
        return msgspec.json.encode(
            {
                "visitor_id": visitor_id,
                "attributes": kept.attributes,
                "dismissed": {f"{action:016x}": ts_ms for action, ts_ms in kept.dismissed},
                "tail": [as_dict(record) | {"kind": KINDS[int(record["kind"])]} for record in unpack(kept.tail)],
                "receipts": {name: _spelled(receipt) for name, receipt in kept.receipts.items()},
                "events": events,
                "decisions": decisions,
            }
        )

    async def erase(self, shop: str, visitor_id: str) -> bytes:
        """Forget the visitor. Raises Problem, StoreUnavailable."""
        check_visitor_id(visitor_id)
        keys = await self._store.erase(shop, visitor_id)
        return msgspec.json.encode({"visitor_id": visitor_id, "erased_keys": keys, "lake": "within a minute"})

    def _lake_rows(self, shop: str, visitor_id: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Runs in a thread: files of the whole shop are searched."""
        from features import lakefile  # pyarrow: 60 MB that a worker needs only here

        events = lakefile.read_events(self._lake, shop, visitor_id=visitor_id)
        columns = [name for name in lakefile.DECISION_FIELDS if name != "receipt"]
        decisions = lakefile.read_decisions(self._lake, shop, columns=columns, visitor_id=visitor_id)
        return events.to_pylist(), decisions.to_pylist()


def _spelled(receipt: bytes) -> msgspec.Raw | bytes:
    """A receipt as JSON; one of another version, which nobody can read here, as it is (base64)."""
    try:
        return msgspec.Raw(spelled(receipt))
    except InvalidReceipt:
        return receipt
