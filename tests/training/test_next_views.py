"""What is learned, what is asked and when: the protocol's edges on logs written by hand."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.training.logs import START_MS, Did, log_of
from training.next_views import Targets, Task, task_of
from training.split import Window
from training.table import Log

HOUR_S = 3600
MIDDLE, END = START_MS + 10 * HOUR_S * 1000, START_MS + 20 * HOUR_S * 1000
TRAIN, TEST = Window(START_MS, MIDDLE), Window(MIDDLE, END)


def viewed(hour: float, *items: str) -> list[Did]:
    """A session of views a minute apart."""
    return [Did(hour * HOUR_S + 60 * n, "view_item", item) for n, item in enumerate(items)]


def made(folder: Path, *journeys: list[Did], **options: int) -> tuple[Log, Task]:
    log = log_of(folder, *journeys)
    return log, task_of(log, TRAIN, log, TEST, **options)


def asked(log: Log, task: Task, targets: Targets) -> set[tuple[str, str]]:
    """Each question and its answer, as words."""
    name = [log.item_ids[item] for item in task.hashes.tolist()]
    starts, ends = targets.asked.start.tolist(), targets.asked.end.tolist()
    prefixes = [" ".join(name[i] for i in targets.asked.items[s:e]) for s, e in zip(starts, ends, strict=True)]
    return set(zip(prefixes, (name[i] for i in targets.product), strict=True))


def learned(log: Log, task: Task) -> list[str]:
    name = [log.item_ids[item] for item in task.hashes.tolist()]
    items, edges = task.train.items.tolist(), task.train.edges.tolist()
    return [" ".join(name[i] for i in items[s:e]) for s, e in pairwise(edges)]


def test_every_view_but_the_first_is_asked_with_all_before_it_reloads_too(tmp_path: Path) -> None:
    log, task = made(tmp_path, viewed(1, "a", "b"), viewed(12, "a", "a", "b", "a"))
    assert asked(log, task, task.everything) == {("a", "a"), ("a a", "b"), ("a a b", "a")}
    assert len(task.everything) == 3


def test_only_views_of_a_product_count(tmp_path: Path) -> None:
    journey = [*viewed(12, "a", "b"), Did(12 * HOUR_S + 90, "add_to_cart", "b"), Did(12 * HOUR_S + 95, "page_view")]
    log, task = made(tmp_path, viewed(1, "a", "b"), journey)
    assert asked(log, task, task.everything) == {("a", "b")}


def test_sessions_of_one_view_are_dropped_from_training_feed_and_test(tmp_path: Path) -> None:
    log, task = made(tmp_path, viewed(1, "a"), viewed(2, "b", "c"), viewed(12, "b"))
    assert learned(log, task) == ["b c"]
    assert len(task.feed) == 1
    assert len(task.everything) == 0
    assert task.seen_share is None


def test_a_gap_of_more_than_half_an_hour_begins_a_session(tmp_path: Path) -> None:
    log, task = made(tmp_path, viewed(1, "a", "b"), [*viewed(12, "a", "b"), *viewed(13, "c", "a")])
    assert asked(log, task, task.everything) == {("a", "b"), ("c", "a")}


def test_what_training_sessions_view_after_its_end_is_not_learned_nor_tested(tmp_path: Path) -> None:
    across = viewed(10 - 1.5 / 60, "a", "b", "c", "d")
    log, task = made(tmp_path, across)
    assert learned(log, task) == ["a b"]
    assert len(task.everything) == 0


def test_a_test_session_is_seen_to_its_end_beyond_the_window(tmp_path: Path) -> None:
    _, task = made(tmp_path, viewed(1, "a", "b"), viewed(20 - 1.5 / 60, "a", "b", "a", "b"), viewed(20.1, "a", "b"))
    assert len(task.everything) == 3


def test_sessions_before_training_begins_are_neither_learned_nor_fed(tmp_path: Path) -> None:
    log = log_of(tmp_path, viewed(1, "x", "y"), viewed(5, "a", "b"))
    task = task_of(log, Window(START_MS + 4 * HOUR_S * 1000, MIDDLE), log, TEST)
    assert learned(log, task) == ["a b"]
    assert len(task.feed) == 1


def test_seen_leaves_unseen_products_out_of_prefixes_too(tmp_path: Path) -> None:
    log, task = made(tmp_path, viewed(1, "a", "b"), viewed(12, "a", "new", "b", "new"), viewed(13, "new", "a"))
    assert asked(log, task, task.everything) >= {("a new", "b"), ("a new b", "new"), ("new", "a")}
    assert asked(log, task, task.seen) == {("a", "b")}
    assert task.seen_share == pytest.approx(2 / 4)


def test_a_product_seen_only_in_a_dropped_session_is_unseen(tmp_path: Path) -> None:
    _, task = made(tmp_path, viewed(1, "a", "b"), viewed(2, "c"), viewed(12, "a", "c"))
    assert task.seen_share == 0.0


def test_the_feed_gives_each_session_when_its_gap_has_passed_in_order_of_their_ends(tmp_path: Path) -> None:
    long, short = viewed(11, "a", "b", "c", "d"), viewed(11.01, "e", "f")
    log, task = made(tmp_path, viewed(1, "a", "b"), long, short)
    ends = [START_MS + round(1000 * s) for s in (HOUR_S + 60, 11.01 * HOUR_S + 60, 11 * HOUR_S + 180)]
    assert task.feed.end_ms.tolist() == ends
    assert task.known_ms.tolist() == [end + 30 * 60_000 for end in ends]
    assert np.diff(task.feed.edges).tolist() == [2, 2, 4]
    assert len(learned(log, task)) == 1


def test_at_most_so_many_views_of_a_test_session_count_if_asked(tmp_path: Path) -> None:
    journeys = viewed(1, "a", "b"), viewed(12, *(f"i{n}" for n in range(20)))
    assert len(made(tmp_path / "1", *journeys)[1].everything) == 19
    assert len(made(tmp_path / "2", *journeys, max_prefix=5)[1].everything) == 4


def test_another_log_is_known_from_the_start_and_its_own_sessions_as_they_end(tmp_path: Path) -> None:
    log = log_of(tmp_path / "1", viewed(15, "a", "b"))  # later than what is tested
    other = log_of(tmp_path / "2", viewed(1, "b", "c"), viewed(12, "c", "b"), viewed(13, "a", "b"))
    task = task_of(log, Window(MIDDLE, END), other, TEST)
    assert len(task.everything) == 2
    assert task.known_ms[0] < START_MS
    assert len(task.feed) == 3  # the session of hour 1 lies before the test
    assert task.seen_share == 1.0


def test_a_log_without_views_has_nothing_to_ask(tmp_path: Path) -> None:
    _, task = made(tmp_path, [Did(1, "page_view")], [Did(11 * HOUR_S, "page_view")])
    assert (len(task.hashes), len(task.train), len(task.feed), len(task.everything), len(task.seen)) == (0, 0, 0, 0, 0)


def test_a_visitors_next_session_is_not_the_one_before(tmp_path: Path) -> None:
    """Sessions of one visitor lie side by side in the log; groups tell them apart."""
    _, task = made(tmp_path, viewed(1, "a", "b"), [*viewed(12, "a", "b", "a"), *viewed(14, "a", "b")])
    assert np.bincount(task.everything.group).tolist() == [2, 1]
    assert replace(task.everything.asked).at(np.array([2])).now_ms.tolist() == [START_MS + 14 * HOUR_S * 1000 + 60_000]
