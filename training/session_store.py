"""Finished sessions as arrays that grow, with the list of each product's views, the newest first.

What the published methods learn from: one store serves them all, learning a session costs its views, and nothing is
counted in advance that a question can count from the lists.
"""

from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from training.next_item import Ints, Rows, Sessions


class Arrays(NamedTuple):
    """Views e of sessions s. item, of, before: int32 (e,): product, session, and the same product's view before this
    one, -1 for none. starts: int64 (s + 1,), end_ms: int64 (s,), distinct: int32 (s,), products of the session.
    head: int32 (products,), the newest view of each, -1; views, sessions: int64 (products,), how many hold it."""

    item: Rows
    of: Rows
    before: Rows
    starts: Ints
    end_ms: Ints
    distinct: Rows
    head: Rows
    views: Ints
    sessions: Ints


@numba.njit(cache=True)
def _append(items, edges, ends_ms, first, state):  # type: ignore[no-untyped-def]
    """Adds sessions behind the first so many."""
    for k in range(ends_ms.size):
        session = first + k
        row = state.starts[session]
        state.distinct[session] = 0
        for i in range(edges[k], edges[k + 1]):
            product = items[i]
            before = state.head[product]
            if before < 0 or state.of[before] != session:
                state.distinct[session] += 1
                state.sessions[product] += 1
            state.item[row], state.of[row], state.before[row] = product, session, before
            state.head[product] = row
            state.views[product] += 1
            row += 1
        state.starts[session + 1] = row
        state.end_ms[session] = ends_ms[k]


class SessionStore:
    """products: how many the catalogue holds."""

    def __init__(self, products: int) -> None:
        self._views, self._sessions = 0, 0
        self._arrays = Arrays(
            item=np.zeros(1024, np.int32),
            of=np.zeros(1024, np.int32),
            before=np.zeros(1024, np.int32),
            starts=np.zeros(1024, np.int64),
            end_ms=np.zeros(1024, np.int64),
            distinct=np.zeros(1024, np.int32),
            head=np.full(products, -1, np.int32),
            views=np.zeros(products, np.int64),
            sessions=np.zeros(products, np.int64),
        )

    def __len__(self) -> int:
        return self._sessions

    @property
    def arrays(self) -> Arrays:
        """The state now; may hold rows beyond the last session."""
        return self._arrays

    def learn(self, finished: Sessions) -> None:
        """Adds sessions, none of which ended before those already here."""
        views, sessions = self._views + len(finished.items), self._sessions + len(finished)
        a = self._arrays
        self._arrays = a._replace(
            **{name: grown(getattr(a, name), views) for name in ("item", "of", "before")},
            **{name: grown(getattr(a, name), sessions + 1) for name in ("starts", "end_ms", "distinct")},
        )
        _append(finished.items, finished.edges, finished.end_ms, self._sessions, self._arrays)
        self._views, self._sessions = views, sessions


def grown(array: npt.NDArray[Any], rows: int) -> npt.NDArray[Any]:
    """The array with room for so many rows, at least doubled when it grows."""
    if rows <= len(array):
        return array
    larger = np.zeros(max(rows, 2 * len(array)), array.dtype)
    larger[: len(array)] = array
    return larger
