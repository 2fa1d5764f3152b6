"""Timing: how long a page waits with a message whose moment is chosen for each visitor (`show_after_s: auto`).

Most visitors who go on do so soon; who is still on the page after that is ever likelier to be stuck, or about to leave.
With L the probability that the visitor leaves (intent `leave`), and S(t) the share of those who go on that have not
gone on by t, learned for each type of page,

    P(leaves | nothing happened by t) = L / (L + (1 - L) S(t))      (Bayes; who leaves is taken to sit still till then)

The moment is the first t at which this reaches SURE: before, the message would mostly interrupt people on their way.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.events import PAGE_TYPES, SESSION_GAP_MS

Floats = npt.NDArray[np.float64]

SURE: Final = 0.8
LONGEST_S: Final = 120.0
LEFT: Final = 1.0 - np.linspace(0.0, 0.98, 50)
"""Shares of those who go on that have not yet, at which the times are kept."""
FEWEST: Final = 200
"""Steps of a type of page, below which it is timed like all pages together."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds after which so many are left: float64 (len(PAGE_TYPES) + 1, len(LEFT)), the last row of all pages."""

    seconds: Floats

    @classmethod
    def of(cls, dwell_s: Floats, page: npt.NDArray[np.integer[Any]]) -> "Timing | None":
        """From the seconds between events of one session and the type of the page of the first. None for too few."""
        dwell_s = np.minimum(dwell_s, SESSION_GAP_MS / 1000)
        if dwell_s.size < FEWEST:
            return None
        anywhere = np.quantile(dwell_s, 1.0 - LEFT)
        rows = [_times(dwell_s[page == code], anywhere) for code in range(len(PAGE_TYPES))]
        return cls(np.stack([*rows, anywhere]))

    def moment_s(self, page_type: str, leave: float, least_s: float) -> float:
        """Seconds to wait on a page of this type, from least_s to LONGEST_S, whole ones. leave: NaN counts as even."""
        row = PAGE_TYPES.index(page_type) if page_type in PAGE_TYPES else len(PAGE_TYPES)
        chance = 0.5 if leave != leave else min(max(leave, 0.0), 1.0)
        needed = chance * (1.0 - SURE) / max((1.0 - chance) * SURE, 1e-12)
        reached = np.flatnonzero(needed >= LEFT)
        seconds = float(self.seconds[row, reached[0]]) if reached.size else LONGEST_S
        return float(round(min(max(seconds, least_s), max(LONGEST_S, least_s))))

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """For a bundle."""
        return {"seconds": self.seconds}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> "Timing":
        """From to_arrays. Raises KeyError, ValueError."""
        seconds = np.asarray(arrays["seconds"], np.float64)
        if seconds.shape != (len(PAGE_TYPES) + 1, LEFT.size):
            raise ValueError(f"timing: shape {seconds.shape}")
        return cls(seconds)


def _times(dwell_s: Floats, anywhere: Floats) -> Floats:
    return np.quantile(dwell_s, 1.0 - LEFT) if dwell_s.size >= FEWEST else anywhere
