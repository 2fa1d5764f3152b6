"""fold(tail, now, facts) -> vector, and replay(log) -> matrix: one compiled pass, read at one moment or at every event.

The pass keeps a small state and applies record after record; the vector is read from the state. Online it is read
once, at `now`; offline after each record, at that record's time. There is no second implementation, so there is no
skew between what a model was trained on and what it is asked about.
"""

import threading
from typing import Final

import numba
import numpy as np
import numpy.typing as npt

from features.catalog import Facts
from features.events import SESSION_GAP_MS, TAIL_EVENTS
from features.fold_emit import emit
from features.fold_state import CATEGORY_SLOT, ITEM_SLOT, MESSAGES, NEVER, STATE, K, begin, roll_session
from features.fold_steps import apply_event, apply_item, apply_message
from features.record import Records
from features.schema import N_FEATURES

Vector = npt.NDArray[np.float32]
Matrix = npt.NDArray[np.float32]

N_ITEM_SLOTS, N_CATEGORY_SLOTS = 1024, 1024
"""Powers of two, four times the tail, so that probing stays short."""


class Scratch(threading.local):
    """Working memory of the pass, one for each thread, made on first use."""

    def __init__(self) -> None:
        self.state = np.zeros(1, STATE)
        self.items = np.zeros(N_ITEM_SLOTS, ITEM_SLOT)
        self.categories = np.zeros(N_CATEGORY_SLOTS, CATEGORY_SLOT)
        self.counts = np.zeros((2, 64), np.int32)
        self.messages = np.zeros(TAIL_EVENTS, MESSAGES)


_scratch: Final = Scratch()


@numba.njit(cache=True, nogil=True)
def _step(record, facts, row, state, items, categories, counts, messages):  # type: ignore[no-untyped-def]
    """Applies one record to the state."""
    s = state[0]
    if record.ts_ms - s.last_any_ms > SESSION_GAP_MS:
        roll_session(s, counts, record.ts_ms)
    s.last_any_ms = record.ts_ms
    if s.first_ms == NEVER:
        s.first_ms = record.ts_ms
    kind = record.kind
    if kind == K.view_promotion or kind == K.select_promotion or kind == K.dismiss_promotion:
        apply_message(s, counts, messages, record)
        return
    if record.line == 0:
        apply_event(s, counts, record)
    if kind != K.search and kind != K.zero_results:
        apply_item(s, items, categories, record, facts, row)


@numba.njit(cache=True, nogil=True)
def _fold(records, facts, rows, now_ms, state, items, categories, counts, messages, out):  # type: ignore[no-untyped-def]
    """Reads the state once, at now_ms, after all records."""
    begin(state[0], counts)
    for i in range(records.size):
        _step(records[i], facts, rows[i], state, items, categories, counts, messages)
    s = state[0]
    if records.size > 0 and now_ms - s.last_any_ms > SESSION_GAP_MS:
        roll_session(s, counts, now_ms)
    emit(s, items, counts, messages, facts, now_ms, out)


@numba.njit(cache=True, nogil=True)
def _replay(records, visitor, facts, rows, state, items, categories, counts, messages, out):  # type: ignore[no-untyped-def]
    """Reads the state after each record, at that record's time; each visitor's tail holds the last TAIL_EVENTS."""
    start = 0
    for i in range(records.size):
        if i == 0 or visitor[i] != visitor[i - 1]:
            start = i
            begin(state[0], counts)
        first = i - TAIL_EVENTS + 1
        if first > start:  # the oldest record has left the tail: read the tail anew
            begin(state[0], counts)
            for j in range(first, i):
                _step(records[j], facts, rows[j], state, items, categories, counts, messages)
        _step(records[i], facts, rows[i], state, items, categories, counts, messages)
        emit(state[0], items, counts, messages, facts, records[i].ts_ms, out[i])


def fold(tail: Records, now_ms: int, facts: Facts) -> Vector:
    """The vector of a tail at a moment.

    tail: EVENT (n,), n <= TAIL_EVENTS, as from tail_of. now_ms: Unix time, not before the last event.
    facts: of each record's item. Returns float32 (N_FEATURES,), NaN where unknown.
    """
    out = np.empty(N_FEATURES, np.float32)
    fold_into(tail, now_ms, facts, out)
    return out


def fold_into(tail: Records, now_ms: int, facts: Facts, out: Vector) -> None:
    """The same into `out`, a row of a matrix."""
    m = _scratch
    _fold(tail, facts.table, facts.rows, now_ms, m.state, m.items, m.categories, m.counts, m.messages, out)


def replay(log: Records, visitor: npt.NDArray[np.int64], facts: Facts) -> Matrix:
    """The vector after each record of a log, at that record's time: row i equals fold(tail up to i, ts_ms[i], facts).

    log: EVENT (n,) in the order of features.tail.order, visitor by visitor. visitor: int64 (n,).
    Returns float32 (n, N_FEATURES). Within an event of several lines only the row of its last line is whole.
    """
    out = np.empty((log.size, N_FEATURES), np.float32)
    m = _scratch
    _replay(log, visitor, facts.table, facts.rows, m.state, m.items, m.categories, m.counts, m.messages, out)
    return out
