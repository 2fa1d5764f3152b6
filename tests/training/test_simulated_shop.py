"""The simulated shop: its expected values are what sampling finds, and its oracles are the best."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from training.shop_players import ClickRate, Oracle, Priority, Random, Silence
from training.simulated_shop import BEGIN_MS, DAY_MS, Earned, Masks, Moments, Player, Visits, play, size_of
from training.truth import FOLDER, Truth, read_truth
from training.truth_oracle import Signs, solve
from training.truth_world import Ints, World

BATCHES = 60


@cache
def world(name: str = "harmful") -> World:
    return World(read_truth(FOLDER / f"{name}.yaml"))


def without_limits(truth: Truth) -> Truth:
    """Visits that end of themselves, and messages without caps: what the oracle plans for."""
    actions = tuple(replace(a, per_session=None, dismissal=0.0) for a in truth.actions)
    return replace(truth, actions=actions, session_budget=None, most_moments=60)


class Counting:
    """Another player, and what it saw: orders, moments, leaving."""

    def __init__(self, player: Player) -> None:
        self.player, self.orders, self.decided, self.cost = player, 0, 0, 0.0
        self.signs: list[tuple[Moments, Ints]] = []

    def choose(self, at: Moments) -> Ints:
        return self.player.choose(at)

    def met(self, at: Moments, chosen: Ints, clicked: Masks, dismissed: Masks, ordered: Masks) -> None:
        self.orders += int(ordered.sum())
        self.decided += len(chosen)
        self.signs.append((at, chosen))
        self.player.met(at, chosen, clicked, dismissed, ordered)

    def later(self, now_ms: int) -> None:
        self.player.later(now_ms)


@cache
def earned(name: str, truth: str = "harmful") -> Earned:
    shop = world(truth)
    makers = {
        "silence": Silence(),
        "priority": Priority(),
        "random": Random(),
        "oracle": Oracle(shop),
        "seeing": Oracle(shop, sees=True),
        "click_rate": ClickRate(shop),
    }
    return play(shop, makers[name], BATCHES, 1)


@pytest.mark.parametrize("player", [Silence, Priority, Random])
def test_expected_value_is_what_orders_and_costs_come_to(player: type) -> None:
    shop, counting = world("small"), Counting(player())
    found = play(shop, counting, 4 * BATCHES, 3)
    cost = sum(float((shop.cost[chosen] * at.weariness).sum()) for at, chosen in counting.signs)
    sampled = counting.orders * shop.truth.order_value - cost
    noise = shop.truth.order_value * np.sqrt(counting.orders)
    assert abs(found.value.sum() - sampled) < 3 * noise
    assert found.decisions.sum() == counting.decided


def test_the_value_that_the_oracle_plans_with_is_the_one_it_earns() -> None:
    shop = World(without_limits(world().truth))
    start = np.outer(shop.truth.start, shop.share)
    for signs, sees in ((Signs.of(shop), False), (None, True)):
        _, value = solve(shop, 0.0, signs)
        found = play(shop, Oracle(shop, sees), 150, 2).value.sum() / (150 * size_of(shop))
        assert found == pytest.approx(float((start * value[:, :, 0]).sum()), rel=0.05)


def test_silent_visits_order_as_often_as_reckoned() -> None:
    shop = World(without_limits(world().truth))
    found = play(shop, Silence(), 150, 2).value.sum() / (150 * size_of(shop))
    start = np.outer(shop.truth.start, shop.share)
    assert found == pytest.approx(float((start * shop.silent_orders).sum()) * shop.truth.order_value, rel=0.05)


@pytest.mark.parametrize("truth", ["harmful", "stationary", "small"])
def test_no_player_is_above_the_oracle_and_none_above_the_one_that_sees(truth: str) -> None:
    best, seeing = earned("oracle", truth).value.sum(), earned("seeing", truth).value.sum()
    assert seeing > best
    assert best > max(earned(name, truth).value.sum() for name in ("silence", "priority", "random", "click_rate"))


def test_scores_are_calibrated() -> None:
    shop = world("stationary")
    counting = Counting(Silence())
    play(shop, counting, BATCHES, 4)
    stage = np.concatenate([at.stage for at, _ in counting.signs])
    true = np.concatenate([at.true_stage for at, _ in counting.signs])
    for place in range(6):
        said = stage[:, place]
        for low, high in ((0.05, 0.2), (0.2, 0.5), (0.5, 0.8)):
            inside = (said > low) & (said <= high)
            if inside.sum() > 500:
                assert (true[inside] == place).mean() == pytest.approx(said[inside].mean(), abs=0.06)


def test_everybody_meets_the_same_visitors_and_a_seed_has_its_own() -> None:
    one, same, other = (Visits.of(world(), seed, 5, 64) for seed in (1, 1, 2))
    assert np.array_equal(one.luck, same.luck)
    assert not np.array_equal(one.luck, other.luck)
    assert not np.array_equal(one.luck, Visits.of(world(), 1, 6, 64).luck)
    assert np.array_equal(earned("random").value, play(world(), Random(), BATCHES, 1).value)


def test_caps_the_budget_and_a_no_are_kept() -> None:
    counting = Counting(Priority())
    shop = world()
    play(shop, counting, 10, 1)
    shown: dict[int, list[int]] = {}
    for at, chosen in counting.signs:
        for number, action in zip(at.number.tolist(), chosen.tolist(), strict=True):
            shown.setdefault(number, []).extend([action] if action else [])
    once = {i for i, a in enumerate(shop.truth.actions, 1) if a.per_session == 1}
    assert max(len(actions) for actions in shown.values()) == shop.truth.session_budget
    assert all(actions.count(a) <= 1 for actions in shown.values() for a in once)


def test_a_step_changes_what_the_oracle_does() -> None:
    shop = world("drifting")
    oracle = Oracle(shop, sees=True)
    visits = Counting(oracle)
    play(shop, visits, 300, 1)
    new = 1 + [a.id for a in shop.truth.actions].index("new-in")
    day = [(at.ts_ms - BEGIN_MS) / DAY_MS for at, _ in visits.signs]
    before = sum(int((c == new).sum()) for d, (_, c) in zip(day, visits.signs, strict=True) if d < 8.9)
    after = sum(int((c == new).sum()) for d, (_, c) in zip(day, visits.signs, strict=True) if d > 9.1)
    assert before > 100 > after
