"""The tail: a visitor's last events, in order, each once, cut into sessions."""

import numba
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
    if _is_ordered(as_read(records)):
        return records[-TAIL_EVENTS:]
    return records[order(records)][-TAIL_EVENTS:]


@numba.njit(cache=True, nogil=True)
def _is_ordered(records):  # type: ignore[no-untyped-def]
    """Whether `order` would leave the records as they are: each after the one before, and none twice."""
    identities = np.empty(records.size, np.uint64)
    for i in range(records.size):
        r = records[i]
        identities[i] = np.uint64(r.event) << np.uint64(16) | np.uint64(r.kind) << np.uint64(8) | np.uint64(r.line)
        if i == 0:
            continue
        b = records[i - 1]
        if r.ts_ms < b.ts_ms:
            return False
        if r.ts_ms == b.ts_ms and (r.kind, r.event, r.line) <= (b.kind, b.event, b.line):
            return False
    identities.sort()
    return not np.any(identities[1:] == identities[:-1])


def tail_of(data: bytes) -> Records:
    """The tail from the bytes Redis holds for a visitor: whole records, in order, each once."""
    return ordered(unpack(data))


@numba.njit(cache=True, nogil=True)
def session_begin_in(records, now_ms):  # type: ignore[no-untyped-def]
    """`session_begin`, for compiled code."""
    at = records.size
    latest_ms = now_ms
    while at > 0 and latest_ms - records[at - 1].ts_ms <= SESSION_GAP_MS:
        at -= 1
        latest_ms = records[at].ts_ms
    return at


def session_begin(tail: Records, now_ms: int) -> int:
    """Where in a tail the session begins that now belongs to; the tail's size if the last event is too long ago."""
    return int(session_begin_in(as_read(tail), now_ms))


def as_read(tail: Records) -> Records:
    """Read-only, as a tail made from bytes is: what is compiled is compiled for that one type of array."""
    if not tail.flags.writeable and tail.flags.c_contiguous:
        return tail
    view = np.ascontiguousarray(tail).view()
    view.flags.writeable = False
    return view


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
