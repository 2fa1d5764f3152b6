"""Weights of the classes by which one is named: the largest weight times probability.

By probability alone a rare class is hardly ever named, and macro-F1, which counts every class alike, suffers. The
weights are those of the highest macro-F1 to be expected on the rows held back, by the calibrated probabilities alone:
they vary less than the few labels of a rare class there. On three earlier windows of RetailRocket that was better than
weights by the labels and than a power of the classes' shares. Probabilities stay as they are.
Lipton et al. 2014, "Optimal thresholding of classifiers to maximize F1 measure".
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from training.calibrate import FLOOR

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MAX_ROWS: Final = 30_000
"""Rows looked at; every n-th of more."""

FEWEST: Final = 5 * FLOOR
"""A class with a smaller share to be expected is left out of the mean: it may not be in this shop at all."""

ROUNDS: Final = 2
_STEPS: Final = np.exp(np.linspace(-2.0, 2.0, 17))


def class_weights(said: Floats) -> Floats:
    """Weights of the classes by which the largest weighted probability gives the highest expected macro-F1, (K,).

    said: calibrated, (n, K). Found class by class, ROUNDS times; ones where there is nothing to choose on.
    """
    said = said[:: max(1, -(-len(said) // MAX_ROWS))]
    weights = np.ones(said.shape[1])
    best = expected_macro_f1(said, said.argmax(axis=1))
    for at in [*range(len(weights))] * ROUNDS:
        for step in _STEPS:
            tried = weights.copy()
            tried[at] = weights[at] * step
            score = expected_macro_f1(said, (said * tried).argmax(axis=1))
            if score > best:
                best, weights = score, tried
    return weights


def expected_macro_f1(said: Floats, named: Ints) -> float:
    """Macro-F1 where each row is of each class as probably as said. said: (n, K); named: (n,); 0 without rows."""
    classes = said.shape[1]
    hits = np.bincount(named, said[np.arange(len(said)), named], classes)
    each, share = said.sum(axis=0), np.bincount(named, minlength=classes)
    there = each > FEWEST * len(said)
    return float(np.mean(2 * hits[there] / (each + share)[there])) if there.any() else 0.0
