"""Item statistics: how often each product was viewed, carted and bought, and how often its viewers then bought.

One definition for the learner (live), for training (as of each event) and for the catalog's facts. Counts fade with
time. A session counts when it is over: so nothing is known from the future, and what visitors do does not move the
lifts of what they looked at while their session lasts, neither in training nor where it is served.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from features.record import Records
from features.stats_count import (
    COUNTS,
    HALF_LIFE_MS,
    N_COUNTS,
    PRIOR,
    RATES,
    count,
    end_sessions,
    fade_all,
    rates_of_all,
)
from features.table import HashIndex, Keys
from features.visits import GROWTH, Visits

__all__ = ["COUNTS", "HALF_LIFE_MS", "PRIOR", "RATES", "ItemStats"]

_EARLIER_COUNTS = 3
"""Statistics saved before sessions were counted had views, carts and units only."""

Counts = npt.NDArray[np.float64]
Times = npt.NDArray[np.int64]
Rates = npt.NDArray[np.float32]
_NO_RATES = np.empty((0, len(RATES)), np.float32)
_END = np.int64(2**62)
"""A time after all others."""


@dataclass(frozen=True, slots=True)
class ItemStats:
    """Fading counts per item; row 0 is the whole shop.

    items: uint64 (n,), items[0] = 0. counts: float64 (n, N_COUNTS) as of touched_ms: int64 (n,). visits: the sessions
    in progress.
    """

    items: Keys
    counts: Counts
    touched_ms: Times
    visits: Visits = field(repr=False)

    @classmethod
    def empty(cls) -> "ItemStats":
        return cls(*_columns(1), Visits.empty())

    @property
    def as_of_ms(self) -> int:
        """The time of the latest event counted, 0 before the first."""
        return int(self.touched_ms[0])

    def updated(self, records: Records, visitors: Keys) -> "ItemStats":
        """These statistics with the records counted, in their order (time order but for late ones).

        visitors: uint64 (n,), hash64 of each record's visitor; 0 where unknown, whose sessions are not counted.
        """
        return self._counted(records, visitors, np.arange(records.size), _NO_RATES)

    def known_before_each(
        self, records: Records, visitors: Keys, order: npt.NDArray[np.int64] | None = None
    ) -> tuple["ItemStats", Rates]:
        """The statistics with the records counted, and for each record what was known of its item just before it.

        records: EVENT (n,), counted in `order`, int64 (n,), by default as they stand: it must be that of time.
        visitors: as in `updated`. Rates: float32 (n, len(RATES)), in the records' own order; never from the future.
        """
        out = np.empty((records.size, len(RATES)), np.float32)
        return self._counted(records, visitors, np.arange(records.size) if order is None else order, out), out

    def _counted(self, records: Records, visitors: Keys, order: Times, out: Rates) -> "ItemStats":
        items, counts, touched = _columns(self.items.size + np.unique(records["item"]).size)
        n = self.items.size
        items[:n], counts[:n], touched[:n] = self.items, self.counts, self.touched_ms
        index = HashIndex.of(items)  # sized for all that may come: items is zero where none is yet
        state = (index.slots, index.rows, items, counts, touched)
        visits, used, done = self.visits.copy(), n, 0
        while True:
            used, done = count(records, order, visitors, *state, used, *visits.columns(), out, done)
            if done == order.size:
                return ItemStats(items[:used], counts[:used], touched[:used], visits)
            visits = visits.moved(visits.visitors.size * GROWTH, 0)

    def rates(self) -> Rates:
        """RATES of each row at as_of_ms. float32 (n, len(RATES)); row 0 is a product that nobody touched yet."""
        counts, touched = self.counts.copy(), self.touched_ms.copy()
        fade_all(counts, touched, self.as_of_ms)
        out = np.empty((self.items.size, len(RATES)), np.float32)
        rates_of_all(counts, out)
        return out

    def without(self, visitor: int) -> "ItemStats":
        """These without one visitor's session in progress. visitor: its hash64."""
        return ItemStats(self.items, self.counts, self.touched_ms, self.visits.without(visitor))

    def settled(self) -> "ItemStats":
        """These without any session in progress: what is published."""
        return ItemStats(self.items, self.counts, self.touched_ms, Visits.empty())

    def ended(self) -> "ItemStats":
        """These with the sessions in progress counted as they stand: what a bundle holds."""
        counts, touched, visits = self.counts.copy(), self.touched_ms.copy(), self.visits.copy()
        end_sessions(counts, touched, *visits.columns(), _END)
        return ItemStats(self.items, counts, touched, Visits.empty())

    def at_most(self, rows: int) -> "ItemStats":
        """These, or if they have more rows, three quarters of so many: those with most activity left."""
        if self.items.size <= rows:
            return self
        counts, touched = self.counts.copy(), self.touched_ms.copy()
        fade_all(counts, touched, self.as_of_ms)
        active = counts.sum(axis=1)
        active[0] = np.inf  # the shop's own row
        kept = np.sort(np.argsort(-active, kind="stable")[: rows * 3 // 4])
        moved = np.full(self.items.size, -1, np.int32)
        moved[kept] = np.arange(kept.size)
        return ItemStats(self.items[kept], self.counts[kept], self.touched_ms[kept], self.visits.renumbered(moved))

    def to_arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """The whole state as arrays, for .npy and .npz files."""
        own: dict[str, npt.NDArray[np.generic]] = {
            "items": self.items,
            "counts": self.counts,
            "touched_ms": self.touched_ms,
        }
        return own | self.visits.to_arrays()

    @classmethod
    def from_arrays(cls, arrays: dict[str, npt.NDArray[np.generic]]) -> "ItemStats":
        """The state from arrays, also from those of before sessions were counted: these begin at none.

        Raises KeyError or ValueError where they do not fit.
        """
        items = np.asarray(arrays["items"], np.uint64)
        counts = np.asarray(arrays["counts"], np.float64)
        touched = np.asarray(arrays["touched_ms"], np.int64)
        if counts.shape == (items.size, _EARLIER_COUNTS):
            counts = np.hstack([counts, np.zeros((items.size, N_COUNTS - _EARLIER_COUNTS))])
        fits = items.ndim == 1 and items.size and counts.shape == (items.size, N_COUNTS)
        if not fits or touched.shape != items.shape:
            raise ValueError(f"item statistics do not fit: {items.shape}, {counts.shape}, {touched.shape}")
        return cls(items, counts, touched, Visits.from_arrays(arrays, items.size))


def _columns(rows: int) -> tuple[Keys, Counts, Times]:
    return np.zeros(rows, np.uint64), np.zeros((rows, N_COUNTS)), np.zeros(rows, np.int64)
