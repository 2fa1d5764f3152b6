"""The intents' figures: probabilities of what each visitor then did, beside what any shop could have without us."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models.intent import INTENTS
from training.baselines import logistic, rate_of_kind
from training.compared import Compared, Scored, by_prefix, limits
from training.figures import binary_figures, number
from training.leave_followed import prequential
from training.metrics_binary import Ranked, calibration_bins, resampled, resampled_error
from training.plain_trees import plain_trees
from training.shape import with_nothing_missing
from training.table import Progress

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

BASELINES: Final = ("base_rate", "static_map", "logistic", "plain_trees")


def evaluate_intents(shared: Compared, progress: Progress) -> tuple[dict[str, Any], dict[str, Scored]]:
    """Figures and scored rows of each intent, by name."""
    said = shared.bundle.intent.probabilities_batch(shared.test.matrix)
    figures, scored = {}, {}
    for at, name in enumerate(INTENTS):
        progress(f"testing {name}", 0.0)
        figures[name], scored[name] = _intent(shared, name, said[:, at])
        progress(f"testing {name}", 1.0)
    return figures, scored


def _intent(shared: Compared, name: str, said: Floats) -> tuple[dict[str, Any], Scored]:
    """One intent's figures beside its baselines."""
    truth = getattr(shared.test.labels, name).astype(np.int64)
    rows = truth >= 0
    label, ours = truth[rows], said[rows]
    by = {"tact": ours, **_intent_baselines(shared, name, rows)}
    fitted = shared.trained.fitted[f"intent_{name}"]
    figures = binary_figures(label, ours, fitted.note)
    figures["baselines"] = {model: binary_figures(label, p) for model, p in by.items() if model != "tact"}
    if figures["auc"] is not None:
        _add_intervals(figures, label, by, shared.group[rows], shared.weights)
    with_nothing_missing(figures, BASELINES, ("auc", "average_precision", "ece"))
    prefix = shared.test.labels.prefix[rows]
    figures["by_prefix"] = by_prefix(prefix, lambda chosen: binary_figures(label[chosen], ours[chosen]))
    bins = calibration_bins(label, ours) if len(label) else []
    figures["calibration"] = [{"n": b.n, "said": number(b.said), "was": number(b.was)} for b in bins]
    figures["importance"] = dict(sorted(fitted.importance.items(), key=lambda pair: -pair[1])[:20])
    figures["calibrated_by"] = fitted.calibrated_by
    if name == "leave":
        figures["prequential"] = prequential(shared, ours, rows)
    return figures, Scored(label, {model: p[:, None] for model, p in by.items()})


def _intent_baselines(shared: Compared, name: str, rows: npt.NDArray[np.bool_]) -> dict[str, Floats]:
    """Probabilities of each baseline for the chosen test rows; those that cannot be fitted are left out."""
    known = getattr(shared.train.labels, name) >= 0
    learned = shared.train.where(known)
    target = getattr(learned.labels, name).astype(np.int64)
    if not len(target):
        return {}
    base = np.full(int(rows.sum()), target.mean())
    found = {"base_rate": base, "static_map": rate_of_kind(learned.kind, target, shared.test.kind[rows])}
    if 0 < target.sum() < len(target):
        found["logistic"] = logistic(learned, target, shared.test.matrix[rows], 2)[:, 0]
    everyone = getattr(shared.table.labels, name)
    trees = plain_trees(shared.table, everyone, shared.trained.split, shared.test.matrix[rows], 1)
    if trees is not None:
        found["plain_trees"] = trees.test[:, 0]
    return found


def _add_intervals(
    figures: dict[str, Any], label: Ints, by: Mapping[str, Floats], group: Ints, weights: Floats
) -> None:
    """`_ci` beside auc and average_precision of every model, and how far ours is ahead of each."""
    runs = {name: resampled(Ranked.of(label, p, group), weights) for name, p in by.items()}
    errors = {name: resampled_error(label, p, group, weights) for name, p in by.items()}
    figures["ahead"] = {}
    for name, values in runs.items():
        place = figures if name == "tact" else figures["baselines"][name]
        for at, measure in enumerate(("auc", "average_precision")):
            place[f"{measure}_ci"] = limits(values[:, at])
            if name != "tact":
                ahead = figures["ahead"].setdefault(name, {})
                ahead[measure] = number(figures[measure] - place[measure])
                ahead[f"{measure}_ci"] = limits(runs["tact"][:, at] - values[:, at])
        place["ece_ci"] = limits(errors[name])
        if name != "tact":
            figures["ahead"][name]["ece"] = number(figures["ece"] - place["ece"])
            figures["ahead"][name]["ece_ci"] = limits(errors["tact"] - errors[name])
