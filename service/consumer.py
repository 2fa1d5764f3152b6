"""Reading the event stream: for the recorder as a consumer group, for the learner from a cursor of its own.

A delivery is (stream key, entry id, fields); fields are None where the entry was removed before it could be read.
On a cluster the partitions lie in different slots, so each is asked by itself; elsewhere one command reads them all.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import redis
import structlog
from redis.backoff import NoBackoff
from redis.retry import Retry

from service.embedded import NoServer, running_url
from service.settings import Settings
from service.stream import VALUE

Delivery = tuple[bytes, bytes, dict[bytes, bytes] | None]
Position = tuple[int, int]
"""An entry id as numbers: milliseconds and counter; compares like the stream orders."""

PAGE: Final = 1000
READ_BYTES: Final = 512 * 1024
"""What one read asks for at most, by the size of entries lately: the server answers nobody else meanwhile."""
FADING: Final = 0.99
"""By which a read takes entries for smaller than they were: after many events come decisions, twenty times as large."""
LEAST_COUNT, FIRST_COUNT, MOST_COUNT = 4, 16, 1000
TRIMMED_AT_ONCE: Final = 100
"""Entries that go with one command, likewise; no less than a stream's node holds."""
LEARNED: Final = "learner"
"""A group that nobody reads by: its last id says up to where the learner has a checkpoint on disk."""
_START: Final = b"0-0"
_CLUSTER_PAUSE_S: Final = 0.05
_log = structlog.get_logger("tact.consumer")


def position(entry_id: bytes) -> Position:
    """The numbers of an entry id. Raises ValueError for what is none."""
    ms, _, counter = entry_id.partition(b"-")
    return int(ms), int(counter or 0)


def connect(settings: Settings) -> "redis.Redis | redis.RedisCluster":
    """A client (bytes in, bytes out) for long reads; retries are the caller's.

    `?cluster=true` in the address makes it a cluster's. Raises NoServer where there is no address, redis.RedisError.
    """
    url = settings.redis_url or running_url(settings.home / "valkey")
    if url is None:
        raise NoServer(f"no server runs in {settings.home / 'valkey'}; start `tact serve` first, or set REDIS_URL")
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    clustered = query.pop("cluster", "") in ("1", "true", "yes")
    options: dict[str, Any] = {"protocol": 2, "socket_timeout": 10.0, "socket_connect_timeout": 2.0}
    if clustered:
        return redis.RedisCluster.from_url(urlunsplit(parts._replace(query=urlencode(query))), **options)
    # A read repeated in secret would leave its first answer pending and unseen: failures go to the caller.
    return redis.Redis.from_url(url, **options, retry=Retry(NoBackoff(), 0))


@dataclass(frozen=True, slots=True)
class Lag:
    """What the group has not finished. entries: how many; oldest_ms: when the oldest arrived, 0 if there is none."""

    entries: int
    oldest_ms: int


class _Reader:
    """What both ways of reading share."""

    def __init__(self, client: "redis.Redis | redis.RedisCluster", keys: Sequence[str]) -> None:
        self.client: Any = client
        self.keys = tuple(key.encode() for key in keys)
        self.cluster = isinstance(client, redis.RedisCluster)
        self.more = False
        """Whether the last read left entries behind in some stream."""
        self._count, self._entry_bytes = FIRST_COUNT, 1.0
        if not self.cluster:  # the client's own parsing of an answer costs as much as learning from it
            for command in ("XREAD", "XREADGROUP"):
                self.client.set_response_callback(command, _as_sent)

    def _read(
        self, command: Sequence[Any], ids: Mapping[bytes, bytes], count: int | None, block_ms: int
    ) -> list[Delivery]:
        """A read of all keys; block_ms 0 does not wait. count: of each stream, None: by READ_BYTES."""
        count = count or self._count
        found = self._answer([*command, "COUNT", count], ids, block_ms)
        self.more = len(found) >= count and max(Counter(key for key, _, _ in found).values()) >= count
        if found:
            size = sum(len(fields[VALUE]) for _, _, fields in found if fields and VALUE in fields)
            self._entry_bytes = max(size / len(found), FADING * self._entry_bytes)
            fitting = int(READ_BYTES / (self._entry_bytes * len(self.keys)))
            self._count = min(max(fitting, LEAST_COUNT), MOST_COUNT)
        return found

    def _answer(self, head: Sequence[Any], ids: Mapping[bytes, bytes], block_ms: int) -> list[Delivery]:
        """One XREAD or XREADGROUP, or on a cluster one for each key."""
        if not self.cluster:
            wait = ["BLOCK", block_ms] if block_ms else []
            return _flat(self.client.execute_command(*head, *wait, "STREAMS", *ids, *ids.values()))
        found = [d for key, at in ids.items() for d in _flat(self.client.execute_command(*head, "STREAMS", key, at))]
        if not found and block_ms:
            time.sleep(min(block_ms / 1000, _CLUSTER_PAUSE_S))
        return found


class GroupReader(_Reader):
    """The streams as one consumer of a group. Every method raises redis.RedisError."""

    def __init__(
        self, client: "redis.Redis | redis.RedisCluster", keys: Sequence[str], group: str, consumer: str
    ) -> None:
        super().__init__(client, keys)
        self.group, self.consumer = group, consumer
        self._head = ("XREADGROUP", "GROUP", group, consumer)

    def ensure_groups(self) -> None:
        """Make the streams and the group, from the first entry on, where they are missing."""
        for key in self.keys:
            try:
                self.client.xgroup_create(key, self.group, id="0", mkstream=True)
            except redis.ResponseError as error:
                if not str(error).startswith("BUSYGROUP"):
                    raise

    def read(self, count: int | None, block_ms: int) -> list[Delivery]:
        """At most `count` new entries of each stream, None: what fits; waits block_ms for the first."""
        return self._read(self._head, dict.fromkeys(self.keys, b">"), count, block_ms)

    def claim(self, idle_ms: int) -> list[Delivery]:
        """Takes over what any consumer, this one too, left unacknowledged for idle_ms; each stream in its order."""
        return [delivery for key in self.keys for delivery in self.claim_of(key, idle_ms)]

    def claim_of(self, key: bytes, idle_ms: int) -> list[Delivery]:
        """The same for one stream, in its order."""
        found: list[Delivery] = []
        start = _START
        while True:
            answer = self.client.xautoclaim(key, self.group, self.consumer, idle_ms, start, count=PAGE)
            start, entries = answer[0], answer[1]
            found += [(key, entry_id, fields or None) for entry_id, fields in entries if entry_id is not None]
            if start == _START:
                return found

    def ack(self, ids: Mapping[bytes, Sequence[bytes]]) -> None:
        """Acknowledge entries, by stream key."""
        with self.client.pipeline(transaction=False) as pipe:
            for key, entries in ids.items():
                for at in range(0, len(entries), PAGE):
                    pipe.xack(key, self.group, *entries[at : at + PAGE])
            pipe.execute()

    def trim(self, before_ms: int) -> int:
        """Remove entries that are acknowledged, and either learned or older than before_ms. Returns how many went."""
        removed = 0
        for key in self.keys:
            bound = min(self._first_unfinished(key), max(self._learned(key), (before_ms, 0)))
            if bound > (0, 0):
                removed += self._trim(key, f"{bound[0]}-{bound[1]}")
        return removed

    def _trim(self, key: bytes, bound: str) -> int:
        """Removes what is before `bound`, little by little, so that nobody waits for all of it."""
        removed = 0
        while some := self.client.xtrim(key, minid=bound, approximate=True, limit=TRIMMED_AT_ONCE):
            removed += some
        return removed + int(self.client.xtrim(key, minid=bound, approximate=False))

    def forget(self, key: bytes, concerned: Callable[[dict[bytes, bytes]], bool]) -> int:
        """Remove the acknowledged entries of a stream that are concerned. Returns how many went."""
        before, start, removed = self._first_unfinished(key), "-", 0
        while page := self.client.xrange(key, min=start, max=f"({before[0]}-{before[1]}", count=PAGE):
            gone = [entry_id for entry_id, fields in page if concerned(fields)]
            removed += self.client.xdel(key, *gone) if gone else 0
            start = f"({_text(page[-1][0])}"
        return removed

    def _first_unfinished(self, key: bytes) -> Position:
        """The entries before this one are acknowledged. The last delivered is read first: later ones are after it."""
        delivered = position(self._group_info(key)["last-delivered-id"])
        summary = self.client.xpending(key, self.group)
        return min(delivered, position(summary["min"])) if summary["pending"] else delivered

    def _learned(self, key: bytes) -> Position:
        """Where the learner's last checkpoint goes on; before all where none has said so."""
        marks = [group for group in self.client.xinfo_groups(key) if _text(group["name"]) == LEARNED]
        return position(marks[0]["last-delivered-id"]) if marks else (0, 0)

    def _group_info(self, key: bytes) -> dict[str, Any]:
        groups = self.client.xinfo_groups(key)
        info: dict[str, Any] = next(group for group in groups if _text(group["name"]) == self.group)
        return info

    def lag(self) -> Lag:
        """What is not acknowledged yet; a server older than Redis 7 counts only what was delivered."""
        entries, oldest = 0, []
        for key in self.keys:
            info = self._group_info(key)
            entries += info["pending"] + (info.get("lag") or 0)
            if info["pending"]:
                oldest.append(position(self.client.xpending(key, self.group)["min"])[0])
            elif waiting := self.client.xrange(key, min=b"(" + info["last-delivered-id"], count=1):
                oldest.append(position(waiting[0][0])[0])
        return Lag(entries, min(oldest, default=0))


@dataclass(frozen=True, slots=True)
class Bookmark:
    """How far a stream was read. entry: the last entry taken; passed: how many the stream was given up to it."""

    entry: bytes = _START
    passed: int = 0


class CursorReader(_Reader):
    """The streams read from a cursor of the reader's own. Every method raises redis.RedisError."""

    def __init__(
        self, client: "redis.Redis | redis.RedisCluster", keys: Sequence[str], cursor: Mapping[str, Bookmark]
    ) -> None:
        super().__init__(client, keys)
        self.entries = {key: cursor.get(key.decode(), Bookmark()).entry for key in self.keys}
        self.passed = {key: cursor.get(key.decode(), Bookmark()).passed for key in self.keys}

    @property
    def cursor(self) -> dict[str, Bookmark]:
        """Where the next read goes on."""
        return {key.decode(): Bookmark(self.entries[key], self.passed[key]) for key in self.keys}

    def read(self, count: int | None, block_ms: int) -> list[Delivery]:
        """At most `count` entries of each stream after the cursor, None: what fits. The cursor moves behind them."""
        found = self._read(("XREAD",), self.entries, count, block_ms)
        for key, entry_id, _ in found:
            self.entries[key] = entry_id
            self.passed[key] += 1
        return found

    def mark(self, learned: Mapping[str, Bookmark]) -> None:
        """Tell whoever trims the streams that what is before these cursors is not needed any more."""
        for key, bookmark in learned.items():
            try:
                self.client.xgroup_setid(key, LEARNED, bookmark.entry)
            except redis.ResponseError:  # no such group, or no such stream, yet
                self.client.xgroup_create(key, LEARNED, id=bookmark.entry, mkstream=True)

    def check(self) -> int:
        """Compare the cursor with the streams. Returns how many entries were removed unread (0 before Redis 7).

        A stream that was lost and began again with lower ids is read from its start.
        """
        return sum(self._check(key) for key in self.keys if self.client.exists(key))

    def _check(self, key: bytes) -> int:
        info = self.client.xinfo_stream(key)
        if position(info["last-generated-id"]) < position(self.entries[key]):
            _log.warning("stream_began_again", key=key.decode(), cursor=self.entries[key].decode())
            self.entries[key] = _START
        added = info.get("entries-added")
        if added is None:
            return 0
        removed = int(added - info["length"])
        comparable = self.entries[key] != _START and self.passed[key] <= added
        unread = max(0, removed - self.passed[key]) if comparable else 0
        if unread:
            _log.warning("entries_gone_unread", key=key.decode(), entries=unread)
        self.passed[key] = max(self.passed[key], removed) if comparable else removed
        return unread


def pause(stop: threading.Event, seconds: float) -> None:
    """Wait, but not much longer than until stop is set.

    Not stop.wait(): a signal handler that sets an event on which its own thread waits can lock up.
    """
    until_s = time.monotonic() + seconds
    while not stop.is_set() and (left_s := until_s - time.monotonic()) > 0:
        time.sleep(min(left_s, 0.1))


def by_key(deliveries: Iterable[tuple[bytes, bytes]]) -> dict[bytes, list[bytes]]:
    """Entry ids grouped by stream key."""
    groups: dict[bytes, list[bytes]] = {}
    for key, entry_id in deliveries:
        groups.setdefault(key, []).append(entry_id)
    return groups


def _as_sent(answer: Any, **_: Any) -> Any:
    """The answer as the server sent it: a list, a map in the newer protocol, nil if there is nothing new."""
    return answer.items() if isinstance(answer, dict) else answer or []


def _flat(answer: Iterable[tuple[bytes, Iterable[tuple[bytes, Any]]]]) -> list[Delivery]:
    """Deliveries of an answer: for each stream its entries; nil where one was removed."""
    return [(key, entry_id, _fields(fields)) for key, entries in answer for entry_id, fields in entries]


def _fields(found: Any) -> dict[bytes, bytes] | None:
    """Fields as sent, with their values in turn; a cluster's client has made them a dictionary already."""
    if not found or isinstance(found, dict):
        return found or None
    return dict(zip(found[::2], found[1::2], strict=True))


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
