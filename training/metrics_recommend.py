"""Hit rate and mean reciprocal rank at k, with 95 % intervals from resampled test sessions, the same for everyone."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from training.figures import number
from training.metrics_binary import draws, interval
from training.next_item import Ints, Rows
from training.next_views import Targets

Floats = npt.NDArray[np.float64]

CUTS: Final = (5, 10, 20)
MEASURES: Final = tuple(f"{name}{cut}" for cut in CUTS for name in ("hr", "mrr"))


def places(found: Rows, targets: Targets) -> Ints:
    """The place of each target in its answer, 1 the best, 0 if it is not there. found: int32 (n, depth)."""
    hit = found == targets.product[:, None]
    return np.where(hit.any(axis=1), hit.argmax(axis=1) + 1, 0).astype(np.int64)


def gains(place: Ints) -> Floats:
    """What each target adds to each of MEASURES. Shape (n, measures)."""
    inverse = np.where(place > 0, 1 / np.maximum(place, 1), 0.0)
    columns = [
        column for cut in CUTS for column in ((place > 0) & (place <= cut), np.where(place <= cut, inverse, 0.0))
    ]
    return np.stack(columns, axis=1).astype(np.float64)


@dataclass(frozen=True, slots=True)
class Scale:
    """What the figures of one set of targets share. group: int64 (n,), the session of each; weights: (resamples,
    sessions), how often each session was drawn."""

    group: Ints
    weights: Floats

    @classmethod
    def of(cls, targets: Targets, seed: int) -> "Scale":
        """Draws the resamples."""
        sessions = int(targets.group.max()) + 1 if len(targets) else 0
        return cls(targets.group, draws(sessions, seed) if sessions else np.zeros((0, 0)))

    def runs(self, gain: Floats) -> Floats:
        """The mean gain in each resample. gain: (n, measures). Shape (resamples, measures)."""
        sessions = self.weights.shape[1]
        sums = np.stack([np.bincount(self.group, column, sessions) for column in gain.T], axis=1)
        return (self.weights @ sums) / (self.weights @ np.bincount(self.group, minlength=sessions))[:, None]


def figures(place: Ints | None, scale: Scale, reason: str, ending: str = "") -> dict[str, Any]:
    """MEASURES and their intervals, each name with the ending (hr20_seen, hr20_seen_ci); null with a `reason` where
    place is None or empty."""
    if place is None or not len(place):
        empty = {f"{name}{ending}{ci}": None for name in MEASURES for ci in ("", "_ci")}
        return empty | {"reason": reason}
    gain = gains(place)
    runs = scale.runs(gain)
    out: dict[str, Any] = {}
    for at, name in enumerate(MEASURES):
        out[f"{name}{ending}"] = number(gain[:, at].mean())
        out[f"{name}{ending}_ci"] = _limits(runs[:, at])
    return out


def ahead(ours: Ints | None, theirs: Ints | None, scale: Scale) -> dict[str, Any]:
    """Ours minus theirs, hr20 and mrr20, with the interval of the difference over the same resamples; null if either
    is."""
    if ours is None or theirs is None or not len(ours):
        return dict.fromkeys(("hr20", "hr20_ci", "mrr20", "mrr20_ci"))
    gain = gains(ours) - gains(theirs)
    runs = scale.runs(gain)
    out: dict[str, Any] = {}
    for name in ("hr20", "mrr20"):
        at = MEASURES.index(name)
        out[name], out[f"{name}_ci"] = number(gain[:, at].mean()), _limits(runs[:, at])
    return out


def _limits(values: Floats) -> list[float | None] | None:
    limits = interval(values)
    return None if limits is None else [number(limit) for limit in limits]
