"""Posterior: it finds effects over silence whatever the chances were, pools what is alike, and keeps its state."""

import math

import msgspec
import numpy as np
import pytest

from models.arbitration import Contest, arbitrate
from models.effects import N_EFFECTS, effects_of
from models.posterior import BOLD, CALM_FIRST, CALM_LAST, CAUTION_FIRST, CAUTION_LAST, LATE_WIDTH, Belief, Posterior
from models.trial import SILENCE, Next, Trial
from tests.models.deciding import action, shop

DAY = 86_400_000
T = 1_700_000_000_000
STAGE = np.array([0, 0, 1.0, 0, 0, 0])
INTENT = np.array([0.05, 0.1, 0.5, 0.0])
MONEY = {"value": 20, "cost": 0.02}


def trial(chosen, reward, choices, chances, at=T, stage=STAGE, shown=True) -> Trial:
    return Trial(
        *("d", "v", at, "p", "full", "top", chosen, (SILENCE, *choices), tuple(chances), tuple(stage)),
        *(tuple(INTENT), 1.0, shown, reward),
    )


def world(n, effect, chance, seed=1, base=0.2, stage=STAGE, step_ms=1000):
    """n trials of actions with true effects; chance: (n, 1 + actions), may depend on the trial."""
    random = np.random.default_rng(seed)
    names, trials = list(effect), []
    for i in range(n):
        chances = chance[i % len(chance)]
        pick = random.choice(len(chances), p=chances)
        odds = base + (effect[names[pick - 1]] if pick else 0.0)
        chosen = names[pick - 1] if pick else SILENCE
        trials.append(trial(chosen, float(random.random() < odds), names, chances, T + i * step_ms, stage))
    return trials


def at_stage(belief, place):
    return float(belief.mean.reshape(-1, N_EFFECTS)[place] @ effects_of(STAGE, INTENT))


def test_effects_are_against_silence_and_do_not_depend_on_the_chances():
    policy = shop(action("a", **MONEY), action("b", kind="hint", **MONEY))
    effect = {"a": 0.10, "b": -0.05}
    for chance in ([(0.34, 0.33, 0.33)], [(0.8, 0.15, 0.05), (0.1, 0.1, 0.8)]):
        posterior = Posterior()
        posterior.learn(world(30_000, effect, chance))
        belief = posterior.believed(policy)
        assert at_stage(belief, 0) == pytest.approx(0.10, abs=0.03)
        assert at_stage(belief, 1) == pytest.approx(-0.05, abs=0.03)


def test_a_message_shown_to_those_who_buy_anyway_gets_no_credit_for_it():
    """Chances that follow a trait that the model of m(x) does not know: a naive comparison is badly off."""
    random = np.random.default_rng(3)
    trials = []
    for i in range(20_000):
        keen = random.random() < 0.5
        chance = 0.8 if keen else 0.2
        shown = random.random() < chance
        reward = float(random.random() < (0.5 if keen else 0.1))
        trials.append(trial("a" if shown else SILENCE, reward, ["a"], (1 - chance, chance), T + i))
    naive = np.mean([t.reward for t in trials if t.chosen]) - np.mean([t.reward for t in trials if not t.chosen])
    posterior = Posterior()
    posterior.learn(trials)
    assert naive > 0.2
    assert abs(at_stage(posterior.believed(shop(action("a", **MONEY))), 0)) < 0.02


def test_without_data_the_belief_is_the_prior():
    policy = shop(action("a", prior={"mean": 0.1, "strength": 99}, **MONEY))
    belief = Posterior().believed(policy)
    assert belief.mean.reshape(-1, N_EFFECTS)[0].tolist() == pytest.approx([0.1] * 6 + [0] * (N_EFFECTS - 6))
    assert belief.spread[:6] == pytest.approx([math.hypot(1, LATE_WIDTH) * math.sqrt(0.1 * 0.9 / 100)] * 6)
    assert belief.width == 1.0


def test_a_new_action_begins_from_what_is_known_of_its_kind():
    old, other = action("old", **MONEY), action("other", kind="hint", **MONEY)
    policy = shop(old, other, action("new", **MONEY), action("newhint", kind="hint", **MONEY))
    posterior = Posterior()
    posterior.learn(world(20_000, {"old": 0.15, "other": -0.1}, [(0.4, 0.3, 0.3)]))
    belief = posterior.believed(policy)
    assert at_stage(belief, 0) > at_stage(belief, 2) > 0.02 > at_stage(belief, 3)


def test_what_was_never_shown_or_certain_tells_nothing_of_effects():
    posterior = Posterior()
    unseen = [trial("a", 1.0, ["a"], (0.5, 0.5), shown=False)] * 50
    certain = [trial("a", 1.0, ["a"], (0.0, 1.0))] * 50
    broken = [trial("a", math.nan, ["a"], (0.5, 0.5))] * 50
    assert posterior.learn([*unseen, *certain, *broken]) == 0
    policy = shop(action("a", **MONEY))
    assert np.array_equal(posterior.believed(policy).mean, Posterior().believed(policy).mean)


def test_what_was_learned_fades_with_its_half_life():
    posterior = Posterior(half_life_days=10)
    posterior.learn(world(500, {"a": 0.1}, [(0.5, 0.5)], step_ms=0))
    before = posterior.soon.information.copy()
    posterior.learn([trial("a", 0.0, ["a"], (0.0, 1.0), T + 10 * DAY)])
    assert posterior.soon.information == pytest.approx(before / 2)


def test_a_late_trial_counts_as_old_as_it_is():
    posterior, other = Posterior(half_life_days=10), Posterior(half_life_days=10)
    pair = [trial("a", 1.0, ["a"], (0.5, 0.5), T), trial(SILENCE, 0.0, ["a"], (0.5, 0.5), T + 10 * DAY)]
    posterior.learn(pair)
    other.learn(pair[1:])
    other.learn(pair[:1])
    assert posterior.base == pytest.approx(other.base)


def test_a_share_of_the_draws_is_as_the_belief_is_and_the_others_are_calm_and_cautious() -> None:
    posterior = Posterior()
    posterior.learn(world(4000, {"a": 0.1, "b": 0.0}, [(0.4, 0.3, 0.3)]))
    belief = posterior.believed(shop(action("a", **MONEY), action("b", **MONEY)))
    flat = belief.draws(7, 8000).table.reshape(-1, 8000)
    bold = np.tile(np.arange(4000) < BOLD * 4000, 2)
    caution = CAUTION_LAST + (CAUTION_FIRST - CAUTION_LAST) * belief.untried
    lower = caution * belief.spread * (np.arange(belief.mean.size) % N_EFFECTS < 6)
    assert flat[:, bold].mean(axis=1) == pytest.approx(belief.mean, abs=1e-5)
    assert flat[:, bold].std(axis=1) == pytest.approx(belief.spread, rel=0.3)
    assert flat[:, ~bold].mean(axis=1) == pytest.approx(belief.mean - lower, abs=1e-5)
    calm = CALM_LAST + (CALM_FIRST - CALM_LAST) * belief.untried
    assert flat[:, ~bold].std(axis=1) == pytest.approx(calm * belief.spread, rel=0.08)
    assert belief.draws(7).id == belief.draws(7).id != belief.draws(8).id


def test_caution_fades_as_trials_come_and_is_back_when_they_are_forgotten() -> None:
    policy, posterior = shop(action("a", **MONEY), action("b", **MONEY)), Posterior(half_life_days=1)
    assert posterior.believed(policy).untried == 1.0
    posterior.learn(world(3000, {"a": 0.1, "b": 0.0}, [(0.4, 0.3, 0.3)]))
    assert posterior.believed(policy).untried == pytest.approx(0.5, rel=0.03)
    posterior.learn([trial(SILENCE, 0.0, ["a"], (0.5, 0.5), T + 20 * DAY)])
    assert posterior.believed(policy).untried == pytest.approx(1.0, rel=0.03)


def halves(n: int, soon: float, late: float, seed: int = 1) -> list[Trial]:
    """Visits of two decisions; the first one's message adds `soon` before the second decision and `late` after it."""
    random = np.random.default_rng(seed)
    trials = []
    for i in range(n):
        shown = random.random() < 0.5
        at_once = float(random.random() < 0.05 + soon * shown)
        later = float(random.random() < 0.3 + late * shown)
        then = Next(tuple(STAGE), tuple(INTENT), 1.0, later)
        first = trial("a" if shown else SILENCE, at_once + later, ["a"], (0.5, 0.5), T + i)
        trials += [msgspec.structs.replace(first, next=then), trial(SILENCE, later, [], (1.0,), T + i)]
    return trials


def learned(trials: list[Trial]) -> Belief:
    posterior = Posterior()
    for begin in range(0, len(trials), 1000):
        posterior.learn(trials[begin : begin + 1000])
    return posterior.believed(shop(action("a", prior={"mean": 0.05, "strength": 20}, **MONEY)))


def test_an_effect_is_found_whether_it_comes_soon_or_late() -> None:
    assert at_stage(learned(halves(20_000, 0.05, 0.0)), 0) == pytest.approx(0.05, abs=0.015)
    assert at_stage(learned(halves(20_000, 0.0, 0.10)), 0) == pytest.approx(0.10, abs=0.04)


def test_what_messages_do_to_the_rest_of_a_visit_is_learned_for_those_without_data_too() -> None:
    prior = {"mean": 0.05, "strength": 20}
    policy = shop(action("a", prior=prior, **MONEY), action("new", kind="hint", prior=prior, **MONEY))
    before = at_stage(Posterior().believed(policy), 0)
    carried = []
    for soon, late in ((-0.1, 0.0), (0.0, -0.1)):
        posterior, trials = Posterior(), halves(20_000, soon, late)
        for begin in range(0, 40_000, 1000):
            posterior.learn(trials[begin : begin + 1000])
        belief = posterior.believed(policy)
        carried.append((at_stage(belief, 1) - before) / (at_stage(belief, 0) - before))
    assert carried[0] < 0.45
    assert carried[1] > 0.55


def test_what_happens_long_after_a_message_makes_its_effect_less_noisy_than_the_whole_reward_does() -> None:
    parted, whole = [], []
    for seed in range(12):
        trials = halves(2000, 0.02, 0.0, seed)
        parted.append(at_stage(learned(trials), 0))
        whole.append(at_stage(learned([msgspec.structs.replace(t, next=None) for t in trials]), 0))
    assert np.std(parted) < 0.8 * np.std(whole)


def test_a_state_goes_on_where_it_was():
    trials = world(3000, {"a": 0.1, "b": 0.05}, [(0.4, 0.3, 0.3)])
    whole, first = Posterior(), Posterior()
    whole.learn(trials[:2000])
    whole.learn(trials[2000:])
    first.learn(trials[:2000])
    second = Posterior.from_arrays(first.to_arrays())
    second.learn(trials[2000:])
    assert second.to_arrays().keys() == whole.to_arrays().keys()
    assert all(np.array_equal(second.to_arrays()[name], array) for name, array in whole.to_arrays().items())
    with pytest.raises(ValueError):
        Posterior.from_arrays(first.to_arrays() | {"ids": np.array(["a"])})


def test_actions_the_policy_dropped_do_not_stand_in_its_draws():
    posterior = Posterior()
    posterior.learn(world(500, {"gone": 0.1, "a": 0.1}, [(0.4, 0.3, 0.3)]))
    assert posterior.believed(shop(action("a", **MONEY))).draws(1, 8).table.shape == (1, N_EFFECTS, 8)


def test_deciding_by_the_learned_draws_comes_near_the_best_and_keeps_silent_where_that_is_best():
    names = ("good", "bad", "fair")
    policy = shop(*(action(name, value=1, cost=0.01) for name in names))
    effect = dict(zip(names, (0.12, -0.1, 0.03), strict=True))
    random = np.random.default_rng(5)
    posterior = Posterior()
    draws, chosen = posterior.believed(policy).draws(0), []
    for i in range(6000):
        contest = Contest.of(policy, draws, (0, 1, 2), effects_of(STAGE, INTENT))
        outcome = arbitrate(contest, (0, 1, 2), f"d{i}", "top", 0.01)
        name = names[outcome.winner - 1] if outcome.winner else SILENCE
        odds = 0.2 + (effect[name] if name else 0.0)
        reward = float(random.random() < odds)
        chosen.append((trial(name, reward, names, outcome.propensity, T + i), name))
        if i % 200 == 199:
            posterior.learn([t for t, _ in chosen[-200:]])
            draws = posterior.believed(policy).draws(i)
    late = [name for _, name in chosen[-1000:]]
    assert late.count("good") > 850
    assert late.count("bad") < 40


def test_the_numbers_of_a_moment_are_bounded_and_ordinary_ones_are_nought():
    calm = effects_of(STAGE, INTENT)
    assert calm[6:].tolist() == pytest.approx([0, 0, 0])
    wild = effects_of(STAGE, np.array([1.0, 0, 0.0, 0]), 1e9)
    assert wild[6:].tolist() == pytest.approx([2, 1, -1])
    assert effects_of(STAGE, np.full(4, np.nan))[7:].tolist() == [0, 0]


def test_one_order_of_a_million_does_not_drown_the_rest():
    policy = shop(action("a", **MONEY), reward={"revenue": 1})
    trials = [
        trial(t.chosen, 50 * t.reward, ["a"], t.propensity, t.ts_ms) for t in world(8000, {"a": 0.2}, [(0.5, 0.5)])
    ]
    huge = trial("a", 1e12, ["a"], (0.5, 0.5), T + 4_000_500)
    calm, hit = Posterior(), Posterior()
    for at in range(0, 8000, 500):
        calm.learn(trials[at : at + 500])
        hit.learn([*trials[at : at + 500], *([huge] if at == 4000 else [])])
    assert at_stage(hit.believed(policy), 0) == pytest.approx(at_stage(calm.believed(policy), 0), abs=3)
    assert at_stage(hit.believed(policy), 0) > 5
