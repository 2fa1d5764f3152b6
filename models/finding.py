"""Candidates by the hashes of what a visitor looked at, in one compiled call: each routine of a library, and each array
handed over between two of them, would come into the caches on its own.
"""

import numba
import numpy as np

from features.table import find
from models.candidates import gather


@numba.njit(cache=True)
def rows_and_names(slots, numbers, items, known, rows, named, unknown):  # type: ignore[no-untyped-def]
    """The items' rows in the index, -1 for the unknown, into rows; into `named` the same, with numbers from `known` on
    for the unknown in the order of their hashes, which come into `unknown`, each once. How many these are."""
    missing = 0
    for i in range(items.size):
        rows[i] = find(slots, numbers, items[i]) if items[i] != 0 else -1
        named[i] = rows[i]
        if rows[i] < 0:
            unknown[missing] = items[i]
            missing += 1
    if missing == 0:
        return 0
    unknown[:missing].sort()
    different = 1
    for i in range(1, missing):
        if unknown[i] != unknown[different - 1]:
            unknown[different] = unknown[i]
            different += 1
    for i in range(items.size):
        if rows[i] < 0:
            named[i] = known + np.searchsorted(unknown[:different], items[i])
    return different


@numba.njit(cache=True)
def rows_alike(slots, numbers, of, items, at_most, out):  # type: ignore[no-untyped-def]
    """The rows in the index of at most so many products like the newest item that has factors, the most alike first,
    into out; how many. of: hash table, similar products and hashes of the factors."""
    their_slots, their_numbers, similar, hashes = of
    newest = -1
    for i in range(items.size - 1, -1, -1):
        newest = find(their_slots, their_numbers, items[i]) if items[i] != 0 else -1
        if newest >= 0:
            break
    if newest < 0:
        return 0
    count = 0
    for k in range(min(at_most, similar.shape[1])):
        other = similar[newest, k]
        row = find(slots, numbers, hashes[other]) if other >= 0 and hashes[other] != 0 else -1
        if row >= 0:
            out[count] = row
            count += 1
    return count


@numba.njit(cache=True)
def find_all(  # type: ignore[no-untyped-def]
    tables, room, hashes, of, at_most, items, ts_ms, begin, now_s, own, keep, out_items, out_rows, out_by, source, x
):
    """models.candidates.gather for the hashes of a visitor's products (items, looked at at ts_ms): the candidates'
    hashes, rows, the rows of what led to them (-1: none, or not in the index), sources and numbers into the last five,
    which have room for `keep`. hashes: of the index. of, at_most: as in rows_alike. How many there are."""
    m, known = items.size, hashes.size
    rows, named, unknown = np.empty(m, np.int32), np.empty(m, np.int32), np.empty(m, np.uint64)
    rows_and_names(tables.slots, tables.rows, items, known, rows, named, unknown)
    at_s = np.empty(m, np.int64)
    for i in range(m):
        at_s[i] = ts_ms[i] // 1000
    alike = np.empty(at_most, np.int32)
    like = rows_alike(tables.slots, tables.rows, of, items, at_most, alike)
    taken = gather(tables, room, rows, named, at_s, alike[:like], begin, now_s, own, keep)
    for k in range(taken):
        at = room.chosen[k]
        row = room.rows[at]
        out_by[k], source[k] = room.by[at], room.taken[at]
        out_rows[k] = row if row < known else -1
        out_items[k] = hashes[row] if row < known else unknown[row - known]
        for column in range(x.shape[1]):
            x[k, column] = room.x[at, column]
    return taken
