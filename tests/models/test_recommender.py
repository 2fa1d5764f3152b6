"""What a visitor is recommended from one index: the truth of the reasons, and what switches a source off."""

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from features.catalog import Catalog, Product
from features.record import category16, hash64
from models.candidates import SOURCES
from models.factors import ItemFactors
from models.item_index import ItemIndex
from models.ranker import COLUMNS
from models.recommend import Asked, Recommender
from models.session_index import SessionIndex

START_MS = 1_433_000_000_000
MINUTE_MS = 60_000
LATER_MS = START_MS + 600 * MINUTE_MS
Visit = tuple[str, int, int]


def index_of(*visits: Visit) -> SessionIndex:
    """An index that learned visits: (item, visitor, minutes since the start)."""
    index = SessionIndex()
    items, visitors, minutes = zip(*visits, strict=True)
    index.learn(items, visitors, [START_MS + m * MINUTE_MS for m in minutes])
    return index


def asked(*items: str, now_ms: int = LATER_MS, session_from: int = 0, step_ms: int = MINUTE_MS) -> Asked:
    hashes = np.array([hash64(item) for item in items], np.uint64)
    times = now_ms - step_ms * np.arange(len(items))[::-1]
    return Asked(hashes, times.astype(np.int64), session_from, now_ms, ids={hash64(item): item for item in items})


SHOP = index_of(
    *(("a", n, 0) for n in range(3)),
    *(("b", n, 1) for n in range(3)),
    ("c", 0, 2),
    *(("popular", 10 + n, 3) for n in range(9)),
    ("x", 7, 4),
    ("y", 7, 5),
)


def test_an_empty_index_and_an_unknown_visitor_get_what_there_is() -> None:
    assert Recommender.of(ItemIndex.empty()).recommend(asked(), 5) == ()
    assert Recommender.of(ItemIndex.empty()).recommend(asked("a"), 5, returns=False) == ()
    found = Recommender.of(SHOP.index()).recommend(asked(), 1)
    assert [(r.item_id, r.because, r.source) for r in found] == [("popular", "", "popular")]
    assert Recommender.of(SHOP.index()).recommend(asked("nobody knows it"), 1, returns=False)[0].item_id == "popular"


def test_where_more_candidates_are_wanted_than_the_sources_find_popular_products_make_up_for_them() -> None:
    many = index_of(*((f"p{n}", n, n % 60) for n in range(400)))
    recommender = Recommender.of(many.index())
    few, all_of_them = (recommender.find(asked("p7"), own=False, keep=keep).items for keep in (120, 300))
    assert len(few) < 120
    assert 190 < len(all_of_them) <= 300
    assert len(set(all_of_them.tolist())) == len(all_of_them)


def test_what_was_looked_at_with_it_comes_first_with_the_product_that_led_there() -> None:
    found = Recommender.of(SHOP.index()).recommend(asked("a"), 2, returns=False)
    assert [(r.item_id, r.because) for r in found] == [("b", "a"), ("c", "a")]
    assert found[0].source == "next" and found[0].score > found[1].score


def test_with_returns_the_sessions_own_products_stand_first_and_earlier_ones_amid_the_neighbours() -> None:
    found = Recommender.of(SHOP.index()).recommend(asked("x", "y", "a", session_from=1), 5)
    own = {r.item_id: r for r in found if r.source in ("own", "earlier")}
    assert (found[0].item_id, found[0].source, own["x"].source) == ("y", "own", "earlier")
    assert all(r.because == r.item_id for r in own.values())
    assert found[1].source not in ("own", "earlier")


def test_an_own_product_first_seen_a_second_ago_can_be_returned_to() -> None:
    found = Recommender.of(SHOP.index()).recommend(asked("brand new", "a"), 3)
    assert (found[0].item_id, found[0].source) == ("brand new", "own")
    nameless = replace(asked("brand new", "a"), ids={})
    assert "brand new" not in {r.item_id for r in Recommender.of(SHOP.index()).recommend(nameless, 10)}


def test_without_returns_no_product_of_the_session_and_no_own_source_is_in_the_answer() -> None:
    found = Recommender.of(SHOP.index()).recommend(asked("x", "a", "b", session_from=1), 20, returns=False)
    assert {"a", "b"} & {r.item_id for r in found} == set()
    assert {"own", "earlier"} & {r.source for r in found} == set()


def test_without_own_products_they_are_no_source_and_nothing_before_the_session_is_known() -> None:
    recommender = Recommender.of(SHOP.index())
    question = asked("x", "y", "unknown", "a", session_from=2)
    found = recommender.find(question, own=False)
    for name in ("earlier_views", "earlier_back", "earlier_age_h", "tail_before"):
        assert not found.x[:, COLUMNS.index(name)].any(), name
    assert hash64("unknown") not in found.items.tolist()
    assert {"own", "earlier"} & {SOURCES[s] for s in found.source} == set()
    assert hash64("unknown") in recommender.find(question, own=True).items.tolist()


def test_a_product_of_the_session_that_a_neighbour_found_is_known_as_one() -> None:
    found = Recommender.of(SHOP.index()).find(asked("x", "b", "a", "b", "a", session_from=1), own=False)
    at = int(np.flatnonzero(found.items == hash64("b"))[0])
    told = {name: float(found.x[at, COLUMNS.index(name)]) for name in ("own_views", "own_back", "own_next", "is_last")}
    assert told == {"own_views": 2.0, "own_back": 2.0, "own_next": 1.0, "is_last": 0.0}
    assert SOURCES[found.source[at]] in ("next", "together")


def test_how_the_session_goes_is_told_of_every_candidate() -> None:
    found = Recommender.of(SHOP.index()).find(asked("x", "a", "b", "a", "a", "a", session_from=1), True)
    of = dict(zip(COLUMNS, found.x.T, strict=True))
    for name, number in (("run", 3), ("self_share", 0.5), ("last_gap_s", 60), ("session_s", 240)):
        assert of[name].tolist() == [number] * len(found.items), name
    alone = Recommender.of(SHOP.index()).find(asked("a"), True)
    of = dict(zip(COLUMNS, alone.x.T, strict=True))
    assert of["run"].tolist() == [1.0] * len(alone.items)
    assert np.isnan(of["self_share"]).all() and np.isnan(of["last_gap_s"]).all()


def test_shares_of_what_came_next_and_of_the_neighbours_add_up() -> None:
    found = Recommender.of(SHOP.index()).find(asked("a"), True)
    of = dict(zip(COLUMNS, found.x.T, strict=True))
    assert of["next_part"].sum() == pytest.approx(1.0) and of["knn_part"].sum() == pytest.approx(1.0)
    np.testing.assert_allclose(of["next_part"], of["next"] / of["next"].sum(), rtol=1e-5)


def test_products_seen_with_the_same_others_are_alike_though_nobody_saw_both() -> None:
    visits = [("a", n, 0) for n in range(4)] + [("b", n, 1) for n in range(2)] + [("c", n, 1) for n in (2, 3)]
    visits += [("b", 5, 2), ("d", 5, 3), ("c", 6, 2), ("d", 6, 3), ("b", 7, 2), ("e", 7, 3), ("f", 7, 4)]
    visits += [("p", 8, 4), ("q", 8, 5)]
    found = Recommender.of(index_of(*visits).index()).find(asked("a"), True)
    of = {
        name: dict(zip(found.items.tolist(), column, strict=True))
        for name, column in zip(COLUMNS, found.x.T, strict=True)
    }
    named = {item: float(of["named"][hash64(item)]) for item in "bcdeq"}
    overlap = {item: float(of["overlap"][hash64(item)]) for item in "bcdeq"}
    assert named == {"b": 0.5, "c": 0.5, "d": 0.0, "e": 0.0, "q": 0.0}
    assert overlap["d"] == pytest.approx(1.0)  # all it is seen with is what "a" is seen with
    assert 0 < overlap["e"] < overlap["d"]
    assert overlap["q"] == 0


def test_every_product_of_the_session_names_its_neighbours_the_newest_the_most() -> None:
    index = index_of(("a", 1, 0), ("b", 1, 1), ("c", 2, 0), ("d", 2, 1)).index()
    found = Recommender.of(index).find(asked("a", "c"), True)
    named = dict(zip(found.items.tolist(), found.x[:, COLUMNS.index("named")], strict=True))
    assert named[hash64("d")] == pytest.approx(1.0)
    assert named[hash64("b")] == pytest.approx(np.exp(-1 / 3))


def test_how_much_more_a_product_is_looked_at_than_the_current_one_is_told_where_both_are_known() -> None:
    found = Recommender.of(SHOP.index()).find(asked("brand new", "c"), True)
    more = dict(zip(found.items.tolist(), found.x[:, COLUMNS.index("views_to_last")], strict=True))
    trend = dict(zip(found.items.tolist(), found.x[:, COLUMNS.index("trend_to_last")], strict=True))
    assert more[hash64("a")] == pytest.approx(np.log(4 / 2))
    assert (more[hash64("c")], trend[hash64("c")]) == (0.0, 0.0)
    assert trend[hash64("a")] > 0
    assert np.isnan(more[hash64("brand new")])
    unknown = Recommender.of(SHOP.index()).find(asked("brand new"), True)
    assert np.isnan(unknown.x[:, COLUMNS.index("views_to_last")]).all()


def test_that_others_looked_at_a_product_twice_in_a_row_is_known_and_no_reason_for_it() -> None:
    index = index_of(("a", 1, 0), ("a", 1, 1), ("b", 1, 2), ("a", 2, 0), ("b", 2, 1)).index()
    recommender = Recommender.of(index)
    found = recommender.find(asked("a"), True)
    again = found.x[found.items == np.uint64(hash64("a"))][0]
    assert 0 < again[COLUMNS.index("next_part")] < 0.5  # once of three times
    assert all(r.because != r.item_id for r in recommender.recommend(asked("a"), 5, returns=False))


def test_the_visitors_own_session_is_no_neighbour_of_itself() -> None:
    """The learner has counted it already, within the second or a minute ago."""
    index = index_of(("a", 1, 0), ("b", 1, 1), ("other", 2, 1))
    mine = Asked(
        np.array([hash64("a"), hash64("b")], np.uint64),
        np.array([START_MS, START_MS + MINUTE_MS]) + 400,
        0,
        START_MS + 2 * MINUTE_MS,
    )
    found = Recommender.of(index.index()).find(mine, own=False)
    assert found.x[:, COLUMNS.index("knn")].max() == 0
    stranger = replace(mine, ts_ms=mine.ts_ms + 5 * MINUTE_MS)
    assert Recommender.of(index.index()).find(stranger, own=False).x[:, COLUMNS.index("knn")].max() > 0


@pytest.mark.parametrize("others", [0, 3, 70])
def test_a_session_amid_a_rush_is_no_neighbour_of_itself(others: int) -> None:
    """Other people look at its last product, in the second of its last view and after; the tail begins after "a"."""
    tail = ["a", "c", "c", "c"]
    index, times = SessionIndex(), [START_MS + n * 4000 for n in range(len(tail))]
    index.learn(tail, [1] * len(tail), times)
    index.learn(["c"] * others, list(range(10, 10 + others)), [times[-1] + 1 + 30 * n for n in range(others)])
    mine = Asked(np.array([hash64("c")] * 3, np.uint64), np.array(times[1:]), 0, times[-1] + 8000)
    stranger = replace(mine, ts_ms=mine.ts_ms + 5 * MINUTE_MS)
    for question, theirs in ((mine, False), (stranger, True)):
        found = Recommender.of(index.index()).find(question, own=False)
        only_there = found.items == hash64("a")  # in that session and in no other
        assert bool(np.any(found.x[only_there, COLUMNS.index("knn")] > 0)) is theirs


def test_a_visitor_that_was_erased_leads_to_nothing() -> None:
    index = index_of(("a", 1, 0), ("secret", 1, 1), ("a", 2, 2))
    index.forget(1)
    found = Recommender.of(index.index()).find(asked("a"), own=False)
    assert found.x[found.items == hash64("secret"), COLUMNS.index("knn")].sum() == 0


def test_the_reason_is_true() -> None:
    """The named product was looked at by this visitor, and with the recommended one by somebody else."""
    chance = random.Random(3)
    visits = [(f"i{int(chance.paretovariate(0.7)) % 60}", chance.randrange(120), n // 8) for n in range(1500)]
    together: dict[int, set[str]] = {}
    for item, visitor, _ in visits:
        together.setdefault(visitor, set()).add(item)
    recommender = Recommender.of(index_of(*visits).index())
    reasons = 0
    for _ in range(60):
        tail = [f"i{chance.randrange(60)}" for _ in range(4)]
        for r in recommender.recommend(asked(*tail), 20, returns=False):
            if r.because and r.source in ("together", "next"):
                reasons += 1
                assert r.because in tail
                assert any({r.because, r.item_id} <= items for items in together.values())
    assert reasons > 100


def test_a_tail_of_256_and_more_products_is_answered() -> None:
    tail = [f"i{n}" for n in range(300)]
    index = index_of(*((item, 1, n) for n, item in enumerate(tail)))
    for own in (True, False):
        found = Recommender.of(index.index()).find(asked(*tail), own)
        assert 0 < len(found.items) == len(set(found.items.tolist()))


def test_products_of_the_category_and_price_band_are_candidates() -> None:
    visits = [
        ("shoe", 1, 0),
        *((f"shoe{n}", 10 + n, 0) for n in range(3)),
        *((f"hat{n}", 20 + n, 0) for n in range(60)),
    ]
    prices = {"shoe": 50.0, "shoe0": 60.0, "shoe1": 500.0, "shoe2": 40.0}
    shop = Catalog.of(Product(name, category=name[:3], price=prices.get(name, 45.0)) for name, _, _ in visits)
    found = Recommender.of(index_of(*visits).index(), facts=shop).recommend(asked("shoe"), 60, returns=False)
    assert {r.item_id for r in found if r.source == "category"} == {"shoe0", "shoe2"}


def test_prices_and_categories_that_events_told_are_known() -> None:
    index = SessionIndex()
    index.learn(["a", "b", "b"], [1, 2, 3], [START_MS] * 3, [9.0, float("nan"), 3.0], [0, category16("hats"), 0])
    found = Recommender.of(index.index()).find(asked("a"), own=True)
    price = dict(zip(found.items.tolist(), found.x[:, COLUMNS.index("price")].tolist(), strict=True))
    assert (price[hash64("a")], price[hash64("b")]) == (9.0, 3.0)
    assert index.index().tables.category.tolist() == [0, category16("hats")]


def test_mapped_from_files_and_while_it_lives_the_answers_are_the_same(tmp_path: Path) -> None:
    index = index_of(*((f"i{n * n % 31}", n % 13, n) for n in range(300)))
    published = index.index()
    for name, array in published.to_arrays().items():
        np.save(tmp_path / f"{name}.npy", array)
    mapped = ItemIndex.from_arrays({p.stem: np.load(p, mmap_mode="r") for p in tmp_path.glob("*.npy")})
    first = Recommender.of(published)
    for question in (asked("i1", "i4"), asked("i9"), asked("i0", "i3", "i25", session_from=1)):
        answers = [one.recommend(question, 10) for one in (first, Recommender.of(mapped), first.on(index.live()))]
        assert answers[0] == answers[1] == answers[2]
        assert answers[0] == first.recommend(question, 10)  # nothing is left over from another call


def test_factors_tell_of_products_they_know_and_are_silent_on_others() -> None:
    hashes = np.array([hash64(item) for item in ("a", "x", "y")], np.uint64)
    vectors = np.array([[1, 0], [0.9, 0.1], [0, 1]], np.float32)
    factors = ItemFactors(hashes, vectors, np.array([[1], [0], [-1]], np.int32), 0.1, 10.0)
    found = Recommender.of(SHOP.index(), factors).find(asked("a"), own=False)
    als = dict(zip(found.items.tolist(), found.x[:, COLUMNS.index("als")].tolist(), strict=True))
    assert als[hash64("x")] > als[hash64("y")]
    assert np.isnan(als[hash64("b")])
    alike = [r for r in Recommender.of(SHOP.index(), factors).recommend(asked("a"), 9) if r.source == "alike"]
    assert [r.item_id for r in alike] == ["x"]


@pytest.mark.parametrize("seen", [(), (1, 2, 2, 9), (500, 3, 7, 3, 900, 40), (999,)])
def test_factors_score_as_their_formula_says_bit_by_bit(seen: tuple[int, ...]) -> None:
    rng = np.random.default_rng(4)
    vectors, hashes = rng.normal(size=(600, 32)).astype(np.float32), rng.integers(1, 1 << 60, 600).astype(np.uint64)
    factors = ItemFactors(hashes, vectors, np.full((600, 1), -1, np.int32), 0.1, 10.0)
    more = np.concatenate(
        [hashes, rng.integers(1 << 61, 1 << 62, 400).astype(np.uint64)]
    )  # from 600 on without factors
    items = more[rng.permutation(1000)[:120]]
    score, alike = factors.scores(more[list(seen)], items)
    rows, has = [n for n in seen if n < 600], np.isin(items, hashes)
    assert np.array_equal(np.isnan(score), ~has if rows else np.ones(120, bool))
    if not rows:
        return
    base = vectors.astype(np.float64).T @ vectors.astype(np.float64) + 0.1 * np.eye(32)
    mine = vectors[np.unique(rows)].astype(np.float64)
    visitor = np.linalg.solve(base + 9.0 * (mine.T @ mine), 10.0 * mine.sum(axis=0)).astype(np.float32)
    at = [hashes.tolist().index(item) for item in items[has].tolist()]
    lengths = np.maximum(np.linalg.norm(vectors, axis=1), 1e-9).astype(np.float32)
    np.testing.assert_array_equal(score[has], vectors[at] @ visitor)
    np.testing.assert_array_equal(alike[has], vectors[at] @ vectors[rows[-1]] / (lengths[at] * lengths[rows[-1]]))


def test_names_are_the_same_however_few_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    index = index_of(*((f"i{n * n % 31}", n % 13, n) for n in range(300))).index()
    expected = Recommender.of(index).recommend(asked("i1", "i4"), 20)
    monkeypatch.setattr("models.recommend.NAMES", 2)
    few = Recommender.of(index)
    for _ in range(3):
        assert few.recommend(asked("i1", "i4"), 20) == expected
        assert len(few._names) <= 2


@pytest.mark.parametrize("keep", [1, 16, 120])
def test_at_most_so_many_candidates_are_kept_each_once(keep: int) -> None:
    index = index_of(*((f"i{n}", n % 7, n % 29) for n in range(500)))
    found = Recommender.of(index.index()).find(asked("i1", "i8", "i3"), True, keep)
    assert len(found.items) == len(set(found.items.tolist())) <= keep
