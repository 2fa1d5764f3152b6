"""The visitors' state in Redis: tails, attributes, receipts. One round trip for a decision; no read-modify-write.

* StoreUnavailable (service/errors.py)   Redis did not answer in time, is gone, or cannot write

An event's append to the tail and its entry in the stream are one transaction in one slot: both or none.
"""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any, Final, Self, TypeVar

import msgspec
import structlog
from redis.exceptions import RedisError

from features.events import TAIL_EVENTS, Row
from features.record import EVENT, packed
from service import stream
from service.errors import StoreUnavailable
from service.lanes import Command, Lane, NoScript, open_client, open_lane
from service.metrics import Metrics
from service.settings import Settings

TAIL_BYTES: Final = TAIL_EVENTS * EVENT.itemsize
TRIM_ABOVE: Final = 2 * TAIL_BYTES
MAX_DISMISSED: Final = 256
"""How many dismissals of a visitor outlast a trim of the tail: the latest; a browser may send any action it likes."""

ENTRY_PARTS: Final = 2 * len(stream.EVENT_FIELDS)
RECEIPTS_A_TRIP: Final = 100
KEYS_A_COMMAND: Final = 1000
CLOCKS_APART_S: Final = 60.0
"""How far the clocks of several replicas may differ: a decision's id is forgotten so much after its receipt."""

VISITORS_AT_HAND: Final = 1024
"""Of so many visitors the partition is remembered: a decision asks for it three times."""

ROUND_TRIP_S: Final = 1.0
"""When a connection is given up; a decision stops waiting for it long before."""

APPEND_TIMEOUT_S: Final = 3.0

FITTED_BYTES: Final = 1024
"""Tails up to so long are kept without slack: APPEND leaves room for as much again, which most visitors never fill.

Longer ones are appended to, so that the append-only file is not given a whole long tail with every event.
"""

APPEND: Final = f"""
local ttl, parts, read, at, lengths = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), 4, {{}}
local held
for i = 2, #KEYS, 2 do
  local key, hash, records, noes, entries = KEYS[i], KEYS[i + 1], ARGV[at], ARGV[at + 1] * 2, tonumber(ARGV[at + 2])
  at = at + 3
  if noes > 0 then redis.call('HSET', hash, unpack(ARGV, at, at + noes - 1)) end
  at = at + noes
  held = redis.call('GETRANGE', key, 0, {FITTED_BYTES - 1}) .. records
  local length = #held
  if length <= {FITTED_BYTES} then
    redis.call('SET', key, held, 'PX', ttl)
  else
    length = redis.call('APPEND', key, records)
    redis.call('PEXPIRE', key, ttl)
    if read > 0 then held = redis.call('GETRANGE', key, -read, -1) end
  end
  redis.call('PEXPIRE', hash, ttl)
  lengths[#lengths + 1] = length
  for _ = 1, entries do
    redis.call('XADD', KEYS[1], '*', unpack(ARGV, at, at + parts - 1))
    at = at + parts
  end
end
if read > 0 then return {{lengths[1], held, redis.call('HGETALL', KEYS[3])}} end
return lengths
"""
"""Appends events of several visitors of a partition to their tails and the stream; returns the lengths of the tails.

A string that is set has no slack, so a short tail is set. Dismissals come first: they may make the hash to be renewed.
KEYS: the stream; of each visitor tail and hash. ARGV: time to live, parts of an entry, how many bytes of the (only)
visitor's tail to return with its hash, 0 for none; of each visitor its records, how many dismissals, how many entries,
and these. One script, whose reply is the only one: each reply costs the service more than a command costs the server.
Its first write needs memory: a full server refuses it, and so the rest; one that began with PEXPIRE it would let write.
"""

APPEND_SHA: Final = hashlib.sha1(APPEND.encode(), usedforsecurity=False).hexdigest()

KEEP: Final = """
redis.call('SET', KEYS[1], ARGV[#ARGV], 'EX', ARGV[1])
redis.call('ZADD', KEYS[2], ARGV[2], ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', ARGV[4])
redis.call('EXPIRE', KEYS[2], ARGV[1])
return redis.call('XADD', KEYS[3], '*', unpack(ARGV, 5))
"""
"""Keeps a receipt, which is sent once for its two places: at its own key and in the stream.

KEYS: the receipt's, the visitor's decisions, the stream. ARGV: time to live in seconds, the time, the decision's id,
the time before which decisions are forgotten, and the stream entry's fields, whose last value is the receipt.
"""

KEEP_SHA: Final = hashlib.sha1(KEEP.encode(), usedforsecurity=False).hexdigest()

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

FORGET_OLD: Final = """
local all, found = redis.call('HGETALL', KEYS[1]), {}
for i = 1, #all, 2 do
  if string.sub(all[i], 1, 4) == '~no:' then found[#found + 1] = {tonumber(all[i + 1]) or 0, all[i]} end
end
table.sort(found, function(a, b) return a[1] > b[1] end)
for i = tonumber(ARGV[1]) + 1, #found do redis.call('HDEL', KEYS[1], found[i][2]) end
return #found
"""
"""Keeps a visitor's latest dismissals."""

Attribute = str | float | bool
Attributes = dict[str, Attribute]
Dismissals = tuple[tuple[int, int], ...]

_attribute = msgspec.json.Decoder(Attribute)
_log = structlog.get_logger("tact.store")
T = TypeVar("T")


class TailAndAttributes(msgspec.Struct, frozen=True):
    """A visitor's packed records (at most TAIL_BYTES, as appended: neither ordered nor unique) and attributes.

    dismissed: (hash of the action, Unix ms of the last no), sorted; they reach further back than the tail.
    """

    tail: bytes
    attributes: Attributes
    dismissed: Dismissals = ()


@dataclass(frozen=True, slots=True)
class Visitor:
    """Everything Redis keeps of a visitor. receipts: by decision id. dismissed: as in TailAndAttributes."""

    tail: bytes
    attributes: Attributes
    receipts: Mapping[str, bytes]
    dismissed: Dismissals = ()


class Store:
    """The adapter to Redis, Valkey, or a cluster of either."""

    def __init__(self, client: Any, lane: Lane, settings: Settings, metrics: Metrics) -> None:
        self.client, self._lane, self._metrics = client, lane, metrics
        self.partitions = settings.partitions
        self._tail_ttl_ms = settings.tail_ttl_days * 86_400_000
        self._receipt_ttl_s = settings.receipt_ttl_s
        self._trimming: dict[str, asyncio.Task[None]] = {}
        self.partition = lru_cache(maxsize=VISITORS_AT_HAND)(self._partition)

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

    def _partition(self, visitor_id: str) -> int:
        """The visitor's partition."""
        return stream.partition(visitor_id, self.partitions)

    async def ping(self) -> None:
        """Raises StoreUnavailable unless Redis answers."""
        await ask(self.client.ping())

    async def append_and_read(
        self, shop: str, visitor_id: str, events: Sequence[Sequence[Row]], wait_s: float | None = None
    ) -> TailAndAttributes:
        """Append the events (each its lines) to the visitor's tail and the stream, and read the tail back: one trip.

        wait_s: raises TimeoutError where it takes longer.
        """
        p = self.partition(visitor_id)
        tail, attributes = stream.tail_key(p, shop, visitor_id), stream.attributes_key(p, shop, visitor_id)
        if not events:
            reads: list[Command] = [("GETRANGE", tail, -TAIL_BYTES, -1), ("HGETALL", attributes)]
            found, fields = await self._lane.run(p, reads, wait_s)
            return TailAndAttributes(found, *_attributes(fields))
        length, found, fields = await self._run(p, self._append(p, shop, {visitor_id: events}, TAIL_BYTES), wait_s)
        if length > TRIM_ABOVE:
            self._trim_if_long(tail, attributes, length)
        return TailAndAttributes(found, *_attributes(fields)) if fields else TailAndAttributes(found, {})

    async def append_all(self, shop: str, by_visitor: Mapping[str, Sequence[Sequence[Row]]]) -> None:
        """Append the events of many visitors, each partition's together or not at all. Raises StoreUnavailable."""
        by_partition: dict[int, dict[str, Sequence[Sequence[Row]]]] = {}
        for visitor_id, events in by_visitor.items():
            by_partition.setdefault(self.partition(visitor_id), {})[visitor_id] = events
        appends = (self._append_together(p, shop, some) for p, some in by_partition.items())
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
        await self._append_together(self.partition(visitor_id), shop, {visitor_id: events})

    async def _append_together(self, p: int, shop: str, by_visitor: Mapping[str, Sequence[Sequence[Row]]]) -> None:
        lengths = await self._run(p, self._append(p, shop, by_visitor))
        for visitor_id, length in zip(by_visitor, lengths, strict=True):
            if length > TRIM_ABOVE:
                tail, attributes = stream.tail_key(p, shop, visitor_id), stream.attributes_key(p, shop, visitor_id)
                self._trim_if_long(tail, attributes, length)

    async def tail_length(self, shop: str, visitor_id: str) -> int:
        """Bytes of the visitor's tail: it grows with every event."""
        key = stream.tail_key(self.partition(visitor_id), shop, visitor_id)
        return int(await ask(self.client.strlen(key)))

    async def write_decisions(self, entries: Sequence[stream.DecisionEntry]) -> list[BaseException | None]:
        """Keep receipts and put the decisions on the stream, in as few round trips as can be.

        What went wrong with each, None where nothing did.
        """
        kept = [self._kept(entry) for entry in entries]
        found = await self._lane.run_all([(p, [("EVALSHA", KEEP_SHA, *given)]) for p, given in kept])
        anew = [at for at, failed in enumerate(found) if isinstance(failed, NoScript)]
        if anew:
            told = await self._lane.run_all([(kept[at][0], [("EVAL", KEEP, *kept[at][1])]) for at in anew])
            for at, failed in zip(anew, told, strict=True):
                found[at] = failed
        return found

    def _kept(self, entry: stream.DecisionEntry) -> tuple[int, Command]:
        """A decision's partition, and what KEEP is given for it."""
        p = self.partition(entry.visitor_id)
        receipt, known = (
            stream.receipt_key(entry.shop, entry.decision_id, p),
            stream.decisions_key(p, entry.shop, entry.visitor_id),
        )
        now_s = time.time()
        forgotten_s = now_s - self._receipt_ttl_s - CLOCKS_APART_S
        times = (self._receipt_ttl_s, now_s, entry.decision_id, forgotten_s)
        return p, (3, receipt, known, stream.log_key(p), *times, *stream.decision_parts(entry))

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
        return _attributes(replies[-1])[0]

    async def visitor(self, shop: str, visitor_id: str) -> Visitor:
        """Everything Redis keeps of a visitor."""
        p = self.partition(visitor_id)
        replies = await self._lane.run(
            p,
            [
                ("GETRANGE", stream.tail_key(p, shop, visitor_id), 0, -1),
                ("HGETALL", stream.attributes_key(p, shop, visitor_id)),
                ("ZRANGE", stream.decisions_key(p, shop, visitor_id), 0, -1),
            ],
        )
        decisions = [decision_id.decode() for decision_id in replies[2]]
        kept: dict[str, bytes] = {}
        for some in _pages(decisions, RECEIPTS_A_TRIP):
            keys = [stream.receipt_key(shop, decision_id) for decision_id in some]
            receipts = (await self._lane.run(p, [("MGET", *keys)]))[0]
            kept |= {i: receipt for i, receipt in zip(some, receipts, strict=True) if receipt is not None}
        attributes, dismissed = _attributes(replies[1])
        return Visitor(replies[0], attributes, kept, dismissed)

    async def erase(self, shop: str, visitor_id: str) -> int:
        """Forget a visitor: tail, attributes and receipts at once, the lake through the stream. Keys removed."""
        p = self.partition(visitor_id)
        known = stream.decisions_key(p, shop, visitor_id)
        decisions = (await self._lane.run(p, [("ZRANGE", known, 0, -1)]))[0]
        receipts = [stream.receipt_key(shop, decision_id.decode()) for decision_id in decisions]
        state = (stream.tail_key(p, shop, visitor_id), stream.attributes_key(p, shop, visitor_id), known)
        entry = _xadd(stream.log_key(p), stream.encode_erase(shop, visitor_id))
        removals: list[Command] = [("DEL", *some) for some in _pages([*state, *receipts], KEYS_A_COMMAND)]
        replies = await self._lane.run(p, [*removals, entry])
        return sum(map(int, replies[:-1]))

    def _append(self, p: int, shop: str, by_visitor: Mapping[str, Sequence[Sequence[Row]]], read: int = 0) -> Command:
        """What APPEND is given for all these visitors' events, each event its lines. read: bytes of the tail."""
        keys: list[str] = [stream.log_key(p)]
        values: list[bytes | str | int | float] = []
        for visitor_id, events in by_visitor.items():
            records = packed(list(chain.from_iterable(events)))
            noes = _noes(events)
            keys += (stream.tail_key(p, shop, visitor_id), stream.attributes_key(p, shop, visitor_id))
            values += (records, len(noes) // 2, len(events), *noes)
            for lines in events:
                values += stream.event_parts(lines)
        return (len(keys), *keys, self._tail_ttl_ms, ENTRY_PARTS, read, *values)

    async def _run(self, p: int, given: Command, wait_s: float | None = None) -> list[Any]:
        """APPEND by its hash; with its text where the server does not know it yet."""
        try:
            (reply,) = await self._lane.run(p, [("EVALSHA", APPEND_SHA, *given)], wait_s)
        except NoScript:
            (reply,) = await self._lane.run(p, [("EVAL", APPEND, *given)], wait_s)
        found: list[Any] = reply
        return found

    def _trim_if_long(self, key: str, attributes: str, length: int) -> None:
        if length > TRIM_ABOVE and key not in self._trimming:
            self._trimming[key] = asyncio.create_task(self._trim(key, attributes))

    async def _trim(self, key: str, attributes: str) -> None:
        try:
            await self.client.eval(TRIM, 1, key, TAIL_BYTES)
            await self.client.eval(FORGET_OLD, 1, attributes, MAX_DISMISSED)
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


def _xadd(key: str, fields: Mapping[bytes, bytes]) -> Command:
    return ("XADD", key, "*", *chain.from_iterable(fields.items()))


def _noes(events: Sequence[Sequence[Row]]) -> list[str | int]:
    """Fields and values that remember the dismissals among events for longer than the tail; the latest no is last."""
    said = sorted((rows[0].ts_ms, rows[0].action) for rows in events if rows[0].event == "dismiss_promotion")
    return [part for ts_ms, action in said for part in (stream.dismissal_field(action), ts_ms)]


def _attributes(flat: Sequence[bytes]) -> tuple[Attributes, Dismissals]:
    """The two sorts of fields in a visitor's hash: what the shop told, and what the visitor said no to."""
    attributes: Attributes = {}
    dismissed = []
    for i in range(0, len(flat), 2):
        if (action := stream.dismissed_action(flat[i])) is not None:
            dismissed.append((action, int(flat[i + 1])))
        else:
            attributes[flat[i].decode()] = _attribute.decode(flat[i + 1])
    return attributes, tuple(sorted(dismissed))


def _pages(values: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (values[at : at + size] for at in range(0, len(values), size))
