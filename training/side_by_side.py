"""Fits that do not need each other, a thread each: LightGBM and solvers work outside Python's lock.

Each fit has its one thread to the end, so the bytes it gives do not depend on how many run at a time, nor on the
machine's cores.
"""

import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from threading import Event, Lock
from typing import Final, TypeVar

from implicit.utils import ParameterWarning
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from training.table import Progress

T = TypeVar("T")

AT_ONCE: Final = 2
"""Fits at a time, whatever the machine: more take more memory, and the longest is a third of all of them."""

_TURN_S: Final = 0.0005
"""How long a thread in Python keeps another waiting that comes back from compiled code; 5 ms by default, and LightGBM
comes back some times in each round."""


_IGNORED: Final = (ConvergenceWarning, ParameterWarning)
"""What fits ignore each for itself. Python keeps one list of filters for all threads: a fit that ends puts back the one
it found, under another that still counts on its own."""


class Abandoned(Exception):
    """Another fit failed, or the process is to end: this one's result is wanted no more."""


def side_by_side(
    jobs: Mapping[str, Callable[[Progress], T]], progress: Progress, at_once: int = AT_ONCE
) -> dict[str, T]:
    """What each job gives, by its name. They begin in the order given, at most `at_once` at a time.

    Each is to call the progress it is given now and then: there it ends once another failed. Raises what failed first.
    """
    if at_once == 1:
        return {name: job(progress) for name, job in jobs.items()}
    over, told_one = Event(), Lock()

    def told(name: str, share: float) -> None:
        if over.is_set():
            raise Abandoned
        with told_one:
            progress(name, share)

    with _quiet(), _short_turns(), threadpool_limits(limits=1), ThreadPoolExecutor(at_once) as pool:
        running = {name: pool.submit(job, told) for name, job in jobs.items()}
        try:
            return _results(running)
        finally:
            over.set()
            pool.shutdown(wait=False, cancel_futures=True)


def _results(running: Mapping[str, Future[T]]) -> dict[str, T]:
    done, _ = wait(running.values(), return_when=FIRST_EXCEPTION)
    for one in done:
        if (error := one.exception()) is not None:
            raise error
    return {name: one.result() for name, one in running.items()}


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        for kind in _IGNORED:
            warnings.simplefilter("ignore", kind)
        yield


@contextmanager
def _short_turns() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(min(before, _TURN_S))
    try:
        yield
    finally:
        sys.setswitchinterval(before)
