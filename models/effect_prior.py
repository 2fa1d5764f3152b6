"""The prior of effects: what is believed of a policy's actions before there is data, and what they learn together.

An effect's variance has parts in common: with every message, with every message of its kind, with its action at all
moments, with its kind at the same moment, and a part of its own. So a shop with little data learns from all its badges
about each of them, and from every message whether messages help at all.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from features.record import hash64
from models.effects import N_EFFECTS
from models.policy_terms import Action, Policy
from models.stage import STAGES

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sharing:
    """Shares of an effect's prior variance that it has in common with: every message; all of its kind; all moments of
    its action; nothing else. What is left of 1 it has in common with the same moment of its kind."""

    every: float
    kind: float
    action: float
    own: float

    @property
    def kind_moment(self) -> float:
        """In common with the same moment of its kind."""
        return 1.0 - self.every - self.kind - self.action - self.own


SOON: Final = Sharing(every=0.1, kind=0.15, action=0.25, own=0.3)
LATE: Final = Sharing(every=0.9, kind=0.02, action=0.03, own=0.03)
"""What a message does to the rest of the visit is nearly the same whichever it is: it tires, and may drive away."""
LEAST_SPREAD: Final = 0.5
"""A cell's prior spread is at least this share of its action's widest: a prior mean of 0 is a belief, no certainty."""


def prior_of(policy: Policy) -> tuple[Floats, Floats]:
    """Mean (n C,) and covariance (n C, n C) of the effects before there is data."""
    if not policy.actions:
        return np.zeros(0), np.zeros((0, 0))
    mean, spread = _means(policy), _spreads(policy)
    return mean, _covariance(policy, spread, SOON)


def late_prior_of(policy: Policy) -> Floats:
    """Covariance (n C, n C) of what messages do later, to what follows the next decision; its mean is 0."""
    return _covariance(policy, _spreads(policy), LATE) if policy.actions else np.zeros((0, 0))


def _covariance(policy: Policy, spread: Floats, sharing: Sharing) -> Floats:
    kinds = np.repeat([hash64(action.kind) for action in policy.actions], N_EFFECTS)
    owner = np.repeat(np.arange(len(policy.actions)), N_EFFECTS)
    cell = np.tile(np.arange(N_EFFECTS), len(policy.actions))
    same_kind, same_cell = kinds[:, None] == kinds[None, :], cell[:, None] == cell[None, :]
    same_action = owner[:, None] == owner[None, :]
    alike = ((cell < len(STAGES))[:, None] & (cell < len(STAGES))[None, :]) | same_cell
    shared = (
        sharing.every * alike
        + sharing.kind * (same_kind & alike)
        + sharing.action * (same_action & alike)
        + sharing.kind_moment * (same_kind & same_cell)
        + sharing.own * (same_action & same_cell)
    )
    return np.asarray(shared * spread[:, None] * spread[None, :])


def _means(policy: Policy) -> Floats:
    return np.concatenate([_scale(policy, action) * _mean(action) for action in policy.actions])


def _spreads(policy: Policy) -> Floats:
    return np.concatenate([_scale(policy, action) * _spread(action) for action in policy.actions])


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
