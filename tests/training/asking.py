"""Sessions and questions of the next product, written out by hand."""

from collections.abc import Sequence

import numpy as np

from training.next_item import Asked, NextItem, Sessions
from training.session_store import SessionStore

DAY_MS = 86_400_000


def sessions_of(*items: Sequence[int], end_ms: Sequence[int] | None = None) -> Sessions:
    """Sessions that end at the given times, or a second apart."""
    ends = range(0, 1000 * len(items), 1000) if end_ms is None else end_ms
    edges = np.cumsum([0, *map(len, items)])
    return Sessions(np.array([item for one in items for item in one], np.int32), edges, np.array(ends, np.int64))


def store_of(products: int, *items: Sequence[int], end_ms: Sequence[int] | None = None) -> SessionStore:
    store = SessionStore(products)
    store.learn(sessions_of(*items, end_ms=end_ms))
    return store


def asked_of(*prefixes: Sequence[int], now_ms: int = 0) -> Asked:
    """One question after each prefix, all at one time."""
    items = np.array([item for prefix in prefixes for item in prefix], np.int32)
    edges = np.cumsum([0, *map(len, prefixes)])
    now = np.full(len(prefixes), now_ms, np.int64)
    return Asked(items, np.arange(len(items)), edges[:-1], edges[1:], now)


def answer(method: NextItem, *prefix: int, now_ms: int = 0) -> list[int]:
    """The products answered after a prefix, best first."""
    return [item for item in method.rank(asked_of(prefix, now_ms=now_ms))[0].tolist() if item >= 0]
