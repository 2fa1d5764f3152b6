"""How much memory Redis takes for visitors: all keys counted, with the recorder and the learner at work.

    python -m load_tests.memory [--visitors 1000000] [--events 8] [--server valkey|redis] [--json FILE]

The visitors' events arrive in turns, a first event of everybody, then a second, through the service's own store, which
is the worst order for a string that grows. What is left of the stream when recorder and learner have taken everything
counts, and the peak is told beside it. The slack of the allocator (rss) is told, too: it is the server's, not ours.
"""

import argparse
import asyncio
import json
import math
import tempfile
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import redis

from features.events import Row
from load_tests.parts import SHOP, Install, install
from service.lanes import open_client, open_lane
from service.metrics import Metrics
from service.settings import Settings
from service.store import Store

A_TRIP = 50
"""Visitors in a batch, as POST /v1/events has them."""
UNDER_WAY = 4
SAMPLED = 500
"""Keys of each kind that are asked for their size."""
SETTLED_S = 75.0
"""A checkpoint of the learner and a tidying of the recorder are behind by then."""
PATIENCE_S = 60.0
"""What is measured is memory: a busy machine must not end it."""
KINDS = ("page_view", "view_item_list", "view_item", "view_item", "add_to_cart", "view_item", "view_cart", "purchase")


def event(visitor_id: str, turn: int, at_ms: int) -> Row:
    """The visitor's event of a turn, with all that such an event has."""
    kind = KINDS[turn % len(KINDS)]
    about = "item" in kind
    return Row(
        SHOP,
        visitor_id,
        uuid.uuid4().hex,
        at_ms,
        kind,
        item_id=f"sku-{hash(visitor_id) % 100_000}" if about else "",
        category="shoes/running" if about else "",
        price=59.9 if about else math.nan,
        page_type="product",
        channel="paid",
        device="mobile",
        locale="en",
        received_ms=at_ms,
    )


async def fill(store: Store, visitors: Sequence[str], events: int) -> None:
    """All visitors' events, turn by turn."""
    for turn in range(events):
        batches = (visitors[at : at + A_TRIP] for at in range(0, len(visitors), A_TRIP))
        await asyncio.gather(*(_append(store, batches, turn) for _ in range(UNDER_WAY)))


async def _append(store: Store, batches: Iterator[Sequence[str]], turn: int) -> None:
    """Takes batches from those that all share."""
    for some in batches:
        at_ms = int(time.time() * 1000)
        await store.append_all(SHOP, {v: [[event(v, turn, at_ms)]] for v in some})


def by_kind(client: "redis.Redis") -> dict[str, dict[str, float]]:
    """Of each kind of key (what stands before the first colon): how many, and bytes a key by a sample of them."""
    found: dict[str, list[bytes]] = defaultdict(list)
    counts: dict[str, int] = defaultdict(int)
    for key in client.scan_iter(count=10_000):
        kind = key.decode().partition(":")[0]
        counts[kind] += 1
        if len(found[kind]) < SAMPLED:
            found[kind].append(key)
    return {
        kind: {"keys": counts[kind], "bytes_a_key": sum(_size(client, key) for key in keys) / len(keys)}
        for kind, keys in sorted(found.items())
    }


def _size(client: "redis.Redis", key: bytes) -> int:
    return int(client.memory_usage(key, samples=0) or 0)


def figures(visitors: int = 1_000_000, events: int = 8, server: str = "valkey") -> dict[str, Any]:
    """Fills a new server and measures it. Sizes are in bytes; `bytes_a_visitor` is all that Redis uses for them."""
    with tempfile.TemporaryDirectory() as folder, install(Path(folder), server=server) as here:
        client = redis.Redis.from_url(here.redis_url)
        before = client.info("memory")["used_memory"]
        began_s = time.perf_counter()
        asyncio.run(_filled(here, [uuid.uuid4().hex for _ in range(visitors)], events))
        filled_s = time.perf_counter() - began_s
        _wait_until_taken(client)
        info = client.info("memory")
        used = info["used_memory"] - before
        about = client.info("server")
        return {
            "server": f"{server} {about.get('valkey_version') or about['redis_version']}",
            "visitors": visitors,
            "events": events,
            "used_mb": used / 1e6,
            "bytes_a_visitor": used / visitors,
            "rss_mb": info["used_memory_rss"] / 1e6,
            "peak_mb": info["used_memory_peak"] / 1e6,
            "keys": by_kind(client),
            "stream_entries": _waiting(client),
            "events_a_second": visitors * events / filled_s,
            "cpu_s": here.cpu_s(),
        }


def open_store(url: str) -> Store:
    """The service's store, with more patience."""
    settings, metrics, client = Settings(), Metrics(), open_client(url)
    return Store(client, open_lane(url, client, PATIENCE_S, metrics), settings, metrics)


async def _filled(here: Install, visitors: Sequence[str], events: int) -> None:
    store = open_store(here.redis_url)
    await fill(store, visitors, events)
    await store.close()


def _wait_until_taken(client: "redis.Redis") -> None:
    """Until nothing of the stream waits, for as long as that gets less; a minute more for what is known of it."""
    until_s = time.perf_counter() + SETTLED_S
    least = _waiting(client)
    while time.perf_counter() < until_s and least > Settings().partitions:
        time.sleep(1)
        if (waiting := _waiting(client)) < least:
            least, until_s = waiting, time.perf_counter() + SETTLED_S


def _waiting(client: "redis.Redis") -> int:
    """Entries in all streams."""
    return sum(client.xlen(key) for key in client.scan_iter(match="log:*"))


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description="Redis memory of many visitors, all keys counted.")
    parser.add_argument("--visitors", type=int, default=1_000_000)
    parser.add_argument("--events", type=int, default=8)
    parser.add_argument("--server", choices=("valkey", "redis"), default="valkey")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    found = figures(given.visitors, given.events, given.server)
    print(f"{found['server']}: {found['visitors']:,} visitors of {found['events']} events")
    print(f"  used {found['used_mb']:,.1f} MB, {found['bytes_a_visitor']:.1f} bytes a visitor")
    print(f"  peak {found['peak_mb']:,.0f} MB, rss {found['rss_mb']:,.0f} MB")
    print(f"  entries left in the streams: {found['stream_entries']}")
    for kind, one in found["keys"].items():
        print(f"  {kind + ':':<6} {one['keys']:>9,} keys of {one['bytes_a_key']:,.0f} bytes")
    print(f"  {found['events_a_second']:,.0f} events/s; processor seconds: {found['cpu_s']}")
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
