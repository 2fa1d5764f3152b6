"""The stage model: one LightGBM of six classes, calibrated together."""

from functools import partial

from models.stage import STAGES
from training.fitted import Fitted, fit_output
from training.split import Split
from training.table import Progress, Table


def fit_stage(table: Table, split: Split, seed: int, progress: Progress) -> Fitted:
    """The model of the six stages. A log that shows only one of them gives base rates."""
    return fit_output(table, table.labels.stage, split, len(STAGES), seed, partial(progress, "stage"))
