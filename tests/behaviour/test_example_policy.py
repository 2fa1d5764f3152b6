"""The example shop's policy: each moment of the journey has its message, and no message comes at the wrong moment."""

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import yaml
from msgspec import structs

from features.catalog import Product
from models.arbitration import prior_draws
from models.decision import decide
from models.gates import first_closed_gate
from models.inputs import Context, Suggestion
from models.policy import load_policy
from models.stage import STAGES
from tests.models.deciding import DAY, MINUTE, NOW, FixedScores, Visitor, moment

PATH = Path(__file__).parents[2] / "examples" / "shop" / "policy.yaml"
POLICY = load_policy(PATH.read_text(), str(PATH))
LOUD = {"bar", "chat", "welcome", "survey", "loyalty"}
"""Kinds that ask for attention of their own accord."""

TENT = Product(
    "duin-2",
    "Duin 2 trekking tent",
    category="tents",
    price=249.0,
    stock=8,
    stores={"Gent": 6},
    rating=4.4,
    reviews=167,
)
MAT = Product("drijf-r3", "Drijf air mat", category="mats", price=109.0, stock=3)
SUGGESTED = (
    Suggestion(MAT, 2.0, "duin-2", "together"),
    Suggestion(TENT, 1.0, "", "popular"),
    Suggestion(Product("ster", "Ster lamp", stock=4), 0.5, "", "popular"),
)


def visitor() -> Visitor:
    return Visitor(recommended=SUGGESTED, returning=SUGGESTED, popular=SUGGESTED[1:], recent=(TENT, MAT))


def gates_of(who: Visitor, stage: str, placement: str, now_ms: int = NOW) -> dict[str, str]:
    """By action that may stand there, the name of its closed gate; "" where it is open."""
    at = moment(POLICY, who, stage, now_ms)
    actions = [POLICY.actions[place] for place in POLICY.at[placement]]
    return {a.id: closed.gate if (closed := first_closed_gate(a, at)) else "" for a in actions}


def open_at(who: Visitor, stage: str, placement: str, now_ms: int = NOW) -> set[str]:
    return {action for action, gate in gates_of(who, stage, placement, now_ms).items() if not gate}


def on_product(who: Visitor, product: Product = TENT) -> Visitor:
    return replace(who, context=Context(page_type="product", item_id=product.item_id), product=product)


def looked_at(who: Visitor, times: int, item_id: str = "duin-2") -> Visitor:
    for i in range(times):
        who = who.did("view_item", 10 - i, item_id=item_id, category="tents", price=249.0)
    return who


def with_cart(who: Visitor, minutes_ago: float = 5) -> Visitor:
    return looked_at(who, 2).did("add_to_cart", minutes_ago, item_id="duin-2", category="tents", price=249.0)


def in_checkout(who: Visitor) -> Visitor:
    return with_cart(who).did("view_cart", 4).did("begin_checkout", 3)


def after_order(who: Visitor, days_ago: float = 0.0) -> Visitor:
    return who.did("purchase", days_ago * 1440 + 1, item_id="duin-2", price=249.0, value=249.0, order_id="o1")


def test_there_are_at_least_fourteen_actions_and_each_has_a_moment_below():
    assert len(POLICY.actions) >= 14
    text = Path(__file__).read_text()
    assert [a.id for a in POLICY.actions if f'"{a.id}"' not in text] == []


def test_landing_from_a_partner_is_welcomed_and_shown_bestsellers():
    who = replace(visitor(), context=Context(page_type="home", channel="partner")).did(
        "page_view", 0, channel="partner"
    )
    assert open_at(who, "awareness", "home.hero") == {"welcome_partner", "bestsellers"}


def test_landing_from_a_social_network_is_welcomed():
    who = replace(visitor(), context=Context(page_type="list", channel="social")).did("page_view", 0, channel="social")
    assert "welcome_social" in open_at(who, "awareness", "list.top")


def test_a_visitor_who_comes_back_finds_where_they_left_off():
    who = looked_at(visitor(), 1).did("page_view", 0)
    back = replace(who, rows=tuple(replace(r, ts_ms=r.ts_ms - 2 * DAY) for r in who.rows[:-1]) + who.rows[-1:])
    assert "recently_viewed" in open_at(back, "consideration", "home.hero")
    assert gates_of(replace(back, consent=("analytics",)), "consideration", "home.hero")["recently_viewed"] == "consent"


def test_a_search_that_finds_nothing_is_no_dead_end():
    who = visitor().did("search", 0.2, query="bivvy").did("zero_results", 0.1, query="bivvy")
    assert "search_nothing_found" in open_at(who, "consideration", "search.help")


def test_searching_over_and_over_is_offered_the_guide():
    who = visitor()
    for i, query in enumerate(("tent", "light tent", "light tent 2 persons")):
        who = who.did("search", 3 - i, query=query)
    assert open_at(who, "consideration", "search.help") == {"search_guide"}


def test_browsing_a_product_recommends_others_and_comparing_stops_it():
    assert open_at(on_product(looked_at(visitor(), 1)), "consideration", "pdp.recommend") == {"similar_products"}
    third_look = on_product(looked_at(visitor(), 3))
    assert gates_of(third_look, "evaluation", "pdp.recommend") == {"similar_products": "stage"}
    assert gates_of(third_look, "consideration", "pdp.recommend") == {"similar_products": "rule"}


def test_back_on_a_list_after_a_few_products_there_is_what_comes_next_and_not_what_was_just_seen():
    who = looked_at(looked_at(visitor(), 1, "ster"), 1, "drijf-r3").did("view_item_list", 0)
    assert "what_next" in open_at(who, "consideration", "list.top")
    action = POLICY.action("what_next")
    assert action is not None
    shown = moment(POLICY, who, "consideration").offers(action)
    assert [suggestion.product.item_id for suggestion in shown] == ["duin-2"]
    assert gates_of(replace(who, consent=("analytics",)), "consideration", "list.top")["what_next"] == "consent"
    assert gates_of(looked_at(visitor(), 1), "consideration", "list.top")["what_next"] == "rule"


def test_going_back_and_forth_offers_a_comparison_reviews_and_delivery():
    who = looked_at(looked_at(looked_at(visitor(), 1, "a"), 1, "b"), 2)
    found = open_at(on_product(who), "evaluation", "pdp.trust")
    assert {"compare_products", "read_reviews", "delivery_cutoff", "return_guarantee"} <= found


def test_reviews_are_not_promised_where_there_are_none():
    unreviewed = Product("new", "New", stock=2, reviews=0)
    assert (
        gates_of(on_product(looked_at(visitor(), 2, "new"), unreviewed), "evaluation", "pdp.trust")["read_reviews"]
        == "rule"
    )


def test_delivery_tomorrow_is_promised_only_in_stock_on_working_days_before_the_cutoff():
    who = on_product(looked_at(visitor(), 1).did("page_view", 0.5, page_type="delivery"))
    assert "delivery_cutoff" in open_at(who, "evaluation", "pdp.trust")
    sold_out = replace(who, product=msgspec.structs.replace(TENT, stock=0))
    assert gates_of(sold_out, "evaluation", "pdp.trust")["delivery_cutoff"] == "truth"
    late, sunday = NOW + 9 * 60 * MINUTE, NOW - DAY
    for now_ms in (late, sunday):
        shifted = replace(who, rows=tuple(replace(r, ts_ms=r.ts_ms + now_ms - NOW) for r in who.rows))
        assert gates_of(shifted, "evaluation", "pdp.trust", now_ms)["delivery_cutoff"] == "schedule"
    contract_over = NOW + 500 * DAY  # a Thursday in 2028
    shifted = replace(who, rows=tuple(replace(r, ts_ms=r.ts_ms + 500 * DAY) for r in who.rows))
    assert gates_of(shifted, "evaluation", "pdp.trust", contract_over)["delivery_cutoff"] == "truth"


def test_a_store_is_named_only_while_it_has_the_product():
    assert open_at(on_product(visitor()), "evaluation", "pdp.store") == {"store_availability"}
    assert gates_of(on_product(visitor(), MAT), "evaluation", "pdp.store") == {"store_availability": "truth"}


def test_a_pause_at_the_cart_is_reassured():
    found = open_at(with_cart(visitor()), "hesitation", "cart.reassure")
    assert {"return_guarantee", "quality_mark", "payment_methods", "questions_welcome"} == found


def test_hesitation_with_a_cart_is_offered_a_person():
    assert open_at(with_cart(visitor(), 2), "hesitation", "global.chat") == {"chat_in_doubt"}


def test_errors_are_offered_a_person_at_once_and_help_on_the_page():
    who = in_checkout(visitor()).did("payment_error", 0.2)
    assert "chat_after_errors" in open_at(who, "purchase", "global.chat")
    assert "payment_help" in open_at(who, "purchase", "checkout.help")


def test_no_person_is_promised_at_night():
    night = NOW + 11 * 60 * MINUTE
    who = with_cart(visitor(), 2)
    shifted = replace(who, rows=tuple(replace(r, ts_ms=r.ts_ms + night - NOW) for r in who.rows))
    assert gates_of(shifted, "hesitation", "global.chat", night)["chat_in_doubt"] == "schedule"


def test_checkout_says_how_to_pay_and_that_no_account_is_needed():
    found = open_at(in_checkout(visitor()), "purchase", "checkout.help")
    assert found == {"payment_methods", "account_not_needed", "questions_welcome"}
    known = visitor().did("login", 6, user_id="u1")
    assert gates_of(in_checkout(known), "purchase", "checkout.help")["account_not_needed"] == "rule"


def test_a_cart_left_earlier_is_mentioned_once():
    who = with_cart(visitor()).did("page_view", 0)
    back = replace(who, rows=tuple(replace(r, ts_ms=r.ts_ms - DAY) for r in who.rows[:-1]) + who.rows[-1:])
    assert "cart_still_here" in open_at(back, "consideration", "home.hero")
    again = back.did("view_promotion", 0, action="cart_still_here")
    assert gates_of(again, "consideration", "home.hero")["cart_still_here"] == "cap"


def test_the_cart_recommends_what_goes_with_it_until_checkout_begins():
    assert open_at(with_cart(visitor()), "evaluation", "cart.recommend") == {"cart_complements"}
    assert gates_of(in_checkout(visitor()), "purchase", "cart.recommend") == {"cart_complements": "rule"}


def test_after_an_order_come_care_the_programme_and_one_question():
    who = replace(after_order(visitor()), consent=("analytics", "personalization", "marketing"))
    assert open_at(who, "loyalty", "thankyou.next") == {"care_tips", "loyalty_invite", "survey_after_order"}


def test_the_programme_needs_consent_and_is_not_for_members():
    who = after_order(visitor())
    assert gates_of(who, "loyalty", "account.loyalty")["loyalty_invite"] == "consent"
    member = replace(who, consent=("analytics", "marketing"), attributes={"loyalty_member": True})
    assert gates_of(member, "loyalty", "account.loyalty")["loyalty_invite"] == "rule"


def test_an_open_complaint_silences_whatever_sells():
    who = replace(
        after_order(visitor()),
        consent=("analytics", "personalization", "marketing"),
        attributes={"complaint_open": True},
    )
    assert open_at(who, "loyalty", "thankyou.next") == {"care_tips"}
    assert "bestsellers" not in open_at(who, "consideration", "home.hero")


def test_nobody_is_chatted_up_on_arrival():
    for stage in STAGES:
        assert open_at(visitor().did("page_view", 0), stage, "global.chat") == set()
    assert open_at(with_cart(visitor()), "awareness", "global.chat") == set()


def test_awareness_meets_nothing_loud_but_a_welcome_that_fits_the_way_in():
    plain = visitor().did("page_view", 0, channel="organic_search")
    for placement in POLICY.at:
        loud = {a for a in open_at(plain, "awareness", placement) if POLICY.action(a).kind in LOUD}  # type: ignore[union-attr]
        assert loud == set(), placement


def test_checkout_has_room_for_help_and_nothing_else():
    kinds = {POLICY.actions[place].kind for place in POLICY.at["checkout.help"]}
    assert kinds == {"hint", "badge", "account"}
    paying = in_checkout(visitor())
    for placement in ("home.hero", "list.top", "pdp.recommend", "cart.recommend", "global.chat"):
        loud = {a for a in open_at(paying, "purchase", placement) if POLICY.action(a).kind in LOUD | {"recommend"}}  # type: ignore[union-attr]
        assert loud == set(), placement


def test_a_no_to_the_chat_is_a_no_for_thirty_days():
    who = with_cart(visitor(), 2).did("dismiss_promotion", 29 * 1440, action="chat_in_doubt")
    ordered = replace(who, rows=tuple(sorted(who.rows, key=lambda row: row.ts_ms)))
    assert gates_of(ordered, "hesitation", "global.chat")["chat_in_doubt"] == "cooldown"


def test_a_no_to_one_chat_prompt_also_holds_back_the_other_for_a_day():
    who = in_checkout(visitor()).did("dismiss_promotion", 1, action="chat_in_doubt").did("payment_error", 0.1)
    assert gates_of(who, "purchase", "global.chat")["chat_after_errors"] == "cooldown"


def test_fourteen_messages_are_enough_for_one_session():
    who = visitor()
    for i in range(14):
        who = who.did("view_promotion", 14 - i, action=f"other-{i}")
    for placement in POLICY.at:
        assert "" not in gates_of(with_cart(who), "hesitation", placement).values()


@pytest.mark.parametrize("placement", list(POLICY.at))
def test_without_any_knowledge_only_safe_words_appear(placement):
    inputs = structs.replace(visitor().inputs(placement), tail=None, degraded_because="store", visitor_id="v2")
    made = decide(inputs, FixedScores(), replace(POLICY, holdout=0.0), prior_draws(POLICY))
    assert made.chosen[0].action in (None, "questions_welcome")


def test_a_whole_page_in_hesitation_is_mostly_quiet_and_never_says_a_thing_twice():
    draws, policy = prior_draws(POLICY), replace(POLICY, holdout=0.0)
    silent = 0
    for i in range(200):
        inputs = with_cart(visitor(), 2).inputs("cart.reassure", "cart.recommend", "global.chat", decision_id=f"d{i}")
        made = decide(inputs, FixedScores("hesitation"), policy, draws)
        actions = [c.action for c in made.chosen if c.action]
        assert len(actions) == len(set(actions))
        silent += 3 - len(actions)
    assert 0 < silent < 600


@pytest.mark.parametrize("example", ["shop", "starter"])
def test_an_example_reads_the_same_with_and_without_libyaml(example):
    text = (Path(__file__).parents[2] / "examples" / example / "policy.yaml").read_text()
    assert yaml.load(text, yaml.SafeLoader) == yaml.load(text, yaml.CSafeLoader)
