"""Switches and apprentices: what is stopped never shows; what learns is decided, never shown, and the log says so."""

from dataclasses import replace

import pytest
from msgspec import structs

from models.arbitration import prior_draws
from models.decision import decide
from models.receipt import decode, encode, replay, why
from models.switches import SHOP, Switches, target
from tests.models.deciding import DAY, NOBODY, NOW, FixedScores, action, moment, shop

SURE = {"prior": {"mean": 0.5, "strength": 1000}}
DAYS = 24 * 60


def made(policy, *switches, placements=("top",), visitor=NOBODY, **fields):
    inputs = structs.replace(visitor.inputs(*placements), switches=switches, **fields)
    return decide(inputs, FixedScores(), policy, prior_draws(policy))


def two(**fields):
    better = action("better", value=50, placements=["top", "side"], **SURE)
    return shop(better | fields, action("good", value=20, **SURE), exploration_floor=0)


@pytest.mark.parametrize(
    ("switch", "shown"),
    [
        (("action:better", "stopped"), ["good", None]),
        (("placement:top", "stopped"), [None, "better"]),
        ((SHOP, "stopped"), [None, None]),
        (("action:gone", "stopped"), ["better", None]),
    ],
)
def test_what_is_stopped_is_not_shown(switch, shown):
    decision = made(two(), switch, placements=("top", "side"))
    assert [chosen.action for chosen in decision.chosen] == shown


def test_a_stop_is_the_gate_that_the_explanation_names():
    kept = decode(encode(made(two(), ("action:better", "stopped"))))
    told = why(kept, "better")["placements"][0]
    assert (told["gate"], told["detail"]) == ("stopped", "action better is stopped")


def test_a_stopped_fallback_is_not_shown_either():
    policy = shop(action("x", fallback=True))
    degraded = {"tail": None, "degraded_because": "store"}
    assert made(policy, **degraded).chosen[0].action == "x"
    for name in (SHOP, "action:x", "placement:top"):
        assert made(policy, (name, "stopped"), **degraded).chosen[0].action is None


def test_an_apprentice_is_decided_and_not_shown_and_takes_nobody_s_place():
    policy = two(apprentice=True)
    chosen = made(policy).chosen[0]
    alone = made(shop(action("good", value=20, **SURE), exploration_floor=0)).chosen[0]
    assert (chosen.action, chosen.withheld, chosen.propensity) == ("good", "better", alone.propensity)
    better = next(c for c in chosen.candidates if c.action == "better")
    assert (better.propensity, better.share, better.apprentice) == (0.0, 1.0, True)
    told = why(decode(encode(made(policy))), "better")["placements"][0]["because"]
    assert told == "it is an apprentice, decided but not shown; it would have won"


def test_a_shop_of_apprentices_stays_silent_until_one_is_switched_on():
    policy = replace(two(), apprentice=True)
    assert [made(policy).chosen[0].action, made(policy).chosen[0].withheld] == [None, "better"]
    assert made(policy, ("action:good", "live")).chosen[0].action == "good"
    assert made(policy, (SHOP, "live")).chosen[0].action == "better"
    assert made(two(), (SHOP, "apprentice"), ("action:good", "live")).chosen[0].action == "good"


def test_an_apprentice_is_no_fallback():
    policy = shop(action("x", fallback=True, apprentice=True))
    assert made(policy, tail=None, degraded_because="store").chosen[0].action is None


def test_a_receipt_replays_with_the_switches_of_its_moment():
    policy = two(apprentice=True)
    kept = decode(encode(made(policy, ("action:good", "stopped"))))
    assert kept.inputs.switches == (("action:good", "stopped"),)
    assert replay(kept, lambda _: FixedScores(), lambda _: policy).identical


def test_targets_have_one_form():
    assert (target("shop"), target("action", "x")) == (SHOP, "action:x")
    assert Switches.of(()).states == {}


def shown(*minutes_ago, kind="view_promotion"):
    visitor = NOBODY
    for minutes in minutes_ago:
        visitor = visitor.did(kind, minutes, action="x")
    return visitor


def gate(policy, visitor):
    chosen = made(policy, visitor=visitor).chosen[0]
    return next(c.gate for c in chosen.candidates if c.action == "x")


RESTING = {"rest": {"ignored": 2, "within_days": 30, "days": 60}}


def test_what_was_ignored_in_two_sessions_rests():
    policy = shop(action("x", **RESTING))
    assert gate(policy, shown(3 * DAYS, DAYS)) == "rest"
    assert gate(policy, shown(DAYS + 1, DAYS)) == ""  # one session
    assert gate(policy, shown(45 * DAYS, DAYS)) == ""  # too far apart
    assert gate(policy, shown(64 * DAYS, 61 * DAYS)) == ""  # rested
    assert gate(shop(action("x")), shown(3 * DAYS, DAYS)) == ""


def test_what_was_clicked_was_not_ignored_and_this_session_is_not_over():
    policy = shop(action("x", **RESTING))
    assert gate(policy, shown(3 * DAYS, DAYS).did("select_promotion", DAYS - 1, action="x")) == ""
    assert gate(policy, shown(3 * DAYS, 1)) == ""


def test_the_shop_s_rest_is_for_what_interrupts():
    both = [action("x"), action("c", kind="bar")]
    policy = shop(*both, **RESTING)
    assert [a.rest is not None for a in policy.actions] == [False, True]


def test_costs_grow_with_what_was_shown_and_waved_away():
    policy = shop(action("x"))
    assert moment(policy).weariness == 1
    assert moment(policy, shown(2, 1)).weariness == 3
    assert moment(policy, shown(2).did("dismiss_promotion", 1, action="y")).weariness == 4
    late = shown(31 * DAYS, kind="dismiss_promotion")
    assert moment(policy, late, now_ms=NOW + DAY).weariness == 1
