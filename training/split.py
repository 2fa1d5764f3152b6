"""Splits by time only. A session belongs to the window in which it starts; nothing is shuffled."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from features.events import SESSION_GAP_MS
from training.figures import counted
from training.moments import iso

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

HOLD_SHARE: Final = 0.2
"""The last sessions of the train window, by start: they say when to stop growing trees, and calibrate."""

MIN_SESSIONS: Final = 10


class TooLittleData(ValueError):
    """A window holds too little to learn from or to test on; says which and how much."""


@dataclass(frozen=True, slots=True)
class Window:
    """since_ms <= a session's start < until_ms, Unix time in milliseconds. Raises ValueError if it is empty."""

    since_ms: int
    until_ms: int

    def __post_init__(self) -> None:
        if self.since_ms >= self.until_ms:
            raise ValueError(f"a window must begin before it ends: {self.since_ms} .. {self.until_ms}")

    def holds(self, ts_ms: Ints) -> Flags:
        """Which of the times lie inside."""
        return (ts_ms >= self.since_ms) & (ts_ms < self.until_ms)


@dataclass(frozen=True, slots=True)
class Split:
    """Rows of the train window, bool (n,), disjoint: to grow trees on, and the later slice held back from that."""

    fit: Flags
    hold: Flags

    @property
    def train(self) -> Flags:
        """Both."""
        return self.fit | self.hold


def split(start_ms: Ints, end_ms: Ints, session: Ints, train: Window) -> Split:
    """Rows of a train window by their session's start; the window's last sessions are held back.

    start_ms, end_ms: each row's session's first and last time; session: its number; int64 (n,). Sessions of the same
    start are taken in the order of their numbers. Sessions that were not over when the window
    ends (their gap had not passed) are left out: at that time their labels were not known. Raises TooLittleData.
    """
    known = train.holds(start_ms) & (end_ms + SESSION_GAP_MS <= train.until_ms)
    numbers, first = np.unique(session[known], return_index=True)
    if len(numbers) < MIN_SESSIONS:
        seen = f"; the log's begin {iso(int(start_ms.min()))} to {iso(int(start_ms.max()))}" if len(start_ms) else ""
        few = f"{counted(len(numbers), 'whole session')} in the train window; at least {MIN_SESSIONS} are needed"
        raise TooLittleData(few + seen)
    by_start = np.lexsort((numbers, start_ms[known][first]))
    held = np.isin(session, numbers[by_start[int(len(numbers) * (1 - HOLD_SHARE)) :]])
    return Split(fit=known & ~held, hold=known & held)
