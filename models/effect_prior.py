"""The prior of effects: what is believed of a policy's actions before there is data, and what they learn together.

An effect's variance has parts in common: with every message, with every message of its kind, with its action at all
moments, with its kind at the same moment, and a part of its own. So a shop with little data learns from all its badges
about each of them, and from every message whether messages help at all.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from features.record import hash64
from models.effects import N_EFFECTS
from models.policy_terms import Action, Policy
from models.stage import STAGES

Floats = npt.NDArray[np.float64]

SAME_ALL, SAME_KIND, SAME_ACTION, SAME_CELL = 0.1, 0.15, 0.25, 0.3
SAME_KIND_CELL: Final = 1.0 - SAME_ALL - SAME_KIND - SAME_ACTION - SAME_CELL
"""Shares of the prior's variance that an effect has in common with: every message; all of its kind; all moments of its
action; the same moment of its kind; nothing else (SAME_CELL)."""
LEAST_SPREAD: Final = 0.5
"""A cell's prior spread is at least this share of its action's widest: a prior mean of 0 is a belief, no certainty."""


def prior_of(policy: Policy) -> tuple[Floats, Floats]:
    """Mean (n C,) and covariance (n C, n C) of the effects before there is data."""
    if not policy.actions:
        return np.zeros(0), np.zeros((0, 0))
    mean = np.concatenate([_scale(policy, a) * _mean(a) for a in policy.actions])
    spread = np.concatenate([_scale(policy, a) * _spread(a) for a in policy.actions])
    kinds = np.repeat([hash64(action.kind) for action in policy.actions], N_EFFECTS)
    owner = np.repeat(np.arange(len(policy.actions)), N_EFFECTS)
    cell = np.tile(np.arange(N_EFFECTS), len(policy.actions))
    same_kind, same_cell = kinds[:, None] == kinds[None, :], cell[:, None] == cell[None, :]
    same_action = owner[:, None] == owner[None, :]
    alike = ((cell < len(STAGES))[:, None] & (cell < len(STAGES))[None, :]) | same_cell
    shared = (
        SAME_ALL * alike
        + SAME_KIND * (same_kind & alike)
        + SAME_ACTION * (same_action & alike)
        + SAME_KIND_CELL * (same_kind & same_cell)
        + SAME_CELL * (same_action & same_cell)
    )
    return mean, shared * spread[:, None] * spread[None, :]


def _scale(policy: Policy, action: Action) -> float:
    """What a prior's share is in the units of the reward. An action worth nothing still has some spread."""
    return 1.0 if policy.reward is None else max(action.value, 1e-3)


def _mean(action: Action) -> Floats:
    at = np.zeros(N_EFFECTS)
    at[: len(STAGES)] = action.prior.mean
    return at


def _spread(action: Action) -> Floats:
    """That of a share with the prior's mean and weight, and no certainty where the mean is 0 or 1."""
    mean = np.array(action.prior.mean)
    own = np.sqrt(mean * (1 - mean) / (action.prior.strength + 1))
    widest = max(float(own.max()), 1e-3)
    spread = np.full(N_EFFECTS, widest)
    spread[: len(STAGES)] = np.maximum(own, LEAST_SPREAD * widest)
    return spread
