"""The level of leaving: a line on the log-odds of `leave` that follows what visitors do.

How often visitors leave moves from day to day, and a bundle says what was true when it was trained. Of each scored
moment it is known after KNOWN_AFTER_MS whether the visitor left; sums of what was said and what came about fade with
a half-life of HALF_LIFE moments. They make an offset for the session's first step, one for the later ones, and a slope
common to both: each a Newton step from what the bundle says to what came about, drawn to none and bounded. Pure: the
learner and the evaluation do the same. Waiting for one fixed time, not for the session's end, matters: short sessions
end first, and sums over those that have ended already say that everybody leaves.
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
"""Moments. Chosen, as all here, on earlier windows (docs/evaluation.md)."""
PRIOR, SLOPE_PRIOR = 50.0, 200.0
"""In sums of said x (1 - said), times the squared distance from the centre for the slope. 50 weigh as some 250 moments
that were said to leave with 3 in 10."""
BOUND, SLOPE_BOUND = 0.5, 0.3
STEPS: Final = ("first", "later")
FADE: Final = 0.5 ** (1 / HALF_LIFE)
NEAREST: Final = 1e-6
"""To 0 and 1: what is said to be nearer counts as this."""

Line = tuple[float, float, float]
"""What is added to log-odds z: at a session's first step the first, at later ones the second, and the third times z."""
NO_LINE: Final[Line] = (0.0, 0.0, 0.0)

_EVENTS: Final = INDEX["session_events"]


@dataclass(slots=True)
class LeaveLevel:
    """What was said of leaving against what came about, as fading sums; w = said x (1 - said), z its log-odds.

    missed, spread, weighted: by STEPS, of was - said, of w and of w z. tilt: of w z^2 and (was - said) z.
    """

    missed: list[float] = field(default_factory=lambda: [0.0, 0.0])
    spread: list[float] = field(default_factory=lambda: [0.0, 0.0])
    weighted: list[float] = field(default_factory=lambda: [0.0, 0.0])
    tilt: list[float] = field(default_factory=lambda: [0.0, 0.0])

    def learn(self, step: int, said: float, was: bool) -> None:
        """A moment whose truth is known. said: by the bundle, not moved."""
        for sums in self.sums:
            for at in range(len(STEPS)):
                sums[at] *= FADE
        said = max(NEAREST, min(1.0 - NEAREST, said))
        weight, z, missed = said * (1.0 - said), _log_odds(said), was - said
        self.missed[step] += missed
        self.spread[step] += weight
        self.weighted[step] += weight * z
        self.tilt[0] += weight * z * z
        self.tilt[1] += missed * z

    @property
    def sums(self) -> tuple[list[float], ...]:
        """All of them, two each."""
        return self.missed, self.spread, self.weighted, self.tilt

    @property
    def line(self) -> Line:
        """What moves the log-odds now. The slope is told from within each kind of step, so it is no offset again."""
        centre = [one / spread if spread > 0.0 else 0.0 for one, spread in zip(self.weighted, self.spread, strict=True)]
        pairs = list(zip(centre, self.missed, self.weighted, strict=True))
        turned = self.tilt[1] - sum(middle * missed for middle, missed, _ in pairs)
        width = self.tilt[0] - sum(middle * weighted for middle, _, weighted in pairs)
        slope = _within(SLOPE_BOUND, turned / (width + SLOPE_PRIOR))
        first, later = (
            _within(BOUND, missed / (spread + PRIOR)) - slope * middle
            for missed, spread, middle in zip(self.missed, self.spread, centre, strict=True)
        )
        return first, later, slope


def _within(bound: float, value: float) -> float:
    return max(-bound, min(bound, value))


def _log_odds(said: float) -> float:
    return math.log(said / (1.0 - said))


def step_of(vector: npt.NDArray[np.float32]) -> int:
    """The place in STEPS of a vector, shape (N,)."""
    return int(vector[_EVENTS] > 1.0)


def moved(said: float, line: Line, step: int) -> float:
    """A probability with its log-odds moved."""
    if not 0.0 < said < 1.0:
        return said
    z = _log_odds(said)
    return 1.0 / (1.0 + math.exp(-(z + line[step] + line[2] * z)))


def unmoved(said: float, line: Line, step: int) -> float:
    """The inverse of `moved`, but for rounding."""
    if not 0.0 < said < 1.0:
        return said
    z = (_log_odds(said) - line[step]) / (1.0 + line[2])
    return 1.0 / (1.0 + math.exp(-z))


def levelled(intent: npt.NDArray[np.float64], vector: npt.NDArray[np.float32], line: Line) -> npt.NDArray[np.float64]:
    """The intents, (4,), with `leave` moved as the vector's step has it; the very same where nothing moves it."""
    if line == NO_LINE:
        return intent
    now = intent.copy()
    now[LEAVE] = moved(float(intent[LEAVE]), line, step_of(vector))
    return now
