"""The counting itself: the same every time, and more where more is done, in Python or in what is compiled."""

import pytest

from load_tests.guard import Work, measured

EXAMPLE = "tests.performance.examples:some"


def test_a_count_is_the_same_every_time() -> None:
    assert measured(EXAMPLE) == measured(EXAMPLE)


def test_more_rounds_in_python_are_counted_in_python_alone() -> None:
    before, after = measured(EXAMPLE), measured(EXAMPLE, "200")
    assert after.python > 1.5 * before.python
    assert (after.compiled, after.calls) == (before.compiled, before.calls)


def test_a_compiled_loop_is_counted_by_its_rounds() -> None:
    before, after = measured(EXAMPLE), measured(EXAMPLE, "100", "200")
    assert after.compiled > 1.9 * before.compiled
    assert after.python == before.python


def test_what_exceeds_its_budget_is_named() -> None:
    budget = Work(python=100, compiled=1000, calls=10)
    assert Work(python=115, compiled=1000, calls=11).over(budget) == {}
    assert Work(python=116, compiled=1200, calls=10).over(budget) == {"python": 1.16, "compiled": 1.2}


def test_work_that_fails_says_why() -> None:
    with pytest.raises(RuntimeError, match="nothing to count"):
        measured("tests.performance.examples:failing")
