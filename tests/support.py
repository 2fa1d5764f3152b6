"""What several test modules share."""

import time
from collections.abc import Callable


def until(fact: Callable[[], bool], timeout_s: float = 10.0) -> bool:
    """Wait for a fact to become true; whether it did in time."""
    give_up = time.monotonic() + timeout_s
    while not fact() and time.monotonic() < give_up:
        time.sleep(0.02)
    return fact()
