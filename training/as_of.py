"""What was known of each record's item just before it: item statistics counted through a log in the order of time.

The whole log is counted, but only what is wanted is kept: memory beyond the log's own is some 30 bytes a record, and 80
for each record wanted.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from features.catalog import EMPTY_CATALOG, Catalog, Facts, facts_as_of
from features.record import Records
from features.stats import RATES, ItemStats

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

PART: Final = 500_000
"""Records counted at a time."""


def as_of_facts(
    records: Records, visitor: Ints, catalog: Catalog = EMPTY_CATALOG, wanted: Flags | None = None
) -> Facts:
    """What was known of each wanted record's item just before it; in the records' order, one row for each wanted.

    records: EVENT (n,), a whole log. visitor: int64 (n,). wanted: bool (n,), default all.
    """
    mine = np.ones(records.size, bool) if wanted is None else wanted
    place = np.cumsum(mine, dtype=np.int32) - 1
    rates = np.empty((int(mine.sum()), len(RATES)), np.float32)
    by_time = np.argsort(records["ts_ms"], kind="stable")
    stats = ItemStats.empty()
    for start in range(0, records.size, PART):
        at = by_time[start : start + PART]
        keys = (visitor[at] + 1).astype(np.uint64)  # any number tells visitors apart; 0 would be nobody
        stats, known = stats.known_before_each(records[at], keys)
        kept = mine[at]
        rates[place[at[kept]]] = known[kept]
    del by_time, place
    return facts_as_of(records if wanted is None else records[wanted], rates, catalog)


def of_same_visitors(visitor: Ints, rows: Ints) -> Flags:
    """Which records are of the visitors that the rows are of. visitor: int64 (n,), from 0 on. Shape (n,)."""
    theirs = np.zeros(int(visitor.max(initial=0)) + 1, bool)
    theirs[visitor[rows]] = True
    return np.asarray(theirs[visitor])
