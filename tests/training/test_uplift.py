"""The learners on rows with a known effect, what the chooser makes of them, and what goes into a bundle."""

from dataclasses import replace

import lightgbm as lgb
import numpy as np
import pytest

from features.schema import N_FEATURES
from models.bundle import decode, encode
from models.uplift import TREATED
from tests.models.bundles import parts, vectors
from tests.training.trying import COLUMNS, tried
from training.fit_uplift import card, fit_uplift, uplift_part
from training.qini import Compared
from training.uplift import MIN_POSITIVES, RESPONSE, UPLIFT_S, UPLIFT_X, Tried, choose, fit_s, fit_x, judged, part


def compared(s: float, x: float, response: float, spread: float = 0.001) -> Compared:
    """Figures with these means, told apart by chance alone."""
    means = {UPLIFT_S: s, UPLIFT_X: x, RESPONSE: response}
    rng = np.random.default_rng(1)
    return Compared(
        {name: np.array([mean]) for name, mean in means.items()},
        {name: mean + spread * rng.normal(size=200) for name, mean in means.items()},
    )


@pytest.mark.parametrize("logged", [False, True])
def test_an_effect_of_its_own_is_found_and_its_model_chosen(logged):
    choice = choose(tried("own", logged=logged), 1, seeds=4)
    assert choice.uplift, choice.why
    assert choice.compared is not None and choice.compared.difference(choice.choice, RESPONSE)[0] > 0


@pytest.mark.parametrize("logged", [False, True])
def test_where_the_action_adds_the_same_for_everyone_no_uplift_model_is_used(logged):
    """Who is rewarded differs much, whom the action changes not at all: there is nothing to rank by."""
    choice = choose(tried("same", logged=logged), 1, seeds=4)
    assert not choice.uplift, choice.why


def test_where_the_effect_follows_the_response_no_uplift_model_is_better():
    assert choose(tried("grows"), 1, seeds=4).choice == RESPONSE


@pytest.mark.parametrize("fit", [fit_s, fit_x])
def test_the_learned_effect_is_the_true_one(fit):
    rows = tried("own", 30_000)
    said = fit(rows, 1).predict(rows.vector)
    high = rows.vector[:, 2] > 0
    assert said[high].mean() == pytest.approx(0.12, abs=0.03)
    assert said[~high].mean() == pytest.approx(-0.02, abs=0.03)
    assert np.std(said[high]) < 0.05


@pytest.mark.parametrize("fit", [fit_s, fit_x])
def test_effects_are_bit_equal_to_lightgbm_s(fit):
    rows = tried("own", 3000)
    effect = fit(rows, 1)
    boosters = [lgb.Booster(model_str=text) for text in effect.trees]
    x = rows.vector
    if effect.kind == "s":
        one, none = (np.column_stack([x, np.full(len(x), value, np.float32)]) for value in (1, 0))
        expected = boosters[0].predict(one, num_threads=1) - boosters[0].predict(none, num_threads=1)
        assert boosters[0].feature_name() == [*COLUMNS, TREATED]
    else:
        treated, silent = (booster.predict(x, num_threads=1) for booster in boosters)
        expected = effect.share * silent + (1 - effect.share) * treated
    assert np.array_equal(effect.predict(x), expected)


def test_the_same_rows_and_seed_give_the_same_trees():
    rows = tried("own", 3000)
    assert fit_x(rows, 1).trees == fit_x(part(rows, np.arange(3000)), 1).trees


def test_with_too_few_rewards_on_a_side_the_posterior_stands_and_says_why():
    few = tried("own", 1500)
    choice = choose(few, 1)
    assert choice.choice == "posterior" and choice.compared is None
    assert f"{MIN_POSITIVES} of each are needed" in choice.why
    assert min(choice.positives) < MIN_POSITIVES < few.reward.sum()


def test_weights_that_a_few_rows_carry_count_as_few_rows():
    rows = tried("own")
    assert sum(rows.positives()) == pytest.approx(rows.reward.sum())
    chance = rows.propensity.copy()
    chance[np.flatnonzero(rows.treated & (rows.reward > 0))[:5]] = 0.001
    assert replace(rows, propensity=chance).positives()[0] < 10


def test_the_choice_needs_a_qini_above_zero_and_above_the_response_s():
    assert judged(compared(0.06, 0.05, 0.03), (500, 500)).choice == UPLIFT_S
    assert judged(compared(0.05, 0.06, 0.03), (500, 500)).choice == UPLIFT_X
    assert judged(compared(0.02, 0.01, 0.03), (500, 500)).choice == RESPONSE
    assert judged(compared(0.06, 0.05, 0.03, spread=0.05), (500, 500)).choice == "posterior"
    assert judged(compared(-0.01, -0.02, -0.05), (500, 500)).choice == "posterior"
    assert judged(compared(0.031, 0.01, 0.03, spread=0.002), (500, 500)).choice == RESPONSE


@pytest.mark.parametrize(
    ("field", "value"), [("propensity", 0.0), ("propensity", 1.0), ("propensity", np.nan), ("reward", np.inf)]
)
def test_rows_that_cannot_be_compared_are_refused(field, value):
    rows = tried("own", 100)
    broken = getattr(rows, field).copy()
    broken[3] = value
    with pytest.raises(ValueError):
        replace(rows, **{field: broken})


def test_arrays_of_different_lengths_are_refused():
    rows = tried("own", 100)
    with pytest.raises(ValueError, match="different lengths"):
        Tried(rows.vector, rows.treated[:-1], rows.propensity, rows.reward, rows.visitor, COLUMNS)


def logged(effect: float, rows: int = 6000) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Tact's own vectors with unknowns; the action works by the first feature, the fourth decides most."""
    rng = np.random.default_rng(8)
    x = vectors(rows, seed=4)
    chance = np.where(x[:, 1] > 0, 0.6, 0.3)
    treated = rng.random(rows) < chance
    reward = rng.random(rows) < 0.1 + 0.5 * (x[:, 3] > 0) + effect * treated * (x[:, 0] > 0)
    return x, treated, chance, reward.astype(np.float64)


def test_an_action_s_trials_become_part_of_a_bundle_that_predicts_the_same():
    x, treated, chance, reward = logged(0.35)
    fitted = fit_uplift(x, treated, chance, reward, seeds=2)
    assert fitted.effect is not None, fitted.choice.why
    text = uplift_part({"chat": fitted, "none": fit_uplift(x[:50], treated[:50], chance[:50], reward[:50])})
    bundle = decode(*encode(replace(parts(), uplift=text)))
    assert list(bundle.effects.effects) == ["chat"]
    said = [next(iter(bundle.uplift(row).values())) for row in x[:20]]
    assert said == fitted.effect.predict(x[:20]).tolist()
    assert card(fitted.choice)["used"] == fitted.choice.choice


def test_certain_rows_and_rows_without_a_reward_yet_are_left_out():
    x, treated, chance, reward = logged(0.0, 300)
    chance[:10], reward[10:20] = 1.0, np.nan
    fitted = fit_uplift(x, treated, chance, reward)
    assert fitted.effect is None
    assert sum(fitted.choice.positives) <= reward[20:].sum() + 1e-9
    assert card(fitted.choice)["qini"] == {} and card(fitted.choice)["used"] == "posterior"


def test_no_rows_at_all_leave_the_posterior():
    nothing = np.empty(0)
    fitted = fit_uplift(np.empty((0, N_FEATURES), np.float32), nothing.astype(bool), nothing, nothing)
    assert fitted.choice.choice == "posterior"
    assert uplift_part({"chat": fitted}) == ""
