"""kill -9 of the recorder, at any moment, loses nothing and doubles nothing."""

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import redis

from features import lakefile
from features.events import Row
from service import recorder, stream
from service.embedded import EmbeddedValkey
from tests.support import PATIENCE_S

PARTITIONS = 4
KILLS = 8
DAYS = 3
START_MS = 1_700_000_000_000


@pytest.fixture
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of this test's own: what another test's service writes late would count as its own."""
    with EmbeddedValkey(tmp_path_factory.mktemp("valkey"), aof=False) as server:
        yield server.url


class Shop(threading.Thread):
    """Visitors who never pause: writes events and decisions to the stream and remembers what was acknowledged."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url, self.enough = url, threading.Event()
        self.lines: list[tuple[str, int]] = []
        self.decisions: list[str] = []

    def run(self) -> None:
        with redis.Redis.from_url(self.url) as client:
            sent = 0
            while not self.enough.is_set():
                pipe = client.pipeline(transaction=False)
                for number in range(sent, sent + 40):
                    self._page_view(pipe, number)
                sent += 40
                pipe.execute()
                time.sleep(0.01)

    def _page_view(self, pipe: Any, number: int) -> None:
        visitor, ts_ms = f"v{number % 50}", START_MS + number * 1000 + number % DAYS * lakefile.DAY_MS
        p = stream.partition(visitor, PARTITIONS)
        rows = [
            Row(("demo", "other")[number % 2], visitor, f"e{number}", ts_ms, "purchase", line=line, item_id="i")
            for line in range(1 + number % 3)
        ]
        pipe.xadd(stream.log_key(p), stream.encode_event(rows))
        self.lines += [(row.event_id, row.line) for row in rows]
        if number % 5 == 0:
            decision = stream.decision_id(ts_ms, number.to_bytes(10, "big"), p)
            entry = stream.DecisionEntry(
                "demo", decision, visitor, ts_ms, False, "b", "p", "s", True, (), b"{%d}" % number
            )
            pipe.xadd(stream.log_key(p), stream.encode_decision(entry))
            self.decisions.append(decision)


def start(environ: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    root = Path(__file__).parents[2]
    return subprocess.Popen([sys.executable, "-m", "tact", "recorder"], env=dict(environ), cwd=root)


def parts(lake: Path) -> set[Path]:
    return set(lake.glob("*/shop=*/day=*/part-*.parquet"))


def wait_for_work(process: "subprocess.Popen[bytes]", lake: Path, known: set[Path]) -> None:
    """Returns when the recorder has written a new file since `known`."""
    give_up = time.monotonic() + PATIENCE_S
    while not parts(lake) - known:
        assert process.poll() is None, "the recorder ended by itself"
        assert time.monotonic() < give_up, "the recorder writes nothing"
        time.sleep(0.002)


def test_every_acknowledged_event_is_in_the_lake_exactly_once_after_kills(
    redis_url: str, valkey: Any, tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    environ = os.environ | {
        "REDIS_URL": redis_url,
        "TACT_HOME": str(tmp_path),
        "TACT_PARTITIONS": str(PARTITIONS),
        "TACT_RECORDER_FLUSH_S": "0.03",
    }
    moments = random.Random(7)
    shop = Shop(redis_url)
    shop.start()
    try:
        for _ in range(KILLS):
            known = parts(lake)
            process = start(environ)
            wait_for_work(process, lake, known)
            time.sleep(moments.uniform(0, 0.4))
            process.kill()
            process.wait()
    finally:
        shop.enough.set()
        shop.join()
    process = start(environ)
    wait_until_all_is_acknowledged(valkey)
    process.terminate()
    assert process.wait(PATIENCE_S) == 0

    events = lakefile.read_events(lake, columns=["event_id", "line"]).to_pylist()
    assert sorted((row["event_id"], row["line"]) for row in events) == sorted(shop.lines)
    receipts = lakefile.read_decisions(lake, columns=["decision_id", "receipt"]).to_pylist()
    assert sorted(row["decision_id"] for row in receipts) == sorted(shop.decisions)
    written = sum(pq.read_metadata(part).num_rows for part in parts(lake))
    assert written >= len(shop.lines) + len(shop.decisions)


def wait_until_all_is_acknowledged(valkey: Any) -> None:
    give_up = time.monotonic() + PATIENCE_S
    keys = stream.log_keys(PARTITIONS)
    while True:
        groups = [valkey.xinfo_groups(key)[0] for key in keys]
        if all(group["pending"] == 0 and group["lag"] == 0 for group in groups):
            return
        assert time.monotonic() < give_up, groups
        time.sleep(0.05)


def test_a_kill_between_write_and_acknowledgement_writes_again_and_reads_once(
    redis_url: str, valkey: Any, tmp_path: Path
) -> None:
    """The moment that matters most, made certain: the file is there, the acknowledgement is not."""
    entry = valkey.xadd(stream.log_key(0), stream.encode_event([Row("demo", "v", "e", START_MS, "view_item")]))
    code = (
        "import os, signal, sys, threading\n"
        "from service import recorder\n"
        "from service.settings import Settings\n"
        "recorder.Recorder._acknowledge = lambda self, reader: self.durable and os.kill(os.getpid(), signal.SIGKILL)\n"
        "recorder.run(Settings(redis_url=sys.argv[1], home=sys.argv[2], partitions=1, recorder_flush_s=0.01))\n"
    )
    root = Path(__file__).parents[2]
    died = subprocess.run([sys.executable, "-c", code, redis_url, str(tmp_path)], cwd=root, timeout=2 * PATIENCE_S)
    assert died.returncode == -9
    [first] = parts(tmp_path / "lake")
    assert valkey.xpending(stream.log_key(0), recorder.GROUP)["min"] == entry

    environ = os.environ | {"REDIS_URL": redis_url, "TACT_HOME": str(tmp_path), "TACT_PARTITIONS": "1"}
    process = start(environ)
    give_up = time.monotonic() + PATIENCE_S
    while valkey.xpending(stream.log_key(0), recorder.GROUP)["pending"] and time.monotonic() < give_up:
        time.sleep(0.02)
    process.terminate()
    assert process.wait(PATIENCE_S) == 0
    assert valkey.xpending(stream.log_key(0), recorder.GROUP)["pending"] == 0
    assert parts(tmp_path / "lake") == {first}  # the same entries make the same file
    assert lakefile.read_events(tmp_path / "lake").column("event_id").to_pylist() == ["e"]
