"""A hash index from 64-bit keys to row numbers, as two arrays that compiled code can read.

Open addressing with linear probing; the size is a power of two at most half full. Key 0 is never stored.
"""

from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.uint64]
RowNumbers = npt.NDArray[np.int32]

_MIX = np.uint64(0x9E3779B97F4A7C15)


@numba.njit(cache=True, inline="always")
def slot_of(key: np.uint64, mask: np.uint64) -> np.uint64:
    """The first slot to try: Fibonacci hashing (Knuth, TAOCP 3, 6.4), so that runs of ids spread."""
    return ((key * _MIX) >> np.uint64(20)) & mask


@numba.njit(cache=True)
def find(slots: Keys, rows: RowNumbers, key: np.uint64) -> int:
    """The row of a key, or -1."""
    mask = np.uint64(slots.size - 1)
    at = slot_of(key, mask)
    while slots[at] != 0:
        if slots[at] == key:
            return int(rows[at])
        at = (at + np.uint64(1)) & mask
    return -1


@numba.njit(cache=True)
def insert(slots: Keys, rows: RowNumbers, key: np.uint64, row: int) -> None:
    """Stores a key that is not there yet; the caller keeps the table at most half full."""
    mask = np.uint64(slots.size - 1)
    at = slot_of(key, mask)
    while slots[at] != 0:
        at = (at + np.uint64(1)) & mask
    slots[at] = key
    rows[at] = row


@numba.njit(cache=True, nogil=True)
def _find_all(slots: Keys, rows: RowNumbers, keys: Keys, out: RowNumbers) -> None:
    for i in range(keys.size):
        out[i] = find(slots, rows, keys[i]) if keys[i] != 0 else -1


@numba.njit(cache=True, nogil=True)
def _build(slots: Keys, rows: RowNumbers, keys: Keys) -> None:
    for i in range(keys.size):
        if keys[i] != 0 and find(slots, rows, keys[i]) < 0:
            insert(slots, rows, keys[i], i)


@dataclass(frozen=True, slots=True)
class HashIndex:
    """Row numbers by key. slots: uint64 (s,), 0 where empty; rows: int32 (s,)."""

    slots: Keys
    rows: RowNumbers

    @classmethod
    def of(cls, keys: Keys) -> "HashIndex":
        """The index of each key's first position. keys: uint64 (n,)."""
        size = 16
        while size < 2 * keys.size + 2:
            size *= 2
        slots, rows = np.zeros(size, np.uint64), np.full(size, -1, np.int32)
        _build(slots, rows, np.ascontiguousarray(keys, np.uint64))
        return cls(slots, rows)

    def find(self, keys: Keys) -> RowNumbers:
        """Rows of the keys, -1 where absent. Shape (n,)."""
        out = np.empty(keys.size, np.int32)
        _find_all(self.slots, self.rows, np.ascontiguousarray(keys, np.uint64), out)
        return out
