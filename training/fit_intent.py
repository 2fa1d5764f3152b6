"""The four intent models: buy, cart, leave and help, each a binary LightGBM with its own calibration."""

from collections.abc import Mapping
from functools import partial

from models.intent import INTENTS
from training.fitted import Fitted, fit_output
from training.settings import Settings, default_settings
from training.split import Split
from training.table import Progress, Table


def fit_intents(
    table: Table, split: Split, seed: int, progress: Progress, settings: Mapping[str, Settings]
) -> dict[str, Fitted]:
    """A model per intent, named as in a bundle. Intents with too few positives become their base rate.

    settings: by those names, where they differ from the defaults.
    """
    found = {}
    for name in INTENTS:
        model, told = f"intent_{name}", partial(progress, f"intent {name}")
        chosen = settings.get(model, default_settings(model, 1))
        found[model] = fit_output(table, getattr(table.labels, name), split, 1, seed, told, chosen)
    return found
