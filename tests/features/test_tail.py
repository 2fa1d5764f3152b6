"""The tail: time order, each event once, the last 256, sessions of 30 minutes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from features.events import SESSION_GAP_MS, TAIL_EVENTS
from features.record import EVENT, pack
from features.tail import event_ends, order, ordered, session_begin, session_starts, tail_of
from tests.features.journeys import row


def test_events_of_the_same_millisecond_stand_in_the_order_of_a_purchase():
    events = [row("purchase", 0, item_id="a"), row("add_to_cart", 0, item_id="a"), row("view_item", 0, item_id="a")]
    assert ordered(pack(events))["kind"].tolist() == sorted(pack(events)["kind"].tolist())


def test_a_repeated_event_id_is_taken_once_and_the_earliest_stays():
    first, again = row("view_item", 0, item_id="a", event_id="x"), row("view_item", 5, item_id="a", event_id="x")
    tail = ordered(pack([again, first, row("page_view", 9)]))
    assert tail["ts_ms"].tolist() == [first.ts_ms, row("page_view", 9).ts_ms]


def test_the_tail_holds_the_last_256():
    tail = tail_of(pack([row("page_view", i) for i in range(300)]).tobytes())
    assert tail.size == TAIL_EVENTS
    assert tail["ts_ms"][0] == row("page_view", 44).ts_ms


@given(st.permutations(range(12)), st.lists(st.integers(0, 11), max_size=6))
def test_neither_arrival_order_nor_repeats_change_the_tail(arrival, repeats):
    events = [row("view_item", i // 2, item_id=str(i), event_id=str(i)) for i in range(12)]
    shuffled = [events[i] for i in [*arrival, *repeats]]
    assert ordered(pack(shuffled)).tobytes() == ordered(pack(events)).tobytes()


def test_a_gap_over_thirty_minutes_cuts_a_session():
    minutes = np.array([0, 30, 60.001, 61]) * 60_000
    assert session_starts(minutes.astype(np.int64)).tolist() == [True, False, True, False]


def test_a_new_visitor_begins_a_session():
    assert session_starts(np.array([1, 2]), np.array([7, 8])).tolist() == [True, True]


def test_the_last_line_of_an_event_ends_it():
    lines = [row("purchase", 0, event_id="o", line=n, item_id=str(n)) for n in range(3)]
    assert event_ends(ordered(pack([*lines, row("page_view", 1)]))).tolist() == [False, False, True, True]


def records_in_disorder(seed: int) -> np.ndarray:
    """A few records with ties in time, duplicates and events of several lines; some seeds give them in order."""
    random = np.random.default_rng(seed)
    records = np.zeros(int(random.integers(2, 9)), EVENT)
    for name, most in (("ts_ms", 4), ("kind", 3), ("event", 4), ("line", 3)):
        records[name] = random.integers(0, most, records.size)
    return records[order(records)] if seed % 3 == 0 else np.sort(records, order="ts_ms")


def test_what_is_told_to_be_in_order_is_left_as_sorting_would_leave_it() -> None:
    for seed in range(600):
        records = records_in_disorder(seed)
        assert ordered(records).tobytes() == records[order(records)].tobytes(), seed


def test_the_session_of_now_begins_where_the_last_session_of_the_tail_does() -> None:
    random = np.random.default_rng(2)
    for _ in range(100):
        tail = np.zeros(12, EVENT)
        tail["ts_ms"] = np.cumsum(random.choice([1000, SESSION_GAP_MS, SESSION_GAP_MS + 1], 12))
        last = int(tail["ts_ms"][-1])
        assert session_begin(tail, last + SESSION_GAP_MS) == int(np.flatnonzero(session_starts(tail["ts_ms"]))[-1])
        assert session_begin(tail, last + SESSION_GAP_MS + 1) == tail.size
    assert session_begin(np.zeros(0, EVENT), 5) == 0
