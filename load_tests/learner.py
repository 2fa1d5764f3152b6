"""How many events a second the learner learns from, beside the floor of only reading and decoding them.

    .venv/bin/python -m load_tests.learner [--events 600000] [--items 50000] [--decisions 0.1] [--repeats 3]

Fills the streams of an own Valkey server with made-up events (products by a power law) and decisions, then lets each
of these read everything, in a process of its own, in turn:

* floor     XREAD of the same streams and msgspec decoding of each entry, nothing learned
* learner   the real one: learning, publishing every TACT_LEARNER_PUBLISH_S, checkpoints, drift

Prints events a second of wall clock and of processor time, the longest publication, and the largest memory.
"""

import argparse
import gc
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np
import redis

from features.events import Row
from models import bundle as bundles
from models.registry import Registry
from service import stream
from service.consumer import CursorReader, connect
from service.embedded import EmbeddedValkey
from service.learner import READ_COUNT, Learner, LearnerMetrics
from service.memory import YOUNG
from service.settings import Settings

SHOP: Final = "load"
START_MS: Final = 1_735_689_600_000
KINDS: Final = (
    "view_item",
    "view_item",
    "view_item",
    "view_item",
    "page_view",
    "view_item_list",
    "add_to_cart",
    "purchase",
)


def fill(client: Any, events: int, items: int, decisions: float, settings: Settings, bundle: Path | None) -> None:
    """Puts events of visitors in sessions into the streams, and a decision after some."""
    rng = np.random.default_rng(1)
    item = np.minimum(rng.zipf(1.2, events), items)
    visitor = rng.integers(0, max(1, events // 12), events)
    kind = rng.integers(0, len(KINDS), events)
    decided = rng.random(events) < decisions
    made = _receipts(bundle) if bundle is not None else []
    pipe = client.pipeline(transaction=False)
    for n in range(events):
        row = Row(SHOP, f"v{visitor[n]}", f"e{n}", START_MS + n * 20, KINDS[kind[n]], item_id=f"i{item[n]}", price=9.5)
        key = stream.log_key(stream.partition(row.visitor_id, settings.partitions))
        pipe.xadd(key, stream.encode_event([row]))
        if decided[n] and made:
            receipt = made[n % len(made)].replace(b"VISITOR", row.visitor_id.encode())
            entry = stream.DecisionEntry(
                SHOP, f"d{n}-00", row.visitor_id, row.ts_ms, False, "", "", "", True, (), receipt
            )
            pipe.xadd(key, stream.encode_decision(entry))
        if n % 2000 == 1999:
            pipe.execute()
    pipe.execute()


def _receipts(folder: Path) -> list[bytes]:
    """Receipts as large as real ones, of vectors that a bundle scored."""
    import msgspec

    from features.schema import FINGERPRINT, N_FEATURES

    bundle, rng, made = bundles.load(folder), np.random.default_rng(2), []
    for _ in range(200):
        vector = rng.normal(size=N_FEATURES).astype(np.float32)
        scores = bundle.score(vector)
        found = {"visitor_id": "VISITOR", "ts_ms": START_MS, "bundle": bundle.id, "features": FINGERPRINT}
        found |= {"vector": vector.tobytes(), "chosen": ["x" * 60] * 40}
        made.append(
            msgspec.json.encode(found | {"scores": {"stage": scores.stage.tolist(), "intent": scores.intent.tolist()}})
        )
    return made


def floor(settings: Settings, events: int) -> dict[str, float]:
    """Read and decode everything once."""
    found = 0
    with connect(settings) as client:
        reader = CursorReader(client, stream.log_keys(settings.partitions), {})
        began_s = time.monotonic()
        while found < events:
            for _, _, fields in reader.read(READ_COUNT, 0):
                if fields is not None and fields[stream.KIND] == stream.EVENT:
                    stream.decode_lines(fields[stream.VALUE])
                    found += 1
    return {"seconds": time.monotonic() - began_s}


def learner(settings: Settings, events: int) -> dict[str, float]:
    """The learner until it has learned from everything."""
    gc.set_threshold(*YOUNG)  # as learner.run does
    stop, metrics = threading.Event(), LearnerMetrics()
    working = Learner(settings, stop, metrics)
    value = metrics.registry.get_sample_value
    began_s = time.monotonic()
    taken_s = [0.0]

    def watch() -> None:
        while (value("tact_learner_events_total") or 0) < events:
            time.sleep(0.02)
        taken_s[0] = time.monotonic() - began_s
        stop.set()

    threading.Thread(target=watch, daemon=True).start()
    working.run()
    count = value("tact_learner_publish_seconds_count") or 1
    mean_s = (value("tact_learner_publish_seconds_sum") or 0.0) / count
    return {"seconds": taken_s[0], "publications": count, "publish_mean_s": mean_s}


def _work(what: str, home: Path, url: str, events: int) -> None:
    settings = Settings(home=home, redis_url=url)
    began_s = time.process_time()
    told = {"floor": floor, "learner": learner}[what](settings, events)
    told["cpu_s"] = time.process_time() - began_s
    told["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(told))


def _measured(what: str, home: Path, url: str, events: int) -> dict[str, float]:
    command = [sys.executable, "-m", "load_tests.learner", "--work", what, "--home", str(home), "--url", url]
    ran = subprocess.run([*command, "--events", str(events)], stdout=subprocess.PIPE, check=True)
    told: dict[str, float] = json.loads(ran.stdout.splitlines()[-1])
    return told


def main() -> None:
    """Fill, then measure."""
    reading = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reading.add_argument("--events", type=int, default=600_000)
    reading.add_argument("--items", type=int, default=50_000)
    reading.add_argument("--decisions", type=float, default=0.1, help="a decision after this share of the events")
    reading.add_argument("--bundle", type=Path, help="a bundle; its decisions are watched for drift")
    reading.add_argument("--repeats", type=int, default=3)
    reading.add_argument("--work", help=argparse.SUPPRESS)
    reading.add_argument("--home", type=Path, help=argparse.SUPPRESS)
    reading.add_argument("--url", help=argparse.SUPPRESS)
    told = reading.parse_args()
    if told.work:
        _work(told.work, told.home, told.url, told.events)
        return
    with tempfile.TemporaryDirectory() as folder, EmbeddedValkey(Path(folder) / "valkey", aof=False) as server:
        home = Path(folder)
        settings = Settings(home=home, redis_url=server.url)
        if told.bundle is not None:
            Registry(settings.registry).publish(told.bundle, SHOP, "load test", "", 0)
        with redis.Redis.from_url(server.url) as client:
            fill(client, told.events, told.items, told.decisions, settings, told.bundle)
        _repeat(told.repeats, home, server.url, told.events)


def _repeat(repeats: int, home: Path, url: str, events: int) -> None:
    found: dict[str, list[dict[str, float]]] = {"floor": [], "learner": []}
    for n in range(repeats):
        for what, runs in found.items():
            own = home / f"{what}-{n}"
            own.mkdir()
            (own / "registry").symlink_to(home / "registry")
            runs.append(_measured(what, own, url, events))
    for what, runs in found.items():
        wall, cpu = (sorted(events / run[key] for run in runs) for key in ("seconds", "cpu_s"))
        print(
            f"{what:8} {median(wall):>9,.0f} events/s ({wall[0]:,.0f} to {wall[-1]:,.0f}); of processor time "
            f"{median(cpu):>9,.0f}; peak {max(run['peak_mb'] for run in runs):,.0f} MB"
        )
    last = found["learner"][-1]
    print(f"learner: {last['publications']:.0f} publications, {1000 * last['publish_mean_s']:.0f} ms each")


if __name__ == "__main__":
    main()
