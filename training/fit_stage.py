"""The stage model: one LightGBM of six classes, calibrated together, and the weights by which one is named."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from models.stage import STAGES
from training.fitted import Fitted, fit_output
from training.naming import class_weights
from training.settings import Settings, default_settings
from training.split import Split
from training.table import Progress, Table


def fit_stage(table: Table, split: Split, seed: int, progress: Progress, settings: Mapping[str, Settings]) -> Fitted:
    """The model of the six stages. A log that shows only one of them gives base rates.

    settings: under "stage", where they differ from the defaults.
    """
    classes = len(STAGES)
    chosen = settings.get("stage", default_settings("stage", classes))
    fitted = fit_output(table, table.labels.stage, split, classes, seed, partial(progress, "stage"), chosen)
    return replace(fitted, weights=class_weights(fitted.said_of_held(int(split.hold.sum()))))
