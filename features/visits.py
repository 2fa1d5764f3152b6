"""Sessions in progress, as item statistics need them: what each visitor has looked at so far in this session.

A table of so many ways a bucket: a visitor has WAYS places, and takes the one silent longest if all are others'. It
grows before it would drop a session that may still go on, up to MAX_VISITS; from then on the longest silent goes.
"""

from dataclasses import dataclass
from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt

from features.table import Keys, slot_of

WAYS: Final = 8
SEEN: Final = 32
"""So many last products of a session are remembered."""
FEWEST_VISITS, GROWTH = 1 << 8, 4
MAX_VISITS: Final = FEWEST_VISITS * GROWTH**5
FLAG_BITS: Final = 4
"""A place of `seen` holds a row of the statistics, shifted, and flags of what the session did since."""

Arrays = dict[str, npt.NDArray[Any]]
_BUCKET = ~np.uint64(WAYS - 1)


@numba.njit(cache=True)
def place_of(visitors, last_ms, visitor):  # type: ignore[no-untyped-def]
    """The visitor's place, or the one to take over: of its bucket, the one silent longest."""
    first: Any = np.int64(slot_of(visitor, np.uint64(visitors.size - 1)) & _BUCKET)
    oldest = first
    for place in range(first, first + WAYS):
        if visitors[place] == visitor:
            return place
        if last_ms[place] < last_ms[oldest]:
            oldest = place
    return oldest


@numba.njit(cache=True)
def _move(  # type: ignore[no-untyped-def]
    visitors, last_ms, seen, many, to_visitors, to_last_ms, to_seen, to_many, since_ms
):
    """Takes the sessions that may still go on into another table."""
    for place in range(visitors.size):
        if visitors[place] != 0 and last_ms[place] >= since_ms:
            at = place_of(to_visitors, to_last_ms, visitors[place])
            to_visitors[at] = visitors[place]
            to_last_ms[at] = last_ms[place]
            to_seen[at] = seen[place]
            to_many[at] = many[place]


@dataclass(frozen=True, slots=True)
class Visits:
    """visitors: uint64 (n,), hash64, 0 where free. last_ms: int64 (n,), their last counted event. seen: int32
    (n, SEEN), a ring. many: int32 (n,), how many were put in it.
    """

    visitors: Keys
    last_ms: npt.NDArray[np.int64]
    seen: npt.NDArray[np.int32]
    many: npt.NDArray[np.int32]

    @classmethod
    def empty(cls, places: int = FEWEST_VISITS) -> "Visits":
        return cls(
            np.zeros(places, np.uint64),
            np.zeros(places, np.int64),
            np.zeros((places, SEEN), np.int32),
            np.zeros(places, np.int32),
        )

    def moved(self, places: int, since_ms: int) -> "Visits":
        """A table of so many places with the sessions whose last event is not before since_ms; a copy."""
        new = Visits.empty(places)
        _move(*self.columns(), *new.columns(), since_ms)
        return new

    def columns(self) -> tuple[Keys, npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        return self.visitors, self.last_ms, self.seen, self.many

    def copy(self) -> "Visits":
        return Visits(self.visitors.copy(), self.last_ms.copy(), self.seen.copy(), self.many.copy())

    def without(self, visitor: int) -> "Visits":
        """These but for one visitor's."""
        new = self.copy()
        at = place_of(new.visitors, new.last_ms, np.uint64(visitor))
        if new.visitors[at] == visitor:
            new.visitors[at], new.last_ms[at], new.many[at] = 0, 0, 0
        return new

    def renumbered(self, rows: npt.NDArray[np.int32]) -> "Visits":
        """These after the statistics' rows moved. rows: int32 (m,), each row's new number, -1 where it went."""
        seen = rows[np.minimum(self.seen >> FLAG_BITS, rows.size - 1)] << FLAG_BITS | self.seen & (1 << FLAG_BITS) - 1
        return Visits(self.visitors.copy(), self.last_ms.copy(), seen.astype(np.int32), self.many.copy())

    def to_arrays(self) -> Arrays:
        """Those that were not counted yet."""
        live = self.visitors != 0
        return {
            "visit_visitors": self.visitors[live],
            "visit_last_ms": self.last_ms[live],
            "visit_seen": self.seen[live],
            "visit_many": self.many[live],
            "visit_places": np.array([self.visitors.size], np.int64),
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays, rows: int) -> "Visits":
        """The inverse of to_arrays, of statistics with so many rows; none where the arrays have none.

        Raises ValueError where they do not fit.
        """
        if "visit_visitors" not in arrays:
            return cls.empty()
        visitors = np.asarray(arrays["visit_visitors"], np.uint64)
        last_ms = np.asarray(arrays["visit_last_ms"], np.int64)
        seen, many = np.asarray(arrays["visit_seen"], np.int32), np.asarray(arrays["visit_many"], np.int32)
        n, places = visitors.size, int(np.asarray(arrays["visit_places"], np.int64).reshape(-1)[0])
        fits = last_ms.shape == many.shape == (n,) and seen.shape == (n, SEEN) and not np.any(seen >> FLAG_BITS >= rows)
        if not fits or n > places or places not in [FEWEST_VISITS * GROWTH**power for power in range(6)]:
            raise ValueError(f"sessions in progress do not fit: {last_ms.shape}, {seen.shape}, {places} places")
        return cls(visitors, last_ms, seen, many).moved(places, 0)
