"""Recommended products: sources in turn, exclusions, variety, levers within bounds, and a true reason for each."""

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from features.catalog import Product
from models.arbitration import prior_draws
from models.decision import answer, decide
from models.inputs import FOUND_BY, Context, Suggestion
from models.item_reason import TEXTS, reason_text
from models.levers import lift, pulled
from models.policy_terms import MAX_LIFT, Levers, Policy
from models.variety import plain_name
from tests.models.deciding import PRODUCTS, FixedScores, Visitor, action, shop

SURE = {"prior": {"mean": 0.5, "strength": 1000}}


def recommending(**recommend: object) -> Policy:
    content = {"en": {"title": "More"}, "nl": {"title": "Meer", "because": "Na {title}"}}
    return shop(action("r", kind="recommend", content=content, recommend=recommend, **SURE), exploration_floor=0)


def row(policy: Policy, visitor: Visitor) -> list[dict]:
    body = answer(decide(visitor.inputs(), FixedScores(), policy, prior_draws(policy)))
    found: list[dict] = json.loads(body)["placements"]["top"].get("items", [])
    return found


def items(policy: Policy, visitor: Visitor) -> list[str]:
    return [item["item_id"] for item in row(policy, visitor)]


def found(*sources: str, products: Sequence[Product] = PRODUCTS, because: str = "p0") -> tuple[Suggestion, ...]:
    """A suggestion for each source, of one product after the other, best first."""
    return tuple(
        Suggestion(product, 10.0 - i, because, source)
        for i, (product, source) in enumerate(zip(products, sources, strict=False))
    )


def test_recommended_products_leave_out_what_is_bought_held_current_excluded_or_gone():
    gone = Product("gone", stock=0)
    visitor = replace(
        Visitor()
        .did("purchase", 600, item_id="p1")
        .did("add_to_cart", 5, item_id="p2")
        .did("add_to_cart", 4, item_id="p3")
        .did("remove_from_cart", 3, item_id="p3"),
        recommended=tuple(Suggestion(p, 1.0, "p0", "together") for p in (gone, *PRODUCTS)),
        context=Context(item_id="p0", exclude=("p4",)),
    )
    assert items(recommending(count=6), visitor) == ["p3", "p5"]
    assert items(recommending(count=6, exclude=[]), visitor) == ["gone", "p0", "p1", "p2", "p3", "p5"]
    assert items(recommending(count=1), visitor) == ["p3"]


def test_a_purchase_empties_the_cart_for_recommendations():
    visitor = Visitor().did("add_to_cart", 9, item_id="p2").did("purchase", 8, item_id="p1")
    assert "p2" in items(recommending(count=6), visitor)


def test_the_request_s_own_cart_counts_too():
    visitor = replace(Visitor(), context=Context(cart_item_ids=("p1", "p2")))
    assert items(recommending(count=6), visitor) == ["p3", "p4", "p5"]


def test_recently_viewed_is_in_the_order_of_the_tail_newest_first():
    visitor = (
        Visitor().did("view_item", 9, item_id="p3").did("view_item", 8, item_id="p1").did("view_item", 7, item_id="p3")
    )
    assert items(recommending(source="recently_viewed", exclude=[]), visitor) == ["p3", "p1"]


def test_next_is_everything_the_recommender_ranked_and_similar_only_what_follows_from_a_product():
    visitor = Visitor(recommended=found("new", "together", "popular", "next", "category", "alike"))
    assert items(recommending(source="next", count=6), visitor) == ["p0", "p1", "p2", "p3", "p4", "p5"]
    assert items(recommending(source="similar", count=6, fill=False), visitor) == ["p1", "p3", "p4", "p5"]


def test_what_the_visitor_looked_at_before_returns_only_where_the_action_lets_it():
    ranked = found("own", "together", "earlier", "next")
    looked = Visitor(recommended=ranked, returning=ranked[::-1]).did("view_item", 5, item_id="p1")
    assert items(recommending(source="next"), looked) == ["p3"]
    assert items(recommending(source="next", returns=True), looked) == ["p3", "p2", "p1", "p0"]
    long_ago = Visitor(recommended=ranked).did("view_item", 500, item_id="p1")
    assert items(recommending(source="next"), long_ago) == ["p1", "p3"]


def test_viewed_leaves_out_what_was_looked_at_in_this_session_and_not_what_was_before():
    visitor = Visitor(popular=found("popular", "popular", "popular"))
    visitor = visitor.did("view_item", 300, item_id="p0").did("view_item", 3, item_id="p1")
    assert items(recommending(source="popular", exclude=["viewed"]), visitor) == ["p0", "p2"]


def test_popular_and_new_are_rows_of_their_own_whatever_the_recommender_ranked():
    visitor = Visitor(
        recommended=found("together", "together"),
        popular=found("popular", "popular", products=PRODUCTS[1:]),
        arrivals=found("new", products=PRODUCTS[4:]),
    )
    assert items(recommending(source="popular"), visitor) == ["p1", "p2"]
    assert items(recommending(source="new"), visitor) == ["p4"]


def test_sources_are_asked_in_turn_and_a_product_stands_once():
    visitor = Visitor(
        recommended=found("together"),
        popular=found("popular", "popular"),
        arrivals=found("new", "new", products=PRODUCTS[4:]),
    )
    assert items(recommending(source=["new", "popular"], count=3), visitor) == ["p4", "p5", "p0"]
    assert items(recommending(source=["similar", "new"]), visitor) == ["p0", "p4", "p5", "p1"]


def test_the_popular_fill_up_a_row_of_similar_products_unless_the_action_says_no():
    visitor = Visitor(recommended=found("together"), popular=found("popular", products=PRODUCTS[3:], because=""))
    assert items(recommending(), visitor) == ["p0", "p3"]
    assert items(recommending(fill=False), visitor) == ["p0"]
    assert items(recommending(source="recently_viewed"), visitor) == []


def test_at_most_so_many_of_a_category_and_products_without_one_are_not_counted():
    kinds = ("tents", "tents", "", "tents", "", "mats")
    products = [Product(f"k{i}", category=kind) for i, kind in enumerate(kinds)]
    visitor = Visitor(recommended=found(*["together"] * 6, products=products))
    assert items(recommending(count=6, max_per_category=1), visitor) == ["k0", "k2", "k4", "k5"]
    assert items(recommending(count=6), visitor) == [p.item_id for p in products]


def test_variants_of_a_product_do_not_stand_beside_each_other():
    variants = [
        Product("a", "Trail boot 42", category="boots", price=120.0),
        Product("b", "Trail Boot 43", category="boots", price=120.5),
        Product("c", "Trail boot 44", category="boots", price=150.0),  # another price: not the same thing
        Product("d", "Trail boot 42", category="socks", price=120.0),
        Product("e", "", category="boots"),
        Product("f", "", category="boots"),
    ]
    visitor = Visitor(recommended=found(*["together"] * 6, products=variants))
    assert items(recommending(count=6), visitor) == ["a", "c", "d", "e", "f"]
    assert items(recommending(count=6, near_duplicates=True), visitor) == ["a", "b", "c", "d", "e", "f"]


@pytest.mark.parametrize(("title", "name"), [("Jas XL Rood 38", "jas rood"), ("42", "42"), ("M", "m"), ("", "")])
def test_a_name_is_told_apart_from_its_size(title, name):
    assert plain_name(title) == name


def test_a_lever_reorders_what_is_close_and_never_what_is_clearly_worse():
    rich = [
        Product("best", price=100.0, margin=0.0),
        Product("close", price=100.0, margin=80.0),
        Product("far", price=100.0, margin=100.0),
    ]
    scores = (1.0, 0.9, 0.66)
    suggested = tuple(Suggestion(p, s, "p0", "next") for p, s in zip(rich, scores, strict=True))
    visitor = Visitor(recommended=suggested)
    assert items(recommending(source="next"), visitor) == ["best", "close", "far"]
    pulled_row = recommending(source="next", levers={"margin": 0.5, "overstock": 0.5})
    assert items(pulled_row, visitor) == ["close", "best", "far"]


def test_no_lever_lifts_by_more_than_the_bound():
    usual = 10.0
    for stock in (-1, 0, 10, 15, 1_000_000):
        for margin in (None, -5.0, 50.0, 500.0):
            product = Product("x", price=100.0, margin=margin, stock=stock)
            assert 0.0 <= lift(product, Levers(0.5, 0.5), usual) <= MAX_LIFT
    assert lift(Product("x", price=0.0, margin=5.0, stock=15), Levers(0.5, 0.4), usual) == pytest.approx(0.2)
    assert lift(Product("x", price=50.0, margin=25.0), Levers(0.4, 0.4), usual) == pytest.approx(0.2)


def test_overstock_is_told_from_the_products_suggested_beside_it():
    products = [Product("a", stock=5), Product("b", stock=5), Product("c", stock=50), Product("d", stock=0)]
    suggested = [Suggestion(p, 1.0 - i / 10) for i, p in enumerate(products)]
    assert [s.product.item_id for s in pulled(suggested, Levers(overstock=0.5))] == ["c", "a", "b", "d"]
    assert list(pulled(suggested, Levers())) == suggested


def test_scores_below_zero_are_lifted_too():
    suggested = [Suggestion(Product("a"), -0.9), Suggestion(Product("b", price=1.0, margin=1.0), -1.0)]
    assert [s.product.item_id for s in pulled(suggested, Levers(margin=0.5))] == ["b", "a"]


def test_a_price_band_keeps_to_the_price_of_the_page_s_product_or_of_the_last_one_looked_at():
    band = recommending(price_band={"from": 0.8, "to": 1.5}, count=6)
    free = Product("free")
    visitor = Visitor(recommended=found(*["together"] * 7, products=(*PRODUCTS, free)))
    assert items(band, visitor) == ["p0", "p1", "p2", "p3", "p4", "p5"]  # no price in question
    assert items(band, visitor.on("product", item_id="p1")) == ["p2", "free"]
    looked = visitor.did("view_item", 2, item_id="zz", price=40.0).did("search", 1, query="tent")
    assert items(band, looked) == ["p3", "p4", "p5", "free"]


def test_each_product_says_what_led_to_it_in_the_page_s_language():
    visitor = Visitor(
        recommended=(Suggestion(PRODUCTS[1], 2.0, "p0", "together"), Suggestion(PRODUCTS[2], 1.0, "", "popular"))
    )
    shown = row(recommending(source="next"), visitor)
    assert [item["reason"] for item in shown] == ["Because you looked at Product 0", "Much looked at now"]
    assert shown[0] == {
        "item_id": "p1",
        "title": "Product 1",
        "url": "/p/1",
        "image": "",
        "price": 20.0,
        "reason": "Because you looked at Product 0",
        "reason_code": "together",
        "because": "p0",
    }
    assert shown[1]["because"] is None
    dutch = row(recommending(source="next"), visitor.on(locale="nl-BE"))
    assert [item["reason"] for item in dutch] == ["Na Product 0", "Nu veel bekeken"]


def test_a_product_without_a_title_is_not_named_and_still_given_as_a_reason():
    visitor = Visitor(recommended=(Suggestion(PRODUCTS[1], 2.0, "nameless", "next"),))
    shown = row(recommending(), visitor)
    assert [(item["reason"], item["because"]) for item in shown] == [("Often looked at next", "nameless")]


def test_recently_viewed_says_so():
    visitor = Visitor().did("view_item", 9, item_id="p3")
    shown = row(recommending(source="recently_viewed"), visitor)
    assert [(item["reason_code"], item["reason"]) for item in shown] == [("own", "You looked at this before")]


def test_every_way_a_product_is_found_has_words_in_every_language():
    for language, texts in TEXTS.items():
        assert tuple(sorted(texts)) == tuple(sorted(FOUND_BY)), language
        assert all(reason_text(source, "", language) for source in FOUND_BY)
        assert all("{" not in reason_text(source, "Tent", language) for source in FOUND_BY)
    assert reason_text("popular", "", "de") == ""
