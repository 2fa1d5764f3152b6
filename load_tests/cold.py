"""What a pause costs: `python -m load_tests.cold`.

The same work again at once, and after pauses, as between two requests at a low rate: arithmetic, which needs no memory;
reading along a chain through as many cache lines (64 bytes) as it says, each of which has to come before the next is
known; and a small JSON text, whose code has to come. Prints medians in microseconds of the time that the thread was
at work. Where a row grows with the pause and arithmetic hardly does, what was in the caches is gone.
"""

import json
import statistics
import time
from collections.abc import Callable
from typing import Final

import numba
import numpy as np
import numpy.typing as npt

LINE: Final = 8
"""int64 of a cache line."""
PAUSES_S: Final = (0.0, 0.002, 0.02)
TEXT: Final = '{"a": [1, 2, 3, {"b": "c"}]}'


@numba.njit
def _count(times):  # type: ignore[no-untyped-def]
    x = 1
    for _ in range(times):
        x = x * 6364136223846793005 + 1442695040888963407
    return x


@numba.njit
def _along(chain, steps):  # type: ignore[no-untyped-def]
    at = 0
    for _ in range(steps):
        at = chain[at]
    return at


def a_chain(lines: int, seed: int = 1) -> npt.NDArray[np.int64]:
    """Each cache line holds the place of another, all in one ring."""
    order = np.random.default_rng(seed).permutation(lines) * LINE
    chain = np.zeros(lines * LINE, np.int64)
    chain[order] = np.roll(order, -1)
    return chain


def microseconds(work: Callable[[], object], pause_s: float, times: int = 200) -> float:
    """The median of so many calls with a pause before each."""
    took = []
    work()
    for _ in range(times):
        if pause_s:
            time.sleep(pause_s)
        began = time.thread_time_ns()
        work()
        took.append((time.thread_time_ns() - began) / 1000)
    return statistics.median(took)


def main() -> None:
    """Prints the table."""
    few, many = a_chain(256), a_chain(8192)
    rows: dict[str, Callable[[], object]] = {
        "arithmetic": lambda: _count(250_000),
        "256 cache lines": lambda: _along(few, 256),
        "8,192 cache lines": lambda: _along(many, 8192),
        "a small JSON text": lambda: json.loads(TEXT),
    }
    print(f"{'µs after a pause of':<20}" + "".join(f"{1000 * pause_s:>8g} ms" for pause_s in PAUSES_S))
    for name, work in rows.items():
        print(f"{name:<20}" + "".join(f"{microseconds(work, pause_s):>11.1f}" for pause_s in PAUSES_S))


if __name__ == "__main__":
    main()
