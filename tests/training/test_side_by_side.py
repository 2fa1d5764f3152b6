import sys
import time
import warnings
from threading import Barrier, Event

import pytest
from sklearn.exceptions import ConvergenceWarning

from models import bundle
from tests.training.conftest import TRAIN, untold
from training.lake import Log
from training.side_by_side import side_by_side
from training.table import Progress, Table
from training.train import Trained, train


def test_models_fitted_one_by_one_have_the_bytes_of_two_at_a_time(log: Log, table: Table, trained: Trained) -> None:
    alone = train(log, table, TRAIN, 1, untold, at_once=1)
    assert bundle.encode(alone.parts) == bundle.encode(trained.parts)


def test_two_jobs_run_at_a_time_and_results_stand_in_the_order_given() -> None:
    met = Barrier(2, timeout=60)
    found = side_by_side({"b": lambda told: met.wait() >= 0, "a": lambda told: met.wait() >= 0}, untold)
    assert list(found.items()) == [("b", True), ("a", True)]


def test_one_at_a_time_begins_none_before_the_last_has_ended() -> None:
    seen: list[str] = []
    side_by_side({name: lambda told, name=name: seen.append(name) for name in "cab"}, untold, 1)
    assert seen == ["c", "a", "b"]


def test_a_job_that_fails_ends_the_others_where_they_tell_how_far_they_are() -> None:
    begun, rounds = Event(), []

    def fails(told: Progress) -> None:
        assert begun.wait(60)
        raise ValueError("too little of it")

    def goes_on(told: Progress) -> None:
        while True:
            begun.set()
            told("long", 0.1)
            rounds.append(time.sleep(0.001))

    def never(told: Progress) -> None:
        raise AssertionError("begun after a failure")

    with pytest.raises(ValueError, match="too little of it"):
        side_by_side({"long": goes_on, "short": fails, "third": never}, untold)
    ended = len(rounds)
    time.sleep(0.05)
    assert len(rounds) == ended


def test_what_jobs_tell_is_told_one_at_a_time() -> None:
    inside, worst = [0], [0]

    def watched(name: str, share: float) -> None:
        inside[0] += 1
        time.sleep(0.002)
        worst[0] = max(worst[0], inside[0])
        inside[0] -= 1

    def tells(told: Progress) -> None:
        for at in range(20):
            told("x", at / 20)

    side_by_side({"a": tells, "b": tells}, watched)
    assert worst == [1]


def test_a_fit_that_ends_does_not_bring_back_what_another_one_ignores() -> None:
    """Filters of warnings are the process's: the first to end puts back what was there before either began."""
    first, second, ended = Event(), Event(), Event()

    def ends_first(told: Progress) -> None:
        with warnings.catch_warnings():
            first.set()
            assert second.wait(60)
        ended.set()

    def warns_later(told: Progress) -> None:
        assert first.wait(60)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            second.set()
            assert ended.wait(60)
            warnings.warn("as many steps as it may take", ConvergenceWarning, stacklevel=1)

    side_by_side({"a": ends_first, "b": warns_later}, untold)


def test_pythons_own_settings_are_left_as_they_were() -> None:
    before = sys.getswitchinterval(), list(warnings.filters)
    side_by_side({"a": lambda told: None}, untold)
    assert (sys.getswitchinterval(), list(warnings.filters)) == before
