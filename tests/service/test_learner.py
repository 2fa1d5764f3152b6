"""The learner keeps statistics fresh, counts each event once, and resumes exactly where its state ends."""

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import redis

from features.events import Row
from features.record import hash64, pack
from features.stats import ItemStats
from features.stats_count import C
from models.intent import INTENTS
from models.recommend import recommend
from service import drift_watch, learner, snapshots, stream
from service.consumer import Bookmark, CursorReader
from service.live import InvalidSnapshot, LiveStats, load_live
from service.settings import Settings
from service.shop_state import ShopState
from service.truth import Said
from tests import support

START_MS = 1_433_000_000_000  # a replay's clock: the year 2015
KINDS = ("view_item", "view_item", "view_item", "add_to_cart", "purchase", "page_view", "search")


@pytest.fixture
def settings(redis_url: str, valkey: "redis.Redis", tmp_path: Path) -> Settings:
    return Settings(redis_url=redis_url, home=tmp_path, partitions=1, learner_publish_s=0.05)


def events(count: int, seed: int = 1, shop: str = "demo") -> list[Row]:
    """A busy shop: visitors in sessions of related items, some events of several lines."""
    chance = random.Random(seed)
    return [
        Row(
            shop,
            f"v{chance.randrange(40)}",
            f"e{seed}-{number}",
            START_MS + number * 5000 - chance.randrange(4000),
            chance.choice(KINDS),
            item_id=f"i{int(chance.paretovariate(1)) % 90}",
            quantity=chance.randrange(1, 4),
        )
        for number in range(count)
    ]


def send(client: Any, rows: Sequence[Row]) -> None:
    pipe = client.pipeline(transaction=False)
    for row in rows:
        pipe.xadd(stream.log_key(0), stream.encode_event([row]))
    pipe.execute()


def state_of(rows: Sequence[Row]) -> ShopState:
    """What learning without interruption gives."""
    state = ShopState()
    for row in rows:
        state.take(stream.decode_lines(stream.encode_event([row])[b"v"]))
    state.settle()
    return state


def assert_same(live: LiveStats, state: ShopState) -> None:
    """The published snapshot is, bit for bit, what the state publishes."""
    expected = state.published()
    found = {f"stats_{k}": v for k, v in live.stats.to_arrays().items()}
    found |= {f"index_{k}": v for k, v in live.index.to_arrays().items()}
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)
    assert (live.as_of_ms, live.facts.events) == (state.as_of_ms, state.events)


def until(fact: Callable[[], bool]) -> None:
    assert support.until(fact), "it did not become true in time"


@contextmanager
def learning(settings: Settings) -> Iterator[learner.LearnerMetrics]:
    stop, metrics = threading.Event(), learner.LearnerMetrics()
    failures: list[BaseException] = []

    def work() -> None:
        try:
            learner.Learner(settings, stop, metrics).run()
        except BaseException as error:  # noqa: BLE001  # told to the test below
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield metrics
    finally:
        stop.set()
        thread.join(support.PATIENCE_S)
        assert not thread.is_alive() and not failures, failures


def live_of(settings: Settings, shop: str = "demo") -> LiveStats:
    live = load_live(settings.live, shop)
    assert live is not None
    return live


def counted(settings: Settings, shop: str = "demo") -> int:
    live = load_live(settings.live, shop)
    return 0 if live is None else live.facts.events


def test_what_happens_is_published_within_seconds(valkey: Any, settings: Settings) -> None:
    rows = events(500)
    with learning(settings):
        send(valkey, rows[:200])
        until(lambda: counted(settings) == 200)
        first = live_of(settings)
        send(valkey, rows[200:])
        until(lambda: counted(settings) == 500)
    assert live_of(settings).seq > first.seq
    assert_same(live_of(settings), state_of(rows))


def test_item_statistics_are_those_of_the_offline_definition(valkey: Any, settings: Settings) -> None:
    late = Row("demo", "late", "late", START_MS + 10**8, "view_item", item_id="i1")  # when the sessions are over
    rows = [*events(300), late]
    with learning(settings):
        send(valkey, rows)
        until(lambda: counted(settings) == 301)
    offline = ItemStats.empty().updated(pack(rows), np.array([hash64(row.visitor_id) for row in rows], np.uint64))
    live = live_of(settings).stats
    np.testing.assert_array_equal(live.items, offline.items)
    np.testing.assert_array_equal(live.touched_ms, offline.touched_ms)
    assert offline.counts[0, C.bought] > 0 and live.visits.visitors.max() == 0
    np.testing.assert_allclose(live.counts, offline.counts, rtol=1e-12)


def test_a_restart_goes_on_from_the_checkpoint_and_counts_nothing_twice(valkey: Any, settings: Settings) -> None:
    rows = events(400)
    send(valkey, rows[:150])
    with learning(settings):
        until(lambda: counted(settings) == 150)
    send(valkey, rows[150:])
    with learning(settings):
        until(lambda: counted(settings) == 400)
    assert_same(live_of(settings), state_of(rows))


def test_kill_9_at_any_moment_gives_the_statistics_of_an_uninterrupted_run(
    redis_url: str, valkey: Any, tmp_path: Path
) -> None:
    rows, moments, root = events(3000), random.Random(3), Path(__file__).parents[2]
    settings = Settings(redis_url=redis_url, home=tmp_path, partitions=1)
    code = (
        "import sys\nfrom service import learner\nfrom service.settings import Settings\n"
        "learner.CHECKPOINT_S = 0.05\n"
        "learner.run(Settings(redis_url=sys.argv[1], home=sys.argv[2], partitions=1, learner_publish_s=0.02))\n"
    )
    for round_ in range(5):
        checkpoints = set(settings.live.glob(".learner/0*"))
        process = subprocess.Popen([sys.executable, "-c", code, redis_url, str(tmp_path)], cwd=root)
        for at in range(0, 500, 20):
            send(valkey, rows[round_ * 500 + at :][:20])
            time.sleep(0.005)
        until(lambda known=checkpoints: bool(set(settings.live.glob(".learner/0*")) - known))  # type: ignore[misc]
        time.sleep(moments.uniform(0, 0.3))
        process.kill()
        process.wait()
    send(valkey, rows[2500:])
    with learning(settings.model_copy(update={"learner_publish_s": 0.05})):
        until(lambda: counted(settings) == 3000)
    assert_same(live_of(settings), state_of(rows))


def test_events_that_are_sent_again_count_once(valkey: Any, settings: Settings) -> None:
    rows = events(100)
    send(valkey, rows)
    with learning(settings):
        until(lambda: counted(settings) == 100)
    send(valkey, rows[50:])
    with learning(settings) as metrics:
        until(lambda: (metrics.registry.get_sample_value("tact_learner_events_total") or 0) >= 50)
    assert_same(live_of(settings), state_of(rows))
    assert live_of(settings).facts.duplicates == 50


def test_shops_are_kept_apart(valkey: Any, settings: Settings) -> None:
    with learning(settings):
        send(valkey, events(60) + events(40, 2, "other"))
        until(lambda: (counted(settings), counted(settings, "other")) == (60, 40))
    assert live_of(settings, "other").facts.events == 40
    assert_same(live_of(settings, "other"), state_of(events(40, 2, "other")))


def test_unreadable_entries_and_decisions_teach_nothing_and_block_nothing(valkey: Any, settings: Settings) -> None:
    with learning(settings) as metrics:
        valkey.xadd(stream.log_key(0), {b"k": b"e", b"s": b"demo", b"v": b"\xff"})
        valkey.xadd(stream.log_key(0), {b"k": b"e", b"s": b"demo", b"v": b"\x90"})  # an event without a line
        valkey.xadd(stream.log_key(0), {b"unknown": b"field"})
        entry = stream.DecisionEntry("demo", "d-00", "v", 1, False, "", "", "", True, (), b"{}")
        valkey.xadd(stream.log_key(0), stream.encode_decision(entry))
        send(valkey, events(10))
        until(lambda: counted(settings) == 10)
    assert metrics.registry.get_sample_value("tact_learner_unreadable_total") == 3


def test_an_event_that_comes_again_is_no_second_step_of_a_scored_session(settings: Settings) -> None:
    working = learner.Learner(settings, threading.Event(), learner.LearnerMetrics())
    window = working.drift._shops["demo"] = drift_watch._Window()
    window.truth.scored("x", Said(START_MS, (0.5,) * len(INTENTS), False, False))
    row = Row("demo", "x", "e1", START_MS + 1, "view_item", item_id="a")
    working.take([(b"log:{p00}", b"%d-0" % n, stream.encode_event([row])) for n in (1, 2)])
    assert working.shops["demo"].duplicates == 1
    assert window.truth._open["x"].steps == [(START_MS + 1, "view_item")]


def test_an_erased_visitor_leaves_no_session(valkey: Any, settings: Settings) -> None:
    stop = threading.Event()
    working = learner.Learner(settings, stop, learner.LearnerMetrics())
    send(valkey, [Row("demo", v, f"e{v}", START_MS, "view_item", item_id="a") for v in ("x", "y", "z")])
    valkey.xadd(stream.log_key(0), stream.encode_erase("demo", "x"))
    send(valkey, [Row("demo", v, f"f{v}", START_MS + 1, "view_item", item_id=f"b{v}") for v in ("x", "y", "z")])
    working.take(CursorReader(valkey, stream.log_keys(1), {}).read(100, 0))
    arrays = working.shops["demo"].to_arrays()
    assert arrays["index_visitors"].size == 3
    index = working.shops["demo"].index.index()
    assert {r.item_id for r in recommend(index, [hash64("a")], 9) if r.because == "a"} == {"by", "bz"}


def test_an_erased_visitors_session_leads_to_nothing() -> None:
    """What they looked at before is not counted, neither as viewed nor as bought."""
    shop = state_of([Row("demo", v, f"e{v}", START_MS, "view_item", item_id="a") for v in ("x", "y")])
    shop.forget("x")
    bought = [Row("demo", v, f"b{v}", START_MS + 1, "purchase") for v in ("x", "y")]
    for row in bought:
        shop.take(stream.decode_lines(stream.encode_event([row])[b"v"]))
    shop.settle()
    over = shop.stats.ended().counts[0]
    assert over[C.sessions] == pytest.approx(1)
    assert over[C.bought] == pytest.approx(1)


def with_stats(settings: Settings, change: Callable[[dict[str, Any]], None]) -> None:
    """Writes the newest checkpoint anew, with other arrays."""
    snapshot = snapshots.load(settings.live / learner.CHECKPOINT)
    assert snapshot is not None
    arrays = {name: np.array(array) for name, array in snapshot.arrays.items()}
    change(arrays)
    snapshots.publish(settings.live / learner.CHECKPOINT, arrays, msgspec.json.decode(snapshot.facts))


def test_a_checkpoint_of_before_sessions_were_counted_is_taken_over(valkey: Any, settings: Settings) -> None:
    send(valkey, events(60))
    with learning(settings):
        until(lambda: counted(settings) == 60)

    def as_it_was(arrays: dict[str, Any]) -> None:
        arrays["0_stats_counts"] = arrays["0_stats_counts"][:, :3]
        for name in [name for name in arrays if "stats_visit" in name]:
            del arrays[name]

    with_stats(settings, as_it_was)
    again = learner.Learner(settings, threading.Event(), learner.LearnerMetrics())
    again.restore()
    before = state_of(events(60)).stats
    np.testing.assert_array_equal(again.shops["demo"].stats.counts[:, :3], before.counts[:, :3])
    assert again.shops["demo"].events == 60 and again.cursor


def test_a_checkpoint_that_does_not_fit_is_refused_and_the_shop_learned_anew(valkey: Any, settings: Settings) -> None:
    send(valkey, events(60) + events(40, 2, "other"))
    with learning(settings):
        until(lambda: (counted(settings), counted(settings, "other")) == (60, 40))
    with_stats(settings, lambda arrays: arrays.update({"0_stats_counts": np.zeros((9, 77))}))
    again = learner.Learner(settings, threading.Event(), learner.LearnerMetrics())
    again.restore()
    assert sorted(again.shops) == ["other"] and again.shops["other"].events == 40
    with learning(settings):
        send(valkey, events(5, 3))
        until(lambda: counted(settings) == 5)


def test_a_snapshot_of_other_statistics_is_refused_by_the_service(settings: Settings) -> None:
    facts = {"shop": "demo", "as_of_ms": 1, "events": 1, "duplicates": 0, "items": 1, "cursor": {}}
    arrays = state_of(events(20)).published() | {"stats_counts": np.zeros((9, 77))}
    snapshots.publish(settings.live / "demo", arrays, facts)
    with pytest.raises(InvalidSnapshot, match="do not fit"):
        load_live(settings.live, "demo")


def test_a_damaged_checkpoint_is_refused_and_the_one_before_taken(valkey: Any, settings: Settings) -> None:
    rows = events(60)
    for start in (0, 30):
        send(valkey, rows[start : start + 30])
        with learning(settings):
            until(lambda start=start: counted(settings) == start + 30)  # type: ignore[misc]
    [older, newer] = sorted(settings.live.glob(".learner/0*"))
    with (newer / "0_stats_counts.npy").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\x7f")
    again = learner.Learner(settings, threading.Event(), learner.LearnerMetrics())
    again.restore()
    assert again.shops["demo"].events == 30 and older.exists()


def test_a_gap_in_the_stream_is_counted_and_a_stream_that_began_again_is_read_from_its_start(valkey: Any) -> None:
    key = stream.log_key(0)
    for ms in range(1, 11):
        valkey.xadd(key, {"a": "b"}, id=f"{ms}-0")
    reader = CursorReader(valkey, [key], {})
    assert reader.check() == 0
    assert len(reader.read(4, 0)) == 4
    valkey.xtrim(key, minid="4-0", approximate=False)
    assert CursorReader(valkey, [key], reader.cursor).check() == 0  # what went had been read
    valkey.xtrim(key, minid="8-0", approximate=False)
    later = CursorReader(valkey, [key], reader.cursor)
    assert later.check() == 3  # 5, 6 and 7
    assert later.check() == 0
    assert [entry for _, entry, _ in later.read(10, 0)] == [b"8-0", b"9-0", b"10-0"]
    valkey.delete(key)
    valkey.xadd(key, {"a": "b"}, id="2-0")
    new = CursorReader(valkey, [key], later.cursor)
    assert new.check() == 0 and len(new.read(10, 0)) == 1
    assert new.cursor == {key: Bookmark(b"2-0", 1)}
