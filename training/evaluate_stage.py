"""The stage's figures: which stage it named, how sure it was, beside what any shop could have without us."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models.stage import STAGES
from training.baselines import logistic, stages_of_map
from training.compared import Compared, Scored, by_prefix, limits
from training.figures import number, stage_figures
from training.metrics_stage import confusion, per_class, resampled_stage
from training.naming import class_weights
from training.plain_trees import plain_trees
from training.shape import with_nothing_missing
from training.table import Progress

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

BASELINES: Final = ("majority", "static_map", "logistic", "plain_trees", "plain_trees_weighted")


def evaluate_stage(shared: Compared, progress: Progress) -> tuple[dict[str, Any], Scored]:
    """The stage's figures beside its baselines."""
    progress("testing stage", 0.0)
    truth = shared.test.labels.stage.astype(np.int64)
    ours = shared.bundle.stage.probabilities_batch(shared.test.matrix)
    learned = shared.train.labels.stage.astype(np.int64)
    share = np.bincount(learned, minlength=len(STAGES)) + 1.0
    static, spread = stages_of_map(shared.train.kind, learned, shared.test.kind)
    by = {"tact": ours, "majority": np.tile(share / share.sum(), (len(truth), 1)), "static_map": spread}
    if len(np.unique(learned)) > 1:
        by["logistic"] = logistic(shared.train, learned, shared.test.matrix, len(STAGES))
    trees = plain_trees(shared.table, shared.table.labels.stage, shared.trained.split, shared.test.matrix, len(STAGES))
    if trees is not None:
        by["plain_trees"] = trees.test
    named = {name: p.argmax(axis=1) for name, p in by.items()}
    named |= {"static_map": static, "tact": shared.bundle.stage.named(ours)}
    if trees is not None:
        named["plain_trees_weighted"] = (trees.test * class_weights(trees.held)).argmax(axis=1)
        by["plain_trees_weighted"] = trees.test
    figures = _with_stage_intervals(shared, truth, by, named)
    figures["by_prefix"] = by_prefix(
        shared.test.labels.prefix, lambda chosen: stage_figures(truth[chosen], ours[chosen], named["tact"][chosen])
    )
    table = confusion(truth, named["tact"], len(STAGES))
    figures |= {"classes": per_class(table, STAGES), "confusion": table.astype(int).tolist(), "stages": list(STAGES)}
    fitted = shared.trained.fitted["stage"]
    figures["importance"] = dict(sorted(fitted.importance.items(), key=lambda pair: -pair[1])[:20])
    figures |= {"calibrated_by": fitted.calibrated_by, **({"note": fitted.note} if fitted.note else {})}
    progress("testing stage", 1.0)
    return figures, Scored(truth, by)


def _with_stage_intervals(
    shared: Compared, truth: Ints, by: Mapping[str, Floats], named: Mapping[str, Ints]
) -> dict[str, Any]:
    runs = {name: resampled_stage(p, named[name], truth, shared.group, shared.weights) for name, p in by.items()}
    found = {name: stage_figures(truth, p, named[name]) for name, p in by.items()}
    for name, values in runs.items():
        for at, measure in enumerate(("macro_f1", "log_loss")):
            found[name][f"{measure}_ci"] = limits(values[:, at])
    figures = found.pop("tact")
    figures["ahead"] = {
        name: {
            "macro_f1": number(figures["macro_f1"] - one["macro_f1"]),
            "macro_f1_ci": limits(runs["tact"][:, 0] - runs[name][:, 0]),
            "log_loss": number(figures["log_loss"] - one["log_loss"]),
            "log_loss_ci": limits(runs["tact"][:, 1] - runs[name][:, 1]),
        }
        for name, one in found.items()
    }
    figures["baselines"] = found
    with_nothing_missing(figures, BASELINES, ("macro_f1", "log_loss"))
    return figures
