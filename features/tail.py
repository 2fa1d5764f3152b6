"""The tail: a visitor's last events, in order, each once, cut into sessions."""

import numpy as np
import numpy.typing as npt

from features.events import SESSION_GAP_MS, TAIL_EVENTS
from features.record import Records, unpack

Indices = npt.NDArray[np.int64]


def time_order(records: Records, visitor: Indices | None = None) -> Indices:
    """Positions that put records in time order, visitor by visitor where given.

    Events of the same millisecond are ordered by kind, as the vocabulary has them in the order of a purchase, then
    by event; so the order does not depend on who arrived first. records: EVENT (n,). visitor: int64 (n,) or None.
    """
    keys = [records["line"], records["event"], records["kind"], records["ts_ms"]]
    if visitor is not None:
        keys.append(visitor)
    return np.lexsort(keys)


def order(records: Records, visitor: Indices | None = None) -> Indices:
    """Positions that put records in time_order, each event once. int64 (m,), m <= n.

    A duplicate has the same event, kind and line; the earliest of them stays.
    """
    positions = time_order(records, visitor)
    return positions[_first_of_each(records[positions], None if visitor is None else visitor[positions])]


def _first_of_each(records: Records, visitor: Indices | None) -> npt.NDArray[np.bool_]:
    """Which of the ordered records are the first with their event, kind and line (and visitor). Shape (n,)."""
    keys = [records["line"], records["kind"], records["event"]]
    if visitor is not None:
        keys.append(visitor)
    by_identity = np.lexsort(keys)  # stable: equal ones stay in time order
    same = np.ones(max(records.size - 1, 0), bool)
    for key in keys:
        same &= key[by_identity[1:]] == key[by_identity[:-1]]
    first = np.ones(records.size, bool)
    first[by_identity[1:][same]] = False
    return first


def ordered(records: Records) -> Records:
    """One visitor's records in time order, each once, the last TAIL_EVENTS of them."""
    if records.size <= 1:
        return records
    if _is_ordered(records):
        return records[-TAIL_EVENTS:]
    return records[order(records)][-TAIL_EVENTS:]


def _is_ordered(records: Records) -> bool:
    """Whether time strictly grows and no event id stands twice: the usual case, told without sorting."""
    later = np.diff(records["ts_ms"]) > 0
    return bool(later.all()) and np.unique(records["event"]).size == records.size


def tail_of(data: bytes) -> Records:
    """The tail from the bytes Redis holds for a visitor: whole records, in order, each once."""
    return ordered(unpack(data))


def session_starts(ts_ms: Indices, visitor: Indices | None = None) -> npt.NDArray[np.bool_]:
    """Which of the ordered events begin a session: the first, and each after a gap over 30 minutes. Shape (n,)."""
    starts = np.ones(ts_ms.size, bool)
    starts[1:] = np.diff(ts_ms) > SESSION_GAP_MS
    if visitor is not None:
        starts[1:] |= visitor[1:] != visitor[:-1]
    return starts


def event_ends(records: Records) -> npt.NDArray[np.bool_]:
    """Which of the ordered records close their event: the last line of each. Shape (n,)."""
    ends = np.ones(records.size, bool)
    ends[:-1] = records["line"][1:] == 0
    return ends
