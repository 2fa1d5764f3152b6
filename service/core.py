"""The parts of one service process, and their start and stop in order."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from service.bundle_watcher import Watcher
from service.catalog_store import CatalogStore
from service.decide import Decider
from service.ingest import Ingest
from service.metrics import Metrics
from service.privacy import Privacy
from service.receipts import ReceiptWriter
from service.settings import Settings
from service.store import Store
from service.switchboard import Switchboard
from service.warm import warm_up

Clock = Callable[[], int]
"""The time in Unix milliseconds."""

_log = structlog.get_logger("tact.service")


def clock_ms() -> int:
    """The time of this machine."""
    return time.time_ns() // 1_000_000


@dataclass(slots=True)
class Service:
    """Everything the routes use. compiled: whether the first decision would not wait for a compiler."""

    settings: Settings
    metrics: Metrics
    store: Store
    catalogs: CatalogStore
    watcher: Watcher
    receipts: ReceiptWriter
    decider: Decider
    ingest: Ingest
    privacy: Privacy
    switches: Switchboard
    now_ms: Clock
    compiled: bool = False
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self) -> None:
        """Load what is live, compile, then write receipts. Redis may be away: decisions then degrade."""
        started = time.perf_counter()
        await asyncio.to_thread(warm_up, ())  # first: what is measured while loading must not measure a compiler
        await self.watcher.refresh()
        await self.watcher.refresh_switches()
        shops = [self.watcher.get(shop) for shop in self.watcher.readiness()]
        await asyncio.to_thread(warm_up, shops)
        self.compiled = True
        self.watcher.start()
        self.receipts.start()
        _log.info("started", seconds=round(time.perf_counter() - started, 3), shops=len(self.watcher.readiness()))

    async def stop(self) -> None:
        """End prompt streams, write waiting receipts, close connections."""
        self.stopping.set()
        await self.watcher.stop()
        await self.receipts.close()
        await self.store.close()
        self.metrics.settle()
        _log.info("stopped")


def open_service(url: str, settings: Settings, now_ms: Clock = clock_ms) -> Service:
    """The parts put together; nothing connects before start(). url: of Redis."""
    metrics = Metrics()
    store = Store.open(url, settings, metrics)
    catalogs = CatalogStore(store.client)
    switches = Switchboard(store.client)
    watcher = Watcher(settings, catalogs, metrics, switches)
    receipts = ReceiptWriter(store.write_decisions, metrics)
    return Service(
        settings=settings,
        metrics=metrics,
        store=store,
        catalogs=catalogs,
        watcher=watcher,
        receipts=receipts,
        decider=Decider(store, watcher.get, receipts, metrics, settings, now_ms),
        ingest=Ingest(store, metrics),
        privacy=Privacy(store, settings.lake),
        switches=switches,
        now_ms=now_ms,
    )
