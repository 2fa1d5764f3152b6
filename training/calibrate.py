"""Fitting calibration on the later slice: the simplest curve that no other beats by more than chance.

Candidates are the identity, a straight line (Platt; for classes: one slope, an offset each) and, for one output,
isotonic regression smoothed to a curve. Each is judged by the log loss on the half of the slice it was not fitted on;
the identity stays unless another is better by more than one standard error over sessions. A slice of a few hours has
its own base rate, and a map that follows it does harm the next day.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from sklearn.isotonic import IsotonicRegression

from models.calibration import REACH, TINY, Calibration

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Fit = Callable[[Floats, Ints], Calibration]

MIN_ROWS: Final = 500
MIN_POSITIVES: Final = 30
ISOTONIC_POSITIVES: Final = 300
KNOTS: Final = 24
FLOOR: Final = 1e-4
"""No class is said to be less probable: one that a shop never showed may be common in the next."""


def fit_calibration(raw: Floats, target: Ints, session: Ints) -> tuple[Calibration, str]:
    """The chosen calibration and its name. raw: (n, K) in time order; target: (n,) class, or 0 and 1; session: (n,)."""
    outputs = raw.shape[1]
    identity = unmapped(outputs)
    counts = np.bincount(target, minlength=max(outputs, 2))
    if len(raw) < MIN_ROWS or np.sort(counts)[-2] < MIN_POSITIVES:
        return identity, "identity"
    candidates: dict[str, Fit] = {"line": _fit_line}
    if outputs == 1 and counts.min() >= ISOTONIC_POSITIVES:
        candidates["isotonic"] = _fit_isotonic
    losses = {name: _crossed_loss(fit, raw, target) for name, fit in candidates.items()}
    plain = losses_of(identity.apply(raw), target)
    best, chosen = 0.0, "identity"
    for name, loss in losses.items():
        gain, error = mean_and_error(plain - loss, session)
        if gain > max(best, error):
            best, chosen = gain, name
    return (identity, chosen) if chosen == "identity" else (candidates[chosen](raw, target), chosen)


def unmapped(outputs: int) -> Calibration:
    """Probabilities as they are; of several classes none under about FLOOR."""
    return Calibration.identity(outputs) if outputs == 1 else _floored(np.ones(outputs), np.zeros(outputs))


def _floored(slopes: Floats, offsets: Floats) -> Calibration:
    """Lines that stay level below FLOOR. slopes, offsets: of log-probabilities, (K,); slopes > 0."""
    low, ends = np.log(FLOOR), np.array([-REACH, REACH])
    bends = (low - offsets) / slopes
    curves = [
        (np.array([-REACH, bend, REACH]), np.array([low, low, slope * REACH + offset]))
        if -REACH < bend < REACH
        else (ends, slope * ends + offset)
        for slope, offset, bend in zip(slopes, offsets, bends, strict=True)
    ]
    return Calibration.of(curves)


def losses_of(probabilities: Floats, target: Ints) -> Floats:
    """Each row's log loss, nats. probabilities: (n, 1) of class 1, or (n, K); target: (n,)."""
    if probabilities.shape[1] == 1:
        chosen = np.where(target == 1, probabilities[:, 0], 1.0 - probabilities[:, 0])
    else:
        chosen = probabilities[np.arange(len(target)), target]
    return np.asarray(-np.log(np.clip(chosen, TINY, 1.0)))


def _crossed_loss(fit: Fit, raw: Floats, target: Ints) -> Floats:
    """Each row's loss under the map fitted on the other half (by time)."""
    middle = len(raw) // 2
    halves = (slice(0, middle), slice(middle, len(raw)))
    loss = np.empty(len(raw))
    for here, there in (halves, halves[::-1]):
        loss[here] = losses_of(fit(raw[there], target[there]).apply(raw[here]), target[here])
    return loss


def mean_and_error(gain: Floats, session: Ints) -> tuple[float, float]:
    """Mean gain a row and its standard error, rows of a session taken together."""
    _, group = np.unique(session, return_inverse=True)
    sums = np.bincount(group, gain - gain.mean())
    return float(gain.mean()), float(np.sqrt(np.sum(sums**2)) / len(gain))


def _scores(raw: Floats) -> Floats:
    """Log-odds (one output) or log-probabilities, as Calibration takes them."""
    clipped = np.clip(raw, TINY, 1 - TINY)
    return np.log(clipped / (1 - clipped)) if raw.shape[1] == 1 else np.log(clipped)


def _fit_line(raw: Floats, target: Ints) -> Calibration:
    """One slope and an offset per output that minimise the log loss, drawn a little to the identity."""
    scores, outputs = _scores(raw), raw.shape[1]
    one_hot = np.eye(max(outputs, 2))[target][:, -outputs:]

    def loss(parts: Floats) -> tuple[float, Floats]:
        z = parts[0] * scores + parts[1:]
        p = 1 / (1 + np.exp(-z)) if outputs == 1 else _softmax(z)
        pull = np.concatenate([[parts[0] - 1.0], parts[1:]])
        error = (p - one_hot) / len(raw)
        slope = float(np.sum(error * scores))
        gradient = np.concatenate([[slope], error.sum(axis=0)]) + 2e-5 * pull
        return float(losses_of(p, target).mean() + 1e-5 * np.sum(pull**2)), gradient

    start = np.concatenate([[1.0], np.zeros(outputs)])
    bounds = [(0.1, 5.0), *[(-3.0, 3.0)] * outputs]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    slopes, offsets = np.full(outputs, found[0]), found[1:]
    if outputs == 1:
        return Calibration.line(slopes, offsets)
    z = slopes * scores + offsets  # softmax forgives a common shift: with it, exp(z) sums to about 1
    return _floored(slopes, offsets - np.mean(np.log(np.exp(z).sum(axis=1))))


def _softmax(z: Floats) -> Floats:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))


def _fit_isotonic(raw: Floats, target: Ints) -> Calibration:
    """Isotonic regression read at evenly filled quantiles, so that steps become a rising curve."""
    scores = _scores(raw)[:, 0]
    fitted = IsotonicRegression(y_min=1e-4, y_max=1 - 1e-4, out_of_bounds="clip").fit(scores, target)
    xs = np.unique(np.quantile(scores, (np.arange(KNOTS) + 0.5) / KNOTS))
    level = np.clip(fitted.predict(xs), 1e-4, 1 - 1e-4)
    ys = np.maximum.accumulate(np.log(level / (1 - level)) + 1e-6 * np.arange(len(xs)))
    low, high = np.array([-REACH]), np.array([REACH])
    # Beyond the outer knots the curve goes on with slope 1: rows more certain than any seen keep their order.
    return Calibration.of(
        [
            (
                np.concatenate([low, xs, high]),
                np.concatenate([ys[:1] + low - xs[:1], ys, ys[-1:] + high - xs[-1:]]),
            )
        ]
    )
