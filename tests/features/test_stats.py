"""Item statistics: fading, never from the future, the same in one go or bit by bit."""

import math

import numpy as np
import numpy.typing as npt
import pytest

from features import visits
from features.events import CODE, SESSION_GAP_MS
from features.record import EVENT, Records, hash64
from features.stats import COUNTS, HALF_LIFE_MS, PRIOR, RATES, ItemStats
from features.stats_count import SWEEP_MS
from features.visits import SEEN, WAYS, Visits

MINUTE = 60_000
Keys = npt.NDArray[np.uint64]
Told = tuple[str, str, int] | tuple[str, str, int, int]


def some_events(n: int, seed: int = 0, visitors: int = 30) -> tuple[Records, Keys]:
    rng = np.random.default_rng(seed)
    events = np.zeros(n, EVENT)
    events["ts_ms"] = 1_700_000_000_000 + np.cumsum(rng.integers(0, 200_000, n))
    kinds = [CODE[k] for k in ("view_item", "view_item", "view_item", "add_to_cart", "purchase", "search")]
    events["kind"] = rng.choice(kinds, n)
    events["item"] = rng.integers(0, 40, n)
    events["quantity"] = 1
    return events, rng.integers(1, visitors + 1, n).astype(np.uint64)


def events(*told: Told) -> tuple[Records, Keys]:
    """What was done with which item at which minute, by which visitor (1 if not said)."""
    made = np.zeros(len(told), EVENT)
    made["kind"] = [CODE[one[0]] for one in told]
    made["item"] = [hash64(one[1]) for one in told]
    made["ts_ms"] = [one[2] for one in told]
    made["quantity"] = 1
    return made, np.array([one[3] if len(one) > 3 else 1 for one in told], np.uint64)


def rate(stats: ItemStats, item: str, name: str) -> float:
    return float(stats.rates()[np.flatnonzero(stats.items == hash64(item))[0], RATES.index(name)])


def test_counts_halve_with_each_half_life():
    stats = ItemStats.empty().updated(*events(("view_item", "a", 0), ("view_item", "b", HALF_LIFE_MS)))
    assert (rate(stats, "a", "views"), rate(stats, "b", "views")) == (0.5, 1.0)


def test_counting_in_one_go_equals_counting_bit_by_bit():
    log, visitors = some_events(2000)
    whole, parts = ItemStats.empty().updated(log, visitors), ItemStats.empty()
    for part in np.array_split(np.arange(log.size), 17):
        parts = parts.updated(log[part], visitors[part])
    assert whole.items.tolist() == parts.items.tolist()
    for name, array in whole.to_arrays().items():
        assert array.tobytes() == parts.to_arrays()[name].tobytes(), name


def test_the_learner_s_batches_and_training_know_the_same():
    log, visitors = some_events(1500, seed=4)
    log["kind"][-1] = CODE["view_item"]  # nothing that only training sees comes after
    learned, (trained, _) = ItemStats.empty(), ItemStats.empty().known_before_each(log, visitors)
    for part in np.array_split(np.arange(log.size), 40):
        learned = ItemStats.from_arrays(learned.updated(log[part], visitors[part]).to_arrays())
    np.testing.assert_array_equal(learned.items, trained.items)
    np.testing.assert_allclose(learned.counts[0], trained.counts[0], rtol=1e-9)
    np.testing.assert_allclose(learned.rates(), trained.rates(), rtol=1e-6)


@pytest.mark.parametrize("cut", [1, 300, 499])
def test_what_was_known_before_an_event_does_not_change_with_what_comes_after(cut):
    log, visitors = some_events(500)
    _, before = ItemStats.empty().known_before_each(log, visitors)
    _, alone = ItemStats.empty().known_before_each(log[: cut + 1], visitors[: cut + 1])
    changed = log.copy()
    changed["kind"][cut:], changed["item"][cut + 1 :] = CODE["purchase"], 3
    _, after = ItemStats.empty().known_before_each(changed, visitors)
    assert before[: cut + 1].tobytes() == alone.tobytes() == after[: cut + 1].tobytes()
    assert before[cut + 1 :].tobytes() != after[cut + 1 :].tobytes() or cut == 499


def test_the_order_of_counting_is_given_and_the_rates_stand_in_the_records_own():
    log, visitors = some_events(400)
    mixed = np.random.default_rng(1).permutation(400)
    _, expected = ItemStats.empty().known_before_each(log, visitors)
    _, found = ItemStats.empty().known_before_each(log[mixed], visitors[mixed], np.argsort(mixed))
    assert found.tobytes() == expected[mixed].tobytes()


def test_what_was_known_before_an_event_is_what_the_live_statistics_said():
    log, visitors = some_events(400)
    _, before = ItemStats.empty().known_before_each(log, visitors)
    for i in (57, 200, 399):
        now = log[i : i + 1].copy()
        now["kind"] = CODE["search"]  # only to bring the statistics to this moment
        live, _ = ItemStats.empty().updated(log[:i], visitors[:i]).known_before_each(now, visitors[i : i + 1])
        at = np.flatnonzero(live.items == log["item"][i])
        if at.size and log["item"][i]:
            np.testing.assert_allclose(live.rates()[at[0]], before[i], rtol=1e-5)


def test_rates_of_rarely_seen_items_are_drawn_to_the_shops_mean():
    many = [("view_item", "a", 0)] * 100 + [("purchase", "a", 0)] * 10 + [("view_item", "b", 0)]
    stats = ItemStats.empty().updated(*events(*many))
    base = 10 / 102
    assert rate(stats, "b", "buy_rate") == pytest.approx(PRIOR * base / (1 + PRIOR), rel=1e-6)
    assert rate(stats, "a", "buy_rate") == pytest.approx((10 + PRIOR * base) / (100 + PRIOR), rel=1e-6)


def test_a_session_that_buys_converts_every_product_it_viewed_before_once():
    log, visitors = events(
        ("view_item", "a", 0), ("view_item", "b", 1), ("view_item", "a", 2), ("purchase", "b", 3), ("purchase", "b", 4),
        ("view_item", "c", 5), ("view_item", "a", 6, 2),
    )  # fmt: skip
    stats = ItemStats.empty().updated(log, visitors).ended()
    base = 2 / (4 + 1)  # a and b of the four product sessions: c came after the purchase
    for item, bought, sessions in (("a", 1, 2), ("b", 1, 1), ("c", 0, 1)):
        expected = math.log((bought + PRIOR * base) / (sessions + PRIOR) / base)
        assert rate(stats, item, "buy_lift") == pytest.approx(expected, rel=1e-3, abs=1e-6), item


def test_a_session_counts_when_it_is_over_and_not_before():
    over = 2 + SESSION_GAP_MS + SWEEP_MS
    log, visitors = events(
        ("view_item", "a", 0), ("purchase", "a", 2), ("search", "a", 3), ("view_item", "a", over, 2),
    )  # fmt: skip
    _, known = ItemStats.empty().known_before_each(log, visitors)
    lift = known[:, RATES.index("buy_lift")]
    assert np.isnan(lift[:3]).all()  # nobody had bought yet, as far as was known
    assert np.isfinite(lift[3])


def test_what_visitors_do_moves_no_lift_while_their_session_lasts():
    looks = [("view_item", item, n, 100 + n) for n in range(40) for item in "ab"]
    carts = [("add_to_cart", "a", 50 + n, 100 + n) for n in range(0, 40, 8)]
    before = ItemStats.empty().updated(*events(*looks, *carts)).ended()
    own = [("view_item", "a", 100), ("add_to_cart", "a", 101), ("purchase", "a", 102)]
    after = before.updated(*events(*own))
    for name in ("buy_lift", "cart_lift"):
        assert rate(after, "a", name) == pytest.approx(rate(before, "a", name), abs=1e-6, nan_ok=True)
    assert rate(after.ended(), "a", "cart_lift") > rate(before, "a", "cart_lift")
    assert np.isfinite(rate(after.ended(), "a", "buy_lift"))


def test_a_session_that_begins_where_its_visitors_last_one_was_leaves_that_one_counted():
    again = SESSION_GAP_MS + 2
    stats = ItemStats.empty().updated(
        *events(("view_item", "a", 0), ("purchase", "a", 1), ("view_item", "b", again)),
    )
    converted = stats.counts[np.flatnonzero(stats.items == hash64("a"))[0]]
    assert converted[COUNTS.index("bought")] == pytest.approx(1, rel=1e-3)
    assert stats.counts[np.flatnonzero(stats.items == hash64("b"))[0], COUNTS.index("sessions")] == 0


def test_a_purchase_after_the_session_or_of_another_visitor_converts_nothing():
    late = ("purchase", "a", SESSION_GAP_MS + 2)
    for journey in ([("view_item", "a", 0), late], [("view_item", "a", 0), ("purchase", "a", 1, 2)]):
        stats = ItemStats.empty().updated(*events(*journey)).ended()
        assert np.isnan(rate(stats, "a", "buy_lift"))


def test_carting_is_counted_like_buying():
    log = events(("view_item", "a", 0), ("add_to_cart", "a", 1), ("view_item", "b", 2, 2))
    stats = ItemStats.empty().updated(*log).ended()
    assert rate(stats, "a", "cart_lift") > 0 > rate(stats, "b", "cart_lift")
    assert np.isnan(rate(stats, "a", "buy_lift"))


def test_a_purchase_that_names_no_product_converts_too():
    stats = ItemStats.empty().updated(*events(("view_item", "a", 0), ("purchase", "", 1))).ended()
    assert np.isfinite(rate(stats, "a", "buy_lift"))


def test_the_shops_own_rate_follows_what_happens_now():
    day = 24 * 60 * MINUTE
    calm = [("view_item", "a", n * day // 20, n) for n in range(1, 200)] + [("purchase", "a", day, 20)]
    sale = [(kind, "a", 10 * day + n, 500 + n) for n in range(99) for kind in ("view_item", "purchase")]
    before = ItemStats.empty().updated(*events(*sorted(calm, key=lambda told: told[2])))
    after = before.updated(*events(*sale)).ended()
    assert rate(after, "a", "shop_buy_rate") > 5 * rate(before, "a", "shop_buy_rate")


def test_a_late_event_counts_less_and_does_not_turn_the_clock_back():
    on_time = ItemStats.empty().updated(*events(("view_item", "a", HALF_LIFE_MS)))
    late = on_time.updated(*events(("view_item", "a", 0)))
    assert late.as_of_ms == HALF_LIFE_MS
    assert rate(late, "a", "views") == pytest.approx(1.5)
    assert late.visits.last_ms.max() == HALF_LIFE_MS


def test_an_event_of_a_session_that_is_over_joins_no_later_session():
    stats = ItemStats.empty().updated(*events(("view_item", "a", 9 * SESSION_GAP_MS)))
    stats = stats.updated(*events(("view_item", "b", 0), ("purchase", "a", 9 * SESSION_GAP_MS + 1))).ended()
    assert rate(stats, "a", "buy_lift") == pytest.approx(math.log((1 + PRIOR / 2) / (1 + PRIOR) * 2), rel=1e-3)
    assert stats.counts[stats.items == hash64("b"), 3:].sum() == 0


def test_statistics_survive_their_arrays_and_refuse_others():
    stats = ItemStats.empty().updated(*some_events(50))
    again = ItemStats.from_arrays(stats.to_arrays())
    for name, array in stats.to_arrays().items():
        assert again.to_arrays()[name].tobytes() == array.tobytes(), name
    for wrong in (
        {"counts": np.zeros((3, 2))},
        {"visit_many": np.zeros(99, np.int32)},
        {"visit_places": np.array([7])},
    ):
        with pytest.raises(ValueError, match="do not fit"):
            ItemStats.from_arrays({**stats.to_arrays(), **wrong})


def test_statistics_of_before_sessions_were_counted_keep_what_they_have():
    """Views, carts and units stay; conversion begins anew."""
    stats = ItemStats.empty().updated(*some_events(300))
    old = {"items": stats.items, "counts": stats.counts[:, :3], "touched_ms": stats.touched_ms}
    again = ItemStats.from_arrays(old)
    np.testing.assert_array_equal(again.rates()[:, :3], stats.rates()[:, :3])
    assert np.isnan(again.rates()[:, RATES.index("buy_lift")]).all()
    assert np.isfinite(again.updated(*some_events(300, seed=2)).rates()[:, RATES.index("buy_lift")]).all()


def test_a_forgotten_visitor_leaves_no_session():
    log = events(("view_item", "a", 0, 7), ("view_item", "b", 1, 8))
    stats = ItemStats.empty().updated(*log)
    assert sorted(stats.to_arrays()["visit_visitors"].tolist()) == [7, 8]
    assert stats.without(7).without(99).to_arrays()["visit_visitors"].tolist() == [8]
    after = stats.without(7).updated(*events(("purchase", "a", 2, 7))).ended()
    assert np.isnan(rate(after, "a", "buy_lift"))
    assert np.isfinite(rate(stats.updated(*events(("purchase", "a", 2, 7))).ended(), "a", "buy_lift"))


def test_what_is_published_holds_no_session():
    stats = ItemStats.empty().updated(*some_events(100))
    assert stats.to_arrays()["visit_visitors"].size > 0
    assert stats.settled().to_arrays()["visit_visitors"].size == 0
    np.testing.assert_array_equal(stats.settled().rates(), stats.rates())


class TestBounds:
    def test_the_items_with_least_activity_go_when_there_are_too_many(self) -> None:
        often = [("view_item", "hit", n, n + 1) for n in range(9)]
        stats = ItemStats.empty().updated(*events(*[("view_item", f"i{n}", n, n + 100) for n in range(60)], *often))
        less = stats.at_most(40)
        assert less.items.size == 30 and less.items[0] == 0 and hash64("hit") in less.items
        assert less.at_most(40) is less
        after = less.updated(
            *events(("purchase", "", 61, 3))
        ).ended()  # visitor 3 had seen the hit, whose row has moved
        converted = after.items[after.counts[:, 4] > 0].tolist()
        assert converted == [0, hash64("hit")]

    def test_the_table_of_sessions_grows_before_it_drops_one_that_may_go_on(self) -> None:
        n = 40 * visits.FEWEST_VISITS
        looks = [("view_item", f"i{v}", v, v) for v in range(1, n)]
        stats = ItemStats.empty().updated(*events(*looks, *[("purchase", "", n + v, v) for v in range(1, n)])).ended()
        assert stats.counts[0, 4] == pytest.approx(n - 1, rel=1e-3)

    def test_sessions_that_are_over_make_room(self) -> None:
        looks = [("view_item", "a", v * SESSION_GAP_MS, v) for v in range(1, 20 * visits.FEWEST_VISITS)]
        stats = ItemStats.empty().updated(*events(*looks))
        assert stats.visits.visitors.size <= visits.FEWEST_VISITS * visits.GROWTH

    def test_a_session_remembers_its_last_products(self) -> None:
        looks = [("view_item", f"i{n}", n) for n in range(SEEN + 5)]
        stats = ItemStats.empty().updated(*events(*looks, ("purchase", "", 99))).ended()
        assert stats.counts[0, 4] == pytest.approx(SEEN, rel=1e-3)
        assert stats.counts[0, 3] == pytest.approx(SEEN + 5, rel=1e-3)  # what was forgotten was viewed all the same

    def test_of_a_full_bucket_the_longest_silent_goes(self) -> None:
        table = Visits.empty()
        same = [v for v in range(1, 20_000) if visits.place_of(table.visitors, table.last_ms, np.uint64(v)) == 0]
        for at, visitor in enumerate(same[:WAYS]):
            place = visits.place_of(table.visitors, table.last_ms, np.uint64(visitor))
            table.visitors[place], table.last_ms[place] = visitor, 100 - at
        assert len(set(table.visitors[:WAYS].tolist())) == WAYS
        assert visits.place_of(table.visitors, table.last_ms, np.uint64(same[WAYS])) == WAYS - 1
