"""The recorder brings every entry of the stream to the lake, and acknowledges none before."""

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from features import lakefile
from features.events import Row
from service import compaction, recorder, stream
from service.consumer import FIRST_COUNT, READ_BYTES, TRIMMED_AT_ONCE, Bookmark, CursorReader, GroupReader
from service.embedded import EmbeddedValkey
from service.lake_desk import state_folder
from service.settings import Settings
from service.sole import sole_worker
from tests import support

DAY = 1_700_000_000_000


@pytest.fixture
def settings(redis_url: str, valkey: "redis.Redis", tmp_path: Path) -> Settings:
    return Settings(redis_url=redis_url, home=tmp_path, partitions=2, recorder_flush_s=0.05)


def event(number: int, visitor: str = "v", shop: str = "demo", ts_ms: int = DAY) -> Row:
    return Row(shop, visitor, f"e{number}", ts_ms + number, "view_item", item_id="i", received_ms=ts_ms + number)


def add(client: Any, fields: dict[bytes, bytes], p: int = 0) -> bytes:
    entry: bytes = client.xadd(stream.log_key(p), fields)
    return entry


def lake_events(settings: Settings) -> list[str]:
    return sorted(lakefile.read_events(settings.lake).column("event_id").to_pylist())


def pending(client: Any, p: int = 0) -> int:
    try:
        return int(client.xpending(stream.log_key(p), recorder.GROUP)["pending"])
    except redis.ResponseError:  # no group yet
        return -1


def sample(metrics: recorder.RecorderMetrics, name: str, **labels: str) -> float:
    value = metrics.registry.get_sample_value(name, labels)
    assert value is not None, f"{name}{labels} is not measured"
    return value


def until(fact: Callable[[], bool]) -> None:
    assert support.until(fact), "it did not become true in time"


@contextmanager
def recording(settings: Settings) -> Iterator[recorder.RecorderMetrics]:
    """A recorder at work in a thread, reading when the test begins; ended gracefully at the end."""
    stop, metrics = threading.Event(), recorder.RecorderMetrics()
    failures: list[BaseException] = []

    def work() -> None:
        try:
            recorder.Recorder(settings, stop, metrics).run()
        except BaseException as error:  # noqa: BLE001  # told to the test below
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        until(lambda: bool(failures) or support.recorder_reads(settings))
        yield metrics
    finally:
        stop.set()
        thread.join(support.PATIENCE_S)
        assert not thread.is_alive() and not failures, failures


def test_events_and_decisions_reach_the_lake_and_are_acknowledged(valkey: Any, settings: Settings) -> None:
    decision = stream.DecisionEntry(
        "demo", stream.decision_id(DAY, bytes(10), 1), "v", DAY, False, "b", "p", "s", True, ("hero=badge",), b"{}"
    )
    with recording(settings) as metrics:
        for number in range(5):
            add(valkey, stream.encode_event([event(number)]), number % 2)
        add(valkey, stream.encode_decision(decision), 1)
        until(lambda: sample(metrics, "tact_recorder_rows_total", table="decisions") == 1)
    assert lake_events(settings) == ["e0", "e1", "e2", "e3", "e4"]
    assert lakefile.find_receipt(settings.lake, "demo", decision.decision_id) == b"{}"
    [row] = lakefile.read_decisions(settings.lake).to_pylist()
    assert row["actions"] == ["hero=badge"] and row["silent"] is True
    assert pending(valkey, 0) == pending(valkey, 1) == 0


def test_a_graceful_stop_drains_what_is_readable(valkey: Any, settings: Settings) -> None:
    slow = settings.model_copy(update={"recorder_flush_s": 300.0})
    with recording(slow) as metrics:
        until(lambda: pending(valkey) == 0)
        for number in range(3000):
            add(valkey, stream.encode_event([event(number)]))
        assert sample(metrics, "tact_recorder_rows_total", table="events") == 0
    assert len(lake_events(settings)) == 3000 and pending(valkey) == 0


def test_a_batch_is_written_at_so_many_rows(valkey: Any, settings: Settings) -> None:
    slow = settings.model_copy(update={"recorder_flush_s": 300.0, "recorder_rows": 10})
    with recording(slow) as metrics:
        for number in range(25):
            add(valkey, stream.encode_event([event(number)]))
        until(lambda: sample(metrics, "tact_recorder_rows_total", table="events") == 20)
    assert len(lake_events(settings)) == 25


def test_a_replay_of_an_old_log_is_filed_by_its_own_days_and_shops(valkey: Any, settings: Settings) -> None:
    with recording(settings):
        for day in range(3):
            for shop in ("demo", "other"):
                add(valkey, stream.encode_event([event(day, shop=shop, ts_ms=DAY + day * lakefile.DAY_MS)]))
    assert len(list(settings.lake.glob("events/shop=*/day=*"))) == 6
    assert len(lakefile.read_events(settings.lake, shop="other")) == 3


def test_what_another_consumer_left_unacknowledged_is_recorded(valkey: Any, settings: Settings) -> None:
    dead = GroupReader(valkey, stream.log_keys(2), recorder.GROUP, "a host that is gone")
    dead.ensure_groups()
    for number in range(2500):
        add(valkey, stream.encode_event([event(number)]))
    assert len(dead.read(5000, 0)) == 2500
    with recording(settings):
        until(lambda: pending(valkey) == 0)
    assert len(lake_events(settings)) == 2500


def test_nothing_is_acknowledged_while_the_lake_cannot_be_written(valkey: Any, settings: Settings) -> None:
    settings.lake.mkdir()
    (settings.lake / "events").write_text("a file where a folder has to be")
    with recording(settings) as metrics:
        add(valkey, stream.encode_event([event(1)]))
        until(lambda: sample(metrics, "tact_recorder_retries_total", what="lake") >= 3)
        assert pending(valkey) == 1
        (settings.lake / "events").unlink()
        until(lambda: pending(valkey) == 0)
    assert lake_events(settings) == ["e1"]


def test_a_stop_while_the_lake_cannot_be_written_says_so_and_leaves_the_entries(
    valkey: Any, settings: Settings
) -> None:
    settings.lake.mkdir()
    (settings.lake / "events").write_text("a file where a folder has to be")
    add(valkey, stream.encode_event([event(1)]))
    stop, metrics = threading.Event(), recorder.RecorderMetrics()

    def stop_once_it_has_failed() -> None:
        until(lambda: sample(metrics, "tact_recorder_retries_total", what="lake") >= 1)
        stop.set()

    threading.Thread(target=stop_once_it_has_failed).start()
    with pytest.raises(recorder.LakeUnavailable, match="stopped while the lake could not be written"):
        recorder.Recorder(settings, stop, metrics).run()
    assert pending(valkey) == 1


def test_unreadable_entries_are_kept_aside_and_block_nothing(valkey: Any, settings: Settings) -> None:
    with recording(settings) as metrics:
        bad = add(valkey, {b"k": b"e", b"s": b"demo", b"v": b"\xff\x00"})
        add(valkey, stream.encode_event([event(1)]))
        until(lambda: pending(valkey) == 0 and bool(list(settings.lake.glob("quarantine/*"))))
        until(lambda: sample(metrics, "tact_recorder_quarantined_total") == 1)
    [file] = settings.lake.glob("quarantine/*")
    kept = json.loads(file.read_text())
    assert kept["id"] == bad.decode() and kept["stream"] == "log:{p00}"
    assert kept["fields"] == {"aw==": "ZQ==", "cw==": "ZGVtbw==", "dg==": "/wA="} and kept["reason"]
    assert lake_events(settings) == ["e1"]


def test_an_erasure_removes_what_came_before_it_and_nothing_after(valkey: Any, settings: Settings) -> None:
    slow = settings.model_copy(update={"recorder_flush_s": 300.0})
    followed, of_others = (state_folder(settings.home, shop) / "x.followed" for shop in ("demo", "other"))
    for file in (followed, of_others):
        file.parent.mkdir(parents=True)
        file.write_bytes(b"gone")
    with recording(slow) as metrics:
        add(valkey, stream.encode_event([event(1, "gone")]))
        add(valkey, stream.encode_event([event(2, "stays")]))
        add(valkey, stream.encode_erase("demo", "gone"))
        add(valkey, stream.encode_event([event(3, "gone")]))
    assert lake_events(settings) == ["e2", "e3"]
    assert (followed.exists(), of_others.exists()) == (False, True)  # what the console followed holds visitors' ids
    assert sample(metrics, "tact_recorder_erased_rows_total") == 1


def test_an_erasure_also_reaches_what_a_dead_consumer_had_taken(valkey: Any, settings: Settings) -> None:
    keys = stream.log_keys(2)
    own = GroupReader(valkey, keys, recorder.GROUP, socket.gethostname())
    own.ensure_groups()
    stop, metrics = threading.Event(), recorder.RecorderMetrics()
    working = recorder.Recorder(settings, stop, metrics)
    add(valkey, stream.encode_event([event(1, "gone")]))
    GroupReader(valkey, keys, recorder.GROUP, "dead").read(10, 0)
    add(valkey, stream.encode_erase("demo", "gone"))
    working._take(own, own.read(10, 0))
    assert lake_events(settings) == []
    assert sample(metrics, "tact_recorder_erased_rows_total") == 1
    assert pending(valkey) == 0


def test_only_entries_that_are_acknowledged_and_old_are_trimmed(valkey: Any, settings: Settings) -> None:
    reader = GroupReader(valkey, stream.log_keys(1), recorder.GROUP, "one")
    reader.ensure_groups()
    key = stream.log_key(0)
    for ms in (10, 20, 30, 40, 50):
        valkey.xadd(key, stream.encode_event([event(ms)]), id=f"{ms}-0")
    taken = reader.read(4, 0)  # 50 is not delivered
    assert reader.trim(before_ms=1000) == 0
    reader.ack({key.encode(): [taken[0][1], taken[1][1], taken[3][1]]})  # 30 stays pending
    assert reader.trim(before_ms=15) == 1
    assert reader.trim(before_ms=1000) == 1
    assert [entry for entry, _ in valkey.xrange(key)] == [b"30-0", b"40-0", b"50-0"]
    reader.ack({key.encode(): [b"30-0"]})
    assert reader.trim(before_ms=1000) == 1
    assert [entry for entry, _ in valkey.xrange(key)] == [b"40-0", b"50-0"]
    assert (reader.lag().entries, reader.lag().oldest_ms) == (1, 50)


def test_a_read_asks_for_less_where_entries_are_large_and_says_whether_some_were_left(
    valkey: Any, settings: Settings
) -> None:
    keys = stream.log_keys(2)
    reader = CursorReader(valkey, keys, {})
    large = stream.encode_event([event(1)]) | {stream.VALUE: bytes(READ_BYTES // 20)}
    for _ in range(40):
        valkey.xadd(keys[0], large)
    assert len(reader.read(None, 0)) == FIRST_COUNT
    assert reader.more
    sizes = []
    while found := reader.read(None, 0):
        sizes.append(len(found))
        assert reader.more == (sum(sizes) < 40 - FIRST_COUNT or len(found) == sizes[0])
    assert max(sizes) <= 10  # half of READ_BYTES: two streams might have answered
    assert sum(sizes) == 40 - FIRST_COUNT


def test_after_small_entries_a_read_is_still_ready_for_large_ones(valkey: Any, settings: Settings) -> None:
    keys = stream.log_keys(2)
    reader = CursorReader(valkey, keys, {})
    large = stream.encode_event([event(1)]) | {stream.VALUE: bytes(READ_BYTES // 20)}
    for fields in (large, *[stream.encode_event([event(number)]) for number in range(20)]):
        valkey.xadd(keys[0], fields)
        assert len(reader.read(None, 0)) == 1
    for _ in range(40):
        valkey.xadd(keys[0], large)
    assert len(reader.read(None, 0)) <= 12


def test_many_entries_are_trimmed_little_by_little_and_all_of_them(valkey: Any, settings: Settings) -> None:
    reader = GroupReader(valkey, stream.log_keys(1), recorder.GROUP, "one")
    reader.ensure_groups()
    key = stream.log_key(0)
    with valkey.pipeline() as pipe:
        for ms in range(1, 1051):
            pipe.xadd(key, stream.encode_event([event(ms)]), id=f"{ms}-0")
        pipe.execute()
    reader.ack({key.encode(): [entry for _, entry, _ in reader.read(2000, 0)]})
    valkey.config_resetstat()
    assert reader.trim(before_ms=1041) == 1040
    assert next(entry for entry, _ in valkey.xrange(key)) == b"1041-0"
    assert valkey.info("commandstats")["cmdstat_xtrim"]["calls"] > 1040 / TRIMMED_AT_ONCE


def test_what_the_learner_has_on_disk_is_trimmed_at_once_but_nothing_unacknowledged(
    valkey: Any, settings: Settings
) -> None:
    reader = GroupReader(valkey, stream.log_keys(1), recorder.GROUP, "one")
    reader.ensure_groups()
    key = stream.log_key(0)
    for ms in (10, 20, 30, 40):
        valkey.xadd(key, stream.encode_event([event(ms)]), id=f"{ms}-0")
    taken = reader.read(4, 0)
    learner = CursorReader(valkey, stream.log_keys(1), {})
    assert reader.trim(before_ms=0) == 0
    learner.mark({key: Bookmark(b"40-0", 4)})
    assert reader.trim(before_ms=0) == 0  # nothing is acknowledged
    reader.ack({key.encode(): [entry for _, entry, _ in taken[:2]]})
    assert reader.trim(before_ms=0) == 2
    reader.ack({key.encode(): [entry for _, entry, _ in taken[2:]]})
    learner.mark({key: Bookmark(b"30-0", 3)})  # it was put back
    assert reader.trim(before_ms=0) == 0
    assert (reader.lag().entries, len(learner.read(10, 0))) == (0, 2)


def test_a_group_that_was_lost_with_its_server_is_made_again(valkey: Any, settings: Settings) -> None:
    with recording(settings):
        add(valkey, stream.encode_event([event(1)]))
        until(lambda: pending(valkey) == 0 and bool(list(settings.lake.glob("events/*/*/part-*"))))
        valkey.flushall()
        add(valkey, stream.encode_event([event(2)]))
        until(lambda: pending(valkey) == 0 and lake_events(settings) == ["e1", "e2"])


def test_a_server_that_goes_away_and_returns_costs_no_event(tmp_path: Path) -> None:
    server = EmbeddedValkey(tmp_path / "valkey").start()
    settings = Settings(redis_url=server.url, home=tmp_path, partitions=2, recorder_flush_s=0.05)
    try:
        with recording(settings) as metrics:
            with redis.Redis.from_url(server.url) as client:
                add(client, stream.encode_event([event(1)]))
                until(lambda: pending(client) == 0)
            server.stop()
            until(lambda: sample(metrics, "tact_recorder_retries_total", what="redis") >= 1)
            server.start()
            with redis.Redis.from_url(server.url) as client:
                add(client, stream.encode_event([event(2)]))
                until(lambda: pending(client) == 0 and len(lake_events(settings)) == 2)
    finally:
        server.stop()
    assert lake_events(settings) == ["e1", "e2"]


def test_a_second_recorder_waits_for_the_lake(tmp_path: Path) -> None:
    stop = threading.Event()
    with sole_worker(tmp_path / recorder.LOCK, stop) as first:
        assert first
        threading.Timer(0.3, stop.set).start()
        with sole_worker(tmp_path / recorder.LOCK, stop) as second:
            assert not second
    with sole_worker(tmp_path / recorder.LOCK, threading.Event()) as third:
        assert third


def test_metrics_are_served_on_their_own_port(valkey: Any, settings: Settings) -> None:
    import urllib.request

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    stop = threading.Event()
    thread = threading.Thread(
        target=recorder.run, args=(settings.model_copy(update={"recorder_metrics_port": port}), stop)
    )
    thread.start()
    try:
        until(lambda: pending(valkey) == 0)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            page = answer.read().decode()
    finally:
        stop.set()
        thread.join(support.PATIENCE_S)
    assert 'tact_recorder_rows_total{table="events"} 0.0' in page


class TestCompaction:
    """Merging small files changes how rows are stored and nothing else."""

    def write(self, lake: Path, parts: int, ts_ms: int = DAY) -> None:
        for number in range(parts):
            lakefile.write_events(lake, [event(number, ts_ms=ts_ms), event(number + 1, ts_ms=ts_ms)], f"rec-{number}")

    def test_a_day_becomes_one_file_with_the_same_rows(self, tmp_path: Path) -> None:
        self.write(tmp_path, 70)
        lakefile.write_events(tmp_path, [event(1000)], "import-a")
        before = lakefile.read_events(tmp_path)
        [merged] = compaction.compact(tmp_path, "demo", lakefile.day_of(DAY))
        assert lakefile.read_events(tmp_path).to_pylist() == before.to_pylist() and len(before) == 72
        assert len(merged.old) == 70 and merged.part is not None
        assert sorted(path.name[:8] for path in merged.part.parent.iterdir()) == ["part-imp", "part-rec"]

    def test_decisions_are_merged_too(self, tmp_path: Path) -> None:
        for number in range(3):
            row = lakefile.DecisionRow("demo", f"d{number % 2}", "v", DAY, False, "b", "p", "s", False, ("a=b",), b"r")
            lakefile.write_decisions(tmp_path, [row], f"rec-{number}")
        [merged] = compaction.compact(tmp_path, "demo", lakefile.day_of(DAY))
        assert len(merged.old) == 3
        assert lakefile.read_decisions(tmp_path).column("decision_id").to_pylist() == ["d0", "d1"]

    def test_a_crash_before_the_old_files_go_leaves_copies_that_reading_drops(self, tmp_path: Path) -> None:
        self.write(tmp_path, 5)
        before = lakefile.read_events(tmp_path).to_pylist()
        [folder] = tmp_path.glob("events/*/*")
        compaction.merge(compaction.own_parts(folder))
        assert len(compaction.own_parts(folder)) == 6
        assert lakefile.read_events(tmp_path).to_pylist() == before
        compaction.compact(tmp_path, "demo", lakefile.day_of(DAY))
        assert len(compaction.own_parts(folder)) == 1
        assert lakefile.read_events(tmp_path).to_pylist() == before

    def test_the_old_files_stay_until_readers_had_their_time(self, tmp_path: Path) -> None:
        self.write(tmp_path, 3)
        [folder] = tmp_path.glob("events/*/*")
        compactor, later = compaction.Compactor(tmp_path), time.time() + 3600
        assert compactor.step() is None  # written just now: the day may go on
        merged = compactor.step(later)
        assert merged is not None and len(merged.old) == 3
        assert compactor.step(later + compaction.GRACE_S - 1) is None and len(compaction.own_parts(folder)) == 4
        assert compactor.step(later + compaction.GRACE_S + 1) is None and len(compaction.own_parts(folder)) == 1
        assert compactor.step(later + 2 * compaction.GRACE_S) is None

    def test_a_day_that_goes_on_is_merged_when_it_has_many_small_files(self, tmp_path: Path) -> None:
        now_ms = int(time.time() * 1000)
        self.write(tmp_path, compaction.MAX_PARTS, now_ms)
        compactor = compaction.Compactor(tmp_path)
        assert compactor.step() is None
        compactor.note(lakefile.write_events(tmp_path, [event(500, ts_ms=now_ms)], "rec-500"))
        merged = compactor.step()
        assert merged is not None and len(merged.old) == compaction.MAX_PARTS + 1

    def test_files_emptied_by_an_erasure_are_removed(self, tmp_path: Path) -> None:
        self.write(tmp_path, 2)
        lakefile.erase(tmp_path, "demo", "v")
        [merged] = compaction.compact(tmp_path, "demo", lakefile.day_of(DAY))
        assert merged.part is None and not list(tmp_path.glob("events/*/*/part-*"))


def test_repeated_work_replaces_its_own_files(tmp_path: Path, valkey: Any, settings: Settings) -> None:
    batch = recorder.Batch(ids=[(b"log:{p00}", b"5-1"), (b"log:{p01}", b"4-0")])
    again = recorder.Batch(ids=list(reversed(batch.ids)))
    other = recorder.Batch(ids=batch.ids[:1])
    assert batch.name() == again.name() != other.name()
    assert batch.name().startswith("rec-4-") and os.sep not in batch.name()


def test_an_erasure_takes_the_visitor_s_raw_entries_out_of_the_stream(valkey: Any, settings: Settings) -> None:
    decision = stream.DecisionEntry("demo", "D-00", "gone", DAY, False, "b", "p", "s", True, (), b"{}")
    with recording(settings) as metrics:
        for number in range(1100):  # more than a page
            add(valkey, stream.encode_event([event(number, "stays, gone is not")]))
        add(valkey, stream.encode_event([event(2000, "gone")]))
        add(valkey, stream.encode_event([event(2001, "gone", shop="other")]))
        add(valkey, stream.encode_decision(decision))
        erased = add(valkey, stream.encode_erase("demo", "gone"))
        later = add(valkey, stream.encode_event([event(2002, "gone")]))
        until(lambda: pending(valkey) == 0 and sample(metrics, "tact_recorder_rows_total", table="events") == 1103)
    left = [(entry_id, stream.decode(fields)) for entry_id, fields in valkey.xrange(stream.log_key(0))]
    events = [e for _, e in left if isinstance(e, stream.EventEntry)]
    assert not [e for _, e in left if isinstance(e, stream.DecisionEntry)]
    assert [e.rows[0].event_id for e in events] == [*(f"e{i}" for i in range(1100)), "e2001", "e2002"]
    assert [entry_id for entry_id, _ in left[-2:]] == [erased, later]


def test_an_erasure_leaves_entries_that_are_not_acknowledged(valkey: Any) -> None:
    reader = GroupReader(valkey, stream.log_keys(1), recorder.GROUP, "one")
    reader.ensure_groups()
    key = stream.log_key(0).encode()
    ids = [add(valkey, stream.encode_event([event(i, "gone")])) for i in range(4)]
    reader.read(3, 0)
    reader.ack({key: [ids[0], ids[2]]})
    assert reader.forget(key, lambda fields: recorder.is_of(fields, "demo", "gone")) == 1
    assert [entry_id for entry_id, _ in valkey.xrange(key)] == ids[1:]
