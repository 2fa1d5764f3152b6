"""The gate before a policy is promoted: passes what loses nothing, refuses what is worse, unknown or unsupported."""

import json
from dataclasses import replace

import numpy as np
import pytest

from training.off_policy import Logged, dr, weighed
from training.promotion import MARGIN, judge

RATES = np.array([0.10, 0.20, 0.40])
LOG = np.array([0.5, 0.3, 0.2])


def under(target: np.ndarray, rows: int = 6_000, log: np.ndarray = LOG) -> Logged:
    """The same log under any target. reward: of three actions, so often as they work."""
    random = np.random.default_rng(1)
    action = random.choice(3, rows, p=log)
    reward = (random.random(rows) < RATES[action]).astype(float)
    above = np.repeat(weighed(target[None], log[None]), rows, axis=0)
    expected = np.full(rows, float(target @ RATES))
    return Logged(reward, log[action], target[action], np.arange(rows), RATES[action], expected, np.ones(rows), above)


LIVE = under(LOG)


def test_a_better_policy_passes() -> None:
    found = judge(LIVE, under(np.array([0.3, 0.3, 0.4])))
    assert found.passed and found.reasons == ()
    assert found.difference is not None and found.difference.low > 0
    assert found.difference.value == pytest.approx(0.2 * (0.40 - 0.10), abs=0.02)
    json.dumps(found.as_dict(), allow_nan=False)


def test_a_worse_policy_is_refused_and_told_so() -> None:
    found = judge(LIVE, under(np.array([0.9, 0.05, 0.05])))
    assert not found.passed
    assert found.reasons[0].startswith("the candidate is worse: -0.0")
    assert found.reasons[0].endswith("at most 5% of that may be lost")


def test_a_loss_within_the_margin_passes_and_beyond_it_does_not() -> None:
    slightly = under(LOG + np.array([0.01, 0.0, -0.01]))
    assert judge(LIVE, slightly).passed
    assert not judge(LIVE, slightly, margin=0.0).passed
    assert judge(LIVE, slightly, margin=0.0).allowed == 0.0
    assert judge(LIVE, slightly).margin == MARGIN


def test_what_is_not_known_well_enough_is_refused_though_it_looks_no_worse() -> None:
    few, many = 1_200, 60_000
    target = np.array([0.64, 0.09, 0.27])
    unsure = judge(under(LOG, few), under(target, few))
    assert unsure.difference is not None
    assert not unsure.passed and "the candidate may be worse" in unsure.reasons[0]
    assert judge(under(LOG, many), under(target, many)).passed


def test_the_difference_is_known_better_than_either_value() -> None:
    other = under(np.array([0.45, 0.3, 0.25]))
    found = judge(LIVE, other)
    assert found.difference is not None
    assert found.difference.error < 0.5 * min(dr(LIVE).error, dr(other).error)


def test_a_candidate_that_shows_what_was_never_shown_is_refused() -> None:
    never = np.array([0.6, 0.4, 0.0])
    found = judge(under(never, log=never), under(LOG, log=never))
    assert not found.passed and found.difference is None
    assert found.reasons[0] == "cannot say: 20.0% of the target's choices are never made in the log; at most 1% may be"


def test_too_few_decisions_are_refused() -> None:
    found = judge(under(LOG, 400), under(np.array([0.3, 0.3, 0.4]), 400))
    assert not found.passed
    assert found.reasons[0].startswith("cannot say: the effective sample size is 3")
    assert all(reason.startswith("cannot say: ") for reason in found.reasons)  # the live policy's would be the same


def test_a_live_policy_that_the_log_cannot_value_is_told_where_the_candidate_can_be() -> None:
    never = np.array([0.6, 0.4, 0.0])
    found = judge(under(LOG, log=never), under(never, log=never))
    assert found.reasons[0].startswith("cannot say of the live policy: 20.0% of the target's choices")


def test_a_refusal_tells_values_in_the_unit_of_the_table() -> None:
    """Of three placements a decision, per decision: three times the value of a row."""
    one, three = (judge(LIVE, under(np.array([0.9, 0.05, 0.05])), placements=n) for n in (1.0, 3.0))
    assert one.difference is not None and one.live is not None
    for found, times in ((one, 1), (three, 3)):
        (reason,) = found.reasons
        assert f"is worse: {one.difference.value * times:+.4g} per decision [" in reason
        assert f"the live policy's {one.live.value * times:.4g};" in reason


def test_a_candidate_that_chooses_alike_passes_in_the_smallest_shop() -> None:
    tiny = under(LOG, 5)
    found = judge(tiny, under(LOG, 5))
    assert found.passed and found.same
    assert not judge(tiny, replace(under(LOG, 5), target=np.full(5, 0.1))).passed


def test_a_policy_without_value_may_lose_nothing() -> None:
    free = replace(LIVE, reward=LIVE.reward - LIVE.reward.mean())
    worse = under(np.array([0.9, 0.05, 0.05]))
    assert not judge(free, replace(worse, reward=free.reward)).passed


def test_rows_that_are_not_the_same_are_not_compared() -> None:
    with pytest.raises(ValueError, match="same rows"):
        judge(LIVE, under(LOG, 5_999))
    with pytest.raises(ValueError, match="below 0"):
        judge(LIVE, LIVE, margin=-0.1)
