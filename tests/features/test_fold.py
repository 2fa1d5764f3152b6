"""What each group of features says of small journeys whose answer is plain."""

import math

import numpy as np
import pytest

from features.catalog import Catalog, Product
from features.events import CODE
from features.record import pack
from features.schema import FEATURES
from features.stats import ItemStats
from tests.features.journeys import Read, row, tail


def test_an_empty_tail_has_no_counts_and_knows_nothing_else_but_the_clock():
    nothing = Read(at=0)
    assert nothing["session_events"] == 0
    assert nothing["cart_value"] == 0
    assert nothing.unknown("item_price")
    assert nothing.unknown("time_idle_s")
    assert (nothing["time_hour"], nothing["time_weekday"]) == (12, 5)


def test_counts_are_of_this_session_and_move_to_before_when_a_new_one_begins():
    journey = Read(
        row("view_item", 0, item_id="a"),
        row("search", 1, query="boots"),
        row("view_item", 40, item_id="b"),
    )
    assert (journey["session_events"], journey["session_views"], journey["search_count"]) == (1, 1, 0)
    assert (journey["visitor_events"], journey["visitor_views"], journey["visitor_searches"]) == (2, 1, 1)
    assert (journey["visitor_sessions"], journey["visitor_since_session_s"]) == (1, 39 * 60)
    assert journey["visitor_since_first_s"] == 40 * 60


def test_a_session_is_over_after_thirty_minutes_and_not_before():
    assert Read(row("view_item", 0, item_id="a"), at=30)["session_views"] == 1
    over = Read(row("view_item", 0, item_id="a"), at=30.1)
    assert (over["session_views"], over["visitor_views"], over["visitor_sessions"]) == (0, 1, 1)
    assert over["time_idle_s"] == pytest.approx(30.1 * 60)


def test_recency_is_counted_to_now_and_unknown_for_what_never_happened():
    journey = Read(row("view_item", 0, item_id="a"), row("add_to_cart", 2, item_id="a"), at=5)
    assert (journey["time_since_view_s"], journey["time_since_cart_s"]) == (300, 180)
    assert journey["time_idle_s"] == 180
    assert journey.unknown("time_since_checkout_s")
    assert journey.unknown("visitor_since_purchase_s")


def test_gaps_are_between_the_events_of_the_session():
    journey = Read(row("page_view", 0), row("page_view", 1), row("page_view", 4))
    assert (journey["time_gap_last_s"], journey["time_gap_mean_s"], journey["time_gap_max_s"]) == (180, 120, 180)
    assert Read(row("page_view", 0)).unknown("time_gap_mean_s")


def test_pace_fades_with_its_time_constant():
    journey = Read(row("page_view", 0), at=1)
    assert journey["time_pace_fast"] == pytest.approx(math.exp(-1), rel=1e-6)
    assert journey["time_pace_slow"] == pytest.approx(math.exp(-0.1), rel=1e-6)


def test_a_return_to_a_product_is_told_from_a_first_look():
    journey = Read(*(row("view_item", i, item_id=item) for i, item in enumerate("abab")))
    assert (journey["session_distinct_items"], journey["session_returns"]) == (2, 2)
    assert journey["session_return_share"] == 0.5
    assert (journey["item_session_views"], journey["session_max_item_views"]) == (2, 2)
    assert journey["item_since_first_s"] == 120


def test_a_product_of_an_earlier_session_counts_as_seen_earlier_once():
    journey = Read(*(row("view_item", minute, item_id="a") for minute in (0, 60, 61)))
    assert (journey["session_earlier_items"], journey["session_returns"], journey["item_visitor_views"]) == (1, 1, 3)


def test_categories_come_from_the_event_or_else_from_the_catalog():
    catalog = Catalog.of([Product("b", category="tents"), Product("c", category="tents")])
    journey = Read(
        row("view_item", 0, item_id="a", category="boots"),
        row("view_item", 1, item_id="b"),
        row("view_item", 2, item_id="c"),
        catalog=catalog,
    )
    assert (journey["session_distinct_categories"], journey["session_category_switches"]) == (2, 1)
    assert journey["session_category_run"] == 2


def test_prices_are_set_against_the_session_and_the_category():
    catalog = Catalog.of([Product("a", category="tents", price=100), Product("b", category="tents", price=300)])
    journey = Read(row("view_item", 0, item_id="a"), row("view_item", 1, item_id="b"), catalog=catalog)
    assert (journey["session_price_mean"], journey["session_price_min"], journey["session_price_max"]) == (
        200,
        100,
        300,
    )
    assert (journey["item_price_to_session"], journey["item_price_to_category"]) == (1.5, 1.5)


def test_the_cart_is_worth_what_is_in_it():
    journey = Read(
        row("add_to_cart", 0, item_id="a", price=10.0, quantity=2),
        row("add_to_cart", 1, item_id="b", price=5.0),
        row("remove_from_cart", 2, item_id="a", price=10.0, quantity=1),
    )
    assert (journey["cart_units"], journey["cart_items"], journey["cart_value"]) == (2, 2, 15)
    assert (journey["cart_removals"], journey["cart_age_s"], journey["cart_carried"]) == (1, 120, 0)


def test_a_cart_with_a_product_of_unknown_price_is_of_unknown_value_until_it_leaves():
    events = [row("add_to_cart", 0, item_id="a"), row("add_to_cart", 1, item_id="b", price=5.0)]
    assert Read(*events).unknown("cart_value")
    assert Read(*events, row("remove_from_cart", 2, item_id="a"))["cart_value"] == 5


def test_a_cart_lives_on_into_the_next_session_and_ends_with_the_purchase():
    events = [row("add_to_cart", 0, item_id="a", price=10.0), row("page_view", 60)]
    assert (Read(*events)["cart_units"], Read(*events)["cart_carried"]) == (1, 1)
    bought = Read(*events, row("purchase", 61, item_id="a", price=10.0))
    assert (bought["cart_units"], bought["item_in_cart"]) == (0, 0)
    assert bought.unknown("cart_age_s")
    assert (bought["visitor_purchases"], bought["visitor_spent"]) == (1, 10)


def test_removing_what_is_not_in_the_cart_changes_nothing():
    journey = Read(row("remove_from_cart", 0, item_id="a", price=10.0))
    assert (journey["cart_units"], journey["cart_value"], journey["cart_removals"]) == (0, 0, 1)


def test_an_order_of_three_lines_is_one_purchase():
    lines = [row("purchase", 0, event_id="o1", line=n, item_id=item, price=10.0) for n, item in enumerate("abc")]
    journey = Read(*lines)
    assert (journey["session_purchases"], journey["session_events"], journey["visitor_spent"]) == (1, 1, 30)
    assert journey["session_distinct_items"] == 3


def test_checkout_steps_go_up_and_a_purchase_ends_them():
    steps = [row(kind, i) for i, kind in enumerate(("begin_checkout", "add_shipping_info", "add_payment_info"))]
    assert [Read(*steps[: n + 1])["cart_step"] for n in range(3)] == [1, 2, 3]
    assert Read(*steps, row("purchase", 5, value=30.0))["cart_step"] == 0
    assert Read(*steps, row("purchase", 5, value=30.0))["visitor_spent"] == 30


def test_a_list_is_about_no_product():
    assert Read(row("view_item_list", 0, item_id="a", category="tents")).unknown("item_session_views")


def test_a_search_for_something_else_straight_after_a_search_is_a_refinement():
    def searches(*queries: str, gap: float = 0.5) -> float:
        return Read(*(row("search", i * gap, query=query) for i, query in enumerate(queries)))["search_refinements"]

    assert searches("boots", "hiking boots") == 1
    assert searches("boots", "boots") == 0
    assert searches("boots", "tents", gap=3) == 0
    seen = Read(row("search", 0, query="a"), row("view_item", 0.5, item_id="x"), row("search", 1, query="b"))
    assert seen["search_refinements"] == 0


def test_friction_is_counted_with_pages_about_returns_and_delivery():
    journey = Read(
        row("page_view", 0, page_type="delivery"),
        row("page_view", 1, page_type="returns"),
        row("return_policy_view", 2),
        row("form_error", 3),
        row("payment_error", 4),
        row("rage_click", 5),
        row("zero_results", 6, query="x"),
        at=7,
    )
    assert (journey["friction_delivery_views"], journey["friction_returns_views"]) == (1, 2)
    assert (journey["friction_form_errors"], journey["friction_payment_errors"]) == (1, 1)
    assert (journey["friction_rage_clicks"], journey["search_zero_results"], journey["friction_since_s"]) == (1, 1, 120)


def test_where_a_session_came_from_is_its_first_known_source():
    journey = Read(
        row("page_view", 0, page_type="home", channel="social", referrer="social", device="mobile"),
        row("page_view", 1, page_type="list", channel="direct"),
    )
    assert (journey["source_channel"], journey["source_referrer"]) == (5, 3)
    assert (journey["source_device"], journey["source_landing_page"], journey["event_page"]) == (2, 1, 2)
    assert journey["source_landing_kind"] == CODE["page_view"]
    assert Read(row("page_view", 0)).unknown("source_channel")


def test_messages_are_courtesy_and_no_activity_of_the_visitor():
    journey = Read(
        row("page_view", 0),
        row("view_promotion", 1, action="chat"),
        row("dismiss_promotion", 2, action="chat"),
        at=3,
    )
    assert (journey["session_events"], journey["time_idle_s"]) == (1, 180)
    assert journey["event_kind"] == CODE["page_view"]
    assert (journey["courtesy_session_shown"], journey["courtesy_session_dismissed"]) == (1, 1)
    assert journey["courtesy_since_shown_s"] == 120


def test_messages_leave_the_thirty_day_count_after_thirty_days():
    days = 24 * 60
    messages = [row("view_promotion", 0, action="a"), row("view_promotion", 20 * days, action="a")]
    assert Read(*messages, at=29 * days)["courtesy_30d_shown"] == 2
    assert Read(*messages, at=31 * days)["courtesy_30d_shown"] == 1
    assert Read(*messages, at=51 * days)["courtesy_30d_shown"] == 0


def test_a_visitor_is_known_once_a_user_id_was_seen():
    assert Read(row("page_view", 0))["visitor_known"] == 0
    assert Read(row("login", 0, user_id="u1"), row("page_view", 100))["visitor_known"] == 1


def test_the_order_of_arrival_and_repeats_do_not_matter():
    events = [row("view_item", i, item_id=item, price=3.0) for i, item in enumerate("abcab")]
    straight, shuffled = Read(*events), Read(*(events[i] for i in (3, 0, 4, 4, 2, 1, 0)))
    assert straight.vector.tobytes() == shuffled.vector.tobytes()


def test_every_feature_is_written_and_finite_or_unknown():
    vector = Read(row("view_item", 0, item_id="a", price=1e9)).vector
    assert vector.shape == (len(FEATURES),)
    assert not [f.name for f, value in zip(FEATURES, vector, strict=True) if math.isinf(value)]
    assert tail().size == 0


def test_the_session_s_products_say_together_what_each_says_of_buying():
    """Each product once, however often it is viewed; of carting nothing is known where nobody carts."""
    seen = [row("view_item", n, item_id="a", event_id=f"a{n}") for n in range(3)]
    others = [row("view_item", 3 + n, item_id="b", event_id=f"b{n}") for n in range(9)]
    log = pack([*seen, row("purchase", 2.5), *others])
    visitors = np.array([1, 2, 1, 1, *range(10, 19)], np.uint64)
    catalog = Catalog.of([], ItemStats.empty().updated(log, visitors).ended())
    one = Read(row("view_item", item_id="a"), catalog=catalog)
    other = Read(row("view_item", item_id="b"), catalog=catalog)
    again = row("view_item", 2, item_id="a")
    both = Read(row("view_item", item_id="a"), row("view_item", 1, item_id="b"), again, catalog=catalog)
    assert one["session_buy_lift"] == one["item_buy_lift"] > 0
    assert one["session_buy_lift"] > both["session_buy_lift"]
    assert both["session_buy_lift"] == pytest.approx(one["item_buy_lift"] + other["item_buy_lift"])
    assert both.unknown("session_cart_lift") and both.unknown("item_cart_lift") and both.unknown("shop_cart_rate")
    assert both["shop_buy_rate"] > 0
    assert Read(row("search", query="x"), catalog=catalog).unknown("session_buy_lift")
