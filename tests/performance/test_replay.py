"""A guard: a replay of a log asks no more of the processor than it did. Counts, so no machine makes it fail or pass."""

import sys

import pytest

from load_tests.guard import ALLOWED, COUNTED_IN, Work, measured

pytestmark = pytest.mark.skipif(sys.version_info[:2] != COUNTED_IN, reason="budgets are of one version of Python")

BUDGET = Work(python=44, compiled=388_852, calls=2)
"""Of 120 records of 12 visitors. Less than that is welcome: then lower it here."""


@pytest.fixture(scope="module")
def counted() -> Work:
    return measured("tests.performance.replay:whole")


def test_a_replay_costs_no_more_than_it_did(counted: Work) -> None:
    assert counted.over(BUDGET) == {}


def test_the_budget_is_not_left_wide(counted: Work) -> None:
    assert counted.compiled * ALLOWED > BUDGET.compiled


def test_a_planted_slowdown_is_seen() -> None:
    assert "compiled" in measured("tests.performance.replay:slowed").over(BUDGET)
