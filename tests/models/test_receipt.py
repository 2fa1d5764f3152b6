"""Receipts: what a decision was made from replays to the same bytes, or says what is gone."""

import base64
import json

import msgspec
import numpy as np
import pytest
from msgspec import structs

from features.events import CODE
from features.record import hash64
from models import receipt as receipts
from models.arbitration import Draws, prior_draws
from models.bundle import decode as decode_bundle
from models.bundle import encode as encode_bundle
from models.decision import answer, decide
from models.intent import INTENTS
from models.policy import empty_policy
from models.policy_terms import Policy
from models.receipt import BundleGone, DrawsGone, FeaturesGone, InvalidReceipt, PolicyGone, Receipt, replay, why
from models.scored import read_scored
from models.trial import read_trials
from tests.models.bundles import parts
from tests.models.deciding import DAY, NOW, FixedScores, Visitor, action, shop

BUNDLE = FixedScores()


def policy_() -> Policy:
    content = {"en": {"title": "More"}, "nl": {"title": "Meer"}}
    return shop(
        *(action(f"x{i}", placements=["top", "side"]) for i in range(4)),
        action("r", kind="recommend", content=content),
        action("late", stages=["loyalty"]),
        action("ruled", when="session.views > 40 && visitor.since_purchase_s > 1"),
    )


POLICY = policy_()
DRAWS = prior_draws(POLICY)


def visitor(events: int = 12) -> Visitor:
    kinds = ("view_item", "add_to_cart", "search", "view_promotion", "purchase", "page_view")
    made = Visitor(attributes={"tier": "gold", "orders": 3, "member": True})
    for i in range(events):
        kind = kinds[i % len(kinds)]
        assert kind in CODE
        made = made.did(kind, 2 * (events - i), item_id=f"p{i % 7}", price=9.99 + i, action=f"x{i % 4}", query="tent")
    return made.on("product", item_id="p2", locale="nl", cart_item_ids=("p5",))


def receipt_of(decision_id: str = "d1", **kwargs: object) -> tuple[Receipt, bytes]:
    made = decide(visitor().inputs("top", "side", decision_id=decision_id), BUNDLE, POLICY, DRAWS)
    body = answer(made)
    return receipts.decode(receipts.encode(made, body)), body


def find_bundle(identifier: str) -> FixedScores | None:
    return BUNDLE if identifier == BUNDLE.id else None


def find_policy(version: str) -> Policy | None:
    return POLICY if version == POLICY.version else None


def test_five_hundred_receipts_replay_to_identical_bytes():
    for i in range(500):
        kept, body = receipt_of(f"decision-{i}")
        again = replay(kept, find_bundle, find_policy)
        assert again.identical, again.differs
        assert again.answer == body == bytes(kept.answer)


def test_a_receipt_keeps_the_line_of_leave_and_replays_with_them():
    inputs = structs.replace(visitor().inputs("top", "side"), leave_line=(0.1, -0.3, 0.05))
    kept = receipts.decode(receipts.encode(decide(inputs, BUNDLE, POLICY, DRAWS)))
    assert (
        kept.scores is not None and kept.scores.intent[INTENTS.index("leave")] < BUNDLE.intent[INTENTS.index("leave")]
    )
    assert why(kept)["leave_line"] == {"first": 0.1, "later": -0.3, "slope": 0.05}
    again = replay(kept, find_bundle, find_policy)
    assert again.identical, again.differs
    others = structs.replace(kept, inputs=structs.replace(kept.inputs, leave_line=(0.1, -0.2, 0.05)))
    assert "scores" in replay(others, find_bundle, find_policy).differs


def test_a_receipt_of_before_there_was_a_line_replays():
    kept, _ = receipt_of()
    now = receipts.spelled(receipts.encode(decide(visitor().inputs("top", "side"), BUNDLE, POLICY, DRAWS)))
    old = now.replace(b',"leave_line":[0.0,0.0,0.0]', b"")
    assert len(old) < len(now)
    assert receipts.decode(old).inputs == kept.inputs
    assert replay(receipts.decode(old), find_bundle, find_policy).identical


def test_a_receipt_from_a_real_bundle_replays_on_a_bundle_loaded_again():
    identifier, files = encode_bundle(parts())
    made = decide(visitor(200).inputs("top"), decode_bundle(identifier, files), POLICY, DRAWS)
    kept = receipts.decode(receipts.encode(made))
    again = replay(kept, lambda i: decode_bundle(i, files) if i == identifier else None, lambda _: policy_())
    assert again.identical, again.differs


def test_the_answer_is_the_same_whether_given_or_made():
    made = decide(visitor().inputs(), BUNDLE, POLICY, DRAWS)
    assert receipts.encode(made) == receipts.encode(made, answer(made))


def test_facts_are_kept_cut_to_the_tail():
    kept, _ = receipt_of()
    assert kept.facts is not None
    assert kept.facts.facts().rows.size == 12
    assert len(kept.facts.facts().table) <= 8


def test_a_degraded_decision_replays_without_bundle_or_draws():
    safe = shop(action("safe", fallback=True))
    made = decide(
        structs.replace(visitor().inputs(), tail=None, degraded_because="store"), BUNDLE, safe, prior_draws(safe)
    )
    kept = receipts.decode(receipts.encode(made))
    assert (kept.bundle, kept.vector, kept.scores, kept.stage) == ("", None, None, "")
    assert replay(kept, lambda _: None, lambda _: safe).identical


def test_a_decision_without_a_policy_replays():
    none = empty_policy("demo")
    made = decide(structs.replace(visitor().inputs("any"), degraded_because="policy"), None, none, prior_draws(none))
    assert replay(receipts.decode(receipts.encode(made)), lambda _: None, lambda _: None).identical


def test_a_receipt_whose_bundle_is_gone_says_which():
    kept, _ = receipt_of()
    with pytest.raises(BundleGone, match="bundle 0123456789abcdef is gone"):
        replay(kept, lambda _: None, find_policy)


def test_a_receipt_of_three_intents_is_still_explained_and_says_why_it_cannot_be_replayed():
    """Written before there was `cart`, from another feature table and with narrower facts."""
    kept, _ = receipt_of()
    assert kept.scores is not None
    scores = msgspec.structs.replace(kept.scores, intent=(0.2, 0.3, 0.1))
    old = msgspec.structs.replace(kept, scores=scores, features="0123456789ab")
    assert why(old)["intent"] == {"buy": 0.2, "leave": 0.3, "help": 0.1}
    with pytest.raises(FeaturesGone, match="feature table 0123456789ab is gone"):
        replay(old, find_bundle, find_policy)


def test_a_receipt_whose_policy_is_gone_says_which():
    kept, _ = receipt_of()
    with pytest.raises(PolicyGone, match=f"policy {POLICY.version} is gone"):
        replay(kept, find_bundle, lambda _: None)


def test_learned_draws_are_asked_for_and_missed_by_name():
    learned = Draws.of(np.clip(DRAWS.table * np.float32(1.5), 0, 1))
    made = decide(visitor().inputs(), BUNDLE, POLICY, learned)
    kept = receipts.decode(receipts.encode(made))
    assert replay(kept, find_bundle, find_policy, lambda i: learned if i == learned.id else None).identical
    with pytest.raises(DrawsGone, match=learned.id):
        replay(kept, find_bundle, find_policy)


def test_a_replay_with_another_bundle_under_the_same_name_is_found_out():
    kept, _ = receipt_of()
    other = FixedScores(stage="loyalty")
    again = replay(kept, lambda _: other, find_policy)
    assert not again.identical
    assert {"answer", "scores", "propensities"} <= set(again.differs)


def test_a_changed_receipt_is_found_out():
    made = decide(visitor().inputs(), BUNDLE, POLICY, DRAWS)
    data = json.loads(receipts.spelled(receipts.encode(made)))
    data["inputs"]["attributes"]["tier"] = "none"
    data["inputs"]["now_ms"] += 3_600_000
    again = replay(receipts.decode(json.dumps(data).encode()), find_bundle, find_policy)
    assert "vector" in again.differs


def test_a_receipt_in_json_as_all_were_before_is_the_same_receipt_and_replays():
    made = decide(visitor().inputs("top", "side"), BUNDLE, POLICY, DRAWS)
    packed = receipts.encode(made)
    spelled = receipts.spelled(packed)
    older = receipts.decode(spelled)
    assert older == receipts.decode(packed)
    assert replay(older, find_bundle, find_policy).identical
    assert receipts.spelled(spelled) is spelled
    assert read_trials(spelled) == read_trials(packed)
    assert read_scored(spelled) == read_scored(packed)
    assert len(read_trials(packed)[0].choices) > 1


def test_json_has_a_name_beside_each_value_and_the_answer_as_it_was_sent():
    made = decide(visitor().inputs("top", "side"), BUNDLE, POLICY, DRAWS)
    data = json.loads(receipts.spelled(receipts.encode(made)))
    assert list(data) == list(Receipt.__struct_fields__)
    assert data["answer"] == json.loads(answer(made))
    assert np.frombuffer(base64.b64decode(data["vector"]), "<f4").tolist() == pytest.approx(made.vector, nan_ok=True)
    shown = next(c for chosen in data["chosen"] for c in chosen["candidates"] if "gate" not in c)
    assert {"action", "value", "probability", "net", "share", "propensity"} <= set(shown)


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b"\xff\xfe", b'{"version": "x"}'])
def test_bytes_that_are_no_receipt_are_refused(data):
    with pytest.raises(InvalidReceipt):
        receipts.decode(data)


def test_a_receipt_of_another_version_is_refused():
    kept, _ = receipt_of()
    with pytest.raises(InvalidReceipt, match="version 99"):
        receipts.decode(msgspec.msgpack.encode(msgspec.structs.replace(kept, version=99)))


def test_why_shows_every_candidate_beside_silence():
    kept, _ = receipt_of()
    told = why(kept)
    json.dumps(told)
    top = told["placements"]["top"]
    assert {c["action"] for c in top["candidates"]} == {"x0", "x1", "x2", "x3", "r", "late", "ruled"}
    weighed = next(c for c in top["candidates"] if c["action"] == "x0")
    assert set(weighed) == {"action", "value", "probability", "lever", "cost", "net", "share", "propensity"}
    assert weighed["net"] == pytest.approx(weighed["value"] * weighed["probability"] - weighed["cost"])
    assert top["silence"]["net"] == 0
    total = sum(c.get("propensity", 0) for c in top["candidates"]) + top["silence"]["propensity"]
    assert total == pytest.approx(1)


def test_why_not_names_the_gate_and_what_the_rule_saw():
    kept, _ = receipt_of()
    (found,) = why(kept, "late")["placements"]
    assert found["because"] == "gate stage: the stage named is evaluation; needs loyalty"
    (ruled,) = why(kept, "ruled")["placements"]
    assert ruled["gate"] == "rule"
    assert set(ruled["values"]) == {"session.views", "visitor.since_purchase_s"}


def test_why_not_names_who_won_instead():
    kept, _ = receipt_of()
    top = kept.chosen[0]
    loser = next(c.action for c in top.candidates if not c.gate and c.action != top.action)
    found = why(kept, loser)["placements"][0]
    assert found["because"] == f"it lost to {top.action or 'silence'}"
    assert found["lost_to"]["action"] == top.action
    if top.action:
        assert why(kept, top.action)["placements"][0]["shown"] is True


def test_why_not_of_an_action_nobody_considered_is_refused():
    kept, _ = receipt_of()
    with pytest.raises(LookupError, match="was not considered"):
        why(kept, "nothing")


def test_an_explanation_names_the_features_that_moved_each_score():
    identifier, files = encode_bundle(parts())
    bundle = decode_bundle(identifier, files)
    kept = receipts.decode(receipts.encode(decide(visitor().inputs(), bundle, POLICY, DRAWS)))
    told = receipts.explain(kept, bundle)
    assert {"stage_evaluation", "intent_buy"} <= set(told)
    largest = [abs(part["contribution"]) for part in told["intent_buy"]]
    assert 0 < len(largest) <= 10
    assert largest == sorted(largest, reverse=True)
    with pytest.raises(BundleGone):
        receipts.explain(receipt_of()[0], bundle)


def test_what_was_refused_is_in_the_receipt_and_replays():
    policy = shop(action("x", kind="chat", placements=["side"]), action("y"))
    refused = ((hash64("x"), NOW - DAY), (2**64 - 1, NOW))
    inputs = structs.replace(visitor().on(dismissed=("y",)).inputs("top", "side"), dismissed=refused)
    kept = receipts.decode(receipts.encode(decide(inputs, BUNDLE, policy, prior_draws(policy))))
    assert (kept.inputs.dismissed, kept.inputs.context.dismissed) == (refused, ("y",))
    assert why(kept, "x")["placements"][0]["gate"] == "cooldown"
    assert replay(kept, find_bundle, lambda _: policy).identical


def test_a_receipt_from_before_dismissals_were_kept_replays():
    kept, _ = receipt_of()
    made = decide(visitor().inputs("top", "side"), BUNDLE, POLICY, DRAWS)
    data = json.loads(receipts.spelled(receipts.encode(made)))
    del data["inputs"]["dismissed"], data["inputs"]["context"]["dismissed"]
    older = receipts.decode(msgspec.json.encode(data))
    assert older.inputs == kept.inputs
    assert replay(older, find_bundle, find_policy).identical
