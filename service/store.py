"""The visitors' state in Redis: tails, attributes, receipts. One round trip for a decision; no read-modify-write.

* StoreUnavailable (service/errors.py)   Redis did not answer in time, is gone, or cannot write

An event's append to the tail and its entry in the stream are one transaction in one slot: both or none.
"""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self, TypeVar

import msgspec
import structlog
from redis.exceptions import RedisError

from features.events import TAIL_EVENTS, Row
from features.record import EVENT, pack
from service import stream
from service.errors import StoreUnavailable
from service.lanes import Command, Lane, open_client, open_lane
from service.metrics import Metrics
from service.settings import Settings

TAIL_BYTES: Final = TAIL_EVENTS * EVENT.itemsize
TRIM_ABOVE: Final = 2 * TAIL_BYTES
MAX_DECISIONS_KEPT: Final = 1000
"""How many of a visitor's decisions are known by visitor, for export and erasure; receipts fade within a day."""

ROUND_TRIP_S: Final = 1.0
"""When a connection is given up; a decision stops waiting for it long before."""

APPEND_TIMEOUT_S: Final = 3.0

TRIM: Final = """
local length = redis.call('STRLEN', KEYS[1])
local keep = tonumber(ARGV[1])
if length <= keep then return length end
local ttl = redis.call('PTTL', KEYS[1])
redis.call('SET', KEYS[1], redis.call('GETRANGE', KEYS[1], -keep, -1))
if ttl > 0 then redis.call('PEXPIRE', KEYS[1], ttl) end
return keep
"""
"""Keeps a tail's last records: atomic, and counted from the end, so that records stay whole."""

Attribute = str | float | bool
Attributes = dict[str, Attribute]

_attribute = msgspec.json.Decoder(Attribute)
_log = structlog.get_logger("tact.store")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TailAndAttributes:
    """A visitor's packed records (at most TAIL_BYTES, as appended: neither ordered nor unique) and attributes."""

    tail: bytes
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class Visitor:
    """Everything Redis keeps of a visitor. receipts: by decision id."""

    tail: bytes
    attributes: Attributes
    receipts: Mapping[str, bytes]


class Store:
    """The adapter to Redis, Valkey, or a cluster of either."""

    def __init__(self, client: Any, lane: Lane, settings: Settings, metrics: Metrics) -> None:
        self.client, self._lane, self._metrics = client, lane, metrics
        self.partitions = settings.partitions
        self._tail_ttl_ms = settings.tail_ttl_days * 86_400_000
        self._receipt_ttl_s = settings.receipt_ttl_s
        self._trimming: dict[str, asyncio.Task[None]] = {}

    @classmethod
    def open(cls, url: str, settings: Settings, metrics: Metrics) -> Self:
        """A store that connects at its first use. url: as REDIS_URL, with `?cluster=true` for a cluster."""
        client = open_client(url)
        return cls(client, open_lane(url, client, ROUND_TRIP_S, metrics), settings, metrics)

    async def close(self) -> None:
        """Close the connections."""
        await asyncio.gather(*self._trimming.values())
        await self._lane.close()
        await self.client.aclose()

    def partition(self, visitor_id: str) -> int:
        """The visitor's partition."""
        return stream.partition(visitor_id, self.partitions)

    async def ping(self) -> None:
        """Raises StoreUnavailable unless Redis answers."""
        await ask(self.client.ping())

    async def append_and_read(self, shop: str, visitor_id: str, events: Sequence[Sequence[Row]]) -> TailAndAttributes:
        """Append the events (each its lines) to the visitor's tail and the stream, and read the tail back: one trip."""
        p = self.partition(visitor_id)
        tail, attributes = stream.tail_key(p, shop, visitor_id), stream.attributes_key(p, shop, visitor_id)
        appends = self._appends(p, tail, attributes, events) if events else []
        reads: list[Command] = [("GETRANGE", tail, -TAIL_BYTES, -1), ("HGETALL", attributes)]
        replies = await self._lane.run(p, [*appends, *reads])
        if appends:
            self._trim_if_long(tail, replies[0])
        return TailAndAttributes(replies[-2], _attributes(replies[-1]))

    async def append_all(self, shop: str, by_visitor: Mapping[str, Sequence[Sequence[Row]]]) -> None:
        """Append the events of many visitors, each visitor's together or not at all. Raises StoreUnavailable."""
        appends = (self.append(shop, visitor_id, events) for visitor_id, events in by_visitor.items())
        try:
            async with asyncio.timeout(APPEND_TIMEOUT_S):
                results = await asyncio.gather(*appends, return_exceptions=True)
        except TimeoutError as error:
            raise StoreUnavailable(f"Redis: no answer within {APPEND_TIMEOUT_S:g} s") from error
        for result in results:
            if result is not None:
                raise result

    async def append(self, shop: str, visitor_id: str, events: Sequence[Sequence[Row]]) -> None:
        """Append the events of one visitor to the tail and the stream."""
        p = self.partition(visitor_id)
        tail, attributes = stream.tail_key(p, shop, visitor_id), stream.attributes_key(p, shop, visitor_id)
        replies = await self._lane.run(p, self._appends(p, tail, attributes, events))
        self._trim_if_long(tail, replies[0])

    async def tail_length(self, shop: str, visitor_id: str) -> int:
        """Bytes of the visitor's tail: it grows with every event."""
        key = stream.tail_key(self.partition(visitor_id), shop, visitor_id)
        return int(await ask(self.client.strlen(key)))

    async def write_decision(self, entry: stream.DecisionEntry) -> None:
        """Keep a receipt and put the decision on the stream."""
        p = self.partition(entry.visitor_id)
        known = decisions_key(p, entry.shop, entry.visitor_id)
        await self._lane.run(
            p,
            [
                ("SET", stream.receipt_key(entry.shop, entry.decision_id), entry.receipt, "EX", self._receipt_ttl_s),
                ("RPUSH", known, entry.decision_id),
                ("LTRIM", known, -MAX_DECISIONS_KEPT, -1),
                ("EXPIRE", known, self._receipt_ttl_s),
                _xadd(stream.log_key(p), stream.encode_decision(entry)),
            ],
        )

    async def receipt(self, shop: str, decision_id: str) -> bytes | None:
        """A receipt while Redis keeps it, else None. Raises ValueError for what is no decision id."""
        found: bytes | None = await ask(self.client.get(stream.receipt_key(shop, decision_id)))
        return found

    async def set_attributes(
        self, shop: str, visitor_id: str, attributes: Mapping[str, Attribute | None]
    ) -> Attributes:
        """Set attributes, remove those that are None, and return what there is then."""
        p = self.partition(visitor_id)
        key = stream.attributes_key(p, shop, visitor_id)
        commands: list[Command] = []
        for name, value in attributes.items():
            commands.append(("HDEL", key, name) if value is None else ("HSET", key, name, msgspec.json.encode(value)))
        replies = await self._lane.run(p, [*commands, ("PEXPIRE", key, self._tail_ttl_ms), ("HGETALL", key)])
        return _attributes(replies[-1])

    async def visitor(self, shop: str, visitor_id: str) -> Visitor:
        """Everything Redis keeps of a visitor."""
        p = self.partition(visitor_id)
        replies = await self._lane.run(
            p,
            [
                ("GETRANGE", stream.tail_key(p, shop, visitor_id), 0, -1),
                ("HGETALL", stream.attributes_key(p, shop, visitor_id)),
                ("LRANGE", decisions_key(p, shop, visitor_id), 0, -1),
            ],
        )
        decisions = [decision_id.decode() for decision_id in replies[2]]
        receipts: Sequence[bytes | None] = []
        if decisions:
            keys = [stream.receipt_key(shop, decision_id) for decision_id in decisions]
            receipts = (await self._lane.run(p, [("MGET", *keys)]))[0]
        kept = {i: receipt for i, receipt in zip(decisions, receipts, strict=True) if receipt is not None}
        return Visitor(replies[0], _attributes(replies[1]), kept)

    async def erase(self, shop: str, visitor_id: str) -> int:
        """Forget a visitor: tail, attributes and receipts at once, the lake through the stream. Keys removed."""
        p = self.partition(visitor_id)
        known = decisions_key(p, shop, visitor_id)
        decisions = (await self._lane.run(p, [("LRANGE", known, 0, -1)]))[0]
        receipts = [stream.receipt_key(shop, decision_id.decode()) for decision_id in decisions]
        state = (stream.tail_key(p, shop, visitor_id), stream.attributes_key(p, shop, visitor_id), known)
        entry = _xadd(stream.log_key(p), stream.encode_erase(shop, visitor_id))
        replies = await self._lane.run(p, [("DEL", *state, *receipts), entry])
        return int(replies[0])

    def _appends(self, p: int, tail: str, attributes: str, events: Sequence[Sequence[Row]]) -> list[Command]:
        log = stream.log_key(p)
        records = pack(row for rows in events for row in rows).tobytes()
        entries = [_xadd(log, stream.encode_event(rows)) for rows in events]
        ttl = self._tail_ttl_ms
        return [("APPEND", tail, records), ("PEXPIRE", tail, ttl), ("PEXPIRE", attributes, ttl), *entries]

    def _trim_if_long(self, key: str, length: int) -> None:
        if length > TRIM_ABOVE and key not in self._trimming:
            self._trimming[key] = asyncio.create_task(self._trim(key))

    async def _trim(self, key: str) -> None:
        try:
            await self.client.eval(TRIM, 1, key, TAIL_BYTES)
            self._metrics.trims.inc()
        except (RedisError, OSError) as error:
            _log.warning("tail_not_trimmed", error=str(error))  # the next event on this tail tries again
        finally:
            del self._trimming[key]


async def ask(call: Awaitable[T]) -> T:
    """The client's answer. Raises StoreUnavailable for every way Redis can fail."""
    try:
        return await call
    except (RedisError, OSError, TimeoutError) as error:
        raise StoreUnavailable(f"Redis: {type(error).__name__}: {error}") from error


def decisions_key(p: int, shop: str, visitor_id: str) -> str:
    """Key of the list of a visitor's latest decisions, so that an erasure finds their receipts."""
    return f"d:{{p{p:02d}}}:{shop}:{visitor_id}"


def _xadd(key: str, fields: Mapping[bytes, bytes]) -> Command:
    return ("XADD", key, "*", *(part for pair in fields.items() for part in pair))


def _attributes(flat: Sequence[bytes]) -> Attributes:
    return {flat[i].decode(): _attribute.decode(flat[i + 1]) for i in range(0, len(flat), 2)}
