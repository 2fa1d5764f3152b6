"""What every comparison of one evaluation shares, and how figures get their intervals."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models.bundle import Bundle
from training.figures import number
from training.metrics_binary import interval
from training.table import Log, Table
from training.train import Trained

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

PREFIXES: Final = ((1, 1), (2, 2), (3, 4), (5, 9), (10, 10**9))
"""Ranges of steps into the session, both ends included, that figures are also given for."""


@dataclass(frozen=True, slots=True)
class Scored:
    """Rows of one target, for pictures. label: int64 (n,); by: probabilities (n, K) of each model by name."""

    label: Ints
    by: Mapping[str, Floats]


@dataclass(frozen=True, slots=True)
class Compared:
    """One evaluation: what was learned from, what is tested on.

    log, table: of training, whole; trained.split says which rows. test_log: the log of test; test: its rows of the test
    window. group: each test row's session, 0..sessions; weights: how often each is drawn in each resample.
    """

    log: Log
    table: Table
    trained: Trained
    bundle: Bundle
    test_log: Log
    test: Table
    group: Ints
    weights: Floats
    max_prefix: int

    @property
    def train(self) -> Table:
        """The rows that were learned from."""
        return self.table.where(self.trained.split.train)

    @property
    def sessions(self) -> int:
        """Sessions tested on."""
        return int(self.weights.shape[1])


def limits(runs: Floats) -> list[float | None] | None:
    """The 95 % interval of resampled figures, rounded; None where it cannot be told."""
    found = interval(runs)
    return None if found is None else [number(value) for value in found]


def by_prefix(prefix: Ints, figures_of: Callable[[Flags], dict[str, Any]]) -> list[dict[str, Any]]:
    """Figures for ranges of steps into the session; ranges without rows are left out."""
    found = []
    for low, high in PREFIXES:
        chosen = (prefix >= low) & (prefix <= high)
        if chosen.any():
            name = str(low) if low == high else f"{low}+" if high > 10**6 else f"{low}-{high}"
            found.append({"prefix": name, **figures_of(chosen)})
    return found
