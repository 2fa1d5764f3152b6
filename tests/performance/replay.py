"""Replays of a made-up log, for the guard of what features cost (test_replay.py); run there without a compiler."""

from collections.abc import Callable

import numpy as np

from features import fold
from features.catalog import Catalog, Product
from features.events import KINDS, Row
from features.record import pack

VISITORS, EVENTS = 12, 10
_KINDS = ("page_view", "view_item", "view_item", "search", "view_item", "add_to_cart", "view_cart", "begin_checkout")


def whole() -> Callable[[], object]:
    """Visitors with a session or two, of the usual kinds."""
    rows = [
        Row("s", f"v{v}", f"e{i}", _at_ms(i), kind, item_id=f"p{(v + i) % 7}", category="c", price=5.0, query=f"q{i}")
        for v in range(VISITORS)
        for i in range(EVENTS)
        for kind in [_KINDS[(v + i) % len(_KINDS)]]
    ]
    assert {row.event for row in rows} <= set(KINDS)
    log = pack(rows)
    catalog = Catalog.of([Product(f"p{i}", price=5.0 + i, category="c") for i in range(5)])
    visitor = np.repeat(np.arange(VISITORS), EVENTS)
    facts = catalog.facts(log)
    return lambda: fold.replay(log, visitor, facts)


def slowed() -> Callable[[], object]:
    """The same, where somebody makes each step look through what it need not."""
    step = fold._step

    def slower(record, facts, row, state, items, categories, counts, messages):  # type: ignore[no-untyped-def]
        for _ in range(60):
            counts[0, 0] += 0
        step(record, facts, row, state, items, categories, counts, messages)

    fold._step = _counted_as_compiled(slower)
    return whole()


def _counted_as_compiled(function):  # type: ignore[no-untyped-def]
    import numba

    return numba.njit(function)


def _at_ms(i: int) -> int:
    return 1_700_000_000_000 + i * 30_000 + (3_600_000 if i > 6 else 0)
