"""Item statistics: fading, never from the future, the same in one go or bit by bit."""

import numpy as np
import pytest

from features.events import CODE
from features.record import EVENT, Records, hash64
from features.stats import HALF_LIFE_MS, PRIOR_VIEWS, ItemStats


def some_events(n: int, seed: int = 0) -> Records:
    rng = np.random.default_rng(seed)
    events = np.zeros(n, EVENT)
    events["ts_ms"] = 1_700_000_000_000 + np.cumsum(rng.integers(0, 3_600_000, n))
    events["kind"] = rng.choice([CODE["view_item"], CODE["add_to_cart"], CODE["purchase"], CODE["search"]], n)
    events["item"] = rng.integers(0, 40, n)
    events["quantity"] = 1
    return events


def events(*seen: tuple[str, str, int]) -> Records:
    made = np.zeros(len(seen), EVENT)
    made["kind"] = [CODE[kind] for kind, _, _ in seen]
    made["item"] = [hash64(item) for _, item, _ in seen]
    made["ts_ms"] = [ts for _, _, ts in seen]
    made["quantity"] = 1
    return made


def test_counts_halve_with_each_half_life():
    stats = ItemStats.empty().updated(events(("view_item", "a", 0), ("view_item", "b", HALF_LIFE_MS)))
    views = dict(zip(stats.items.tolist(), stats.rates()[:, 0].tolist(), strict=True))
    assert (views[hash64("a")], views[hash64("b")]) == (0.5, 1.0)


def test_counting_in_one_go_equals_counting_bit_by_bit():
    log = some_events(2000)
    whole, parts = ItemStats.empty().updated(log), ItemStats.empty()
    for part in np.array_split(log, 17):
        parts = parts.updated(part)
    assert whole.items.tolist() == parts.items.tolist()
    assert whole.counts.tobytes() == parts.counts.tobytes()


def test_what_was_known_before_an_event_does_not_change_with_what_comes_after():
    log = some_events(500)
    _, before = ItemStats.empty().known_before_each(log)
    changed = log.copy()
    changed["kind"][300:], changed["item"][300:] = CODE["purchase"], 3
    _, after = ItemStats.empty().known_before_each(changed)
    assert before[:300].tobytes() == after[:300].tobytes()
    assert before[301:].tobytes() != after[301:].tobytes()


def test_what_was_known_before_an_event_is_what_the_live_statistics_said():
    log = some_events(400)
    _, before = ItemStats.empty().known_before_each(log)
    for i in (1, 57, 399):
        live = ItemStats.empty().updated(log[:i])
        at = np.flatnonzero(live.items == log["item"][i])
        age = 0.5 ** ((int(log["ts_ms"][i]) - live.as_of_ms) / HALF_LIFE_MS)
        views = live.rates()[at[0], 0] * age if at.size and log["item"][i] else 0.0
        assert before[i, 0] == pytest.approx(views, rel=1e-5)


def test_rates_of_rarely_seen_items_are_drawn_to_the_shops_mean():
    many = [("view_item", "a", 0)] * 100 + [("purchase", "a", 0)] * 10 + [("view_item", "b", 0)]
    stats = ItemStats.empty().updated(events(*many))
    rate = dict(zip(stats.items.tolist(), stats.rates()[:, 2].tolist(), strict=True))
    base = 10 / 102
    assert rate[hash64("b")] == pytest.approx(PRIOR_VIEWS * base / (1 + PRIOR_VIEWS), rel=1e-6)
    assert rate[hash64("a")] == pytest.approx((10 + PRIOR_VIEWS * base) / (100 + PRIOR_VIEWS), rel=1e-6)


def test_a_late_event_counts_less_and_does_not_turn_the_clock_back():
    on_time = ItemStats.empty().updated(events(("view_item", "a", HALF_LIFE_MS)))
    late = on_time.updated(events(("view_item", "a", 0)))
    assert late.as_of_ms == HALF_LIFE_MS
    assert late.rates()[1, 0] == pytest.approx(1.5)


def test_statistics_survive_their_arrays_and_refuse_others():
    stats = ItemStats.empty().updated(some_events(50))
    again = ItemStats.from_arrays(stats.to_arrays())
    assert again.counts.tobytes() == stats.counts.tobytes()
    with pytest.raises(ValueError, match="do not fit"):
        ItemStats.from_arrays({**stats.to_arrays(), "counts": np.zeros((3, 2))})
