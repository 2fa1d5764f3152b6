"""Posterior: what each action adds over silence, learned from trials, and the draws a policy decides by.

The effect of action a at a moment x is theta_a . x, x the numbers of models/effects.py. Each trial says

    reward - m(x) = sum over eligible a of (1[a was chosen] - propensity_a) theta_a . x + noise

with m(x) the reward expected at x under the chances as they were. Because the regressors are centred by the exact
propensities, theta does not depend on m being right: a better m only makes it less noisy (Robinson 1988, Econometrica
56; Greenewald et al. 2017, "Action Centered Contextual Bandits"; Boruvka et al. 2018, JASA 113, for visitors who are
decided about again and again). Silence is what is left when no action is chosen, so theta is against silence.

The prior is normal: the mean from the policy's priors, the covariance shared among actions of a kind, the stages of an
action, and each cell alone, so that a shop with little data learns from all its badges about each of them. How wide it
is, one factor for all, is what makes the data likeliest (empirical Bayes). Data count half after `half_life_days`.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.record import hash64
from models.arbitration import DRAWS, Draws
from models.effects import N_EFFECTS, effects_of
from models.policy_terms import Action, Policy
from models.stage import STAGES
from models.trial import SILENCE, Trial

Floats = npt.NDArray[np.float64]

DAY_MS: Final = 86_400_000
SAME_KIND, SAME_ACTION, SAME_CELL = 0.2, 0.3, 0.3
SAME_KIND_CELL: Final = 1.0 - SAME_KIND - SAME_ACTION - SAME_CELL
"""Shares of the prior's variance that an effect has in common with: all of its kind; all moments of its action; the
same moment of its kind; nothing else (SAME_CELL)."""
WIDTHS: Final = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
LEAST_SPREAD: Final = 0.5
"""A cell's prior spread is at least this share of its action's widest: a prior mean of 0 is a belief, no certainty."""
MOST_ACTIONS: Final = 256
_RIDGE: Final = 1.0
_LEAST_NOISE: Final = 1e-6


@dataclass
class Posterior:
    """What trials have told, as sums that fade. Actions are known by id, in the order they were first met.

    information: float64 (n C, n C) and evidence (n C,), of the centred regression in units of its noise. base, pull:
    of the regression of m(x). noise: reward's variance about m, and its weight, by stage (6, 2). trials: how many.
    """

    half_life_days: float = 30.0
    actions: dict[str, int] = field(default_factory=dict)
    information: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    evidence: Floats = field(default_factory=lambda: np.zeros(0))
    base: Floats = field(default_factory=lambda: np.zeros((N_EFFECTS, N_EFFECTS)))
    pull: Floats = field(default_factory=lambda: np.zeros(N_EFFECTS))
    noise: Floats = field(default_factory=lambda: np.zeros((len(STAGES), 2)))
    as_of_ms: int = 0
    trials: int = 0

    def learn(self, trials: Iterable[Trial]) -> int:
        """Takes trials whose windows ended, in any order; returns how many told something.

        A message decided but never shown tells nothing, and neither does a choice that was certain; both still tell
        what is usual. A reward that is not a number tells nothing at all.
        """
        ended = [trial for trial in trials if math.isfinite(trial.reward)]
        if not ended:
            return 0
        fresh = self._fade(np.array([trial.ts_ms for trial in ended], np.int64))
        at = np.array([effects_of(np.array(t.stage), np.array(t.intent), t.weariness) for t in ended])
        reward = np.array([trial.reward for trial in ended])
        usual = at @ np.linalg.solve(self.base + _RIDGE * np.eye(N_EFFECTS), self.pull)
        self.base += at.T @ (fresh[:, None] * at)
        self.pull += at.T @ (fresh * reward)
        shares = at[:, : len(STAGES)] * fresh[:, None]
        self.noise += np.stack([shares.T @ (reward - usual) ** 2, shares.sum(axis=0)], axis=1)
        told = [place for place, trial in enumerate(ended) if trial.known and trial.shown]
        rows = self._rows([ended[place] for place in told], at[told])
        weight = fresh[told] / self._noise_at(at[told])
        self.information += rows.T @ (weight[:, None] * rows)
        self.evidence += rows.T @ (weight * (reward - usual)[told])
        self.trials += len(told)
        return len(told)

    def _fade(self, ts_ms: npt.NDArray[np.int64]) -> Floats:
        """Fades what is known to the newest of some moments; returns what is left of each of them, (n,)."""
        newest = max(int(ts_ms.max()), self.as_of_ms)
        if self.as_of_ms:
            kept = self._left(np.array([self.as_of_ms]), newest)[0]
            for sums in (self.information, self.evidence, self.base, self.pull, self.noise):
                sums *= kept
        self.as_of_ms = newest
        return self._left(ts_ms, newest)

    def _left(self, ts_ms: npt.NDArray[np.int64], now_ms: int) -> Floats:
        return np.asarray(0.5 ** ((now_ms - ts_ms) / DAY_MS / self.half_life_days))

    def _noise_at(self, at: Floats) -> Floats:
        """The reward's variance about what is usual, (n,)."""
        pooled = (self.noise[:, 0].sum() + 1e-3) / (self.noise[:, 1].sum() + 1.0)
        by_stage = (self.noise[:, 0] + 20 * pooled) / (self.noise[:, 1] + 20)
        return np.asarray(np.maximum(at[:, : len(STAGES)] @ by_stage, _LEAST_NOISE))

    def _rows(self, trials: list[Trial], at: Floats) -> Floats:
        """The centred regression's rows, (n, actions x C)."""
        places = [[self._place(action) for action in trial.choices[1:]] for trial in trials]
        centred = np.zeros((len(trials), len(self.actions)))
        for row, (trial, standing) in enumerate(zip(trials, places, strict=True)):
            centred[row, standing] -= trial.propensity[1:]
            if trial.chosen != SILENCE:
                centred[row, self.actions[trial.chosen]] += 1.0
        return (centred[:, :, None] * at[:, None, :]).reshape(len(trials), len(self.actions) * N_EFFECTS)

    def _place(self, action: str) -> int:
        """The action's place; room is made for one not met before."""
        if action not in self.actions:
            self.actions[action] = len(self.actions)
            size = len(self.actions) * N_EFFECTS
            wider, longer = np.zeros((size, size)), np.zeros(size)
            wider[: -N_EFFECTS or None, : -N_EFFECTS or None] = self.information
            longer[:-N_EFFECTS] = self.evidence
            self.information, self.evidence = wider, longer
        return self.actions[action]

    def seed(self, policy: Policy) -> int:
        """Of the draws for a policy: whoever learned the same draws the same."""
        return hash64(f"{policy.shop}|{policy.version}|{self.trials}|{self.as_of_ms}")

    def believed(self, policy: Policy) -> "Belief":
        """What is believed of the policy's actions, those without data included."""
        mean, prior = _prior(policy)
        spots, known = self._spots(policy)
        information, evidence = np.zeros_like(prior), np.zeros_like(mean)
        information[np.ix_(known, known)] = self.information[np.ix_(spots, spots)]
        evidence[known] = self.evidence[spots]
        width = _width(mean, prior, information, evidence)
        return Belief.of(mean, width**2 * prior, information, evidence, width)

    def _spots(self, policy: Policy) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Where the policy's actions stand in the sums, and there in the policy."""
        both = [(self.actions[a.id], at) for at, a in enumerate(policy.actions) if a.id in self.actions]
        pairs = np.array(both, np.int64).reshape(-1, 2)
        inner = np.arange(N_EFFECTS)
        return tuple((pairs[:, side, None] * N_EFFECTS + inner).ravel() for side in (0, 1))  # type: ignore[return-value]

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The whole state; from_arrays is the way back."""
        ids = np.array(list(self.actions), np.str_) if self.actions else np.zeros(0, "<U1")
        moment = np.array([self.half_life_days, self.as_of_ms, self.trials], np.float64)
        sums = {name: getattr(self, name) for name in ("information", "evidence", "base", "pull", "noise")}
        return {"ids": ids, "moment": moment, **sums}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> "Posterior":
        """From to_arrays. Raises KeyError, ValueError where the arrays do not fit."""
        sums = {
            name: np.array(arrays[name], np.float64) for name in ("information", "evidence", "base", "pull", "noise")
        }
        ids = [str(name) for name in arrays["ids"].tolist()]
        size = len(ids) * N_EFFECTS
        if sums["information"].shape != (size, size) or sums["base"].shape != (N_EFFECTS, N_EFFECTS):
            raise ValueError("posterior: its sums do not fit its actions")
        half_life, as_of_ms, trials = arrays["moment"].tolist()
        actions = {name: place for place, name in enumerate(ids)}
        return cls(half_life, actions, **sums, as_of_ms=int(as_of_ms), trials=int(trials))


@dataclass(frozen=True, slots=True)
class Belief:
    """A normal belief in the effects of a policy's actions. mean: (n C,). root: (n C, n C), its covariance's lower
    Cholesky factor. width: by how much the prior was widened to fit the data."""

    mean: Floats
    root: Floats
    width: float

    @classmethod
    def of(cls, mean: Floats, prior: Floats, information: Floats, evidence: Floats, width: float) -> "Belief":
        """Normal prior times normal evidence. The root of the covariance is L (I + L' A L)^-1/2, with prior = L L'."""
        lower = np.linalg.cholesky(prior)
        inner = np.eye(mean.size) + lower.T @ information @ lower
        halfway = np.linalg.cholesky(inner)
        root = np.linalg.solve(halfway, lower.T).T
        shifted = mean + root @ (root.T @ (evidence - information @ mean))
        return cls(shifted, root, width)

    @property
    def spread(self) -> Floats:
        """Standard deviations, (n C,)."""
        return np.asarray(np.sqrt(np.sum(self.root**2, axis=1)))

    def effect(self, place: int, at: Floats) -> tuple[float, float]:
        """Mean and standard deviation of an action's effect at a moment. at: (N_EFFECTS,) of models/effects.py."""
        cells = slice(place * N_EFFECTS, (place + 1) * N_EFFECTS)
        return float(self.mean[cells] @ at), float(np.linalg.norm(at @ self.root[cells]))

    def draws(self, seed: int, count: int = DRAWS) -> Draws:
        """Draws of the effects, float32 (n, C, count), in pairs that mirror each other about the mean."""
        random = np.random.Generator(np.random.Philox(key=[seed & 0xFFFFFFFFFFFFFFFF, hash64("draws")]))
        half = random.standard_normal((self.mean.size, (count + 1) // 2))
        noise = np.concatenate([half, -half], axis=1)[:, :count]
        table = (self.mean[:, None] + self.root @ noise).reshape(-1, N_EFFECTS, count)
        return Draws.of(table.astype(np.float32))


def _prior(policy: Policy) -> tuple[Floats, Floats]:
    """Mean (n C,) and covariance (n C, n C) of the effects before there is data."""
    mean = (
        np.concatenate([_scale(policy, a) * _prior_mean(a) for a in policy.actions]) if policy.actions else np.zeros(0)
    )
    spread = (
        np.concatenate([_scale(policy, a) * _prior_spread(a) for a in policy.actions])
        if policy.actions
        else np.zeros(0)
    )
    kinds = np.repeat([hash64(action.kind) for action in policy.actions], N_EFFECTS)
    owner = np.repeat(np.arange(len(policy.actions)), N_EFFECTS)
    cell = np.tile(np.arange(N_EFFECTS), len(policy.actions))
    by_stage = (cell < len(STAGES))[:, None] & (cell < len(STAGES))[None, :]
    same_kind, same_cell = kinds[:, None] == kinds[None, :], cell[:, None] == cell[None, :]
    same_action = owner[:, None] == owner[None, :]
    shared = (
        SAME_KIND * (same_kind & (by_stage | same_cell))
        + SAME_ACTION * (same_action & (by_stage | same_cell))
        + SAME_KIND_CELL * (same_kind & same_cell)
        + SAME_CELL * (same_action & same_cell)
    )
    return mean, shared * spread[:, None] * spread[None, :]


def _scale(policy: Policy, action: Action) -> float:
    """What a prior's share is in the units of the reward. An action worth nothing still has some spread."""
    return 1.0 if policy.reward is None else max(action.value, 1e-3)


def _prior_mean(action: Action) -> Floats:
    at = np.zeros(N_EFFECTS)
    at[: len(STAGES)] = action.prior.mean
    return at


def _prior_spread(action: Action) -> Floats:
    """That of a share with the prior's mean and weight, and no certainty where the mean is 0 or 1."""
    mean = np.array(action.prior.mean)
    own = np.sqrt(mean * (1 - mean) / (action.prior.strength + 1))
    widest = max(float(own.max()), 1e-3)
    spread = np.full(N_EFFECTS, widest)
    spread[: len(STAGES)] = np.maximum(own, LEAST_SPREAD * widest)
    return spread


def _width(mean: Floats, prior: Floats, information: Floats, evidence: Floats) -> float:
    """The factor of the prior's spread under which the data are likeliest, a little in favour of 1."""
    if not information.any():
        return 1.0
    values = [_log_likelihood(w, mean, prior, information, evidence) - 0.5 * math.log(w) ** 2 for w in WIDTHS]
    return WIDTHS[int(np.argmax(values))]


def _log_likelihood(width: float, mean: Floats, prior: Floats, information: Floats, evidence: Floats) -> float:
    """Of the evidence, up to a constant, when the prior's spread is `width` times as wide."""
    lower = width * np.linalg.cholesky(prior)
    halfway = np.linalg.cholesky(np.eye(mean.size) + lower.T @ information @ lower)
    pulled = np.linalg.solve(halfway, lower.T @ (evidence - information @ mean))
    return float(0.5 * pulled @ pulled - np.log(np.diag(halfway)).sum())
