"""From receipts to another policy's value: what it would do, given what the page had already."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from msgspec import structs

from features.record import hash64
from models import receipt as receipts
from models.arbitration import Draws, prior_draws
from models.decision import Known, decide
from models.effects import N_EFFECTS
from models.policy_terms import Policy
from models.receipt import Receipt
from models.stage import STAGES
from models.trial import SILENCE
from tests.models.deciding import FixedScores, Visitor, action, shop
from training.off_policy import dr, ips
from training.overlap import overlap
from training.promotion import judge
from training.receipts_logged import NothingLogged, choices, nothing, replayed, trials, unusable

BUNDLE = FixedScores()
ACTIONS = tuple(action(f"x{i}", placements=["top", "side"], cost=3.0) for i in range(3))
LIVE = shop(*ACTIONS, exploration_floor=0.05)
DRAWS = prior_draws(LIVE)
RATES = {SILENCE: 0.05, "x0": 0.10, "x1": 0.20, "x2": 0.40}
PROMISING = {"x0": 0.1, "x1": 0.15, "x2": 0.2}


def draws_of(effects: dict[str, float], spread: float = 0.05, count: int = 64) -> Draws:
    """Draws about these effects, the same in every stage."""
    random = np.random.default_rng(1)
    table = np.zeros((len(effects), N_EFFECTS, count), np.float32)
    for row, mean in zip(table, effects.values(), strict=True):
        row[: len(STAGES)] = np.clip(random.normal(mean, spread, (len(STAGES), count)), -1, 1)
    return Draws.of(table)


SPREAD = draws_of(PROMISING, 0.15)
SEEN = tuple(Visitor().did("view_item", 3, item_id=f"p{at}").inputs("top", "side") for at in range(3))
KNOWN = tuple(Known.of(inputs, BUNDLE) for inputs in SEEN)
DECISIONS = 3_000


def made(at: int, policy: Policy = LIVE, draws: Draws = SPREAD) -> Receipt:
    inputs = structs.replace(SEEN[at % 3], decision_id=f"d{at}", visitor_id=f"v{at // 2}")
    return receipts.decode(receipts.encode(decide(inputs, BUNDLE, policy, draws, KNOWN[at % 3])))


def reward_of(rows: list[Receipt]) -> dict[tuple[str, str], float]:
    """What followed each placement, by a hash: as often as the action works."""
    return {
        (one.decision_id, got.placement): float(
            hash64(f"{one.decision_id}|{got.placement}|pays") / 2**64 < RATES[got.action or SILENCE]
        )
        for one in rows
        for got in one.chosen
    }


@pytest.fixture(scope="module")
def log() -> list[Receipt]:
    return [made(at) for at in range(DECISIONS)]


def test_the_policy_that_logged_is_told_its_own_probabilities(log: list[Receipt]) -> None:
    ask = choices(LIVE, SPREAD)
    for one in log[:300]:
        then = {
            got.placement: trial.chances for got, trial in zip(one.chosen, trials(one, lambda *_: 0.0), strict=True)
        }
        assert ask(one) == then
        assert all(sum(said.values()) == pytest.approx(1.0) for said in then.values())


def test_a_side_with_uplift_models_is_told_what_their_bundle_would_have_chosen(log: list[Receipt]) -> None:
    ask = choices(LIVE, SPREAD, lambda vector: {hash64("x0"): 0.9})
    told = [max(said, key=said.__getitem__) for said in (ask(one)["top"] for one in log[:50])]
    assert set(told) == {"x0"}
    assert all(choices(LIVE, SPREAD, lambda _: {})(one) == choices(LIVE, SPREAD)(one) for one in log[:50])


def test_a_policy_is_asked_about_the_stage_that_was_named_not_the_likeliest(log: list[Receipt]) -> None:
    ruled = shop(action("x0", placements=["top", "side"], stages=["loyalty"]))
    other = msgspec.structs.replace(log[0], stage="loyalty")
    likeliest, named = (choices(ruled, prior_draws(ruled))(one)["top"] for one in (log[0], other))
    assert set(likeliest) == {SILENCE} and set(named) == {SILENCE, "x0"}


def test_a_later_placement_is_asked_given_what_the_log_showed_before_it(log: list[Receipt]) -> None:
    one = next(one for one in log if one.chosen[0].action == "x0")
    certain = draws_of({"x0": 0.0, "x1": 0.5, "x2": 0.9}, 0.0)
    said = choices(LIVE, certain)(one)
    assert max(said["top"], key=said["top"].__getitem__) == "x2"
    assert set(said["side"]) == {SILENCE, "x1", "x2"}
    assert said["side"]["x2"] > 0.8


def test_a_placement_or_an_action_that_the_other_policy_lacks_is_silence(log: list[Receipt]) -> None:
    only_top = shop(action("x0", placements=["top"]), action("new", placements=["top"]))
    one = next(one for one in log if one.chosen[0].action is None)
    said = choices(only_top, prior_draws(only_top))(one)
    assert said["side"] == {SILENCE: 1.0}
    assert set(said["top"]) == {SILENCE, "x0", "new"}
    found = replayed(log[:50], lambda *_: 0.0, {"new": choices(only_top, prior_draws(only_top))}).logged["new"]
    assert found.unsupported.max() > 0


def test_the_value_of_the_other_policy_is_found(log: list[Receipt]) -> None:
    paid = reward_of(log)
    better = draws_of({"x0": 0.1, "x1": 0.1, "x2": 0.3}, 0.15)
    policies = {"live": choices(LIVE, SPREAD), "better": choices(LIVE, better)}
    found = replayed(log, lambda *key: paid[key], policies)
    again = [made(at + 50_000, draws=better) for at in range(DECISIONS)]
    truth = float(np.mean([RATES[got.action or SILENCE] for one in again for got in one.chosen]))
    assert found.decisions == DECISIONS and len(found.placement) == 2 * DECISIONS
    assert ips(found.logged["live"]).value == pytest.approx(np.mean(list(paid.values())))
    assert dr(found.logged["better"]).covers(truth)
    assert overlap(found.logged["better"]).ess > 1_000


def test_what_follows_a_whole_page_counts_once_and_for_all_its_placements(log: list[Receipt]) -> None:
    def together(one: Receipt) -> float:
        """An order, likelier where the page shows both: what neither placement earns alone."""
        both = {got.action for got in one.chosen} >= {"x1", "x2"}
        return float(hash64(f"{one.decision_id}|orders") / 2**64 < (0.6 if both else 0.1))

    paid = {one.decision_id: together(one) for one in log}
    better = draws_of({"x0": 0.1, "x1": 0.25, "x2": 0.3}, 0.15)
    asked = {"live": choices(LIVE, SPREAD), "better": choices(LIVE, better)}
    found = replayed(log, nothing, asked, paid.__getitem__)
    truth = float(np.mean([together(made(at + 50_000, draws=better)) for at in range(DECISIONS)]))
    now = found.per_decision(ips(found.logged["live"]))
    assert now.value == pytest.approx(np.mean(list(paid.values())))
    assert found.per_decision(dr(found.logged["better"])).covers(truth)
    assert not now.covers(truth)


def test_a_page_is_worth_its_placements_together(log: list[Receipt]) -> None:
    paid = reward_of(log)
    found = replayed(log, lambda *key: paid[key], {"live": choices(LIVE, SPREAD)})
    page = found.per_decision(ips(found.logged["live"])).value
    assert page == pytest.approx(sum(paid.values()) / len(log))
    assert page == pytest.approx(sum(ips(found.at(place)["live"]).value for place in ("top", "side")))


def test_receipts_take_a_better_policy_through_the_gate_and_not_a_worse_one(log: list[Receipt]) -> None:
    paid = reward_of(log)
    better, worse = draws_of({"x0": 0.1, "x1": 0.1, "x2": 0.3}, 0.15), draws_of({"x0": 0.2, "x1": 0.1, "x2": 0.0}, 0.15)
    asked = {"live": SPREAD, "better": better, "worse": worse}
    found = replayed(log, lambda *key: paid[key], {name: choices(LIVE, one) for name, one in asked.items()}).logged
    assert judge(found["live"], found["better"]).passed
    refused = judge(found["live"], found["worse"])
    assert not refused.passed and "worse" in refused.reasons[0]
    assert judge(found["live"], found["live"]).same


def test_what_says_nothing_is_left_out_and_counted(log: list[Receipt]) -> None:
    held = replace(LIVE, holdout=1.0)
    degraded = receipts.decode(receipts.encode(decide(Visitor().inputs("top"), None, LIVE, SPREAD)))
    silent = made(1, held)
    assert (unusable(silent), unusable(degraded), unusable(log[0])) == ("holdout", "degraded", "")
    found = replayed([log[0], degraded, silent], lambda *_: 0.0, {"live": choices(LIVE, SPREAD)})
    assert found.decisions == 1 and found.left_out == {"holdout": 1, "degraded": 1}
    waits = replayed(log[:3], nothing, {}, lambda key: np.nan if key == log[1].decision_id else 1.0)
    assert waits.decisions == 2 and waits.left_out == {"reward not known yet": 1}
    with pytest.raises(NothingLogged, match="1 degraded, 1 holdout"):
        replayed([degraded, silent], lambda *_: 0.0, {})
    with pytest.raises(NothingLogged, match=r"no decision can be used$"):
        replayed([], lambda *_: 0.0, {})
    with pytest.raises(ValueError, match="degraded"):
        choices(LIVE, SPREAD)(degraded)


def test_visitors_are_the_clusters(log: list[Receipt]) -> None:
    found = replayed(log[:100], lambda *_: 1.0, {"live": choices(LIVE, SPREAD)}).logged["live"]
    assert len(np.unique(found.cluster)) == 50 and len(found.reward) == 200
