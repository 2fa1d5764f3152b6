"""The products of a tail that a row of products is about: what was bought, what is in the cart, what was looked at, and
what the recommender is asked about. One compiled pass each: beside other work the code and the data of ten calls of
numpy take longer to come into the caches than what they do.
"""

from typing import Final, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from features.events import CODE, TOUCHES
from features.record import Records
from features.tail import as_read, session_begin_in

Hashes = npt.NDArray[np.uint64]
Times = npt.NDArray[np.int64]

_CART, _REMOVE, _BUY = (CODE[name] for name in ("add_to_cart", "remove_from_cart", "purchase"))


def _kinds(names: tuple[str, ...]) -> npt.NDArray[np.bool_]:
    return np.isin(np.arange(256), [CODE[name] for name in names])


LOOKS: Final = _kinds(("view_item", "select_item", "review_view"))
"""Whether a kind of event is a look at a product, by its code."""

_TOUCHES: Final = _kinds(TOUCHES)


class Held(NamedTuple):
    """Hashes of the products bought; in the cart, put in and not taken out since the last purchase; looked at in the
    session that now belongs to, but for events of no product."""

    bought: frozenset[int]
    cart: frozenset[int]
    viewed: frozenset[int]


def held(tail: Records, now_ms: int) -> Held:
    """What the visitor has. tail: in order."""
    room = np.empty((3, tail.size), np.uint64)
    bought, cart, viewed = _held(as_read(tail), now_ms, LOOKS, room, np.empty(tail.size, np.int64))
    return Held(*(frozenset(room[i, :n].tolist()) if n else _NONE for i, n in enumerate((bought, cart, viewed))))


_NONE: Final[frozenset[int]] = frozenset()


@numba.njit(cache=True, nogil=True)
def _held(records, now_ms, looks, room, units):  # type: ignore[no-untyped-def]
    """Bought, cart and viewed into the rows of room; how many of each. units: room for those in the cart."""
    bought = cart = viewed = 0
    begin = session_begin_in(records, now_ms)
    for i in range(records.size):
        r = records[i]
        if r.kind == _BUY:
            room[0, bought] = r.item
            bought, cart = bought + 1, 0
        elif r.kind == _CART or r.kind == _REMOVE:
            at = 0
            while at < cart and room[1, at] != r.item:
                at += 1
            if at == cart:
                room[1, at], units[at] = r.item, 0
                cart += 1
            change = np.int64(r.quantity) if r.kind == _CART else -np.int64(r.quantity)
            units[at] = max(0, units[at] + change)
        if i >= begin and looks[r.kind] and r.item != 0:
            room[2, viewed] = r.item
            viewed += 1
    left = 0
    for at in range(cart):
        if units[at] > 0:
            room[1, left] = room[1, at]
            left += 1
    return bought, left, viewed


def touched(tail: Records, current: int, now_ms: int) -> tuple[Hashes, Times, int]:
    """The products touched and when, in the tail's order, and the first of them in the session that now belongs to.

    current: hash of the page's product, as touched now unless it was the last in this session; 0 for none.
    """
    items, times = np.empty(tail.size + 1, np.uint64), np.empty(tail.size + 1, np.int64)
    n, since = _touched(as_read(tail), np.uint64(current), now_ms, _TOUCHES, items, times)
    return items[:n], times[:n], since


@numba.njit(cache=True, nogil=True)
def _touched(records, current, now_ms, touches, items, times):  # type: ignore[no-untyped-def]
    begin, n, since = session_begin_in(records, now_ms), 0, 0
    for i in range(records.size):
        r = records[i]
        if touches[r.kind] and r.item != 0:
            items[n], times[n] = r.item, r.ts_ms
            n += 1
            if i < begin:
                since = n
    is_last = since < n and items[n - 1] == current
    if current != 0 and not is_last:
        items[n], times[n] = current, now_ms
        n += 1
    return n, since
