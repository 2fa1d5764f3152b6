"""Many decisions at once are the decisions one after another, to the bit; so are replays."""

from dataclasses import replace

import numpy as np
import pytest
from msgspec import structs

from models.arbitration import Draws, prior_draws
from models.bundle import Bundle, decode, encode
from models.decision import UnknownPlacement, decide
from models.inputs import Inputs
from models.leave_level import NO_LINE
from models.many import BATCH, decide_many
from models.policy_terms import Policy
from models.receipt import BundleGone, FeaturesGone, PolicyGone, Receipt, ReplayResult, replay, replay_many
from models.receipt import decode as receipt_of
from models.receipt import encode as encode_receipt
from tests.models.bundles import parts
from tests.models.deciding import FixedScores, Visitor, action, shop
from tests.models.uplifting import part

KINDS = ("view_item", "add_to_cart", "view_promotion", "search", "dismiss_promotion", "purchase")


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return decode(*encode(replace(parts(), uplift=part("a1"))))


def policy_of(seed: int) -> Policy:
    rules = ({}, {"when": "session.views >= 2"}, {"stages": ["evaluation", "hesitation"]}, {"caps": {"per_session": 1}})
    actions = [
        action(f"a{i}", value=5.0 + i, placements=["top", "side"][: 1 + i % 2], **rules[(i + seed) % len(rules)])  # type: ignore[arg-type]
        for i in range(4 + seed)
    ]
    return shop(*actions, holdout=0.1, exploration_floor=0.05)


def asked(count: int, seed: int) -> list[Inputs]:
    """Visitors with as many different pasts, from nothing to some ninety events; some without what a decision needs."""
    random = np.random.default_rng(seed)
    made = []
    for number in range(count):
        visitor = Visitor().on("product", item_id=f"p{number % 6}")
        for i in range(int(random.integers(0, 5)) ** 3 + number % 3):
            kind = KINDS[int(random.integers(len(KINDS)))]
            visitor = visitor.did(kind, float(random.random() * 90), item_id=f"p{i % 6}", action=f"a{i % 5}", query="q")
        wanted = (("top",), ("top", "side"), ("side",))[number % 3]
        inputs = structs.replace(visitor.inputs(*wanted, decision_id=f"d{seed}-{number}"), visitor_id=f"v{number}")
        because = {7: "store", 11: "policy"}.get(number % 16, "")
        lost = {"tail": None, "facts": None} if because == "store" else {"facts": None} if number % 16 == 3 else {}
        line = (0.2, -0.3, 0.1) if number % 5 == 0 else NO_LINE
        made.append(structs.replace(inputs, degraded_because=because, leave_line=line, **lost))
    return made


@pytest.mark.parametrize(("count", "seed"), [(0, 0), (1, 1), (BATCH, 2), (2 * BATCH + 5, 3)])
def test_a_batch_is_its_decisions_one_after_another(bundle: Bundle, count: int, seed: int) -> None:
    policy, inputs = policy_of(seed), asked(count, seed)
    draws = prior_draws(policy)
    for scoring in (bundle, replace(bundle, panel=None), FixedScores(), None):
        expected = [encode_receipt(decide(one, scoring, policy, draws)) for one in inputs]
        assert [encode_receipt(one) for one in decide_many(inputs, scoring, policy, draws)] == expected


def test_a_placement_that_is_not_there_is_refused_in_a_batch_too(bundle: Bundle) -> None:
    policy = policy_of(1)
    inputs = [*asked(3, 1), structs.replace(asked(1, 1)[0], placements=("attic",))]
    with pytest.raises(UnknownPlacement, match="attic"):
        decide_many(inputs, bundle, policy, prior_draws(policy))


def receipts_of(bundle: Bundle, policies: list[Policy]) -> list[Receipt]:
    made = []
    for number, inputs in enumerate(asked(40, 5)):
        policy = policies[number % len(policies)]
        made.append(receipt_of(encode_receipt(decide(inputs, bundle, policy, prior_draws(policy)))))
    return made


def test_replays_together_are_the_replays_one_by_one_and_name_what_is_gone(bundle: Bundle) -> None:
    policies = [policy_of(1), policy_of(2)]
    by_version = {policy.version: policy for policy in policies}
    receipts = receipts_of(bundle, policies)
    changed = structs.replace(receipts[4], inputs=structs.replace(receipts[4].inputs, decision_id="another"))
    receipts += [changed, structs.replace(receipts[0], bundle="f" * 16), structs.replace(receipts[1], policy="gone")]
    receipts.append(structs.replace(receipts[2], features="other"))
    found = replay_many(receipts, {bundle.id: bundle}.get, by_version.get)
    assert [type(one) for one in found[-3:]] == [BundleGone, PolicyGone, FeaturesGone]
    expected = [replay(one, {bundle.id: bundle}.get, by_version.get) for one in receipts[:-3]]
    assert found[:-3] == expected
    assert [one.identical for one in found[:-3] if isinstance(one, ReplayResult)] == [True] * 40 + [False]


def test_draws_that_are_gone_are_named(bundle: Bundle) -> None:
    policy = policy_of(1)
    draws = Draws.of(prior_draws(policy).table + np.float32(0.01))
    receipt = receipt_of(encode_receipt(decide(asked(1, 5)[0], bundle, policy, draws)))
    (found,) = replay_many([receipt], {bundle.id: bundle}.get, {policy.version: policy}.get)
    assert str(found) == f"draws {draws.id} is gone: the decision cannot be replayed"
    (found,) = replay_many([receipt], {bundle.id: bundle}.get, {policy.version: policy}.get, {draws.id: draws}.get)
    assert isinstance(found, ReplayResult) and found.identical
