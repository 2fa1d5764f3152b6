"""Receipts on their way to Redis: put into words and written behind the answer, in batches, and again until the store
takes them.

An answered decision's receipt is given up only when the store is gone for so long that HARD_BYTES are waiting; that is
counted, and never silent. Closing writes what waits.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

import structlog

from service.errors import StoreUnavailable
from service.metrics import Metrics
from service.stream import DecisionEntry

SOFT_BYTES: Final = 32 * 1024 * 1024
"""Above this a decision waits for room, up to its deadline."""

HARD_BYTES: Final = 4 * SOFT_BYTES
BATCH: Final = 64
GATHER_S: Final = 0.005
"""How long few receipts wait for company: a trip costs the service and Redis more than a receipt does."""
FIRST_PAUSE_S: Final = 0.05
LONGEST_PAUSE_S: Final = 1.0

Write = Callable[[Sequence[DecisionEntry]], Awaitable[Sequence[BaseException | None]]]

_log = structlog.get_logger("tact.receipts")


class Waiting(Protocol):
    """A decision whose receipt is to be written: in words, or still to be put into words."""

    @property
    def shop(self) -> str: ...

    @property
    def decision_id(self) -> str: ...

    @property
    def size(self) -> int:
        """Bytes of the receipt, as near as is known."""

    def entry(self) -> DecisionEntry:
        """It in words."""


class ReceiptWriter:
    """A bounded queue and the task that empties it.

    write: stores receipts and tells of each what went wrong, None where nothing did; StoreUnavailable is tried again.
    """

    def __init__(self, write: Write, metrics: Metrics) -> None:
        self._write, self._metrics = write, metrics
        self._waiting: deque[Waiting] = deque()
        self._bytes = 0
        self._wake, self._room = asyncio.Event(), asyncio.Event()
        self._room.set()
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to write. Needs a running loop."""
        self._task = asyncio.create_task(self._run())

    async def put(self, entry: Waiting, wait_s: float) -> bool:
        """Queue a receipt; while the queue is full wait at most wait_s for room. False if it had to be given up."""
        if self._bytes >= SOFT_BYTES:
            self._metrics.receipts_delayed.inc()
            await self._wait_for_room(wait_s)
        if self._bytes >= HARD_BYTES:
            self._metrics.receipts_lost.inc()
            return False
        self._waiting.append(entry)
        self._bytes += entry.size
        if self._bytes >= SOFT_BYTES:
            self._room.clear()
        self._metrics.receipts_waiting = len(self._waiting)
        self._wake.set()
        return True

    def find(self, shop: str, decision_id: str) -> bytes | None:
        """A receipt that still waits."""
        mine = (e for e in self._waiting if e.decision_id == decision_id and e.shop == shop)
        return found.entry().receipt if (found := next(mine, None)) is not None else None

    async def close(self, grace_s: float = 3.0) -> int:
        """Write what waits, at most for grace_s. Returns how many receipts were given up."""
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=grace_s)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        lost = len(self._waiting)
        if lost:
            self._metrics.receipts_lost.inc(lost)
            _log.error("receipts_lost_at_shutdown", count=lost)
        return lost

    async def _wait_for_room(self, wait_s: float) -> None:
        try:
            async with asyncio.timeout(max(wait_s, 0.0)):
                await self._room.wait()
        except TimeoutError:
            return  # put() decides by how much is waiting

    async def _run(self) -> None:
        pause = FIRST_PAUSE_S
        while True:
            if not self._waiting:
                if self._closing:
                    return
                self._wake.clear()
                await self._wake.wait()
                continue
            if len(self._waiting) < BATCH and not self._closing:
                await asyncio.sleep(GATHER_S)
            if await self._write_some():
                pause = FIRST_PAUSE_S
                continue
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)

    async def _outcomes(self, batch: Sequence[Waiting]) -> Sequence[BaseException | None]:
        """What went wrong with each. A receipt that cannot be written down fails alone."""
        found: list[BaseException | None] = [None] * len(batch)
        entries: dict[int, DecisionEntry] = {}
        for at, waiting in enumerate(batch):
            try:
                entries[at] = waiting.entry()
            except Exception as error:  # noqa: BLE001  # counted and logged by the caller
                found[at] = error
        try:
            written = await self._write(list(entries.values())) if entries else ()
        except Exception as error:  # noqa: BLE001  # of a batch that fails as a whole each one failed
            written = [error] * len(entries)
        for at, outcome in zip(entries, written, strict=True):
            found[at] = outcome
        return found

    async def _write_some(self) -> bool:
        """Write the oldest receipts; those the store did not take keep their place. Whether it took all."""
        batch = [self._waiting[i] for i in range(min(BATCH, len(self._waiting)))]
        results = await self._outcomes(batch)
        again = []
        for entry, result in zip(batch, results, strict=True):
            self._waiting.popleft()
            self._bytes -= entry.size
            if isinstance(result, StoreUnavailable):
                again.append(entry)
            elif result is not None:
                self._metrics.receipts_lost.inc()  # a defect of ours: trying again would not help it
                _log.error("receipt_not_written", exc_info=result)
        self._waiting.extendleft(reversed(again))
        self._bytes += sum(entry.size for entry in again)
        self._metrics.receipts_waiting = len(self._waiting)
        if self._bytes < SOFT_BYTES:
            self._room.set()
        if again:
            _log.warning("receipts_wait_for_the_store", waiting=len(self._waiting))
        return not again
