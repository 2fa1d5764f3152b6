"""Gates: each closes for its own reason, in one order, and says so."""

from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest
from msgspec import structs

from features.record import hash64
from models import gates
from models.gates import GATE_NAMES, Closed, first_closed_gate
from models.moment import History, Moment, locale_of
from models.policy_terms import Policy, Schedule
from models.schedule import local_time, outside
from tests.models.deciding import DAY, MINUTE, NOBODY, NOW, PRODUCTS, Visitor, action, moment, shop


def gate(policy: Policy, visitor: Visitor = NOBODY, stage: str = "evaluation", now_ms: int = NOW) -> Closed | None:
    """The first closed gate of the policy's first action."""
    return first_closed_gate(policy.actions[0], moment(policy, visitor, stage, now_ms))


def name(*args: object, **kwargs: object) -> str:
    closed = gate(*args, **kwargs)  # type: ignore[arg-type]
    return closed.gate if closed else ""


def test_an_action_without_conditions_is_open():
    assert gate(shop(action("x"))) is None


def test_consent_must_cover_the_action_s_purpose():
    policy = shop(action("x", consent="marketing"))
    assert name(policy) == "consent"
    assert name(policy, Visitor(consent=("analytics",))) == "consent"
    assert name(policy, Visitor(consent=("marketing",))) == ""


def test_what_the_policy_assumes_holds_only_where_the_request_says_nothing():
    policy = shop(action("x", consent="personalization"))
    assert name(policy) == ""
    assert name(policy, Visitor(consent=())) == "consent"


@pytest.mark.parametrize(
    ("schedule", "closed"),
    [
        ({"from": "2026-11-23T11:00:00"}, ""),
        ({"from": "2026-11-23T12:00:01"}, "schedule"),
        ({"to": "2026-11-23T12:00:00"}, "schedule"),
        ({"to": "2026-11-23T12:00:01"}, ""),
        ({"from": "2026-11-23T13:00:00+01:00"}, ""),
        ({"weekdays": ["mon"]}, ""),
        ({"weekdays": ["sun", "tue"]}, "schedule"),
        ({"hours": "13:00-14:00"}, ""),
        ({"hours": "12:00-13:00"}, "schedule"),
        ({"hours": "12:00-13:00", "timezone": "UTC"}, ""),
        ({"hours": "22:00-13:01"}, ""),
        ({"hours": "22:00-12:59"}, "schedule"),
    ],
)
def test_a_schedule_is_read_in_the_shop_s_time(schedule, closed):
    """NOW is Monday 12:00 UTC, 13:00 in Amsterdam."""
    assert name(shop(action("x", schedule=schedule))) == closed


def test_the_likeliest_stage_must_be_one_of_the_action_s():
    policy = shop(action("x", stages=["hesitation", "purchase"]))
    assert name(policy, stage="hesitation") == ""
    closed = gate(policy, stage="awareness")
    assert closed == Closed("stage", "the stage named is awareness; needs hesitation or purchase")


def test_a_rule_sees_the_session():
    policy = shop(action("x", when="session.views >= 2"))
    once = Visitor().did("view_item", 3, item_id="p1")
    assert name(policy, once) == "rule"
    assert name(policy, once.did("view_item", 2, item_id="p2")) == ""


def test_what_is_unknown_closes_a_rule_and_is_named():
    closed = gate(shop(action("x", when="visitor.since_purchase_s > 10")))
    assert closed is not None
    assert closed.gate == "rule"
    assert "'since_purchase_s' is unknown" in closed.detail


def test_a_negated_rule_is_closed_too_by_what_is_unknown():
    assert name(shop(action("x", when="!(cart.age_s > 10)"))) == "rule"


def test_a_rule_that_fails_closes_its_own_gate():
    policy = shop(action("x", when="visitor.attributes.tier > 2.0"))
    assert name(policy, Visitor(attributes={"tier": 3})) == ""
    assert name(policy, Visitor(attributes={"tier": "gold"})) == "rule_error"
    assert name(policy, Visitor()) == "rule"


def test_rules_see_page_product_attributes_stage_intent_and_the_shop_s_clock():
    visitor = Visitor(attributes={"complaint_open": True}).did("view_item", 1, item_id="p3").on("product", item_id="p3")
    for rule, holds in {
        "event.page_type == 'product' && event.item_id == 'p3'": True,
        "event.name == 'view_item'": True,
        "event.channel == 'partner'": False,
        "has(event.channel)": False,
        "item.stock == 5 && item.in_store_stock == 3 && item.reviews > 5": True,
        "item.price == 40.0": True,
        "visitor.attributes.complaint_open": True,
        "stage.name == 'evaluation' && stage.evaluation > 0.7": True,
        "intent.buy < 0.5": True,
        "time.hour == 13 && time.weekday == 0": True,
        "visitor.known": False,
    }.items():
        assert name(shop(action("x", when=rule)), visitor) == ("" if holds else "rule"), rule


def shown(minutes_ago: float, what: str = "x", kind: str = "view_promotion") -> Visitor:
    return Visitor().did(kind, minutes_ago, action=what)


def test_caps_count_the_action_s_own_showings_in_their_window():
    session, day, month = ({"caps": {key: 1}} for key in ("per_session", "per_day", "per_30_days"))
    assert name(shop(action("x", **session)), shown(5)) == "cap"
    assert name(shop(action("x", **session)), shown(5, "y")) == ""
    assert name(shop(action("x", **session)), shown(60)) == ""
    assert name(shop(action("x", **day)), shown(60)) == "cap"
    assert name(shop(action("x", **day)), shown(25 * 60)) == ""
    assert name(shop(action("x", **month)), shown(29 * 24 * 60)) == "cap"
    assert name(shop(action("x", **month)), shown(31 * 24 * 60)) == ""


def test_a_cap_of_two_lets_the_second_through():
    policy = shop(action("x", caps={"per_session": 2}))
    assert name(policy, shown(5)) == ""
    closed = gate(policy, shown(5).did("view_promotion", 3, action="x"))
    assert closed == Closed("cap", "shown 2 times in this session; at most 2")


def test_a_dismissed_action_stays_away_for_its_cool_down():
    policy = shop(action("x", cooldown_after_dismissal_s=3600))
    assert name(policy, shown(50, kind="dismiss_promotion")) == "cooldown"
    assert name(policy, shown(61, kind="dismiss_promotion")) == ""
    assert name(shop(action("x")), shown(5, kind="dismiss_promotion")) == ""


def test_a_no_to_one_chat_prompt_is_a_no_to_all_for_thirty_days():
    policy = shop(action("x", kind="chat", placements=["side"]), action("y", kind="chat", placements=["side"]))
    assert name(policy, shown(29 * 24 * 60, "y", "dismiss_promotion")) == "cooldown"
    assert name(policy, shown(31 * 24 * 60, "y", "dismiss_promotion")) == ""


def test_the_budget_counts_every_message_of_the_session_and_of_the_day():
    policy = shop(action("x"), session_budget={"per_session": 2, "per_day": 3})
    two = shown(5, "y").did("view_promotion", 4, action="z")
    assert name(policy, shown(5, "y")) == ""
    assert name(policy, two) == "budget"
    earlier = Visitor().did("view_promotion", 300, action="a").did("view_promotion", 200, action="b")
    assert name(policy, earlier) == ""
    assert name(policy, earlier.did("view_promotion", 100, action="c")) == "budget"


def test_a_claim_holds_until_its_evidence_expires():
    policy = shop(action("x", claims=[{"text": "certified", "evidence": "doc-1", "expires": "2026-11-24"}]))
    assert name(policy) == ""
    assert name(policy, now_ms=NOW + 12 * 60 * MINUTE - 1) == ""
    assert name(policy, now_ms=NOW + 12 * 60 * MINUTE) == "truth"


def test_a_claim_on_the_catalog_holds_only_while_the_catalog_says_so():
    policy = shop(action("x", claims=[{"text": "in stock", "evidence": "catalog:stock"}]))
    assert name(policy, Visitor().on(item_id="p1")) == ""
    assert name(policy, Visitor()) == "truth"
    sold_out = PRODUCTS[1].__class__("p1", stock=0)
    assert name(policy, Visitor(product=sold_out)) == "truth"
    unknown = PRODUCTS[1].__class__("p1")
    assert name(policy, Visitor(product=unknown)) == "truth"


def test_availability_needs_a_store_that_has_the_product():
    policy = shop(action("x", kind="availability"))
    assert name(policy, Visitor().on(item_id="p1")) == ""
    assert name(policy, Visitor().on(item_id="p0")) == "truth"
    assert name(policy, Visitor()) == "truth"


def test_a_page_in_another_language_gets_no_words_it_cannot_read():
    policy = shop(action("x"))
    assert name(policy, Visitor().on(locale="nl")) == ""
    assert name(policy, Visitor().on(locale="fr")) == "content"
    assert [locale_of(policy, asked) for asked in ("", "nl-BE", "en_GB", "NL", "de")] == ["en", "nl", "en", "nl", ""]


def test_a_recommendation_without_products_is_closed():
    title = {"en": {"title": "a"}, "nl": {"title": "b"}}
    policy = shop(action("x", kind="recommend", content=title))
    assert name(policy) == ""
    closed = gate(policy, Visitor(recommended=()))
    assert closed == Closed("content", "no product to recommend (similar)")


def test_the_first_closed_gate_in_the_order_is_kept():
    everything = action(
        "x",
        consent="marketing",
        schedule={"to": "2020-01-01"},
        stages=["loyalty"],
        when="session.views > 99",
        caps={"per_session": 1},
    )
    policy = shop(everything, session_budget={"per_session": 1})
    visitor = shown(5)
    order = []
    for drop in ("consent", "schedule", "stages", "when", "caps", None):
        order.append(name(policy, visitor))
        if drop:
            del everything[drop]
            policy = shop(everything, session_budget={"per_session": 1})
    assert order == ["consent", "schedule", "stage", "rule", "cap", "budget"]


def test_every_gate_is_in_the_documented_list():
    assert gates.__doc__ is not None
    assert all(f"| {gate_name} " in gates.__doc__ for gate_name in GATE_NAMES)


def test_history_ends_with_the_session():
    at = moment(shop(action("x")), shown(40).did("page_view", 20)).history
    assert (at.shown_in_session, at.shown_in_day, at.session_ms) == (1, 1, NOW - 40 * MINUTE)
    later = moment(shop(action("x")), shown(40).did("page_view", 35)).history
    assert (later.shown_in_session, later.session_ms) == (0, NOW)
    assert History.of(moment(shop(action("x"))).tail, NOW).shown == {}
    assert DAY == 24 * 60 * MINUTE


def remembering(policy: Policy, visitor: Visitor, no_ms: int) -> Moment:
    """The moment of a visitor of whom a no to `y` is kept beside the tail."""
    at = moment(policy, visitor)
    inputs = structs.replace(at.inputs, dismissed=((hash64("y"), no_ms),))
    return Moment.of(inputs, policy, at.tail, at.vector, at.scores)


def test_a_no_from_before_the_tail_holds_and_the_latest_counts():
    policy = shop(action("x", kind="chat", placements=["side"]), action("y", kind="chat", placements=["side"]))
    closed = first_closed_gate(policy.actions[0], remembering(policy, NOBODY, NOW - 29 * DAY))
    assert closed is not None and closed.gate == "cooldown"
    assert first_closed_gate(policy.actions[0], remembering(policy, NOBODY, NOW - 31 * DAY)) is None
    again = shown(5, "y", "dismiss_promotion")
    assert remembering(policy, again, NOW - 29 * DAY).history.dismissed == {hash64("y"): NOW - 5 * MINUTE}
    assert remembering(policy, again, NOW - MINUTE).history.dismissed == {hash64("y"): NOW - MINUTE}


def test_a_no_that_the_request_tells_of_is_one_of_now():
    policy = shop(action("x", cooldown_after_dismissal_s=1))
    assert name(policy, Visitor().on(dismissed=("x",))) == "cooldown"
    assert name(policy, Visitor().on(dismissed=("y",))) == ""


@pytest.mark.parametrize("kind", ["bar", "chat", "loyalty", "survey", "welcome"])
def test_what_interrupts_needs_a_memory_of_the_no_to_it(kind):
    policy = shop(action("x"))
    interrupts = replace(policy.actions[0], kind=kind)

    def gate_of(visitor: Visitor) -> str:
        closed = first_closed_gate(interrupts, moment(policy, visitor))
        return closed.gate if closed else ""

    assert gate_of(Visitor(consent=("analytics",))) == ""
    assert gate_of(Visitor(consent=("personalization",))) == "consent"
    assert gate_of(Visitor(consent=()).on(dismissed=())) == ""
    assert name(policy, Visitor(consent=())) == ""


def test_a_time_that_no_zone_can_tell_is_told_as_the_nearest():
    zone = ZoneInfo("Pacific/Kiritimati")
    assert local_time(253_402_300_799_999, zone).year == 9999
    assert local_time(-(10**16), ZoneInfo("America/New_York")).year == 1
    always = Schedule(zone, to_ms=253_402_300_799_999)
    assert outside(always, 253_402_300_799_999).startswith("ended 9999-12-31")
