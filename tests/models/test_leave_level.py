"""The level of leaving follows what came about, and changes little where little is known."""

import math

import numpy as np
import pytest

from features.schema import INDEX, N_FEATURES
from models.intent import LEAVE
from models.leave_level import (
    BOUND,
    HALF_LIFE,
    NO_LINE,
    PRIOR,
    SLOPE_BOUND,
    LeaveLevel,
    levelled,
    moved,
    step_of,
    unmoved,
)


def vector(events: int) -> np.ndarray:
    row = np.full(N_FEATURES, np.nan, np.float32)
    row[INDEX["session_events"]] = events
    return row


def taught(moments: int, said: float, was: float, step: int = 0, seed: int = 1) -> LeaveLevel:
    level, rng = LeaveLevel(), np.random.default_rng(seed)
    for left in rng.random(moments) < was:
        level.learn(step, said, bool(left))
    return level


def odds(p: float) -> float:
    return math.log(p / (1 - p))


def test_what_is_said_becomes_what_came_about() -> None:
    level = taught(6 * HALF_LIFE, said=0.60, was=0.66)
    assert moved(0.60, level.line, 0) == pytest.approx(0.66, abs=0.015)


def test_one_kind_of_step_says_nothing_of_the_other() -> None:
    level = taught(3000, said=0.3, was=0.5, step=1)
    assert level.line[0] == 0.0 and level.line[1] > 0.2


def test_what_is_said_too_boldly_is_said_with_more_care() -> None:
    level, rng = LeaveLevel(), np.random.default_rng(2)
    for said in rng.uniform(0.1, 0.9, 6 * HALF_LIFE):
        level.learn(0, float(said), bool(rng.random() < 1 / (1 + math.exp(-0.8 * odds(said)))))
    assert level.line[2] == pytest.approx(-0.2, abs=0.07)
    assert 0.1 < moved(0.1, level.line, 0) < 0.2
    assert 0.8 < moved(0.9, level.line, 0) < 0.9


def test_a_handful_of_moments_changes_nearly_nothing() -> None:
    level = LeaveLevel()
    for _ in range(5):
        level.learn(0, 0.3, True)
    assert 0 < moved(0.3, level.line, 0) - 0.3 < 0.02


def test_an_offset_of_one_kind_of_step_is_no_slope() -> None:
    """The first step is said to leave more often: that more of it leave must not count twice."""
    level, rng = LeaveLevel(), np.random.default_rng(3)
    for n in range(6 * HALF_LIFE):
        said, was = ((0.4, 0.4), (0.7, 0.76))[n % 2]
        level.learn(1 - n % 2, said, bool(rng.random() < was))
    assert level.line[2] == pytest.approx(0.0, abs=1e-9)
    assert moved(0.7, level.line, 0) == pytest.approx(0.76, abs=0.025)  # chance, and what the prior holds back
    assert moved(0.4, level.line, 1) == pytest.approx(0.4, abs=0.025)


def test_the_line_is_bounded() -> None:
    assert taught(5000, said=0.5, was=0.99).line[0] == BOUND
    assert taught(5000, said=0.5, was=0.01).line[0] == -BOUND
    level = LeaveLevel()
    for n in range(8000):
        level.learn(0, 0.1 if n % 2 else 0.9, bool(n % 2))
    assert level.line[2] == -SLOPE_BOUND


def test_what_was_learned_fades_by_half_in_a_half_life_of_moments() -> None:
    level = taught(1000, said=0.3, was=0.6)
    before = level.spread[0]
    for _ in range(HALF_LIFE):
        level.learn(1, 0.3, False)
    assert level.spread[0] == pytest.approx(before / 2)


def test_without_data_what_is_said_stays_to_the_bit() -> None:
    intent = np.array([0.1, 0.2, 0.7, 0.05])
    assert LeaveLevel().line == NO_LINE
    assert levelled(intent, vector(3), NO_LINE) is intent


def test_only_leave_moves_by_the_offset_of_its_step_and_the_slope() -> None:
    intent = np.array([0.1, 0.2, 0.7, 0.05])
    first, later = (levelled(intent, vector(n), (0.1, -0.2, 0.5)) for n in (1, 2))
    bold = 0.5 * odds(0.7)
    assert [odds(p[LEAVE]) - odds(0.7) for p in (first, later)] == pytest.approx([0.1 + bold, -0.2 + bold])
    for now in (first, later):
        assert np.array_equal(np.delete(now, LEAVE), np.delete(intent, LEAVE))
    assert intent[LEAVE] == 0.7


@pytest.mark.parametrize("events", [0, 1])
def test_a_session_without_an_event_counts_as_its_first_step(events: int) -> None:
    assert step_of(vector(events)) == 0
    assert step_of(vector(2)) == 1


@pytest.mark.parametrize("said", [0.0, 1e-9, 0.2, 0.999, 1.0])
def test_a_move_can_be_taken_back(said: float) -> None:
    line = (0.4, -0.3, -0.25)
    for step in (0, 1):
        assert unmoved(moved(said, line, step), line, step) == pytest.approx(said, abs=1e-12)


def test_what_is_certain_teaches_without_breaking() -> None:
    level = LeaveLevel()
    for said in (0.0, 1.0):
        level.learn(0, said, True)
    assert all(math.isfinite(part) for part in level.line)


def test_the_prior_weighs_as_its_words_say() -> None:
    assert pytest.approx(240, abs=10) == PRIOR / (0.3 * 0.7)
