"""What is learned from visits, as it happens, and its bounds."""

import random
from pathlib import Path

import numpy as np
import pytest

from features.record import hash64
from models.item_index import ItemIndex
from models.session_index import POPULAR_HALF_LIFE_MS, SLOTS, SessionIndex

START_MS = 1_433_000_000_000
Visit = tuple[str, int, int]


def learn(index: SessionIndex, *visits: Visit) -> None:
    """visits: (item, visitor, minutes since the start)."""
    items, visitors, minutes = zip(*visits, strict=True)
    index.learn(items, visitors, [START_MS + m * 60_000 for m in minutes])


def score(index: SessionIndex, source: str, target: str) -> float:
    """The target's share of the source's pairs."""
    found = index.index()
    row, other = found.row(hash64(source)), found.row(hash64(target))
    scores = found.scores[row][found.neighbours[row] == other]
    return float(scores[0] / found.scores[row].sum()) if scores.size else 0.0


def by_chance(n: int, seed: int = 5, visitors: int = 40) -> list[Visit]:
    chance = random.Random(seed)
    return [(f"i{int(chance.paretovariate(1)) % 80}", chance.randrange(visitors), at // 3) for at in range(n)]


def assert_same(a: SessionIndex, b: SessionIndex) -> None:
    one, other = a.to_arrays(), b.to_arrays()
    assert one.keys() == other.keys()
    for name, array in one.items():
        np.testing.assert_array_equal(array, other[name], err_msg=name)


def sessions_of(index: SessionIndex) -> set[tuple[str, ...]]:
    """The products of each session that is still in the ring, oldest first."""
    found = index.index()
    t = found.tables
    roots: dict[int, list[str]] = {}
    for at in np.roll(np.arange(len(t.item)), -int(t.clock[0])).tolist():
        root = int(t.root[at])
        if root == at or root in roots:  # else it began before the ring's oldest
            roots.setdefault(root, []).append(str(found.ids[int(t.item[at])]))
    return {tuple(items) for items in roots.values()}


def test_items_of_one_session_become_neighbours_the_nearer_the_stronger() -> None:
    index = SessionIndex()
    learn(index, ("a", 1, 0), ("b", 1, 1), ("c", 1, 2))
    assert score(index, "a", "b") > score(index, "a", "c") > 0
    assert score(index, "b", "c") > score(index, "b", "a") > 0


def test_items_of_two_sessions_or_two_visitors_do_not() -> None:
    index = SessionIndex()
    learn(index, ("a", 1, 0), ("b", 1, 31), ("c", 2, 31))
    assert score(index, "a", "b") == score(index, "b", "c") == 0
    assert sessions_of(index) == {("a",), ("b",), ("c",)}


def test_coming_back_to_an_item_of_the_session_is_no_new_pair() -> None:
    index = SessionIndex()
    learn(index, ("a", 1, 0), ("b", 1, 1))
    before = index.to_arrays()["scores"].copy()
    learn(index, ("a", 1, 2), ("b", 1, 3), ("b", 1, 3))
    np.testing.assert_array_equal(index.to_arrays()["scores"], before)


def test_popularity_halves_in_its_half_life() -> None:
    index = SessionIndex()
    learn(index, ("a", 1, 0), ("b", 2, POPULAR_HALF_LIFE_MS // 60_000))
    found = index.index()
    assert found.popularity[found.row(hash64("a"))] == pytest.approx(0.5)
    assert found.popularity[found.row(hash64("b"))] == pytest.approx(1.0)


def test_a_late_event_counts_as_if_it_had_come_in_time() -> None:
    minutes = 2 * 24 * 60
    in_time, late = SessionIndex(), SessionIndex()
    learn(in_time, ("a", 1, 0), ("b", 1, 1), ("c", 2, minutes))
    learn(late, ("c", 2, minutes))
    learn(late, ("a", 1, 0), ("b", 1, 1))
    assert score(late, "a", "b") == pytest.approx(score(in_time, "a", "b"))
    one, other = in_time.index(), late.index()
    for item in "abc":
        mine, theirs = (found.popularity[found.row(hash64(item))] for found in (one, other))
        assert theirs == pytest.approx(mine, rel=1e-5)


def test_a_late_event_of_a_session_that_is_over_joins_no_session() -> None:
    index = SessionIndex()
    learn(index, ("a", 1, 0), ("b", 1, 60), ("late", 1, 1))
    assert sessions_of(index) == {("a",), ("b",)}
    found = index.index()
    assert found.popularity[found.row(hash64("late"))] > 0.9


def test_ten_years_later_the_past_has_faded_and_the_new_is_sound() -> None:
    index = SessionIndex()
    learn(index, ("a", 1, 0), ("b", 1, 1))
    later = 10 * 365 * 24 * 60
    learn(index, ("a", 1, later), ("c", 1, later + 1))
    assert score(index, "a", "c") == pytest.approx(1.0)
    assert score(index, "a", "b") == pytest.approx(0.0)
    assert np.isfinite(index.to_arrays()["scores"]).all()


def test_an_item_keeps_its_strong_neighbours_when_many_weak_ones_pass() -> None:
    index = SessionIndex()
    for visitor in range(500):
        learn(index, ("a", visitor, visitor), ("strong", visitor, visitor))
        learn(index, ("a", 1000 + visitor, visitor), (f"weak{visitor}", 1000 + visitor, visitor))
    found = index.index()
    row = found.row(hash64("a"))
    assert found.ids[int(found.neighbours[row][np.argmax(found.scores[row])])] == "strong"
    assert found.neighbours.shape[1] == SLOTS


def test_the_least_popular_items_go_when_there_are_too_many() -> None:
    index = SessionIndex(max_items=100)
    learn(index, *((f"i{n}", n, 0) for n in range(60)), *(("hit", 1000 + n, 0) for n in range(9)))
    learn(index, ("hit", 1, 1), ("i1", 1, 1))
    learn(index, *((f"j{n}", 2000 + n, 2) for n in range(60)))
    assert len(index) <= 100
    assert score(index, "hit", "i1") > 0
    index.index().check()


def test_the_longest_silent_visitor_goes_when_there_are_too_many() -> None:
    index = SessionIndex(max_visitors=2)
    learn(index, ("a", 1, 0), ("b", 2, 0), ("c", 1, 1), ("d", 3, 1), ("e", 2, 2), ("f", 1, 3))
    assert index.visitors == 2
    assert score(index, "a", "c") > 0  # visitor 1 was still there
    assert score(index, "b", "e") == 0  # visitor 2 had gone


@pytest.mark.parametrize("room", [1, 7, 64, 1 << 20])
def test_learned_one_by_one_it_is_as_learned_at_once(room: int) -> None:
    one_by_one, at_once = (SessionIndex(max_entries=room) for _ in range(2))
    visits = by_chance(400)
    learn(at_once, *visits)
    for visit in visits:
        learn(one_by_one, visit)
    assert_same(one_by_one, at_once)


@pytest.mark.parametrize("at_once", [1, 3, 4096])
@pytest.mark.parametrize("visitors", [1, 2, 12])
def test_with_too_many_visitors_the_same_go_however_many_come_at_once(
    visitors: int, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.session_index.AT_ONCE", at_once)
    one_by_one, whole = (SessionIndex(max_visitors=visitors) for _ in range(2))
    visits = by_chance(400)
    learn(whole, *visits)
    for visit in visits:
        learn(one_by_one, visit)
    assert whole.visitors == visitors
    assert_same(one_by_one, whole)


@pytest.mark.parametrize("bounds", [{}, {"max_entries": 64}, {"max_items": 40, "max_visitors": 12, "max_entries": 64}])
def test_learned_from_columns_it_is_as_learned_from_texts(bounds: dict[str, int]) -> None:
    visits = by_chance(900)
    items, visitors, minutes = zip(*visits, strict=True)
    times = [START_MS + m * 60_000 for m in minutes]
    prices = [float("nan") if n % 3 else float(n) for n in range(900)]
    categories = [n % 5 for n in range(900)]
    texts, columns = (SessionIndex(**bounds) for _ in range(2))
    texts.learn(items, visitors, times, prices, categories)
    hashes = np.array([hash64(item) for item in items], np.uint64)
    told = (np.array(prices, np.float32), np.array(categories, np.int32))
    names = dict(zip(hashes.tolist(), items, strict=True))
    columns.learn_columns(hashes, names, np.array(visitors), np.array(times), *told)
    assert_same(columns, texts)


def test_the_oldest_views_go_when_the_ring_is_full() -> None:
    index = SessionIndex(max_entries=4)
    learn(index, ("a", 1, 0), ("b", 1, 1), ("c", 2, 2), ("d", 2, 3), ("e", 3, 4), ("f", 3, 5))
    assert sessions_of(index) == {("c", "d"), ("e", "f")}
    learn(index, ("g", 1, 6))  # its session's other views are gone, and with "c" the beginning of another
    assert sessions_of(index) == {("e", "f"), ("g",)}


def test_an_erased_visitor_is_in_no_session_and_can_come_back() -> None:
    index = SessionIndex()
    learn(index, ("a", 1, 0), ("x", 2, 0), ("b", 1, 1), ("c", 1, 100), ("y", 2, 1))
    index.forget(1)
    index.forget(77)
    assert sessions_of(index) == {("x", "y")}
    assert index.visitors == 1
    learn(index, ("d", 1, 101), ("e", 3, 101), ("f", 1, 102))
    assert sessions_of(index) == {("x", "y"), ("d", "f"), ("e",)}


@pytest.mark.parametrize("room", [50, 1 << 20])
def test_saved_and_restored_it_learns_on_as_if_nothing_had_been(room: int) -> None:
    whole, first = SessionIndex(50, 20, room), SessionIndex(50, 20, room)
    visits = by_chance(900)
    learn(whole, *visits[:400])
    learn(whole, *visits[400:])
    learn(first, *visits[:400])
    second = SessionIndex.from_arrays(first.to_arrays(), 50, 20, room)
    learn(second, *visits[400:])
    a, b = whole.index().to_arrays(), second.index().to_arrays()
    for name, array in a.items():
        np.testing.assert_array_equal(array, b[name], err_msg=name)


@pytest.mark.parametrize("name", ["item", "visitors", "clock", "hashes", "neighbours", "root"])
def test_arrays_that_do_not_fit_are_refused(name: str) -> None:
    index = SessionIndex()
    learn(index, ("a", 1, 0), ("b", 1, 1))
    arrays = index.to_arrays()
    with pytest.raises(ValueError, match=r"do not fit|point outside|differ in shape"):
        SessionIndex.from_arrays(arrays | {name: arrays[name][:-1]})
    with pytest.raises(ValueError, match="point outside"):
        SessionIndex.from_arrays(arrays | {"same": np.full(2, 7, np.int32)})


def test_what_is_published_does_not_change_when_more_is_learned(tmp_path: Path) -> None:
    index = SessionIndex(max_entries=300)
    learn(index, *by_chance(400))
    published = index.index()
    before = {name: array.copy() for name, array in published.to_arrays().items()}
    learn(index, *by_chance(400, seed=6), ("new", 1, 500))
    for name, array in published.to_arrays().items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)
        np.save(tmp_path / f"{name}.npy", array)
    mapped = ItemIndex.from_arrays({p.stem: np.load(p, mmap_mode="r") for p in tmp_path.glob("*.npy")})
    assert list(mapped.ids) == list(published.ids)
    for name, array in mapped.to_arrays().items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)
