"""The candidates of a made-up shop: the same as ever, and found without counting who holds the tables."""

import hashlib
import random

import numpy as np
import pytest
from numba.core.dispatcher import Dispatcher

from features.record import hash64
from models import candidates
from models.recommend import Asked, Recommender
from models.session_index import SessionIndex

START_MS = 1_700_000_000_000
PRODUCTS = 600


def a_shop(seed: int = 3) -> SessionIndex:
    """Sessions that wander near a product, in a ring that has come round."""
    rng, index, at_ms = random.Random(seed), SessionIndex(max_entries=3000), START_MS
    items, visitors, times = [], [], []
    for visitor in range(1200):
        near = int(rng.paretovariate(0.8)) * 7
        for _ in range(rng.randrange(1, 7)):
            at_ms += rng.randrange(1000, 60_000)
            items.append(f"p{(near + rng.randrange(20)) % PRODUCTS}")
            visitors.append(visitor)
            times.append(at_ms)
    index.learn(items, visitors, times, [5.0 + hash64(i) % 90 for i in items], [hash64(i) % 7 for i in items])
    return index


def askings(index: SessionIndex, n: int = 60, seed: int = 4) -> list[Asked]:
    rng = random.Random(seed)
    found = []
    for _ in range(n):
        ids = [f"p{rng.randrange(40) * 7 % (PRODUCTS + 20)}" for _ in range(rng.randrange(12))]
        times = index.as_of_ms - 20_000 * np.arange(len(ids), 0, -1)
        items = np.array([hash64(item) for item in ids], np.uint64)
        found.append(Asked(items, times.astype(np.int64), len(ids) // 3, index.as_of_ms, dict.fromkeys(items, "new")))
    return found


@pytest.mark.parametrize(("keep", "expected"), [(25, "0809f491bbc2"), (120, "37e506a2926a"), (300, "7af1c544fb8b")])
def test_the_candidates_their_order_and_their_reasons_stay_as_they_are(keep: int, expected: str) -> None:
    """A change that is meant to find others changes these numbers."""
    shop, told = a_shop(), hashlib.sha256()
    for recommender in (Recommender.of(shop.index()), Recommender.of(shop.live())):
        for n, asked in enumerate(askings(shop)):
            found = recommender.find(asked, own=bool(n % 2), keep=keep)
            for numbers in (found.rows, found.by, found.source):
                told.update(numbers.tobytes())
    assert told.hexdigest()[:12] == expected


def test_only_compiled_code_that_makes_arrays_counts_who_holds_them() -> None:
    """Counting is three quarters of the time. An array made where none are counted is refused when it is compiled."""
    steps = {name: step for name, step in vars(candidates).items() if isinstance(step, Dispatcher)}
    assert len(steps) > 20
    assert {name for name, step in steps.items() if step.targetoptions["_nrt"]} == {"_least_of", "gather"}
