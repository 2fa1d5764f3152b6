"""Off-policy estimates of a bandit with known truth: right on average, covered as promised, refused where blind."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from training.off_policy import ESTIMATORS, TAUS, Logged, dr, ips, mean_of, snips, switch, switch_tau, weighed
from training.overlap import MIN_ESS, assess, kish, overlap, refusals
from training.reward_model import FOLDS, cross_fitted, folds

Floats = np.ndarray
SEEDS = 200


@dataclass(frozen=True)
class Bandit:
    """Visitors of three segments, four actions. rate: (3, 4) chance of a reward; log, target: (3, 4) of each action."""

    rate: Floats
    log: Floats
    target: Floats

    @property
    def truth(self) -> float:
        """Value of the target, the segments being equally common."""
        return float((self.rate * self.target).sum(axis=1).mean())

    def logged(self, seed: int, visitors: int, each: int = 1) -> Logged:
        """A log of so many visitors of so many decisions each; visitors differ in how readily they act."""
        random = np.random.default_rng(seed)
        cluster = np.repeat(np.arange(visitors), each)
        segment = np.repeat(random.integers(0, 3, visitors), each)
        ready = np.repeat(random.choice([0.5, 1.5], visitors), each)
        action = (random.random(len(segment))[:, None] > self.log[segment].cumsum(axis=1)).sum(axis=1).clip(0, 3)
        reward = (random.random(len(segment)) < self.rate[segment, action] * ready).astype(float)
        q = cross_fitted(np.eye(3)[segment][:, 1:], action, reward, self.target[segment], cluster, seed)
        propensity, target = self.log[segment, action], self.target[segment, action]
        return Logged(
            reward, propensity, target, cluster, *q, np.ones(len(segment)), weighed(self.target, self.log)[segment]
        )


COMMON = Bandit(
    rate=np.array([[0.1, 0.3, 0.5, 0.2], [0.4, 0.2, 0.1, 0.3], [0.2, 0.2, 0.6, 0.1]]),
    log=np.array([[0.4, 0.3, 0.2, 0.1]] * 3),
    target=np.array([[0.1, 0.1, 0.7, 0.1], [0.7, 0.1, 0.1, 0.1], [0.1, 0.1, 0.7, 0.1]]),
)
RARE = replace(COMMON, rate=COMMON.rate / 20)


@pytest.fixture(scope="module")
def common() -> list[Logged]:
    return [COMMON.logged(seed, 400, each=2) for seed in range(SEEDS)]


@pytest.mark.parametrize("name", list(ESTIMATORS))
def test_the_interval_covers_the_truth_as_often_as_it_says(common: list[Logged], name: str) -> None:
    covered = np.mean([ESTIMATORS[name](logged).covers(COMMON.truth) for logged in common])
    assert 0.90 <= covered <= 0.99


def test_rare_rewards_are_covered_too_where_a_plain_normal_interval_misses_them() -> None:
    estimates = [ips(RARE.logged(seed, 1_000)) for seed in range(SEEDS)]
    plain = [abs(one.value - RARE.truth) <= 1.96 * one.error for one in estimates]
    covered = np.mean([one.covers(RARE.truth) for one in estimates])
    assert 0.90 <= covered <= 0.99
    assert covered > np.mean(plain)


def test_ips_and_dr_are_right_on_average(common: list[Logged]) -> None:
    for estimator in (ips, dr):
        values = np.array([estimator(logged).value for logged in common])
        assert abs(values.mean() - COMMON.truth) < 3 * values.std() / np.sqrt(SEEDS)


def test_dr_is_right_whatever_the_model_says(common: list[Logged]) -> None:
    wrong = [replace(one, q_logged=np.full(800, 0.9), q_target=np.full(800, 0.9)) for one in common]
    values = np.array([dr(one).value for one in wrong])
    assert abs(values.mean() - COMMON.truth) < 3 * values.std() / np.sqrt(SEEDS)


def test_dr_varies_less_than_ips(common: list[Logged]) -> None:
    spread = {name: np.std([ESTIMATORS[name](logged).value for logged in common]) for name in ESTIMATORS}
    assert spread["dr"] < 0.9 * spread["ips"]
    assert spread["snips"] < spread["ips"]


def test_the_standard_error_counts_visitors_and_not_their_decisions() -> None:
    once = COMMON.logged(1, 500)
    tenfold = Logged(*(np.repeat(getattr(once, name), 10, axis=0) for name in Logged.__slots__))
    for estimator in ESTIMATORS.values():
        assert estimator(tenfold).error == pytest.approx(estimator(once).error)
    blind = replace(tenfold, cluster=np.arange(5_000))
    assert ips(blind).error < 0.4 * ips(once).error


def test_the_log_s_own_policy_is_worth_its_mean_reward() -> None:
    logged = COMMON.logged(2, 1_000)
    own = replace(logged, target=logged.propensity)
    assert ips(own).value == pytest.approx(logged.reward.mean())
    assert snips(own).value == pytest.approx(logged.reward.mean())
    assert overlap(own).ess == pytest.approx(1_000)


def test_switch_leaves_to_the_model_what_the_log_can_hardly_tell() -> None:
    random = np.random.default_rng(3)
    log = np.tile([0.4995, 0.4995, 0.001], (5_000, 1))
    target = np.tile([0.88, 0.0, 0.12], (5_000, 1))
    target[20:] = [1.0, 0.0, 0.0]
    action = (random.random(5_000)[:, None] > log.cumsum(axis=1)).sum(axis=1).clip(0, 2)
    action[0] = 2
    at = np.arange(5_000), action
    reward = (random.random(5_000) < 0.3).astype(float)
    model = np.full(5_000, 0.3)
    logged = Logged(reward, log[at], target[at], at[0], model, model, np.ones(5_000), weighed(target, log))
    assert logged.weight.max() == pytest.approx(120)
    assert switch_tau(logged) < 120
    assert switch(logged).error < 0.8 * dr(logged).error
    often = replace(logged, above=np.ones_like(logged.above) * np.isfinite(TAUS))
    assert switch_tau(often) == np.inf and switch(often) == dr(often)


def test_a_skewed_mean_s_interval_reaches_further_up() -> None:
    one = mean_of(np.repeat([1.0, 0.0], [12, 2_000]), np.arange(2_012))
    assert one.high - one.value > 1.3 * (one.value - one.low)
    even = mean_of(np.repeat([1.0, 0.0], 500), np.arange(1_000))
    assert even.high - even.value == pytest.approx(even.value - even.low)
    assert even.high - even.value == pytest.approx(1.96 * even.error, rel=1e-3)


def test_of_one_visitor_nothing_is_known() -> None:
    alone = replace(COMMON.logged(1, 1_500), cluster=np.zeros(1_500, np.int64))
    assert ips(alone).low == -np.inf
    found = assess(alone)
    assert not found.estimates and any("1 effective visitors" in reason for reason in found.refused)


def test_kish_counts_equal_weights_whole_and_one_large_one_as_one() -> None:
    assert kish(np.full(50, 3.0)) == pytest.approx(50)
    assert kish(np.array([1e6, 1.0, 1.0])) == pytest.approx(1.0, abs=1e-4)
    assert kish(np.zeros(4)) == 0.0


def test_enough_overlap_is_not_refused() -> None:
    found = assess(COMMON.logged(1, 3_000))
    assert found.refused == () and found.overlap.ess > MIN_ESS
    assert set(found.estimates) == set(ESTIMATORS)
    assert found.as_dict()["dr"]["value_ci"][0] < COMMON.truth < found.as_dict()["dr"]["value_ci"][1]


def test_a_target_that_the_log_seldom_followed_is_refused() -> None:
    log = np.array([[0.997, 0.001, 0.001, 0.001]] * 3)
    lonely = replace(COMMON, log=log, target=log[:, ::-1])
    found = assess(lonely.logged(1, 4_000))
    assert found.estimates == {} and "effective sample size" in found.refused[0]
    assert found.as_dict()["dr"] is None and found.as_dict()["effective_sample_size"] < MIN_ESS


def test_a_large_log_of_which_under_one_percent_speaks_is_refused() -> None:
    found = replace(overlap(COMMON.logged(1, 3_000)), rows=1_000_000)
    assert found.ess > MIN_ESS and "of the rows; 1% is needed" in refusals(found)[0]


def test_a_row_that_outweighs_a_hundred_others_is_refused() -> None:
    found = overlap(COMMON.logged(1, 3_000))
    heavy = replace(found, max_weight=0.02 * found.mean_weight * found.rows)
    assert "one row carries 2.0% of all weight" in refusals(heavy)[0]


def test_choices_that_the_log_never_makes_are_refused() -> None:
    logged = COMMON.logged(1, 3_000)
    some = replace(logged, above=np.maximum(logged.above, 0.03))
    assert any("3.0% of the target's choices are never made" in reason for reason in assess(some).refused)


def test_propensities_that_are_not_the_log_s_are_refused() -> None:
    logged = COMMON.logged(1, 3_000)
    doubled = replace(logged, propensity=np.minimum(1.0, 2 * logged.propensity))
    assert any("these propensities are not the log's" in reason for reason in assess(doubled).refused)


def test_a_log_without_rewards_is_refused_rather_than_called_worthless() -> None:
    logged = COMMON.logged(1, 3_000)
    found = assess(replace(logged, reward=np.zeros(3_000)))
    assert found.estimates == {} and "0 visitors with a reward" in found.refused[0]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("propensity", 0.0),
        ("propensity", 1.2),
        ("target", -0.1),
        ("target", 1.1),
        ("reward", np.nan),
        ("q_target", np.inf),
    ],
)
def test_numbers_that_are_no_probabilities_are_not_taken(name: str, value: float) -> None:
    logged = COMMON.logged(1, 50)
    with pytest.raises(ValueError):
        replace(logged, **{name: np.full(50, value)})
    with pytest.raises(ValueError, match="one length above 0"):
        replace(logged, reward=np.zeros(49))


def test_a_row_s_reward_never_reaches_its_own_expectation() -> None:
    random = np.random.default_rng(4)
    context, action = random.random((600, 2)), random.integers(0, 4, 600)
    cluster = np.repeat(np.arange(200), 3)
    reward, target = random.random(600), np.full((600, 4), 0.25)
    before = cross_fitted(context, action, reward, target, cluster)
    fold = folds(cluster, 1)
    assert len(np.unique(fold)) == FOLDS
    assert all(len(set(fold[cluster == one])) == 1 for one in range(200))
    changed = np.where(fold == 2, 1_000.0, reward)
    after = cross_fitted(context, action, changed, target, cluster)
    for one, other in zip(before, after, strict=True):
        assert np.array_equal(one[fold == 2], other[fold == 2])
        assert not np.allclose(one[fold == 1], other[fold == 1])


def test_the_model_learns_what_an_action_adds_and_what_the_context_does() -> None:
    random = np.random.default_rng(5)
    context, action = random.integers(0, 2, (6_000, 1)).astype(float), random.integers(0, 2, 6_000)
    reward = 0.2 + 0.3 * context[:, 0] * action + random.normal(0, 0.1, 6_000)
    target = np.tile([0.0, 1.0], (6_000, 1))
    q_logged, q_target = cross_fitted(context, action, reward, target, np.arange(6_000))
    assert np.abs(q_target - (0.2 + 0.3 * context[:, 0])).max() < 0.05
    assert np.abs(q_logged - (0.2 + 0.3 * context[:, 0] * action)).max() < 0.05
