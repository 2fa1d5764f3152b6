"""Online and offline are one: fold of each tail equals replay of the whole log, to the bit."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.catalog import Catalog, Facts, Product, facts_as_of
from features.events import CODE, KINDS, TAIL_EVENTS
from features.fold import fold, replay
from features.record import EVENT, Records
from features.schema import FEATURES, INDEX
from features.stats import ItemStats
from features.tail import order

CATALOG = Catalog.of([Product(str(i), category=f"c{i % 5}", price=float(i)) for i in range(30)])
PRODUCTS = CATALOG.index.slots[CATALOG.index.slots != 0]


ALL = range(len(KINDS))
SHOPPING = [CODE[kind] for kind in ("view_item", "view_item", "add_to_cart", "purchase")]


def a_log(
    events: int, visitors: int, seed: int, kinds: Sequence[int] = range(len(KINDS))
) -> tuple[Records, np.ndarray]:
    """A log of all kinds with gaps of all sizes, repeats and unknowns, ordered as a log is."""
    rng = np.random.default_rng(seed)
    log = np.zeros(events, EVENT)
    log["ts_ms"] = 1_700_000_000_000 + np.cumsum(rng.choice([0, 400, 30_000, 1_900_000, 3 * 86_400_000], events))
    log["kind"] = rng.choice(kinds, events)
    log["item"] = rng.choice(np.append(PRODUCTS, [0, 7, 8]), events)
    log["category"] = rng.choice([0, 1, 513], events)
    log["price"] = rng.choice([np.nan, 0.0, 9.99, 1e7], events)
    log["event"] = rng.integers(0, events * 2, events)
    for name, top in (("line", 2), ("quantity", 256), ("page", 15), ("source", 256), ("flags", 16)):
        log[name] = rng.integers(0, top, events)
    visitor = rng.integers(0, visitors, events).astype(np.int64)
    positions = order(log, visitor)
    return log[positions], visitor[positions]


def folds(log: Records, visitor: np.ndarray, facts: Facts) -> np.ndarray:
    """The vector of each position by fold, from that position's own tail."""
    starts = np.searchsorted(visitor, visitor)
    out = []
    for i in range(log.size):
        window = slice(max(starts[i], i - TAIL_EVENTS + 1), i + 1)
        out.append(fold(log[window], int(log["ts_ms"][i]), Facts(facts.table, facts.rows[window])))
    return np.array(out)


def differing(left: np.ndarray, right: np.ndarray) -> list[str]:
    differs = (left.view(np.uint32) != right.view(np.uint32)).any(axis=0)
    return [feature.name for feature, differs_here in zip(FEATURES, differs, strict=True) if differs_here]


@pytest.mark.parametrize(("events", "visitors"), [(3000, 200), (2500, 2)])
def test_fold_equals_replay_at_every_event_also_past_the_tails_length(events, visitors):
    log, visitor = a_log(events, visitors, seed=events)
    facts = CATALOG.facts(log)
    assert differing(folds(log, visitor, facts), replay(log, visitor, facts)) == []


def test_fold_equals_replay_with_item_statistics_as_of_each_event():
    log, visitor = a_log(2000, 20, seed=1, kinds=SHOPPING)
    by_time = np.argsort(log["ts_ms"], kind="stable")
    keys = (visitor + 1).astype(np.uint64)
    _, rates = ItemStats.empty().known_before_each(log, keys, by_time)
    assert np.isfinite(rates).any(axis=0).all()
    facts = facts_as_of(log, rates, CATALOG)
    assert differing(folds(log, visitor, facts), replay(log, visitor, facts)) == []


def test_lifts_are_served_as_they_were_trained_also_after_the_visitors_own_cart_and_purchase():
    """Training knows lifts as of the view; serving reads live statistics, which have heard of the cart by then."""
    kinds, minute = SHOPPING[1:], 60_000
    log, visitor = np.zeros(126, EVENT), np.arange(126) // 3
    log["kind"], log["item"], log["quantity"] = np.tile(kinds, 42), PRODUCTS[visitor % 3], 1
    log["ts_ms"] = 1_700_000_000_000 + visitor * 9 * minute + np.tile([0, 1, 2], 42) * minute
    log["ts_ms"][-3:] += 60 * minute  # when the others' sessions are over
    log["kind"][7:100:3] = SHOPPING[0]  # some only look
    log["kind"][8:100:6] = SHOPPING[0]
    _, rates = ItemStats.empty().known_before_each(log, (visitor + 1).astype(np.uint64))
    trained = replay(log, visitor, facts_as_of(log, rates, CATALOG))
    lifts = [INDEX[name] for name in ("session_buy_lift", "session_cart_lift", "item_buy_lift", "item_cart_lift")]
    for at in (123, 124, 125):
        live = ItemStats.empty().updated(log[: at + 1], (visitor + 1).astype(np.uint64)[: at + 1]).settled()
        tail = log[123 : at + 1]
        served = fold(tail, int(tail["ts_ms"][-1]), CATALOG.with_stats(live).facts(tail))
        assert np.abs(trained[at, lifts]).min() > 0.001
        np.testing.assert_allclose(served[lifts], trained[at, lifts], rtol=1e-3)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(1, 6))
def test_any_log_has_no_skew(seed, events, visitors):
    log, visitor = a_log(events, visitors, seed)
    facts = CATALOG.facts(log)
    assert differing(folds(log, visitor, facts), replay(log, visitor, facts)) == []


def test_the_comparison_sees_a_single_bit():
    log, visitor = a_log(50, 3, seed=5)
    right = replay(log, visitor, CATALOG.facts(log))
    left = right.copy()
    left.view(np.uint32)[10, 3] ^= 1
    assert differing(left, right) == [FEATURES[3].name]
