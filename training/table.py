"""From a log to rows that models learn from: vectors as they were at each step, and what then happened.

Item statistics are as of each record, as the learner would have had them; vectors are made by features.fold.replay,
the same compiled function that serves. Cost grows linearly with the log, memory with the rows kept.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from features.catalog import EMPTY_CATALOG, Catalog, Facts
from features.fold import replay
from features.record import Records
from features.schema import N_FEATURES
from training.as_of import as_of_facts, of_same_visitors
from training.labels import Labels, label
from training.moments import iso
from training.sample import Cap

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Matrix = npt.NDArray[np.float32]
Progress = Callable[[str, float], None]
"""Told what is being done and how much of it is, 0 to 1."""

MAX_PREFIX: Final = 50
"""Steps of a session that are learned from and tested on: a few huge sessions would dominate otherwise."""

_CHUNK = 100_000


class Log(Protocol):
    """A shop's log, visitor by visitor in time order. visitor, session: int64 (n,), as numbers that ascend."""

    @property
    def shop(self) -> str: ...
    @property
    def records(self) -> Records: ...
    @property
    def visitor(self) -> Ints: ...
    @property
    def session(self) -> Ints: ...
    @property
    def item_ids(self) -> Mapping[int, str]:
        """The item id of each hash in the records."""


@dataclass(frozen=True, slots=True)
class Table:
    """One row per labelled step. matrix: float32 (n, N_FEATURES); kind: uint8 (n,); the rest as in Labels.

    start_ms, end_ms: the session's first and last time. left_out: rows that a cap left out.
    """

    matrix: Matrix
    labels: Labels
    kind: npt.NDArray[np.uint8]
    start_ms: Ints
    end_ms: Ints
    left_out: int = 0

    def __len__(self) -> int:
        return len(self.matrix)

    def where(self, rows: Flags) -> "Table":
        """The rows of which the flag is set."""
        return replace(
            self,
            matrix=self.matrix[rows],
            labels=self.labels.where(rows),
            kind=self.kind[rows],
            start_ms=self.start_ms[rows],
            end_ms=self.end_ms[rows],
        )


def build(
    log: Log,
    progress: Progress,
    max_prefix: int = MAX_PREFIX,
    catalog: Catalog = EMPTY_CATALOG,
    cap: Cap | None = None,
) -> Table:
    """Vectors and labels of the log's steps, but for those beyond max_prefix and those whose session may go on.

    log: its records in the order of features.tail.order. cap: of how many rows at most, from which sessions.
    """
    records, visitor, session = log.records, log.visitor, log.session
    labels = label(records, visitor, session)
    begins, ends = _session_times(records["ts_ms"], session)
    keep = (labels.prefix <= max_prefix) & labels.complete
    left_out = 0 if cap is None else cap.leave_out(keep, labels.row, records, session, begins)
    progress("features", 0.0)
    wanted = labels.row[keep]
    matrix = _vectors(records, visitor, wanted, catalog, progress)
    kept = labels.where(keep)
    return Table(matrix, kept, records["kind"][wanted], begins[wanted], ends[wanted], left_out)


def _vectors(records: Records, visitor: Ints, wanted: Ints, catalog: Catalog, progress: Progress) -> Matrix:
    """The vectors at the wanted positions, ascending. Of visitors without any nothing is made."""
    mine = of_same_visitors(visitor, wanted)
    facts = as_of_facts(records, visitor, catalog, None if mine.all() else mine)
    places = np.flatnonzero(mine)
    matrix, filled = np.empty((len(wanted), N_FEATURES), np.float32), 0
    for start, end in _chunks(visitor[places]):
        at = places[start:end]
        rows = np.searchsorted(at, wanted[filled : np.searchsorted(wanted, at[-1], side="right")])
        part = replay(records[at], visitor[at], Facts(facts.table, facts.rows[start:end]))
        matrix[filled : filled + len(rows)] = part[rows]
        filled += len(rows)
        progress("features", end / len(places))
    return matrix


def _chunks(visitor: Ints) -> list[tuple[int, int]]:
    """Ranges of about _CHUNK records that do not cut a visitor in two."""
    edges = [0]
    while edges[-1] < len(visitor):
        end = min(edges[-1] + _CHUNK, len(visitor))
        if end < len(visitor):
            end = int(np.searchsorted(visitor, visitor[end - 1], side="right"))
        edges.append(end)
    return list(pairwise(edges))


def session_starts_ms(log: Log) -> Ints:
    """When each record's session began, Unix ms. Shape (n,)."""
    return _session_times(log.records["ts_ms"], log.session)[0]


def reach(log: Log) -> str:
    """From when to when a log goes, in words."""
    times = log.records["ts_ms"]
    return f"the log goes from {iso(int(times.min()))} to {iso(int(times.max()))}" if len(times) else "the log is empty"


def _session_times(ts_ms: Ints, session: Ints) -> tuple[Ints, Ints]:
    """First and last time of each record's session. Shapes (n,)."""
    starts = np.flatnonzero(np.diff(session, prepend=-1))
    lengths = np.diff(np.append(starts, len(session)))
    return np.repeat(ts_ms[starts], lengths), np.repeat(ts_ms[starts + lengths - 1], lengths)
