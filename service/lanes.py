"""Round trips to Redis: transactions of concurrent requests gathered into one write, on one server or a cluster.

A lane is one connection. While its round trip is under way, new transactions gather; the next takes them all.
Nothing is retried here and nothing waits longer than the time-out: the caller knows what a failure means.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import hiredis
import redis.asyncio as redis
from redis._parsers.hiredis import NOT_ENOUGH_DATA
from redis.asyncio.cluster import RedisCluster
from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.exceptions import ConnectionError, MovedError, NoScriptError, RedisError

from service.errors import StoreUnavailable
from service.metrics import Metrics, StoreFailure

Command = tuple[str | bytes | int | float, ...]
_pack: Callable[[Any], bytes] = hiredis.pack_command

LANES: Final = 2
"""Round trips under way at once to one server: one is on the wire while the other is being read."""

MAX_BATCH: Final = 128
CONNECT_TIMEOUT_S: Final = 1.0
"""A handshake may take longer than a decision waits: it then serves the next ones."""

_GOOD: Final = frozenset({bytes, int, list, type(None)})
"""What a command's reply is, unless it is an error."""

_MULTI: Final = _pack(("MULTI",))
_EXEC: Final = _pack(("EXEC",))


class Moved(StoreUnavailable):
    """Another node of the cluster has the slot now; nothing was stored."""


class NoScript(StoreUnavailable):
    """The server does not know a script by its hash; nothing was stored."""


class Lane(Protocol):
    """Where transactions go: one server or a cluster."""

    async def run(self, p: int, commands: Sequence[Command], wait_s: float | None = None) -> list[Any]:
        """The replies to the commands, which all belong to partition p and are carried out together or not at all.
        Raises StoreUnavailable; TimeoutError after wait_s."""

    async def run_all(self, several: Sequence[tuple[int, Sequence[Command]]]) -> list[BaseException | None]:
        """Several transactions, each of its partition, in one round trip where they share a server. What went wrong
        with each, None where nothing did."""

    async def close(self) -> None:
        """Close the connections; what is under way fails."""


class _Transaction:
    """Some commands on their way, and who waits for them: MULTI … EXEC, or a single one, which needs neither."""

    __slots__ = ("data", "done", "replies")

    def __init__(self, commands: Sequence[Command], done: "asyncio.Future[list[Any]]") -> None:
        if len(commands) == 1:
            self.data, self.replies = _pack(commands[0]), 1
        else:
            self.data, self.replies = b"".join((_MULTI, *map(_pack, commands), _EXEC)), len(commands) + 2
        self.done = done


class Coalescer:
    """All transactions to one server."""

    def __init__(self, connect: Callable[[], AbstractConnection], timeout_s: float, metrics: Metrics) -> None:
        """connect: makes a connection that is not yet connected. timeout_s: of a round trip."""
        self._connect, self._timeout_s, self._metrics = connect, timeout_s, metrics
        self._waiting: deque[_Transaction] = deque()
        self._idle = [connect() for _ in range(LANES)]
        self._under_way: set[asyncio.Task[None]] = set()
        self._woken = False
        self._due: deque[tuple[float, asyncio.Future[list[Any]]]] = deque()
        self._looking: asyncio.TimerHandle | None = None

    async def run(self, commands: Sequence[Command]) -> list[Any]:
        """The replies. Raises StoreUnavailable; Moved if another node of a cluster has the slot."""
        return await self.send(commands)

    def send(self, commands: Sequence[Command], wait_s: float | None = None) -> "asyncio.Future[list[Any]]":
        """Has a transaction join the next round trip. The future gives what run() gives."""
        loop = asyncio.get_running_loop()
        transaction = _Transaction(commands, loop.create_future())
        self._waiting.append(transaction)
        if wait_s is not None:
            self._due.append((loop.time() + wait_s, transaction.done))
            if self._looking is None:
                self._looking = loop.call_later(wait_s, self._give_up)
        if self._idle and not self._woken:
            self._woken = True
            loop.call_soon(self._start)  # after the requests that are ready now have joined
        return transaction.done

    def _give_up(self) -> None:
        """Fails what has waited long enough, in the order it came: one timer for all, since most are answered."""
        loop, due = asyncio.get_running_loop(), self._due
        while due and (due[0][1].done() or due[0][0] <= loop.time()):
            _, done = due.popleft()
            if not done.done():
                done.set_exception(TimeoutError("the store took too long"))
        self._looking = loop.call_at(due[0][0], self._give_up) if due else None

    async def close(self) -> None:
        """Close the connections; what is under way fails."""
        if self._looking is not None:
            self._looking.cancel()
        for task in tuple(self._under_way):
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        for connection in self._idle:
            await connection.disconnect(nowait=True)
        for transaction in self._waiting:
            _fail(transaction, StoreUnavailable("the service is shutting down"))
        self._waiting.clear()

    def _start(self) -> None:
        self._woken = False
        while self._idle and (batch := self._take()):
            task = asyncio.get_running_loop().create_task(self._serve(self._idle.pop(), batch))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    def _take(self) -> list[_Transaction]:
        batch: list[_Transaction] = []
        while self._waiting and len(batch) < MAX_BATCH:
            transaction = self._waiting.popleft()
            if not transaction.done.done():  # its deadline has not passed meanwhile
                batch.append(transaction)
        return batch

    async def _serve(self, connection: AbstractConnection, batch: list[_Transaction]) -> None:
        """Round trips on one connection until nothing waits."""
        try:
            while batch:
                await self._round_trip(connection, batch)
                batch = self._take()
        finally:
            for transaction in batch:
                _fail(transaction, StoreUnavailable("the service is shutting down"))
            self._idle.append(connection)

    async def _round_trip(self, connection: AbstractConnection, batch: list[_Transaction]) -> None:
        started = time.perf_counter()
        failure: tuple[StoreFailure, str] | None = None
        try:
            if not connection.is_connected:
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    await connection.connect()  # type: ignore[no-untyped-call]  # redis has no types here
            async with asyncio.timeout(self._timeout_s):
                await connection.send_packed_command([b"".join([t.data for t in batch])], check_health=False)
                await self._read(connection, batch)
        except (TimeoutError, redis.TimeoutError):
            failure = ("timeout", f"no answer within {self._timeout_s * 1000:g} ms")
        except (RedisError, OSError) as error:
            failure = ("connection", f"{type(error).__name__}: {error}")
        finally:
            if failure is not None or any(not t.done.done() for t in batch):
                await connection.disconnect(nowait=True)  # replies still on the way would be taken for the next ones
            self._metrics.store_trip(time.perf_counter() - started, len(batch))
        if failure is not None:
            self._metrics.store_failed(failure[0])
            for transaction in batch:
                _fail(transaction, StoreUnavailable(f"Redis: {failure[1]}"))

    async def _read(self, connection: AbstractConnection, batch: list[_Transaction]) -> None:
        """Hands each transaction its replies as they come. By the client's own reader, hiredis, without its two
        coroutines for each reply: what has arrived is there to be taken."""
        parser: Any = connection._parser
        gets = parser._reader.gets
        for transaction in batch:
            replies = []
            for _ in range(transaction.replies):
                while (reply := gets(False)) is NOT_ENOUGH_DATA:
                    await parser.read_from_socket()
                replies.append(reply)
            self._settle(transaction, replies)

    def _settle(self, transaction: _Transaction, replies: list[Any]) -> None:
        done = replies[-1] if transaction.replies > 1 else replies
        if type(done) is list and _GOOD.issuperset(map(type, done)):
            if not transaction.done.done():
                transaction.done.set_result(done)
            return
        parts = (*replies[:-1], *(done if isinstance(done, list) else (done,)))
        refusal = next((part for part in parts if isinstance(part, Exception)), None)  # the first says why
        if isinstance(refusal, ConnectionError):  # Redis says that it closes: what follows is not to be waited for
            raise refusal
        self._metrics.store_failed("refused")
        kind = next((ours for theirs, ours in _REFUSALS if isinstance(refusal, theirs)), StoreUnavailable)
        _fail(transaction, kind(f"Redis refused: {refusal}"))


async def _outcomes(several: "Sequence[asyncio.Future[list[Any]]]") -> list[BaseException | None]:
    for one in several:
        if not one.done():
            await asyncio.wait((one,))  # the others share its trips
    return [one.exception() for one in several]


_REFUSALS: Final = ((MovedError, Moved), (NoScriptError, NoScript))


class OneServer:
    """A server that has every partition."""

    def __init__(self, url: str, timeout_s: float, metrics: Metrics) -> None:
        pool = ConnectionPool.from_url(url, **_CONNECTION, socket_connect_timeout=CONNECT_TIMEOUT_S)
        self._coalescer = Coalescer(pool.make_connection, timeout_s, metrics)

    async def run(self, p: int, commands: Sequence[Command], wait_s: float | None = None) -> list[Any]:
        """As Lane.run."""
        return await self._coalescer.send(commands, wait_s)

    async def run_all(self, several: Sequence[tuple[int, Sequence[Command]]]) -> list[BaseException | None]:
        """What went wrong with each, None where nothing did."""
        return await _outcomes([self._coalescer.send(commands) for _, commands in several])

    async def close(self) -> None:
        """Close the connections."""
        await self._coalescer.close()


class Cluster:
    """A cluster: each partition's hash tag decides its node. A moved slot is looked up again and tried once more."""

    def __init__(self, client: "RedisCluster", timeout_s: float, metrics: Metrics) -> None:
        self._client, self._timeout_s, self._metrics = client, timeout_s, metrics
        self._nodes: dict[str, Coalescer] = {}
        self._looking = asyncio.Lock()
        self._seen = 0

    async def run(self, p: int, commands: Sequence[Command], wait_s: float | None = None) -> list[Any]:
        """As Lane.run."""
        async with asyncio.timeout(wait_s):
            return await self._run(p, commands)

    async def _run(self, p: int, commands: Sequence[Command]) -> list[Any]:
        seen = self._seen
        if not seen:
            await self._look_up(seen)
        try:
            return await self._node(p).run(commands)
        except Moved:
            await self._look_up(seen)
            return await self._node(p).run(commands)
        except StoreUnavailable:
            self._seen = 0  # the node may be gone: the next transaction asks the others who took over
            raise

    async def run_all(self, several: Sequence[tuple[int, Sequence[Command]]]) -> list[BaseException | None]:
        """What went wrong with each, None where nothing did."""
        found = await asyncio.gather(*(self._run(p, commands) for p, commands in several), return_exceptions=True)
        return [one if isinstance(one, BaseException) else None for one in found]

    async def close(self) -> None:
        """Close the connections."""
        for coalescer in self._nodes.values():
            await coalescer.close()

    async def _look_up(self, seen: int) -> None:
        async with self._looking:
            if seen != self._seen and self._seen:
                return  # another request has looked meanwhile
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    await self._client.initialize()  # once; what follows asks again who has which slot
                    await self._client.nodes_manager.initialize()
            except (RedisError, OSError, TimeoutError) as error:
                raise StoreUnavailable(f"the cluster does not answer: {error}") from error
            self._seen = time.monotonic_ns()

    def _node(self, p: int) -> Coalescer:
        try:
            node = self._client.nodes_manager.get_node_from_slot(key_slot(b"p%02d" % p))
        except RedisError as error:
            raise StoreUnavailable(f"no node has the slot of partition {p}: {error}") from error
        if node.name not in self._nodes:
            options = node.connection_kwargs | _CONNECTION
            self._nodes[node.name] = Coalescer(lambda: node.connection_class(**options), self._timeout_s, self._metrics)
        return self._nodes[node.name]


_CONNECTION: Final[dict[str, Any]] = {
    "protocol": 2,  # pinned: the replies' shapes are read here, not by the client
    "decode_responses": False,
    "socket_timeout": None,  # one time-out for a whole round trip instead of one for each reply
    "retry": Retry(NoBackoff(), 0),
    "health_check_interval": 0,
    "driver_info": None,
}


def open_lane(url: str, client: "redis.Redis | RedisCluster", timeout_s: float, metrics: Metrics) -> Lane:
    """The transactions' way to a server or, if `client` is one, a cluster."""
    if isinstance(client, RedisCluster):
        return Cluster(client, timeout_s, metrics)
    return OneServer(url, timeout_s, metrics)


def open_client(url: str, timeout_s: float = 2.0) -> "redis.Redis | RedisCluster":
    """A client for what is not on the decision path. `?cluster=true` in the address makes it a cluster's."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    clustered = query.pop("cluster", "") in ("1", "true", "yes")
    options: dict[str, Any] = {
        "protocol": 2,
        "decode_responses": False,
        "socket_timeout": timeout_s,
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
    }
    if clustered:
        plain = urlunsplit(parts._replace(query=urlencode(query)))
        return RedisCluster.from_url(plain, **options)
    return redis.Redis.from_url(url, **options, retry=Retry(NoBackoff(), 1))


def _fail(transaction: _Transaction, error: StoreUnavailable) -> None:
    if not transaction.done.done():
        transaction.done.set_exception(error)
