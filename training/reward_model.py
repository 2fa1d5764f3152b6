"""What a reward is expected to be, for the doubly robust estimators: ridge, never asked about a row it was fitted on.

First what every action shares (ridge on the context), then what each action adds to it (ridge on what is left, per
action, shrunk to nothing): an action seldom logged says what the others say. LightGBM in its place narrowed no interval
where rewards are rare (docs/off-policy.md). The estimate is right whatever this says; only its width depends on it.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Table = npt.NDArray[np.floating]

FOLDS: Final = 5
PENALTIES: Final = (10.0, 100.0, 1_000.0, 10_000.0)
"""Rows of "nothing to add" that an action's own rows stand against; chosen on a part of the fitted rows."""
SHARED_PENALTY: Final = 100.0


@dataclass(frozen=True, slots=True, eq=False)
class RewardModel:
    """centre, scale: (F,) of the context. shared: (F + 1,). own: (F + 1, A), what each action adds."""

    centre: Floats
    scale: Floats
    shared: Floats
    own: Floats

    def expected(self, context: Floats) -> Floats:
        """The reward expected of every action, (n, A). context: (n, F)."""
        columns = _columns((context - self.centre) / self.scale)
        return np.asarray((columns @ self.shared)[:, None] + columns @ self.own)


def fit(context: Floats, action: Ints, reward: Floats, actions: int, penalty: float) -> RewardModel:
    """A model from rows. context: (n, F); action: (n,) below `actions`; reward: (n,); penalty: in rows."""
    centre, spread = context.mean(axis=0), context.std(axis=0)
    scale = np.where(spread > 1e-9, spread, 1.0)
    columns = _columns((context - centre) / scale)
    shared = _ridge(columns, reward, SHARED_PENALTY, free_level=True)
    left = reward - columns @ shared
    own = np.zeros((columns.shape[1], actions))
    for one in np.unique(action):
        rows = action == one
        own[:, one] = _ridge(columns[rows], left[rows], penalty, free_level=False)
    return RewardModel(centre, scale, shared, own)


def cross_fitted(
    context: Floats, action: Ints, reward: Floats, target: Table, cluster: Ints, seed: int = 1
) -> tuple[Floats, Floats]:
    """(q_logged, q_target), (n,) each: expected of what was logged and of the target, from other visitors' rows.

    target: (n, A), the target's probability of every action.
    """
    fold = folds(cluster, seed)
    logged, expected = np.zeros(len(reward)), np.zeros(len(reward))
    for one in range(FOLDS):
        here, there = fold == one, fold != one
        if not here.any():
            continue
        model = _chosen(context[there], action[there], reward[there], target.shape[1], fold[there])
        said = model.expected(context[here])
        logged[here] = said[np.arange(len(said)), action[here]]
        expected[here] = (said * target[here]).sum(axis=1)
    return logged, expected


def folds(cluster: Ints, seed: int) -> Ints:
    """A fold of 0 .. FOLDS - 1 for each row, the same for all rows of a cluster, (n,)."""
    _, place = np.unique(cluster, return_inverse=True)
    shuffled = np.random.default_rng(seed).permutation(int(place.max()) + 1)
    return np.asarray(shuffled[place] % FOLDS)


def _chosen(context: Floats, action: Ints, reward: Floats, actions: int, fold: Ints) -> RewardModel:
    """The model with the penalty that told one of the folds best from the others."""
    if not len(reward):
        return RewardModel(*_nothing(context.shape[1], actions))
    held = fold == fold.max()
    if held.all():
        return fit(context, action, reward, actions, PENALTIES[-1])
    penalty = min(PENALTIES, key=lambda one: _missed(context, action, reward, actions, held, one))
    return fit(context, action, reward, actions, penalty)


def _missed(
    context: Floats, action: Ints, reward: Floats, actions: int, held: npt.NDArray[np.bool_], penalty: float
) -> float:
    """Mean squared error on the held rows of a model of the others."""
    model = fit(context[~held], action[~held], reward[~held], actions, penalty)
    said = model.expected(context[held])
    return float(((reward[held] - said[np.arange(len(said)), action[held]]) ** 2).mean())


def _nothing(features: int, actions: int) -> tuple[Floats, Floats, Floats, Floats]:
    return np.zeros(features), np.ones(features), np.zeros(features + 1), np.zeros((features + 1, actions))


def _columns(context: Floats) -> Floats:
    return np.column_stack([np.ones(len(context)), context])


def _ridge(columns: Floats, target: Floats, penalty: float, free_level: bool) -> Floats:
    """Coefficients; free_level: the first column is not shrunk."""
    weights = np.full(columns.shape[1], penalty)
    if free_level:
        weights[0] = 0.0
    return np.asarray(np.linalg.solve(columns.T @ columns + np.diag(weights), columns.T @ target))
