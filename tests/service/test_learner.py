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

import numpy as np
import pytest
import redis

from features.events import Row
from features.record import hash64, pack
from features.stats import ItemStats
from models.recommend import recommend
from service import learner, stream
from service.consumer import Bookmark, CursorReader
from service.live import LiveStats, load_live
from service.session_index import PUBLISHED, SLOTS, SessionIndex
from service.settings import Settings
from service.shop_state import ShopState

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


def until(fact: Callable[[], bool], seconds: float = 30) -> None:
    give_up = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < give_up, "it did not become true in time"
        time.sleep(0.02)


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
        thread.join(30)
        assert not thread.is_alive() and not failures, failures


def live_of(settings: Settings, shop: str = "demo") -> LiveStats:
    live = load_live(settings.live, shop)
    assert live is not None
    return live


def counted(settings: Settings) -> int:
    live = load_live(settings.live, "demo")
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
    rows = events(300)
    with learning(settings):
        send(valkey, rows)
        until(lambda: counted(settings) == 300)
    offline = ItemStats.empty().updated(pack(rows))
    live = live_of(settings).stats
    np.testing.assert_array_equal(live.items, offline.items)
    np.testing.assert_array_equal(live.touched_ms, offline.touched_ms)
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
        until(lambda: load_live(settings.live, "other") is not None and counted(settings) == 60)
    assert live_of(settings, "other").facts.events == 40
    assert_same(live_of(settings, "other"), state_of(events(40, 2, "other")))


def test_unreadable_entries_and_decisions_teach_nothing_and_block_nothing(valkey: Any, settings: Settings) -> None:
    with learning(settings) as metrics:
        valkey.xadd(stream.log_key(0), {b"k": b"e", b"s": b"demo", b"v": b"\xff"})
        valkey.xadd(stream.log_key(0), {b"unknown": b"field"})
        entry = stream.DecisionEntry("demo", "d-00", "v", 1, False, "", "", "", True, (), b"{}")
        valkey.xadd(stream.log_key(0), stream.encode_decision(entry))
        send(valkey, events(10))
        until(lambda: counted(settings) == 10)
    assert metrics.registry.get_sample_value("tact_learner_unreadable_total") == 2


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


class TestSessionIndex:
    """What is learned from sessions, and its bounds."""

    def learn(self, index: SessionIndex, *visits: tuple[str, int, int]) -> None:
        """visits: (item, visitor, minutes since the start)."""
        items, visitors, minutes = zip(*visits, strict=True)
        index.learn(items, visitors, [START_MS + m * 60_000 for m in minutes])

    def score(self, index: SessionIndex, source: str, target: str) -> float:
        found = index.index()
        row, other = found.row(hash64(source)), found.row(hash64(target))
        scores = found.scores[row][found.neighbours[row] == other]
        return float(scores[0]) if scores.size else 0.0

    def test_items_of_one_session_become_neighbours_the_nearer_the_stronger(self) -> None:
        index = SessionIndex()
        self.learn(index, ("a", 1, 0), ("b", 1, 1), ("c", 1, 2))
        assert self.score(index, "a", "b") > self.score(index, "a", "c") > 0
        assert self.score(index, "b", "c") > self.score(index, "b", "a") > 0

    def test_items_of_two_sessions_or_two_visitors_do_not(self) -> None:
        index = SessionIndex()
        self.learn(index, ("a", 1, 0), ("b", 1, 31), ("c", 2, 31))
        assert self.score(index, "a", "b") == self.score(index, "b", "c") == 0

    def test_coming_back_to_an_item_of_the_session_is_no_new_pair(self) -> None:
        index = SessionIndex()
        self.learn(index, ("a", 1, 0), ("b", 1, 1))
        before = index.to_arrays()["weights"].copy()
        self.learn(index, ("a", 1, 2), ("b", 1, 3), ("b", 1, 3))
        np.testing.assert_array_equal(index.to_arrays()["weights"], before)

    def test_popularity_halves_in_three_days(self) -> None:
        index = SessionIndex()
        self.learn(index, ("a", 1, 0), ("b", 2, 3 * 24 * 60))
        found = index.index()
        assert found.popularity[found.row(hash64("a"))] == pytest.approx(0.5)
        assert found.popularity[found.row(hash64("b"))] == pytest.approx(1.0)

    def test_a_late_event_counts_as_if_it_had_come_in_time(self) -> None:
        minutes = 2 * 24 * 60
        in_time, late = SessionIndex(), SessionIndex()
        self.learn(in_time, ("a", 1, 0), ("b", 1, 1), ("c", 2, minutes))
        self.learn(late, ("c", 2, minutes))
        self.learn(late, ("a", 1, 0), ("b", 1, 1))
        assert self.score(late, "a", "b") == pytest.approx(self.score(in_time, "a", "b"))
        a, b = in_time.index(), late.index()
        np.testing.assert_allclose(a.popularity, b.popularity, rtol=1e-6)

    def test_ten_years_later_the_past_has_faded_and_the_new_is_sound(self) -> None:
        index = SessionIndex()
        self.learn(index, ("a", 1, 0), ("b", 1, 1))
        later = 10 * 365 * 24 * 60
        self.learn(index, ("a", 1, later), ("c", 1, later + 1))
        assert self.score(index, "a", "c") == pytest.approx(1.0)
        assert self.score(index, "a", "b") == pytest.approx(0.0)
        assert np.isfinite(index.to_arrays()["weights"]).all()

    def test_an_item_keeps_its_strong_neighbours_when_many_weak_ones_pass(self) -> None:
        index = SessionIndex()
        for visitor in range(500):
            self.learn(index, ("a", visitor, visitor), ("strong", visitor, visitor))
            self.learn(index, ("a", 1000 + visitor, visitor), (f"weak{visitor}", 1000 + visitor, visitor))
        found = index.index()
        row = found.row(hash64("a"))
        assert found.ids[int(found.neighbours[row][0])] == "strong"
        assert index.to_arrays()["neighbours"].shape[1] == SLOTS and found.neighbours.shape[1] == PUBLISHED

    def test_the_least_popular_items_go_when_there_are_too_many(self) -> None:
        index = SessionIndex(max_items=100)
        self.learn(index, *((f"i{n}", n, 0) for n in range(60)), *(("hit", 1000 + n, 0) for n in range(9)))
        self.learn(index, ("hit", 1, 1), ("i1", 1, 1))
        self.learn(index, *((f"j{n}", 2000 + n, 2) for n in range(60)))
        assert len(index) <= 100
        assert self.score(index, "hit", "i1") > 0
        index.index().check()

    def test_the_longest_silent_visitor_goes_when_there_are_too_many(self) -> None:
        index = SessionIndex(max_visitors=2)
        self.learn(index, ("a", 1, 0), ("b", 2, 0), ("c", 1, 1), ("d", 3, 1), ("e", 2, 2), ("f", 1, 3))
        assert index.visitors == 2
        assert self.score(index, "a", "c") > 0  # visitor 1 was still there
        assert self.score(index, "b", "e") == 0  # visitor 2 had gone

    def test_saved_and_restored_it_learns_on_as_if_nothing_had_been(self) -> None:
        whole, first = SessionIndex(50, 20), SessionIndex(50, 20)
        chance = random.Random(5)
        visits = [(f"i{chance.randrange(80)}", chance.randrange(40), n // 3) for n in range(900)]
        self.learn(whole, *visits[:400])
        self.learn(whole, *visits[400:])
        self.learn(first, *visits[:400])
        second = SessionIndex.from_arrays(first.to_arrays(), 50, 20)
        self.learn(second, *visits[400:])
        for name, array in whole.to_arrays().items():
            np.testing.assert_array_equal(array, second.to_arrays()[name], err_msg=name)

    def test_arrays_that_do_not_fit_are_refused(self) -> None:
        index = SessionIndex()
        self.learn(index, ("a", 1, 0), ("b", 1, 1))
        with pytest.raises(ValueError, match="do not fit"):
            SessionIndex.from_arrays(index.to_arrays() | {"recent": np.full((1, 10), 7, np.int32)})
