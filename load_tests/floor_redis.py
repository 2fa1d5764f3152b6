"""Floor C: bare round trips to Redis, redis-py on uvloop, no HTTP. `python -m load_tests.floor_redis`, REDIS_URL set.

It reads jobs and writes figures as the generator does (load_tests/generator.py): `connections` callers that each ask
again when the answer came, or round trips that are due at a rate. `requests` names the keys to GET.
"""

import asyncio
import os
import sys
import time
from pathlib import Path

import msgspec
import numpy as np
import redis.asyncio as redis
import uvloop

from load_tests.floors import CALLERS
from load_tests.generator import TIMEOUT_S, Job, Measured, arrivals


class _Trips:
    """One job under way."""

    def __init__(self, client: "redis.Redis", job: Job) -> None:
        self.client, self.job = client, job
        self.keys = msgspec.msgpack.decode(Path(job.requests).read_bytes(), type=list[bytes])
        self.latencies: list[float] = []
        self.late: list[float] = []
        self.next = self.lost = 0
        self.last_s = 0.0

    async def trip(self, due_s: float, counted_s: float) -> None:
        """One GET, timed from when it was due."""
        self.next = (self.next + 1) % len(self.keys)
        try:
            await self.client.get(self.keys[self.next])
        except redis.RedisError:
            self.lost += 1
            return
        self.last_s = time.perf_counter()
        if due_s >= counted_s:
            self.latencies.append(self.last_s - due_s)

    async def closed(self) -> float:
        """Callers that each ask again. When counting began."""
        start_s = time.perf_counter()
        counted_s, stop_s = start_s + self.job.skip_s, start_s + self.job.seconds

        async def caller() -> None:
            while (now_s := time.perf_counter()) < stop_s:
                await self.trip(now_s, counted_s)

        await asyncio.gather(*(caller() for _ in range(self.job.connections)))
        return counted_s

    async def open(self) -> float:
        """Round trips when they are due. When counting began."""
        start_s = time.perf_counter()
        counted_s, under_way = start_s + self.job.skip_s, set()
        for at in arrivals(self.job.rate_per_s, self.job.seconds, self.job.seed):
            if (wait_s := start_s + at - time.perf_counter()) > 0:
                await asyncio.sleep(wait_s)
            self.late.append(max(0.0, -wait_s))
            task = asyncio.create_task(self.trip(start_s + at, counted_s))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
        await asyncio.gather(*under_way)
        return counted_s


async def measured(client: "redis.Redis", job: Job) -> Measured:
    """Does a job."""
    trips, cpu_s = _Trips(client, job), time.process_time()
    began_s = await (trips.open() if job.rate_per_s > 0 else trips.closed())
    took_s, ms = max(trips.last_s - began_s, 1e-9), np.array(trips.latencies or [TIMEOUT_S]) * 1000
    p50, p90, p99, p999 = (float(p) for p in np.percentile(ms, [50, 90, 99, 99.9]))
    return Measured(
        answers=len(trips.latencies),
        seconds=took_s,
        throughput=len(trips.latencies) / took_s,
        p50_ms=p50,
        p90_ms=p90,
        p99_ms=p99,
        p999_ms=p999,
        max_ms=float(ms.max()),
        late_p99_ms=float(np.percentile(trips.late, 99)) * 1000 if trips.late else 0.0,
        wrong=0,
        lost=trips.lost,
        unsent=0,
        degraded=0,
        cpu_s=time.process_time() - cpu_s,
    )


async def work() -> None:
    """Jobs in, figures out, until standard input ends."""
    client = redis.Redis.from_url(os.environ["REDIS_URL"], max_connections=CALLERS)
    while line := await asyncio.to_thread(sys.stdin.buffer.readline):
        said = msgspec.json.encode(await measured(client, msgspec.json.decode(line, type=Job)))
        sys.stdout.buffer.write(said + b"\n")
        sys.stdout.buffer.flush()
    await client.aclose()


if __name__ == "__main__":
    uvloop.run(work())
