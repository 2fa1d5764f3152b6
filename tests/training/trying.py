"""Rows of an action tried against silence whose true effect is known, for the tests of uplift."""

import numpy as np

from training.uplift import Tried

COLUMNS = tuple(f"column_{number}" for number in range(6))


def tried(effect: str, rows: int = 8000, seed: int = 1, logged: bool = False) -> Tried:
    """Rows whose reward without the action leans on columns 0 and 1.

    effect: "same" adds .05 for everyone; "own" adds .12 where column 2 is above 0 and takes .02 elsewhere; "grows" adds
    to a row by what it would have had. logged: the chance of the action leans on column 0 as well.
    """
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, len(COLUMNS))).astype(np.float32)
    base = 0.8 / (1 + np.exp(2 - x[:, 0] - 0.6 * x[:, 1]))
    chance = np.clip(0.5 / (1 + np.exp(-1.2 * x[:, 0])), 0.03, 0.97) if logged else np.full(rows, 0.5)
    treated = rng.random(rows) < chance
    adds = {"same": 0.05, "own": np.where(x[:, 2] > 0, 0.12, -0.02), "grows": 0.35 * base}[effect]
    reward = (rng.random(rows) < np.clip(base + treated * adds, 0, 1)).astype(np.float64)
    return Tried(x, treated, chance.astype(np.float64), reward, np.arange(rows), COLUMNS)
