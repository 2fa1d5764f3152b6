"""Item statistics: how often each product was viewed, carted and bought, fading with time.

One definition for the learner (live), for training (as of each event) and for the catalog's facts.
Counts fade with a half-life, so that a season's end shows within days.
"""

from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from features.events import CODE
from features.record import Records
from features.table import HashIndex, Keys, RowNumbers, find, insert

HALF_LIFE_MS = 7 * 24 * 3600 * 1000
PRIOR_VIEWS = 20.0
"""An item's rates are drawn to the shop's mean with the weight of so many views (empirical Bayes)."""

VIEWS, CARTS, BUYS = 0, 1, 2
_VIEW, _CART, _PURCHASE = CODE["view_item"], CODE["add_to_cart"], CODE["purchase"]

Counts = npt.NDArray[np.float64]
Times = npt.NDArray[np.int64]
Rates = npt.NDArray[np.float32]


@numba.njit(cache=True, inline="always")
def _column(kind: int) -> int:
    """The column a kind is counted in, or -1."""
    if kind == _VIEW:
        return VIEWS
    if kind == _CART:
        return CARTS
    if kind == _PURCHASE:
        return BUYS
    return -1


@numba.njit(cache=True)
def _fade(counts: Counts, touched: Times, row: int, now_ms: int) -> None:
    """Brings a row's counts to the present; a late event does not bring the past back."""
    if now_ms > touched[row]:
        factor = 0.5 ** ((now_ms - touched[row]) / HALF_LIFE_MS)
        for c in range(3):
            counts[row, c] *= factor
        touched[row] = now_ms


@numba.njit(cache=True)
def _write_rates(out: Rates, counts: Counts, row: int) -> None:
    """Views, cart rate and buy rate of a row; row 0 holds the whole shop's counts."""
    views = counts[row, VIEWS] if row > 0 else 0.0
    carts = counts[row, CARTS] if row > 0 else 0.0
    buys = counts[row, BUYS] if row > 0 else 0.0
    total = counts[0, VIEWS] + 1.0
    out[0] = views
    out[1] = (carts + PRIOR_VIEWS * counts[0, CARTS] / total) / (views + PRIOR_VIEWS)
    out[2] = (buys + PRIOR_VIEWS * counts[0, BUYS] / total) / (views + PRIOR_VIEWS)


@numba.njit(cache=True)
def _count(
    records: Records, slots: Keys, rows: RowNumbers, items: Keys, counts: Counts, touched: Times, used: int, out: Rates
) -> int:
    """Counts the records in their order; where `out` has rows, first writes what was known before each."""
    for i in range(records.size):
        column = _column(records[i].kind)
        item = records[i].item
        row = find(slots, rows, item) if item != 0 else -1
        now_ms = records[i].ts_ms
        if out.shape[0] > 0:
            _fade(counts, touched, 0, now_ms)
            if row >= 0:
                _fade(counts, touched, row, now_ms)
            _write_rates(out[i], counts, max(row, 0))
        if column < 0 or item == 0:
            continue
        if row < 0:
            row = used
            used += 1
            insert(slots, rows, item, row)
            items[row] = item
            touched[row] = now_ms
        units = max(1, records[i].quantity) if column == BUYS else 1
        for r in (0, row):
            _fade(counts, touched, r, now_ms)
            late = touched[r] - now_ms
            counts[r, column] += units * 0.5 ** (late / HALF_LIFE_MS)
    return used


@dataclass(slots=True)
class ItemStats:
    """Fading counts per item; row 0 is the whole shop.

    items: uint64 (n,), items[0] = 0. counts: float64 (n, 3) views, carts, units bought, as of touched_ms: int64 (n,).
    """

    items: Keys
    counts: Counts
    touched_ms: Times

    @classmethod
    def empty(cls) -> "ItemStats":
        return cls(np.zeros(1, np.uint64), np.zeros((1, 3)), np.zeros(1, np.int64))

    @property
    def as_of_ms(self) -> int:
        """The time of the latest event counted, 0 before the first."""
        return int(self.touched_ms[0])

    def updated(self, records: Records) -> "ItemStats":
        """These statistics with the records counted, in their order (time order but for late ones)."""
        stats, _ = self._counted(records, np.empty((0, 3), np.float32))
        return stats

    def known_before_each(self, records: Records) -> tuple["ItemStats", Rates]:
        """The statistics with the records counted, and for each record what was known of its item just before it.

        records: EVENT (n,) in time order. Rates: float32 (n, 3) views, cart rate, buy rate; never from the future.
        """
        out = np.empty((records.size, 3), np.float32)
        return self._counted(records, out)

    def _counted(self, records: Records, out: Rates) -> tuple["ItemStats", Rates]:
        fresh = np.unique(records["item"])
        room = self.items.size + fresh.size
        items, counts, touched = np.zeros(room, np.uint64), np.zeros((room, 3)), np.zeros(room, np.int64)
        n = self.items.size
        items[:n], counts[:n], touched[:n] = self.items, self.counts, self.touched_ms
        index = HashIndex.of(items)  # sized for all that may come: items is zero where none is yet
        used = _count(records, index.slots, index.rows, items, counts, touched, n, out)
        return ItemStats(items[:used], counts[:used], touched[:used]), out

    def rates(self) -> Rates:
        """Views, cart rate and buy rate of each row at as_of_ms. float32 (n, 3); row 0 is an unknown item."""
        counts = self.counts * 0.5 ** ((self.as_of_ms - self.touched_ms) / HALF_LIFE_MS)[:, None]
        out = np.empty((self.items.size, 3), np.float32)
        base = counts[0] / (counts[0, VIEWS] + 1.0)
        counts[0] = 0.0
        out[:, 0] = counts[:, VIEWS]
        for column in (CARTS, BUYS):
            out[:, column] = (counts[:, column] + PRIOR_VIEWS * base[column]) / (counts[:, VIEWS] + PRIOR_VIEWS)
        return out

    def to_arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """The whole state as arrays, for .npy and .npz files."""
        return {"items": self.items, "counts": self.counts, "touched_ms": self.touched_ms}

    @classmethod
    def from_arrays(cls, arrays: dict[str, npt.NDArray[np.generic]]) -> "ItemStats":
        """The state from arrays. Raises ValueError where their shapes do not fit."""
        items = np.asarray(arrays["items"], np.uint64)
        counts = np.asarray(arrays["counts"], np.float64)
        touched = np.asarray(arrays["touched_ms"], np.int64)
        if items.ndim != 1 or not items.size or counts.shape != (items.size, 3) or touched.shape != items.shape:
            raise ValueError(f"item statistics do not fit: {items.shape}, {counts.shape}, {touched.shape}")
        return cls(items, counts, touched)
