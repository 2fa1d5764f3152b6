"""The level of leaving follows what came about, and changes little where little is known."""

import math

import numpy as np
import pytest

from features.schema import INDEX, N_FEATURES
from models.intent import LEAVE
from models.leave_level import BOUND, HALF_LIFE, NO_OFFSETS, PRIOR, LeaveLevel, levelled, shifted, step_of


def vector(events: int) -> np.ndarray:
    row = np.full(N_FEATURES, np.nan, np.float32)
    row[INDEX["session_events"]] = events
    return row


def taught(moments: int, said: float, was: float, step: int = 0, seed: int = 1) -> LeaveLevel:
    level, rng = LeaveLevel(), np.random.default_rng(seed)
    for left in rng.random(moments) < was:
        level.learn(step, said, bool(left))
    return level


def test_what_is_said_becomes_what_came_about() -> None:
    level = taught(6 * HALF_LIFE, said=0.60, was=0.66)
    assert shifted(0.60, level.offsets[0]) == pytest.approx(0.66, abs=0.015)


def test_one_kind_of_step_says_nothing_of_the_other() -> None:
    level = taught(3000, said=0.3, was=0.5, step=1)
    assert level.offsets[0] == 0.0 and level.offsets[1] > 0.2


def test_a_handful_of_moments_changes_nearly_nothing() -> None:
    level = LeaveLevel()
    for _ in range(5):
        level.learn(0, 0.3, True)
    assert 0 < shifted(0.3, level.offsets[0]) - 0.3 < 0.02


def test_the_offset_is_bounded() -> None:
    assert taught(5000, said=0.5, was=0.99).offsets[0] == BOUND
    assert taught(5000, said=0.5, was=0.01).offsets[0] == -BOUND


def test_what_was_learned_fades_by_half_in_a_half_life_of_moments() -> None:
    level = taught(1000, said=0.3, was=0.6)
    before = level.spread[0]
    for _ in range(HALF_LIFE):
        level.learn(1, 0.3, False)
    assert level.spread[0] == pytest.approx(before / 2)


def test_without_data_what_is_said_stays_to_the_bit() -> None:
    intent = np.array([0.1, 0.2, 0.7, 0.05])
    assert LeaveLevel().offsets == NO_OFFSETS
    assert levelled(intent, vector(3), NO_OFFSETS) is intent


def test_only_leave_moves_by_the_offset_of_its_step() -> None:
    intent = np.array([0.1, 0.2, 0.7, 0.05])
    first, later = (levelled(intent, vector(n), (0.1, -0.2)) for n in (1, 2))
    odds = [math.log(p[LEAVE] / (1 - p[LEAVE])) - math.log(0.7 / 0.3) for p in (first, later)]
    assert odds == pytest.approx([0.1, -0.2])
    for moved in (first, later):
        assert np.array_equal(np.delete(moved, LEAVE), np.delete(intent, LEAVE))
    assert intent[LEAVE] == 0.7


@pytest.mark.parametrize("events", [0, 1])
def test_a_session_without_an_event_counts_as_its_first_step(events: int) -> None:
    assert step_of(vector(events)) == 0
    assert step_of(vector(2)) == 1


@pytest.mark.parametrize("said", [0.0, 1e-9, 0.2, 0.999, 1.0])
def test_a_shift_can_be_taken_back(said: float) -> None:
    assert shifted(shifted(said, 0.4), -0.4) == pytest.approx(said, abs=1e-12)


def test_the_prior_weighs_as_its_words_say() -> None:
    assert pytest.approx(240, abs=10) == PRIOR / (0.3 * 0.7)
