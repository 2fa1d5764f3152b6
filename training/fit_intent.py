"""The four intent models: buy, cart, leave and help, each a binary LightGBM with its own calibration."""

from functools import partial

from models.intent import INTENTS
from training.fitted import Fitted, fit_output
from training.split import Split
from training.table import Progress, Table


def fit_intents(table: Table, split: Split, seed: int, progress: Progress) -> dict[str, Fitted]:
    """A model per intent, named as in a bundle. Intents with too few positives become their base rate."""
    return {
        f"intent_{name}": fit_output(
            table, getattr(table.labels, name), split, 1, seed, partial(progress, f"intent {name}")
        )
        for name in INTENTS
    }
