"""Decisions at a fixed rate, in an open loop, beside the same server answering a constant.

    .venv/bin/python -m load_tests.open_loop [--about artifacts/demo.json] [--rate 200] [--seconds 10] [--repeats 3]

Each request has a time at which it is due; its latency counts from then, whether or not it could be sent (a late answer
makes the next ones late, as for real visitors: no coordinated omission). Runs of decisions and of the floor alternate.
It stops by itself; it sends only to the address in the file. A thin first version: the traffic is uniform.
"""

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tact.http_client import Connection

CONNECTIONS = 32
VISITORS = 500
PLACEMENTS = ("pdp.trust", "pdp.recommend", "pdp.store", "global.chat")
CONSTANT = "/healthz"
"""POST is not allowed there: the server says so from the same event loop and router, without a body or Redis."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run. latencies_ms: of every answer, from when its request was due. wrong: answers of another status."""

    latencies_ms: Sequence[float]
    wrong: int
    degraded: int

    def percentile(self, share: float) -> float:
        ordered = sorted(self.latencies_ms)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def decision(i: int, item_ids: Sequence[str]) -> bytes:
    """The i-th request's body: a product page with four placements."""
    context = {"page_type": "product", "item_id": item_ids[i % len(item_ids)], "locale": "en"}
    return json.dumps({"visitor_id": f"load-{i % VISITORS}", "placements": PLACEMENTS, "context": context}).encode()


async def run(about: dict[str, str], path: str, bodies: Sequence[bytes], rate: float, expected: int) -> Run:
    """Sends the bodies at the rate over CONNECTIONS connections."""
    waiting: asyncio.Queue[tuple[float, bytes] | None] = asyncio.Queue()
    latencies: list[float] = []
    counts = {"wrong": 0, "degraded": 0}

    async def serve() -> None:
        connection = Connection(about["url"], about["secret_key"])
        while (work := await waiting.get()) is not None:
            due_s, body = work
            answer = await connection.post(path, body)
            latencies.append((time.perf_counter() - due_s) * 1000)
            counts["wrong"] += answer.status != expected
            counts["degraded"] += b'"degraded":true' in answer.body
        connection.close()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(CONNECTIONS):
            tasks.create_task(serve())
        start_s = time.perf_counter()
        for i, body in enumerate(bodies):
            due_s = start_s + i / rate
            await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
            waiting.put_nowait((due_s, body))
        for _ in range(CONNECTIONS):
            waiting.put_nowait(None)
    return Run(latencies, counts["wrong"], counts["degraded"])


def shown(name: str, runs: Sequence[Run]) -> str:
    """Medians over the runs with their spread."""
    parts = []
    for share, label in ((0.5, "p50"), (0.9, "p90"), (0.99, "p99")):
        figures = sorted(one.percentile(share) for one in runs)
        parts.append(f"{label} {statistics.median(figures):6.2f} ms ({figures[0]:.2f}–{figures[-1]:.2f})")
    answers = sum(len(one.latencies_ms) for one in runs)
    wrong, degraded = (sum(getattr(one, what) for one in runs) for what in ("wrong", "degraded"))
    return f"{name:<10} {'  '.join(parts)}  {answers} answers, {wrong} wrong, {degraded} degraded"


def main() -> None:
    """Read the arguments, run, print two lines."""
    parser = argparse.ArgumentParser(description="Decisions in an open loop beside a constant answer.")
    parser.add_argument("--about", type=Path, default=Path("artifacts/demo.json"))
    parser.add_argument("--catalog", type=Path, default=Path("examples/shop/catalog.ndjson"))
    parser.add_argument("--rate", type=float, default=200.0)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    about = json.loads(given.about.read_text())
    item_ids = [json.loads(line)["item_id"] for line in given.catalog.read_text().splitlines()]
    count = int(given.rate * given.seconds)
    bodies = [decision(i, item_ids) for i in range(count)]
    floors, ours = [], []
    asyncio.run(run(about, "/v1/decisions", bodies[: min(count, 200)], given.rate, 200))  # warm
    for _ in range(given.repeats):
        floors.append(asyncio.run(run(about, CONSTANT, bodies, given.rate, 405)))
        ours.append(asyncio.run(run(about, "/v1/decisions", bodies, given.rate, 200)))
    print(f"{given.rate:g} requests/s, {given.seconds:g} s, {given.repeats} alternating runs: median (spread)")
    print(shown("constant", floors))
    print(shown("decision", ours))


if __name__ == "__main__":
    main()
