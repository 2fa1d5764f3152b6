"""Figures of probabilities over several classes."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from training.calibrate import losses_of

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def confusion(truth: Ints, said: Ints, classes: int, weight: Floats | None = None) -> Floats:
    """Counts, (classes, classes): row the truth, column what was said."""
    return np.bincount(truth * classes + said, weight, classes * classes).astype(np.float64).reshape(classes, classes)


def f1_of_each(table: Floats) -> Floats:
    """F1 of each class of a confusion table, NaN for a class that does not occur. Shape (classes,)."""
    hits, truth, said = np.diag(table), table.sum(axis=1), table.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(truth > 0, 2 * hits / (truth + said), np.nan)


def macro_f1(table: Floats) -> float:
    """Mean F1 of the classes that occur in truth."""
    return float(np.nanmean(f1_of_each(table)))


def log_loss(probabilities: Floats, truth: Ints) -> float:
    """Mean negative log probability of the truth, nats."""
    return float(losses_of(probabilities, truth).mean())


def resampled_stage(
    probabilities: Floats, said: Ints, truth: Ints, group: Ints, weights: Floats
) -> npt.NDArray[np.float64]:
    """Macro-F1 and log loss in each session resample, shape (resamples, 2)."""
    loss = losses_of(probabilities, truth)
    loss_of = np.bincount(group, loss, len(weights[0]))
    rows_of = np.bincount(group, minlength=len(weights[0]))
    losses = (weights @ loss_of) / (weights @ rows_of)
    return np.column_stack([resampled_macro_f1(said, truth, probabilities.shape[1], group, weights), losses])


def resampled_macro_f1(said: Ints, truth: Ints, classes: int, group: Ints, weights: Floats) -> Floats:
    """Macro-F1 in each session resample, shape (resamples,)."""
    by_session = np.zeros((len(weights[0]), classes * classes))
    np.add.at(by_session, (group, truth * classes + said), 1.0)
    return np.array([macro_f1(table.reshape(classes, classes)) for table in weights @ by_session])


def per_class(table: Floats, names: Sequence[str]) -> dict[str, dict[str, float | None]]:
    """Share of rows and F1 of each class; F1 is None where the class does not occur."""
    share = table.sum(axis=1) / max(table.sum(), 1.0)
    scores = f1_of_each(table)
    return {
        name: {"share": float(share[i]), "f1": None if np.isnan(scores[i]) else float(scores[i])}
        for i, name in enumerate(names)
    }
