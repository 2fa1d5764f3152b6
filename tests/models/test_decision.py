"""Decisions: from inputs to the answer's bytes, pure, with a holdout and a safe degraded form."""

import json
from dataclasses import replace

import numpy as np
import pytest
from msgspec import structs

from features.catalog import Product
from features.fold import _fold
from features.tail import tail_of
from models.answer import rounded
from models.arbitration import Draws, prior_draws
from models.bundle import decode, encode
from models.chosen import REASONS
from models.decision import Known, UnknownPlacement, answer, decide
from models.effects import N_EFFECTS
from models.policy import empty_policy
from models.policy_terms import Policy
from tests.models.bundles import parts
from tests.models.deciding import NO_ARMS, NOBODY, NOW, FixedScores, Visitor, action, shop

SURE = {"prior": {"mean": 0.5, "strength": 1000}}
"""An action that beats silence in every draw."""


def decision(policy: Policy, visitor: Visitor = NOBODY, *placements: str, stage: str = "evaluation", **inputs: object):
    made_from = structs.replace(visitor.inputs(*placements), **inputs)
    return decide(made_from, FixedScores(stage), policy, prior_draws(policy))


def placements_of(policy: Policy, *args: object, **kwargs: object) -> dict:
    return json.loads(answer(decision(policy, *args, **kwargs)))["placements"]  # type: ignore[arg-type]


def quiet(*actions: dict, **fields: object) -> Policy:
    """A policy without exploration, so that a test can say who wins."""
    return shop(*actions, exploration_floor=0, **fields)


def test_the_answer_has_every_part_of_the_contract():
    body = json.loads(answer(decision(quiet(action("x", **SURE, reason="because", ttl_s=60, show_after_s=2)))))
    assert list(body) == [
        *("decision_id", "stage", "intent", "placements", "degraded", "degraded_because", "bundle", "policy"),
    ]
    assert body["stage"]["name"] == "evaluation"
    assert sum(body["stage"]["probabilities"].values()) == pytest.approx(1)
    assert body["intent"] == {"buy": 0.2, "cart": 0.4, "leave": 0.3, "help": 0.1}
    assert body["placements"]["top"] == {
        "action": "x",
        "kind": "badge",
        "content": {"text": "x en"},
        "show_after_s": 2.0,
        "expires_at": "2026-11-23T12:01:00.000Z",
        "reason": "because",
    }
    assert (body["degraded"], body["degraded_because"], body["bundle"]) == (False, None, "0123456789abcdef")


def test_the_same_inputs_give_the_same_bytes():
    policy = shop(*(action(f"x{i}") for i in range(5)))
    inputs = Visitor().did("view_item", 2, item_id="p1").inputs("top", "side")
    draws = prior_draws(policy)
    bodies = {answer(decide(inputs, FixedScores(), policy, draws)) for _ in range(3)}
    assert len(bodies) == 1
    assert (
        len(
            {
                answer(decide(structs.replace(inputs, decision_id=f"d{i}"), FixedScores(), policy, draws))
                for i in range(40)
            }
        )
        > 20
    )


def test_a_real_bundle_decides():
    bundle = decode(*encode(parts()))
    policy = shop(action("x"))
    made = decide(Visitor().did("view_item", 1, item_id="p1").inputs(), bundle, policy, prior_draws(policy))
    assert made.bundle_id == bundle.id
    assert made.scores is not None
    assert made.scores.stage.sum() == pytest.approx(1)
    assert not made.degraded


def test_propensities_of_candidates_and_silence_sum_to_one():
    policy = shop(*(action(f"x{i}") for i in range(4)), action("closed", stages=["loyalty"]))
    (chosen,) = decision(policy).chosen
    assert sum(c.propensity or 0 for c in chosen.candidates) + chosen.silence_propensity == pytest.approx(1)
    assert [c.gate for c in chosen.candidates] == ["", "", "", "", "stage"]
    assert chosen.candidates[-1].propensity is None


def test_an_action_stands_at_most_once_on_a_page_and_placements_fill_in_the_policy_s_order():
    policy = quiet(action("x", placements=["top", "side"], **SURE))
    made = decision(policy, Visitor(), "side", "top")
    assert [(c.placement, c.action) for c in made.chosen] == [("top", "x"), ("side", None)]
    blocked = made.chosen[1].candidates[0]
    assert (blocked.gate, blocked.detail) == ("once", "already at top on this page")
    assert made.chosen[1].reason == "no_candidate"
    assert made.actions == ("top=x",)


def test_a_later_placement_s_propensity_is_given_what_the_earlier_got():
    policy = quiet(action("x", placements=["top", "side"], value=100, **SURE), action("y", placements=["side"], **SURE))
    side = decision(policy, Visitor(), "top", "side").chosen[1]
    assert (side.action, side.propensity) == ("y", 1.0)
    assert decision(policy, Visitor(), "side").chosen[0].action == "x"


def test_an_unknown_placement_is_refused_with_the_known_ones():
    with pytest.raises(UnknownPlacement) as caught:
        decision(shop(action("x")), Visitor(), "top", "nowhere")
    assert caught.value.unknown == ("nowhere",)
    assert "top, side" in str(caught.value)


def test_a_held_out_visitor_sees_nothing_with_certainty():
    policy = replace(quiet(action("x", **SURE)), holdout=1.0)
    made = decision(policy)
    assert made.silent
    assert (made.chosen[0].reason, made.chosen[0].propensity) == ("holdout", 1.0)
    assert json.loads(answer(made))["placements"]["top"] == {"action": None, "reason": "holdout"}
    assert decide(Visitor().inputs(), None, policy, prior_draws(policy)).chosen[0].reason == "holdout"


def test_each_message_shown_makes_the_next_dearer():
    policy = quiet(action("x", value=1, cost=0.1, prior={"mean": 0.3, "strength": 1e6}))
    assert decision(policy).chosen[0].action == "x"
    seen = Visitor().did("view_promotion", 3, action="a").did("view_promotion", 2, action="b")
    assert decision(policy, seen.did("view_promotion", 1, action="c")).chosen[0].action is None


@pytest.mark.parametrize("because", ["store", "deadline", "policy"])
def test_a_degraded_decision_shows_only_fallbacks(because):
    policy = shop(action("loud", **SURE), action("safe", fallback=True), action("other", fallback=True))
    made = decision(policy, Visitor(), "top", "side", tail=None, degraded_because=because)
    body = json.loads(answer(made))
    assert made.degraded
    assert (body["stage"], body["intent"], body["degraded"], body["degraded_because"]) == (None, None, True, because)
    assert body["placements"]["top"]["action"] == "safe"
    assert body["placements"]["side"] == {"action": None, "reason": "degraded"}
    assert [c.gate for c in made.chosen[0].candidates] == ["fallback", "", ""]


def test_without_a_bundle_a_decision_is_degraded():
    policy = shop(action("safe", fallback=True))
    made = decide(Visitor().inputs(), None, policy, prior_draws(policy))
    assert (made.degraded_because, made.chosen[0].action, made.bundle_id) == ("bundle", "safe", "")


def test_a_fallback_still_respects_its_schedule_and_language():
    over = shop(action("safe", fallback=True, schedule={"to": "2020-01-01"}))
    assert decide(Visitor().inputs(), None, over, prior_draws(over)).chosen[0].candidates[0].gate == "schedule"
    policy = shop(action("safe", fallback=True))
    french = decide(Visitor().on(locale="fr").inputs(), None, policy, prior_draws(policy))
    assert french.chosen[0].candidates[0].gate == "content"


def test_a_shop_without_a_policy_is_silent_in_every_placement_asked_for():
    policy = empty_policy("demo")
    made = decide(
        structs.replace(Visitor().inputs("any", "other"), degraded_because="policy"), None, policy, prior_draws(policy)
    )
    assert json.loads(answer(made))["placements"] == {
        "any": {"action": None, "reason": "degraded"},
        "other": {"action": None, "reason": "degraded"},
    }


def test_a_visitor_whose_tail_may_not_be_read_is_decided_for_by_the_page_alone():
    policy = quiet(action("x", **SURE, when="event.page_type == 'product'"))
    made = decide(
        structs.replace(Visitor().on("product").inputs(), tail=None, facts=None),
        FixedScores(),
        policy,
        prior_draws(policy),
    )
    assert not made.degraded
    assert made.chosen[0].action == "x"


def test_availability_lists_the_stores_that_have_the_product():
    policy = quiet(action("a", kind="availability", **SURE))
    visitor = replace(Visitor(), product=Product("p", stores={"Utrecht": 0, "Gent": 2, "Breda": 1}))
    shown = placements_of(policy, visitor)["top"]
    assert shown["stores"] == [{"store": "Breda", "stock": 1}, {"store": "Gent", "stock": 2}]


def test_a_rule_error_is_counted_once_for_each_action():
    policy = shop(action("x", placements=["top", "side"], when="visitor.attributes.tier > 2.0"))
    made = decision(policy, Visitor(attributes={"tier": "gold"}), "top", "side")
    assert made.rule_errors == 1


def test_reasons_are_from_the_closed_list():
    policy = shop(*(action(f"x{i}", value=i) for i in range(3)), exploration_floor=0.1)
    draws = prior_draws(policy)
    seen = set()
    for i in range(300):
        inputs = Visitor().inputs(decision_id=f"d{i}")
        seen |= {chosen.reason for chosen in decide(inputs, FixedScores(), policy, draws).chosen}
    assert seen == {"won", "explored", "silence"}
    assert seen <= set(REASONS)


def test_time_comes_from_the_inputs():
    policy = quiet(action("x", **SURE, ttl_s=1))
    made = decision(policy, Visitor(), now_ms=NOW + 1_500)
    assert json.loads(answer(made))["placements"]["top"]["expires_at"] == "2026-11-23T12:00:02.500Z"


def test_a_tail_at_hand_gives_the_same_decision_as_its_bytes():
    policy = shop(*(action(f"x{i}") for i in range(3)), action("ruled", when="session.views > 2"))
    draws = prior_draws(policy)
    for visitor in (Visitor(), Visitor().did("view_item", 1), Visitor().did("view_item", 3).did("view_item", 9)):
        inputs = visitor.inputs()
        ready = tail_of(inputs.tail or b"").copy()  # writeable, as sorted records are
        read = decide(inputs, FixedScores(), policy, draws)
        compiled = len(_fold.signatures)
        given = decide(inputs, FixedScores(), policy, draws, Known.of(inputs, FixedScores(), ready))
        assert len(_fold.signatures) == compiled, "another type of array would be compiled for within a request"
        assert answer(given) == answer(read)
        assert given.vector is not None and read.vector is not None
        assert given.vector.tobytes() == read.vector.tobytes()
        assert ready.flags.writeable  # the caller's own stays as it was


def test_a_fallback_that_the_request_tells_was_dismissed_stays_away():
    policy = shop(action("x", fallback=True, cooldown_after_dismissal_s=60))
    draws = prior_draws(policy)
    shown = decide(Visitor().inputs(), None, policy, draws).chosen[0]
    told = decide(Visitor().on(dismissed=("x",)).inputs(), None, policy, draws).chosen[0]
    assert (shown.action, told.action, told.candidates[0].gate) == ("x", None, "cooldown")


HOPELESS = {"value": 1, "cost": 5}
"""Worth less than it costs, whatever is believed of it."""


def candidate_of(made, name: str):
    return next(one for chosen in made.chosen for one in chosen.candidates if one.action == name)


def test_what_hardly_any_draw_lifts_above_silence_is_closed_and_not_explored():
    """The exploration floor is of what may come right: not of what costs more than it can ever bring."""
    policy = shop(action("dear", **HOPELESS), action("fine"), exploration_floor=0.1)
    made = decision(policy)
    assert candidate_of(made, "dear").gate == "no_hope"
    assert candidate_of(made, "dear").propensity in (None, 0.0)
    (chosen,) = made.chosen
    fine = candidate_of(made, "fine")
    assert fine.gate == "" and fine.propensity + chosen.silence_propensity == pytest.approx(1)


@pytest.mark.parametrize(("lifted", "gate"), [(0, "no_hope"), (2, "no_hope"), (3, ""), (100, "")])
def test_three_in_a_hundred_draws_above_silence_are_hope(lifted, gate):
    policy = shop(action("x", value=1, cost=0.5), exploration_floor=0.1)
    effects = np.full((1, N_EFFECTS, 100), 0.1, np.float32)
    effects[:, :, :lifted] = 0.9
    assert candidate_of(decide(NOBODY.inputs(), FixedScores(), policy, Draws.of(effects)), "x").gate == gate


def test_a_visitor_who_saw_much_has_no_hope_where_another_has():
    """The cost grows with what was shown: hope is of a moment, not of an action."""
    policy = shop(action("x", value=10, cost=0.4, prior={"mean": 0.08, "strength": 5000}))
    assert candidate_of(decision(policy), "x").gate == ""
    weary = NOBODY
    for minutes in range(1, 9):
        weary = weary.did("view_promotion", minutes, action="x", decision_id=f"D{minutes}")
    assert candidate_of(decision(policy, weary), "x").gate == "no_hope"


@pytest.mark.parametrize(
    ("arm", "closed"),
    [("random", False), ("propensity_only", False), ("no_levers", True), ("rules_only", False)],
)
def test_the_gate_of_hope_is_of_the_arms_that_decide_by_what_was_learned(arm, closed):
    """The random arm shows it still: what was believed wrongly can come to light there."""
    policy = shop(action("dear", **HOPELESS), arms={**NO_ARMS, arm: 0.1})
    made = next(m for n in range(500) if (m := decision(policy, visitor_id=f"v{n}")).arm == arm)
    dear = candidate_of(made, "dear")
    assert (dear.gate == "no_hope") is closed
    if arm == "random":
        assert dear.propensity > 0


def test_another_gate_is_told_before_hope():
    policy = shop(action("dear", **HOPELESS, when="session.views > 3"))
    assert candidate_of(decision(policy), "dear").gate == "rule"


def test_probabilities_are_rounded_as_python_rounds_them() -> None:
    random = np.random.default_rng(5)
    middles = (np.arange(2000) + 0.5) / 1e6
    near = [np.nextafter(middles, 2.0), np.nextafter(middles, -2.0), middles + 1e-11, middles + 4e-8]
    few = np.array([0.0, 1.0, 5e-7, 1e-300, 0.9999995, 0.9999994, 1 / 3, -0.25, 1e12])
    for numbers in (random.random(20_000), random.random(2000) ** 9, middles, *near, few):
        for part in np.array_split(numbers, max(len(numbers) // 6, 1)):
            assert rounded(part) == [round(number, 6) for number in part.tolist()]
    assert np.isnan(rounded(np.array([0.5, np.nan]))[1])
