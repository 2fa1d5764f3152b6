"""A page of one placement is settled as any page is, to the bit, and told in the same words."""

import itertools

import numpy as np
import pytest
from msgspec import structs

from models import decision
from models.arbitration import Draws, prior_draws
from models.arms import ARMS
from models.bundle import Scores
from models.chosen import Decision
from models.decision import answer, decide
from models.effects import N_EFFECTS, effects_into, effects_of, wearier_of
from models.one_place import settle
from models.policy_terms import Policy
from models.receipt import encode
from tests.models.deciding import FixedScores, Visitor, action, shop

RULES = ("session.views >= 1", "session.views >= 900", "event.page_type == 'cart'")


class Said:
    """A bundle that says something else each time, the same for the same number; odd ones know effects better."""

    id, timing = "0123456789abcdef", None

    def __init__(self, number: int, policy: Policy) -> None:
        random = np.random.default_rng(number)
        intent = random.random(4) ** 3
        intent[random.integers(4)] = (np.nan, 0.0, 1.0, 0.5)[number % 4]
        known = {policy.actions[0].hash: 0.3, policy.actions[3].hash: -0.1} if number % 2 else {}
        self.scores = Scores(random.dirichlet(np.ones(6)), intent, -1, known)

    def score(self, vector: np.ndarray) -> Scores:
        return self.scores


def policy_of(seed: int, **fields: object) -> Policy:
    random = np.random.default_rng(seed)
    actions = []
    for i in range(int(random.integers(1, 12)) + 3):
        about: dict[str, object] = {"value": float(random.integers(1, 60)), "cost": float(random.random() * 3)}
        about["prior"] = {"mean": float(random.random() * 0.6), "strength": float(random.integers(2, 50))}
        if i % 4 == 1:
            about["when"] = RULES[int(random.integers(len(RULES)))]
        if i % 5 == 2:
            about["caps"] = {"per_session": 1}
        actions.append(action(f"a{i}", **about))
    return shop(*actions, exploration_floor=(0.0, 0.01, 0.05)[seed % 3], **fields)


def learned(policy: Policy, seed: int) -> Draws:
    """Draws of effects that do harm as often as good."""
    random = np.random.default_rng(seed)
    return Draws.of(random.normal(0.02, 0.2, (len(policy.actions), N_EFFECTS, 64)).astype(np.float32))


def both(monkeypatch: pytest.MonkeyPatch, policy: Policy, draws: Draws, number: int) -> tuple[Decision, Decision]:
    """The decision as a page of one placement has it, and as any page."""
    visitor = Visitor().did("view_item", item_id="p1").on("product", item_id="p2")
    for i in range(number % 4):
        visitor = visitor.did("view_promotion", 5.0 - i, action=f"a{2 * i}")
    if number % 3 == 0:
        visitor = visitor.did("dismiss_promotion", 0.5, action="a1")
    inputs = structs.replace(visitor.inputs("top", decision_id=f"d{number}"), visitor_id=f"v{number}")
    with monkeypatch.context() as patched:
        patched.setattr(decision, "_alone", lambda *_: False)
        any_page = decide(inputs, Said(number, policy), policy, draws)
    return decide(inputs, Said(number, policy), policy, draws), any_page


ARMED = dict.fromkeys(("random", "propensity_only", "no_levers", "rules_only"), 0.1)


@pytest.mark.parametrize("seed", range(8))
def test_one_placement_is_settled_as_any_page_is(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    policy = policy_of(seed, arms=ARMED, holdout=0.1)
    for draws, number in itertools.product((prior_draws(policy), learned(policy, seed)), range(60)):
        alone, any_page = both(monkeypatch, policy, draws, number)
        assert answer(alone) == answer(any_page)
        assert sorted(alone.gates()) == sorted(any_page.gates())
        assert encode(alone) == encode(any_page)
        assert sorted(alone.gates()) == sorted(any_page.gates())


def test_every_arm_and_every_end_is_met(monkeypatch: pytest.MonkeyPatch) -> None:
    arms, reasons, gates = set(), set(), set()
    for seed in range(8):
        policy = policy_of(seed, arms=ARMED, holdout=0.1)
        for number in range(60):
            alone, _ = both(monkeypatch, policy, learned(policy, seed), number)
            arms.add(alone.arm)
            reasons.add(alone.chosen[0].reason)
            gates.update(alone.gates())
    assert arms == set(ARMS)
    assert reasons >= {"won", "explored", "silence", "holdout"}
    assert gates >= {"", "rule", "cap", "no_hope"}


def test_nobody_eligible_is_silence_for_certain() -> None:
    policy = shop(action("x", when="session.views >= 900"), action("y", cost=500))
    made = decide(Visitor().inputs("top"), FixedScores(), policy, prior_draws(policy))
    assert [candidate.gate for candidate in made.chosen[0].candidates] == ["rule", "no_hope"]
    assert (made.chosen[0].reason, made.chosen[0].propensity) == ("no_candidate", 1.0)
    assert (made.chosen[0].silence_share, made.chosen[0].silence_propensity) == (1.0, 1.0)


def test_compiled_effects_of_a_moment_are_the_same_numbers() -> None:
    random = np.random.default_rng(3)
    out = np.empty(N_EFFECTS)
    for number in range(3000):
        stage, intent = random.dirichlet(np.ones(6)), random.random(4) ** 4
        intent[number % 4] = (np.nan, 0.0, 1.0, 1e-9, 0.05)[number % 5]
        weariness = 1.0 + number % 7 * random.random()
        effects_into(stage, intent, wearier_of(weariness), out)
        assert np.array_equal(out, effects_of(stage, intent, weariness))


def test_it_is_compiled_for_one_set_of_types(monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(6):
        policy = policy_of(seed, arms=ARMED, holdout=0.1)
        whole = shop(action("x", value=3, cost=0), exploration_floor=0, dismissal_weight=1)
        for number in range(20):
            both(monkeypatch, policy, learned(policy, seed), number)
            visitor = Visitor().did("view_promotion", 5.0, action="x").did("dismiss_promotion", 4.0, action="x")
            decide(visitor.inputs("top", decision_id=f"d{number}"), FixedScores(), whole, prior_draws(whole))
    assert len(settle.signatures) == 1, "another type would be compiled for within a request"
