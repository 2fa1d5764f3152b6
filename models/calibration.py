"""Calibration: from what a model says to how often it is so.

A map is a piecewise-linear curve per output over the log-odds (one output) or the log-probability (several), given by
its knots; then the logistic function, or the softmax. Identity, Platt and vector scaling are curves of two knots,
isotonic regression one of many, so scoring knows a single form. Fitting is in training/calibrate.py.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numba
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

TINY = 1e-9
"""Probabilities are kept this far from 0 and 1, so that their logarithm is finite."""

REACH = -math.log(TINY) + 1.0
"""Knots of a straight line stand at ± this: every clipped score lies between them."""


@numba.njit(cache=True)
def _curve(value: float, xs: Floats, ys: Floats) -> float:
    """Linear between the knots, flat outside them. xs ascending."""
    last = xs.size - 1
    if value <= xs[0]:
        return float(ys[0])
    if value >= xs[last]:
        return float(ys[last])
    low, high = 0, last
    while high - low > 1:
        middle = (low + high) // 2
        if xs[middle] <= value:
            low = middle
        else:
            high = middle
    share = (value - xs[low]) / (xs[high] - xs[low])
    return float(ys[low] + share * (ys[high] - ys[low]))


@numba.njit(cache=True)
def calibrate(raw: Floats, xs: Floats, ys: Floats, starts: npt.NDArray[np.int64], out: Floats) -> None:
    """Calibrates one row of raw, (K,), into out, which may be raw. Output k's knots are xs[starts[k]:starts[k + 1]]."""
    outputs = raw.size
    top = -math.inf
    for k in range(outputs):
        p = min(max(raw[k], TINY), 1.0 - TINY)
        x = math.log(p) if outputs > 1 else math.log(p / (1.0 - p))
        out[k] = _curve(x, xs[starts[k] : starts[k + 1]], ys[starts[k] : starts[k + 1]])
        top = max(top, out[k])
    squash(out, top)


@numba.njit(cache=True)
def squash(out: Floats, top: float) -> None:
    """Scores to probabilities, in place: logistic for one output, softmax for several. top: the largest score."""
    if out.size == 1:
        out[0] = 1.0 / (1.0 + math.exp(-out[0]))
        return
    total = 0.0
    for k in range(out.size):
        out[k] = math.exp(out[k] - top)
        total += out[k]
    for k in range(out.size):
        out[k] /= total


@numba.njit(cache=True)
def _apply(raw: Floats, xs: Floats, ys: Floats, starts: npt.NDArray[np.int64], out: Floats) -> None:
    """Calibrates each row of raw, shape (n, K), into out."""
    for i in range(raw.shape[0]):
        calibrate(raw[i], xs, ys, starts, out[i])


@dataclass(frozen=True, slots=True)
class Calibration:
    """Curves of K outputs. xs, ys: float64 (m,), all outputs' knots one after another; starts: int64 (K + 1,)."""

    xs: Floats
    ys: Floats
    starts: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        """Raises ValueError where the knots are no curves: not finite, not ascending, fewer than two."""
        starts = self.starts
        if starts.ndim != 1 or len(starts) < 2 or starts[0] != 0 or starts[-1] != len(self.xs):
            raise ValueError("calibration: the outputs' starts do not cover the knots")
        if self.xs.shape != self.ys.shape or not bool(np.all(np.isfinite(self.xs) & np.isfinite(self.ys))):
            raise ValueError("calibration: knots are not pairs of finite numbers")
        for start, end in pairwise(starts.tolist()):
            if end - start < 2 or bool(np.any(np.diff(self.xs[start:end]) <= 0)):
                raise ValueError("calibration: a curve needs two or more ascending knots")

    @classmethod
    def of(cls, curves: list[tuple[Floats, Floats]]) -> "Calibration":
        """From one (xs, ys) pair per output."""
        starts = np.cumsum([0, *(len(xs) for xs, _ in curves)]).astype(np.int64)
        xs = np.concatenate([np.asarray(xs, np.float64) for xs, _ in curves])
        ys = np.concatenate([np.asarray(ys, np.float64) for _, ys in curves])
        return cls(xs, ys, starts)

    @classmethod
    def line(cls, slopes: Floats, offsets: Floats) -> "Calibration":
        """Straight lines: slope * score + offset per output (Platt for one, vector scaling for several)."""
        ends = np.array([-REACH, REACH])
        return cls.of([(ends, slope * ends + offset) for slope, offset in zip(slopes, offsets, strict=True)])

    @classmethod
    def identity(cls, outputs: int) -> "Calibration":
        """Leaves probabilities as they are (but for rounding and the distance from 0 and 1)."""
        return cls.line(np.ones(outputs), np.zeros(outputs))

    @property
    def outputs(self) -> int:
        """K."""
        return len(self.starts) - 1

    def apply(self, raw: Floats) -> Floats:
        """Calibrated probabilities. raw: (K,) or (n, K) probabilities; the same shape is returned."""
        rows = np.ascontiguousarray(raw, np.float64).reshape(-1, self.outputs)
        out = np.empty_like(rows)
        _apply(rows, self.xs, self.ys, self.starts, out)
        return out.reshape(raw.shape)

    def to_arrays(self, prefix: str) -> dict[str, npt.NDArray[np.generic]]:
        """Arrays for an .npz, their names beginning with `prefix`."""
        return {f"{prefix}_xs": self.xs, f"{prefix}_ys": self.ys, f"{prefix}_starts": self.starts}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[np.generic]], prefix: str) -> "Calibration":
        """The inverse of to_arrays. Raises KeyError where an array is missing, ValueError where they do not fit."""
        xs, ys, starts = (arrays[f"{prefix}_{name}"] for name in ("xs", "ys", "starts"))
        return cls(xs.astype(np.float64), ys.astype(np.float64), starts.astype(np.int64))
