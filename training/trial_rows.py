"""Placements of decisions, with what a policy would do in each, as the rows that off-policy estimates are made from."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from models.trial import SILENCE, Trial
from training.off_policy import Logged, weighed
from training.reward_model import cross_fitted

__all__ = ["SILENCE", "Probabilities", "Trial", "logged_under"]

Floats = npt.NDArray[np.float64]
Probabilities = Mapping[str, float]
"""Of each action that may stand in a placement; silence under SILENCE."""


def logged_under(
    rows: Sequence[Trial], policies: Mapping[str, Sequence[Probabilities]], seed: int = 1
) -> dict[str, Logged]:
    """The rows under each policy. policies: for each its probabilities in each row.

    rows: at least one; those of a decision follow each other, in the page's order, and their rewards sum to the page's.
    """
    keys = {(row.placement, action) for row in rows for action in row.choices}
    for said in policies.values():
        keys |= {(row.placement, action) for row, one in zip(rows, said, strict=True) for action in one}
    cell = {key: at for at, key in enumerate(sorted(keys))}
    return {name: _under(rows, said, cell, seed) for name, said in policies.items()}


def _under(
    rows: Sequence[Trial], said: Sequence[Probabilities], cell: Mapping[tuple[str, str], int], seed: int
) -> Logged:
    choice, logged = _table(rows, said, cell), _table(rows, [row.chances for row in rows], cell)
    taken = np.array([cell[row.placement, row.chosen] for row in rows])
    reward = np.array([row.reward for row in rows], np.float64)
    visitor = np.unique([row.visitor_id for row in rows], return_inverse=True)[1]
    stage = np.array([row.stage for row in rows], np.float64).reshape(len(rows), -1)
    q_logged, q_target = cross_fitted(stage, taken, reward, choice, visitor, seed)
    at = np.arange(len(rows)), taken
    before = _before(rows, choice[at] / logged[at])
    return Logged(reward, logged[at], choice[at], visitor, q_logged, q_target, before, weighed(choice, logged, before))


def _before(rows: Sequence[Trial], ratio: Floats) -> Floats:
    """Product of the ratios of the earlier rows of the same decision, (n,). rows: a decision's follow each other."""
    before = np.ones(len(rows))
    for at in range(1, len(rows)):
        if rows[at].decision_id == rows[at - 1].decision_id:
            before[at] = before[at - 1] * ratio[at - 1]
    return before


def _table(rows: Sequence[Trial], said: Sequence[Probabilities], cell: Mapping[tuple[str, str], int]) -> Floats:
    """Each row's probability of everything that may stand anywhere, (n, A)."""
    table = np.zeros((len(rows), len(cell)))
    for at, (row, one) in enumerate(zip(rows, said, strict=True)):
        for action, probability in one.items():
            table[at, cell[row.placement, action]] = probability
    return table
