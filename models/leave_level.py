"""The level of leaving: an offset on the log-odds of `leave` that follows what visitors do.

How often visitors leave moves from day to day, and a bundle says what was true when it was trained. Of each scored
moment it is known after KNOWN_AFTER_MS whether the visitor left; sums of what was said and what came about fade with
a half-life of HALF_LIFE moments, for the session's first step and the later ones apart. The offset is one Newton step
from what the bundle says to what came about, drawn to none by PRIOR and bounded by BOUND. Pure: the learner and the
evaluation do the same. Waiting for one fixed time, not for the session's end, matters: short sessions end first, and
an offset from those that are over already says that everybody leaves.
"""

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from features.events import SESSION_GAP_MS
from features.schema import INDEX
from models.intent import LEAVE

LEAVE_MS: Final = 120_000
LEAVE_STEPS: Final = 1
"""A moment is one of leaving where at most so many steps follow, within so long (docs/labels.md)."""
KNOWN_AFTER_MS: Final = LEAVE_MS + SESSION_GAP_MS
"""By then a later step has shown that the visitor stayed, or the session is over."""

HALF_LIFE: Final = 4_000
"""Moments. Chosen with PRIOR and the two kinds of steps on earlier windows (docs/evaluation.md)."""
PRIOR: Final = 50.0
"""In sums of said x (1 - said): as much as some 250 moments that were said to leave with 3 in 10."""
BOUND: Final = 0.5
STEPS: Final = ("first", "later")
FADE: Final = 0.5 ** (1 / HALF_LIFE)

Offsets = tuple[float, float]
"""Of the log-odds, at the session's first step and at later ones."""
NO_OFFSETS: Final[Offsets] = (0.0, 0.0)

_EVENTS: Final = INDEX["session_events"]


@dataclass(slots=True)
class LeaveLevel:
    """What was said of leaving against what came about. missed: sums of was - said; spread: of said x (1 - said).

    Both by STEPS.
    """

    missed: list[float] = field(default_factory=lambda: [0.0, 0.0])
    spread: list[float] = field(default_factory=lambda: [0.0, 0.0])

    def learn(self, step: int, said: float, was: bool) -> None:
        """A moment whose truth is known. said: by the bundle, without any offset."""
        for at in range(len(STEPS)):
            self.missed[at] *= FADE
            self.spread[at] *= FADE
        self.missed[step] += was - said
        self.spread[step] += said * (1.0 - said)

    @property
    def offsets(self) -> Offsets:
        """What to add to the log-odds now."""
        first, later = (
            max(-BOUND, min(BOUND, missed / (spread + PRIOR)))
            for missed, spread in zip(self.missed, self.spread, strict=True)
        )
        return first, later


def step_of(vector: npt.NDArray[np.float32]) -> int:
    """The place in STEPS of a vector, shape (N,)."""
    return int(vector[_EVENTS] > 1.0)


def shifted(said: float, offset: float) -> float:
    """A probability with its log-odds moved; `shifted(shifted(p, o), -o)` is p but for rounding."""
    odds = said * math.exp(offset)
    return odds / (1.0 - said + odds)


def levelled(
    intent: npt.NDArray[np.float64], vector: npt.NDArray[np.float32], offsets: Offsets
) -> npt.NDArray[np.float64]:
    """The intents, (4,), with the offset of the vector's step on `leave`; the very same where there is none."""
    offset = offsets[step_of(vector)]
    if offset == 0.0:
        return intent
    moved = intent.copy()
    moved[LEAVE] = shifted(float(intent[LEAVE]), offset)
    return moved
