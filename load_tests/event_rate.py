"""How many events a second the service takes over HTTP in batches, with the recorder behind it, and what they cost.

    python -m load_tests.event_rate [--events 400000] [--batch 50] [--connections 8] [--server valkey|redis]

A closed loop in a process of its own: each connection sends its next batch when the one before was answered. Beside it
the same bodies are sent to an address that answers without looking at them: the floor of server and generator.
Processor seconds for 1,000 events are told for each process, because other work on the machine hardly moves them.
Whether the recorder keeps up is told by how far it is behind when the last batch is answered; and every event that was
acknowledged is looked for in the lake.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import random
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import redis

from features.lakefile import read_events
from load_tests.parts import SHOP, Install, install, pending

PARTS = ("service", "recorder", "learner")
CATCH_UP_S = 120.0
EVENTS_A_VISITOR, PRODUCTS = 8, 100_000


@dataclass(frozen=True)
class Sent:
    """What a generator saw: accepted events, answers of another status, seconds, and its processor seconds."""

    accepted: int
    wrong: int
    seconds: float
    cpu_s: float


class _Sender(asyncio.Protocol):
    """One connection that sends the next body when the one before was answered."""

    def __init__(self, requests: Iterator[bytes], batch: int, done: "asyncio.Future[None]") -> None:
        self.requests, self.batch, self.done = requests, batch, done
        self.accepted = self.wrong = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.seen = transport, b""
        self._next()

    def data_received(self, data: bytes) -> None:
        self.seen += data
        head, end, body = self.seen.partition(b"\r\n\r\n")
        if not end or len(body) < _length(head):
            return
        whole = self.seen.startswith(b"HTTP/1.1 202") and b'"rejected"' not in body
        self.accepted, self.wrong, self.seen = self.accepted + whole * self.batch, self.wrong + (not whole), b""
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionError("the service closed the connection"))

    def _next(self) -> None:
        request = next(self.requests, None)
        if request is not None:
            self.transport.write(request)
        elif not self.done.done():
            self.done.set_result(None)
            self.transport.close()


def _length(head: bytes) -> int:
    return int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])


def bodies(events: int, batch: int, seed: int = 1) -> list[bytes]:
    """JSON of so many different events: visitors' page views, mixed as they would arrive together."""
    rng = random.Random(seed)
    people = [uuid.UUID(int=rng.getrandbits(128)).hex for _ in range(max(1, events // EVENTS_A_VISITOR))]
    now_ms = int(time.time() * 1000)
    found = [_event(rng, rng.choice(people), now_ms + i % 1000) for i in range(events)]
    return [
        json.dumps({"events": found[at : at + batch]}, separators=(",", ":")).encode() for at in range(0, events, batch)
    ]


def _event(rng: random.Random, visitor_id: str, ts_ms: int) -> dict[str, Any]:
    item = f"sku-{int(PRODUCTS ** rng.random())}"
    return {
        "event": "add_to_cart" if rng.random() < 0.05 else "view_item",
        "event_id": uuid.UUID(int=rng.getrandbits(128)).hex,
        "visitor_id": visitor_id,
        "ts": ts_ms,
        "items": [{"item_id": item, "item_category": f"c{len(item)}", "price": 19.9, "quantity": 1}],
        "page_type": "product",
        "device": "mobile",
        "channel": "paid",
    }


def send(url: str, key: str, path: str, made: Sequence[bytes], connections: int, batch: int) -> Sent:
    """Sends the bodies, in this process."""
    return asyncio.run(_send(url, key, path, made, connections, batch))


async def _send(url: str, key: str, path: str, made: Sequence[bytes], connections: int, batch: int) -> Sent:
    host, port = urlsplit(url).hostname or "", urlsplit(url).port or 80
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"
    requests = iter([f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body for body in made])
    loop, began_s, cpu_s = asyncio.get_running_loop(), time.perf_counter(), time.process_time()
    done = [loop.create_future() for _ in range(connections)]
    senders = [_Sender(requests, batch, one) for one in done]
    for sender in senders:
        await loop.create_connection(partial(_itself, sender), host, port)
    await asyncio.gather(*done)
    seconds, used_s = time.perf_counter() - began_s, time.process_time() - cpu_s
    return Sent(sum(s.accepted for s in senders), sum(s.wrong for s in senders), seconds, used_s)


def _itself(sender: _Sender) -> _Sender:
    return sender


def apart(*given: Any) -> Sent:
    """`send` in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(send, given)


def figures(
    events: int = 400_000, batch: int = 50, connections: int = 8, server: str = "valkey", parts: Sequence[str] = PARTS
) -> dict[str, Any]:
    """Sends events to a new install and looks for them in its lake."""
    with tempfile.TemporaryDirectory() as folder, install(Path(folder), parts, server) as here:
        client = redis.Redis.from_url(here.redis_url)
        apart(here.url, here.secret_key, "/v1/events", bodies(50 * batch, batch, seed=2), 2, batch)  # warm
        floor = apart(here.url, here.secret_key, "/healthz", bodies(events // 4, batch, seed=3), connections, batch)
        _caught_up(client)
        before = here.cpu_s()
        sent = apart(here.url, here.secret_key, "/v1/events", bodies(events, batch), connections, batch)
        behind, lag_s = pending(client), _caught_up(client)
        used = {part: after - before[part] for part, after in here.cpu_s().items()} | {"generator": sent.cpu_s}
        return {
            "events_a_second": sent.accepted / sent.seconds,
            "floor_events_a_second": events // 4 / floor.seconds,
            "accepted": sent.accepted,
            "wrong": sent.wrong,
            "in_lake": _in_lake(here) - 50 * batch,
            "behind_at_the_end": behind,
            "caught_up_after_s": lag_s,
            "cpu_s_for_1000": {part: used_s / sent.accepted * 1000 for part, used_s in used.items()},
            "cores": os.cpu_count(),
            "load": os.getloadavg()[0],
        }


def _caught_up(client: "redis.Redis") -> float:
    """Seconds until the recorder has everything in the lake."""
    began_s = time.perf_counter()
    while pending(client) and time.perf_counter() - began_s < CATCH_UP_S:
        time.sleep(0.1)
    return time.perf_counter() - began_s


def _in_lake(here: Install) -> int:
    return int(read_events(here.home / "lake", SHOP).num_rows)


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description="Events a second over HTTP, recorder and all.")
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--batch", type=int, default=50)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--server", choices=("valkey", "redis"), default="valkey")
    parser.add_argument("--parts", nargs="+", default=PARTS)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    found = figures(given.events, given.batch, given.connections, given.server, given.parts)
    floor = f"the same bodies, not looked at: {found['floor_events_a_second']:,.0f}"
    print(f"{found['events_a_second']:,.0f} events/s; {floor}")
    print(f"{found['accepted']:,} accepted, {found['wrong']} wrong answers, {found['in_lake']:,} in the lake")
    print(f"behind when the last was answered: {found['behind_at_the_end']:,}, for {found['caught_up_after_s']:.1f} s")
    shares = ", ".join(f"{part} {s * 1000:.1f}" for part, s in found["cpu_s_for_1000"].items())
    print(f"processor, ms for 1,000 events: {shares}; load average {found['load']:.1f} on {found['cores']} cores")
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
