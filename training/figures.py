"""Figures as they stand in manifests and in `tact evaluate --json`: plain values, null with a reason where none is."""

from typing import Any

import numpy as np
import numpy.typing as npt

from models.stage import STAGES
from training.metrics_binary import Ranked, auc_and_precision, calibration_bins, calibration_error
from training.metrics_stage import confusion, log_loss, macro_f1

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def number(value: float) -> float | None:
    """A figure for JSON: six digits after the point, None for what is not finite."""
    return round(float(value), 6) if np.isfinite(value) else None


def counted(n: int, what: str) -> str:
    """As in 1 session, 1,200 sessions."""
    return f"{n:,} {what}" + ("" if n == 1 else "s")


def binary_figures(label: npt.NDArray[np.integer], probability: Floats, note: str = "") -> dict[str, Any]:
    """auc, average_precision, ece, base_rate, n, positives; and `reason` where some are null.

    label: 0 or 1, (n,); probability: (n,).
    """
    n, positives = len(label), int((label == 1).sum())
    figures: dict[str, Any] = {"n": n, "positives": positives, "base_rate": number(positives / n) if n else None}
    if note:
        figures["note"] = note
    if not 0 < positives < n:
        what = "no rows" if not n else "no positives" if not positives else "no negatives"
        return figures | {"auc": None, "average_precision": None, "ece": _ece(label, probability), "reason": what}
    group = np.zeros(n, np.int64)
    auc, precision = auc_and_precision(Ranked.of(label, probability, group), np.ones(1))
    return figures | {
        "auc": number(auc),
        "average_precision": number(precision),
        "ece": _ece(label, probability),
    }


def _ece(label: npt.NDArray[np.integer], probability: Floats) -> float | None:
    return number(calibration_error(calibration_bins(label, probability))) if len(label) else None


def stage_figures(truth: Ints, probabilities: Floats, said: Ints | None = None) -> dict[str, Any]:
    """macro_f1, log_loss, n; and `reason` where they are null. said: default the most probable stage."""
    if not len(truth):
        return {"n": 0, "macro_f1": None, "log_loss": None, "reason": "no rows"}
    named = probabilities.argmax(axis=1) if said is None else said
    table = confusion(truth, named, len(STAGES))
    return {"n": len(truth), "macro_f1": number(macro_f1(table)), "log_loss": number(log_loss(probabilities, truth))}
