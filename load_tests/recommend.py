"""How long a recommendation takes in process, one thread: `python -m load_tests.recommend [--products N]`.

A made-up shop: products as popular as a power law has them, sessions that wander among neighbours. Prints p50 and p99
of whole recommendations (candidates, their numbers, ranking, names) and of ranking 100 candidates alone, in
milliseconds: of each call the time that the thread was at work, so that other processes do not count.
"""

import argparse
import time
from collections.abc import Callable

import lightgbm as lgb
import numpy as np
import numpy.typing as npt

from features.record import hash64
from models.ranker import COLUMNS
from models.recommend import Asked, Recommender
from models.session_index import SessionIndex

START_MS = 1_700_000_000_000


def made_up(products: int, views: int, seed: int = 1) -> tuple[SessionIndex, list[list[str]]]:
    """An index of so many products that learned so many views, and its sessions."""
    rng = np.random.default_rng(seed)
    shelf = np.minimum(rng.pareto(0.8, views) * products / 2000, products - 1).astype(np.int64)
    lengths = 1 + rng.geometric(0.3, views)
    index, sessions, at = SessionIndex(), [], 0
    first = [[f"i{n}" for n in range(start, min(start + 1000, products))] for start in range(0, products, 1000)]
    for visitor, session in enumerate(first):
        index.learn(session, [visitor] * len(session), [START_MS - 86_400_000] * len(session))
    while at < views:
        n = int(lengths[at])
        near = np.abs(shelf[at] + rng.integers(-20, 21, n)) % products
        sessions.append([f"i{item}" for item in near.tolist()])
        at += n
    flat = [item for session in sessions for item in session]
    visitors = [10**6 + n for n, session in enumerate(sessions) for _ in session]
    index.learn(flat, visitors, [START_MS + 50 * n for n in range(len(flat))])
    return index, sessions


def a_ranker(rounds: int = 100, seed: int = 1) -> str:
    """A ranker as large as a trained one, of noise: how long it takes does not depend on what it says."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(20_000, len(COLUMNS))).astype(np.float32)
    target = (x[:, :5].sum(axis=1) + rng.normal(size=len(x)) > 0).astype(np.float32)
    data = lgb.Dataset(x, target, feature_name=list(COLUMNS))
    return lgb.train({"num_leaves": 31, "num_threads": 1, "verbose": -1}, data, rounds).model_to_string()


def milliseconds(work: Callable[[int], object], times: int) -> npt.NDArray[np.float64]:
    """How long each of so many calls took, after a tenth of them to warm up."""
    for n in range(times // 10):
        work(n)
    took = np.empty(times)
    for n in range(times):
        began = time.thread_time()
        work(n)
        took[n] = time.thread_time() - began
    return took * 1000


def main() -> None:
    """Prints the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--products", type=int, default=100_000)
    options.add_argument("--views", type=int, default=1_000_000)
    options.add_argument("--calls", type=int, default=5000)
    given = options.parse_args()
    index, sessions = made_up(given.products, given.views)
    recommender = Recommender.of(index.index(), None, a_ranker())
    now_ms = index.as_of_ms + 1000
    rng = np.random.default_rng(2)
    asked = []
    for session in (sessions[n] for n in rng.integers(0, len(sessions), given.calls).tolist()):
        items = np.array([hash64(item) for item in session], np.uint64)
        asked.append(Asked(items, now_ms - 9000 * np.arange(len(items), 0, -1), 0, now_ms))
    x = np.resize(recommender.find(asked[0], True).x, (100, len(COLUMNS)))
    rows = {
        "whole recommendation": milliseconds(lambda n: recommender.recommend(asked[n], 20), given.calls),
        "ranking 100 candidates": milliseconds(
            lambda n: recommender.ranker and recommender.ranker.score(x), given.calls
        ),
    }
    print(f"{len(index):,} products, {given.views:,} views")
    for name, took in rows.items():
        p50, p99 = np.quantile(took, [0.5, 0.99])
        print(f"{name:<24} p50 {p50:.3f} ms   p99 {p99:.3f} ms   mean {took.mean():.3f} ms")


if __name__ == "__main__":
    main()
