"""A decision asks the machine for no more than its budget; a planted slowdown is noticed.

The counts are of load_tests/guard.py, the same on every machine. A change that makes a decision do less may lower a
budget; one that needs more has to say so here.
"""

import sys

import pytest

from load_tests.guard import COUNTED_IN, Work, measured

DECISION = Work(python=5_914, compiled=1_305_391, calls=148)
"""20 actions at one placement, 15 of them eligible, a tail of 20 events: from the body's bytes to the receipt's."""
SCORES = Work(python=113, compiled=202_664, calls=5)
"""Of it the vector and the scores: 60 trees for each of five models. Walking them is 112,382 of these instructions,
each waiting for the one before; of real trees a row goes far at a quarter of the splits, of these at half."""

pytestmark = pytest.mark.skipif(sys.version_info[:2] != COUNTED_IN, reason="budgets are of another Python")
WORK = "tests.performance.decision:"


@pytest.mark.parametrize(("work", "budget"), [("full", DECISION), ("scores", SCORES)])
def test_a_decision_stays_within_its_budget(work: str, budget: Work) -> None:
    counted = measured(WORK + work)
    assert counted.over(budget) == {}, counted


def test_gates_asked_twice_are_noticed() -> None:
    assert "python" in measured(WORK + "slower_in_python").over(DECISION)


def test_worth_worked_out_twice_is_noticed() -> None:
    assert "compiled" in measured(WORK + "slower_when_compiled").over(DECISION)
