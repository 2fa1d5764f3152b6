"""How many events a second the learner learns from, beside the floor of only reading and decoding them.

    .venv/bin/python -m load_tests.learner [--events 600000] [--items 50000] [--decisions 0.1] [--bundle DIR]
    .venv/bin/python -m load_tests.learner --rate 10000 [--events 600000]

Fills the streams of an own Valkey server with made-up events (products by a power law) and decisions, then lets each
of these read everything, in a process of its own, in turn:

* floor     XREAD of the same streams and msgspec decoding of each entry, nothing learned
* learner   the real one: learning, publishing every TACT_LEARNER_PUBLISH_S, checkpoints, drift

Prints events a second of wall clock and of processor time, what the server took for them, and the largest memory. Where
others are at work the wall clock tells of them: the load average stands beside it, and both take turns in one run.

With --rate events arrive so many a second while the learner follows. Printed is how far behind it is, looked at ten
times a second: the age of the oldest event that it has not learned from.
"""

import argparse
import gc
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from itertools import chain, islice
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
from service.learner import Learner, LearnerMetrics
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


Entry = tuple[str, dict[bytes, bytes]]


def entries(events: int, items: int, decisions: float, partitions: int, bundle: Path | None) -> Iterator[list[Entry]]:
    """For each event, the entries that it makes: its own, and a decision's after some. With their streams' keys."""
    rng = np.random.default_rng(1)
    item = np.minimum(rng.zipf(1.2, events), items)
    visitor = rng.integers(0, max(1, events // 12), events)
    kind = rng.integers(0, len(KINDS), events)
    decided = rng.random(events) < decisions
    made = _receipts(bundle) if bundle is not None else []
    for n in range(events):
        row = Row(SHOP, f"v{visitor[n]}", f"e{n}", START_MS + n * 20, KINDS[kind[n]], item_id=f"i{item[n]}", price=9.5)
        key = stream.log_key(stream.partition(row.visitor_id, partitions))
        found = [(key, stream.encode_event([row]))]
        if decided[n] and made:
            receipt = made[n % len(made)].replace(b"VISITOR", row.visitor_id.encode())
            entry = stream.DecisionEntry(
                SHOP, f"d{n}-00", row.visitor_id, row.ts_ms, False, "", "", "", True, (), receipt
            )
            found.append((key, stream.encode_decision(entry)))
        yield found


def batched(made: Iterable[list[Entry]], size: int) -> Iterator[list[list[Entry]]]:
    """So many at a time."""
    rest = iter(made)
    while part := list(islice(rest, size)):
        yield part


def put(client: Any, found: Iterable[list[Entry]]) -> None:
    """Appends entries to their streams, in one round trip."""
    pipe = client.pipeline(transaction=False)
    for key, fields in chain.from_iterable(found):
        pipe.xadd(key, fields)
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
            for _, _, fields in reader.read(None, 0):
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


def follow(settings: Settings, events: int) -> dict[str, Any]:
    """The learner; says when it is ready, and how many it had learned from when. seen: pairs of Unix s and number."""
    gc.set_threshold(*YOUNG)
    stop, metrics = threading.Event(), LearnerMetrics()
    seen = [(time.time(), 0)]

    def watch() -> None:
        print("{}", flush=True)
        while seen[-1][1] < events:
            time.sleep(0.1)
            learned = int(metrics.registry.get_sample_value("tact_learner_events_total") or 0)
            seen.append((time.time(), learned))
        stop.set()

    threading.Thread(target=watch, daemon=True).start()
    Learner(settings, stop, metrics).run()
    return {"seen": seen}


def _follow(client: Any, made: list[list[Entry]], rate: int, home: Path, url: str) -> None:
    """Lets events arrive at a rate while the learner follows, and prints how far behind it was."""
    process = subprocess.Popen(_command("follow", home, url, len(made)), stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    began_s, sent_s = time.time(), []
    for part in batched(made, max(1, rate // 20)):
        time.sleep(max(0.0, began_s + len(sent_s) / rate - time.time()))
        put(client, part)
        sent_s += [time.time()] * len(part)
    told = json.loads(next(line for line in iter(process.stdout.readline, b"") if line.startswith(b"{")))
    process.wait()
    seen_s, learned = (np.array(column) for column in zip(*told["seen"], strict=True))
    waiting = learned < len(sent_s)
    behind = np.maximum(0.0, seen_s[waiting] - np.array(sent_s)[learned[waiting]])
    arrived = len(sent_s) / (sent_s[-1] - began_s)
    print(f"{arrived:,.0f} events/s arrived; behind by {median(behind):.2f} s, at most {behind.max():.2f} s; ", end="")
    print(f"{told['cpu_s'] / (sent_s[-1] - began_s):.0%} of a core; peak {told['peak_mb']:,.0f} MB; {_load()}")


def _load() -> str:
    return f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


def _command(what: str, home: Path, url: str, events: int) -> list[str]:
    command = [sys.executable, "-m", "load_tests.learner", "--work", what, "--home", str(home), "--url", url]
    return [*command, "--events", str(events)]


def _work(what: str, home: Path, url: str, events: int) -> None:
    settings = Settings(home=home, redis_url=url)
    began_s = time.process_time()
    told: dict[str, Any] = {"floor": floor, "learner": learner, "follow": follow}[what](settings, events)
    told["cpu_s"] = time.process_time() - began_s
    told["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(told))


def _measured(what: str, client: Any, home: Path, url: str, events: int) -> dict[str, float]:
    before_s = _server_s(client)
    ran = subprocess.run(_command(what, home, url, events), stdout=subprocess.PIPE, check=True)
    told: dict[str, float] = json.loads(ran.stdout.splitlines()[-1])
    return told | {"server_s": _server_s(client) - before_s}


def _server_s(client: Any) -> float:
    """Processor time that the server has taken."""
    used = client.info("cpu")
    return float(used["used_cpu_user"] + used["used_cpu_sys"])


def main() -> None:
    """Fill, then measure."""
    reading = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reading.add_argument("--events", type=int, default=600_000)
    reading.add_argument("--items", type=int, default=50_000)
    reading.add_argument("--decisions", type=float, default=0.1, help="a decision after this share of the events")
    reading.add_argument("--bundle", type=Path, help="a bundle; its decisions are watched for drift")
    reading.add_argument("--repeats", type=int, default=3)
    reading.add_argument("--rate", type=int, default=0, help="events a second that arrive while the learner follows")
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
        made = entries(told.events, told.items, told.decisions, settings.partitions, told.bundle)
        with redis.Redis.from_url(server.url) as client:
            if told.rate:
                _follow(client, list(made), told.rate, home, server.url)
                return
            for part in batched(made, 2000):
                put(client, part)
            _repeat(told.repeats, client, home, server.url, told.events)


def _repeat(repeats: int, client: Any, home: Path, url: str, events: int) -> None:
    found: dict[str, list[dict[str, float]]] = {"floor": [], "learner": []}
    for n in range(repeats):
        for what, runs in found.items():
            own = home / f"{what}-{n}"
            own.mkdir()
            (own / "registry").symlink_to(home / "registry")
            runs.append(_measured(what, client, own, url, events))
    for what, runs in found.items():
        wall, cpu = (sorted(events / run[key] for run in runs) for key in ("seconds", "cpu_s"))
        server = median(1e6 * run["server_s"] / events for run in runs)
        print(
            f"{what:8} {median(wall):>9,.0f} events/s ({wall[0]:,.0f} to {wall[-1]:,.0f}); of processor time "
            f"{median(cpu):>9,.0f}, the server's {server:.1f} us an event; "
            f"peak {max(run['peak_mb'] for run in runs):,.0f} MB"
        )
    ratio = median(one["cpu_s"] / other["cpu_s"] for one, other in zip(found["learner"], found["floor"], strict=True))
    last = found["learner"][-1]
    print(f"the learner takes {ratio:.1f} times the floor's processor time; {_load()}")
    print(f"learner: {last['publications']:.0f} publications, {1000 * last['publish_mean_s']:.0f} ms each")


if __name__ == "__main__":
    main()
