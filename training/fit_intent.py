"""The four intent models: buy, cart, leave and help, each a binary LightGBM with its own calibration."""

from collections.abc import Mapping
from functools import partial

from training.fitted import Fitted, fit_output
from training.settings import Settings, default_settings
from training.split import Split
from training.table import Progress, Table


def fit_intent(
    name: str, table: Table, split: Split, seed: int, progress: Progress, settings: Mapping[str, Settings]
) -> Fitted:
    """The model of an intent, one of models.intent.INTENTS. With too few positives it becomes their base rate.

    settings: by the models' names in a bundle, where they differ from the defaults.
    """
    model, told = f"intent_{name}", partial(progress, f"intent {name}")
    chosen = settings.get(model, default_settings(model, 1))
    return fit_output(table, getattr(table.labels, name), split, 1, seed, told, chosen)
