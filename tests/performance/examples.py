"""Small pieces of work for the tests of load_tests/guard.py, itself run without a compiler."""

from collections.abc import Callable

import numba
import numpy as np

EVENT = np.dtype([("kind", "u1"), ("value", "<f4")])


@numba.njit
def _total(records):  # type: ignore[no-untyped-def]
    total = 0.0
    for i in range(records.size):
        if records[i].kind == 1:
            total += records[i].value
    return total


def _plain(rounds: int) -> int:
    found = 0
    for i in range(rounds):
        found += i & 1
    return found


def some(rounds: str = "100", events: str = "100") -> Callable[[], object]:
    """A loop in Python, one that would be compiled, and a call of numpy."""
    records = np.zeros(int(events), EVENT)
    records["kind"] = 1

    def work() -> object:
        return _plain(int(rounds)), _total(records), np.sort(records["value"])

    return work


def failing() -> Callable[[], object]:
    """Work that cannot be done."""
    raise ValueError("nothing to count")
