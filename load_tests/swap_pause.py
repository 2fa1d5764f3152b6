"""How long taking over a learner's snapshot of many products keeps the event loop from its work.

    python -m load_tests.swap_pause [--products 100000] [--views 500000] [--swaps 10]

A service's watcher looks for snapshots while a task asks for its turn every millisecond, as decisions would. The
longest waits are printed beside those of the same loop while nothing is swapped (the floor), and how long a swap took
in its thread. It starts a Valkey of its own and writes to a temporary folder.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable
from pathlib import Path

import msgspec
import numpy as np

from features.stats import ItemStats
from load_tests.recommend_bench import made_up_index
from models.session_index import SessionIndex
from service import keys, snapshots
from service.bundle_watcher import Watcher
from service.core import open_service
from service.embedded import EmbeddedValkey
from service.live import Facts
from service.settings import Settings
from service.shop_state import ShopState
from service.warm import warm_up

SHOP = "bench"
TICK_S = 0.001


def publish(settings: Settings, index: SessionIndex) -> None:
    """A snapshot of the index and of statistics of its products."""
    state = ShopState()
    state.index = index
    items = np.concatenate([np.zeros(1, np.uint64), index.index().hashes])
    state.stats = ItemStats(items, np.ones((items.size, 3)), np.full(items.size, 1, np.int64))
    facts = Facts(SHOP, 1, 1, 0, len(index), {})
    snapshots.publish(settings.live / SHOP, state.published(), msgspec.to_builtins(facts))


async def waits_while(work: Awaitable[object]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """How late each turn came while the work was done, seconds."""
    done = asyncio.ensure_future(work)
    late = []
    while not done.done():
        began = time.perf_counter()
        await asyncio.sleep(TICK_S)
        late.append(time.perf_counter() - began - TICK_S)
    await done
    return np.array(late)


async def measured(settings: Settings, index: SessionIndex, swaps: int) -> None:
    service = open_service(str(settings.redis_url), settings)
    try:
        await service.watcher.refresh()
        await swapped(service.watcher, settings, index, swaps)
    finally:
        await service.store.close()


async def swapped(watcher: Watcher, settings: Settings, index: SessionIndex, swaps: int) -> None:
    for _ in range(swaps):
        await asyncio.to_thread(publish, settings, index)
        before, began = watcher.get(SHOP).recommender, time.perf_counter()
        waits = await waits_while(watcher.refresh())
        took_s = time.perf_counter() - began
        took = "swapped" if watcher.get(SHOP).recommender is not before else "not swapped yet"
        floor = await waits_while(asyncio.sleep(took_s))
        numbers = (took_s, waits.max(), np.percentile(waits, 99), floor.max(), np.percentile(floor, 99))
        words = "refresh {:.0f} ms, longest wait {:.1f} ms, p99 {:.1f} ms; floor: longest {:.1f} ms, p99 {:.1f} ms"
        print(f"{took}: " + words.format(*(1000 * number for number in numbers)))
        await asyncio.sleep(25 * took_s)  # the watcher rebuilds at most a twentieth of the time


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--products", type=int, default=100_000)
    parser.add_argument("--views", type=int, default=500_000)
    parser.add_argument("--swaps", type=int, default=10)
    given = parser.parse_args()
    warm_up(())
    index = made_up_index(given.products, given.views, np.random.default_rng(1))
    with tempfile.TemporaryDirectory() as folder, EmbeddedValkey(Path(folder) / "valkey", aof=False) as server:
        settings = Settings(home=Path(folder) / "home", redis_url=server.url)
        settings.home.mkdir()
        keys.create(settings.keys_file, SHOP, "secret")
        asyncio.run(measured(settings, index, given.swaps))


if __name__ == "__main__":
    main()
