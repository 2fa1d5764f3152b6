"""Which sessions trees learn from where a log has more than is worth the time: whole ones, chosen by a hash.

The hash is of the session's first event, so the choice depends on nothing else in the log, repeats, and favours no kind
of session; a session chosen for a small sample is in every larger one.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from features.record import Records

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Keys = npt.NDArray[np.uint64]

MOST_ROWS: Final = 600_000
"""Rows learned from, at most. docs/evaluation.md says what more rows were worth."""


@dataclass(frozen=True, slots=True)
class Cap:
    """At most `rows` rows of sessions that start from since_ms on and before until_ms; of others, all or none."""

    rows: int = MOST_ROWS
    since_ms: int = 0
    until_ms: int = 1 << 62
    others: bool = False

    def leave_out(self, keep: Flags, row: Ints, records: Records, session: Ints, begins_ms: Ints) -> int:
        """Clears in `keep`, one flag a labelled step, what the cap leaves out. Returns how many inside the window.

        row: each step's position in records; begins_ms: when each record's session began.
        """
        inside = (begins_ms[row] >= self.since_ms) & (begins_ms[row] < self.until_ms)
        if not self.others:
            keep &= inside
        steps = np.flatnonzero(keep & inside)
        taken = chosen(records, session, row[steps], self.rows)
        keep[steps[~taken]] = False
        return int(np.sum(~taken))


def chosen(records: Records, session: Ints, rows: Ints, most: int) -> Flags:
    """Which of the rows belong to the sample: whole sessions, at most `most` rows together. Shape of rows.

    records: EVENT (n,); session: int64 (n,), ascending; rows: positions in them, ascending.
    """
    if len(rows) <= most:
        return np.ones(len(rows), bool)
    of = session[rows]
    numbers, inverse, counts = np.unique(of, return_inverse=True, return_counts=True)
    first = np.searchsorted(session, numbers)
    by_hash = np.argsort(_mixed(records[first]), kind="stable")
    taken = np.zeros(len(numbers), bool)
    taken[by_hash[np.cumsum(counts[by_hash]) <= most]] = True
    return np.asarray(taken[inverse])


def _mixed(first: Records) -> Keys:
    """A number for each event (SplitMix64's finalizer: Steele, Lea & Flood 2014)."""
    key = first["event"].astype(np.uint64) << np.uint64(32) ^ first["ts_ms"].astype(np.uint64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        key = (key ^ (key >> np.uint64(shift))) * np.uint64(factor)
    mixed: Keys = key ^ (key >> np.uint64(31))
    return mixed
