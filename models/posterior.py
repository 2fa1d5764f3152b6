"""Posterior: what each action adds over silence, learned from trials, and the draws a policy decides by.

The effect of action a at a moment x is theta_a . x, x the numbers of models/effects.py. Each trial says

    reward - m(x) = sum over eligible a of (1[a was chosen] - propensity_a) theta_a . x + noise

with m(x) the reward expected at x under the chances as they were. Because the regressors are centred by the exact
propensities, theta does not depend on m being right: a better m only makes it less noisy (Robinson 1988, Econometrica
56; Greenewald et al. 2017, "Action Centered Contextual Bandits"; Boruvka et al. 2018, JASA 113, for visitors who are
decided about again and again). Silence is what is left when no action is chosen, so theta is against silence.

Most of the noise is what happens long after the message. So what is left over is told in two parts that sum to it, each
learned by a regression of its own, with effects `soon` and `late` that sum to theta:

    soon = reward until the visitor's next decision + m(next x) - m(x)      late = reward from then on - m(next x)

`soon` is far less noisy, and all of an effect that the next scores already tell is in it. `late` is believed small
until data say otherwise: how wide each prior is, is what makes its own data likeliest (empirical Bayes). Where
messages work late, late's prior widens, and in the limit theta is what the whole reward says. (Athey et al. 2019, "The
Surrogate Index", is `soon` alone; its bias is what `late` is there for.)

The prior is in models/effect_prior.py. Data count half after `half_life_days`.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.record import hash64
from models.arbitration import DRAWS, Draws
from models.effect_prior import late_prior_of, prior_of
from models.effects import N_EFFECTS, effects_of
from models.intent import BUY
from models.policy_terms import Policy
from models.stage import STAGES
from models.trial import SILENCE, Trial

Floats = npt.NDArray[np.float64]

DAY_MS: Final = 86_400_000
SOON_WIDTHS: Final = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
LATE_WIDTHS: Final = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
SOON_WIDTH, LATE_WIDTH = 1.0, 0.2
"""How wide the priors are where data say nothing of it, in the policy's own widths."""
BOLD: Final = 0.05
"""The share of the draws that is as wide as the belief."""
CAUTION_FIRST, CAUTION_LAST = 2.0, 1.0
CALM_FIRST, CALM_LAST = 0.7, 0.3
"""How many spreads below the belief the other draws lie, and how wide they are in its width: at first, in the end."""
CALMED: Final = 1500.0
"""Trials, for each action of the policy, by which half of the way from first to last is gone."""
N_USUAL: Final = N_EFFECTS + 1
FAR, FEW = 100.0, 200.0
"""Spreads beyond which a reward is cut, and trials before there is a spread to tell by."""
_RIDGE: Final = 1.0
_LEAST_NOISE: Final = 1e-6


@dataclass
class Part:
    """One regression's sums. information: (n C, n C) and evidence (n C,), in units of the noise. noise: the variance of
    what is told, and its weight, by stage (6, 2)."""

    information: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    evidence: Floats = field(default_factory=lambda: np.zeros(0))
    noise: Floats = field(default_factory=lambda: np.zeros((len(STAGES), 2)))

    def learn(self, rows: Floats, told: Floats, stage: Floats, fresh: Floats) -> None:
        """rows: (n, n C), centred. told: (n,), what is left over. stage: (n, 6). fresh: (n,), the rows' weights."""
        weight = fresh / self._noise_at(stage)
        self.information += rows.T @ (weight[:, None] * rows)
        self.evidence += rows.T @ (weight * told)

    def hear(self, told: Floats, stage: Floats, fresh: Floats) -> None:
        """Takes up how noisy what is told is."""
        shares = stage * fresh[:, None]
        self.noise += np.stack([shares.T @ told**2, shares.sum(axis=0)], axis=1)

    def tempered(self, told: Floats) -> Floats:
        """What is told, cut where it is further than FAR spreads off: one huge order must not drown the rest."""
        variance, weight = self.noise.sum(axis=0)
        if weight < FEW:
            return told
        far = FAR * math.sqrt(variance / weight)
        return np.clip(told, -far, far)

    def _noise_at(self, stage: Floats) -> Floats:
        pooled = (self.noise[:, 0].sum() + 1e-3) / (self.noise[:, 1].sum() + 1.0)
        by_stage = (self.noise[:, 0] + 20 * pooled) / (self.noise[:, 1] + 20)
        return np.asarray(np.maximum(stage @ by_stage, _LEAST_NOISE))

    def fade(self, kept: float) -> None:
        for sums in (self.information, self.evidence, self.noise):
            sums *= kept

    def grow(self, size: int) -> None:
        """Makes room for an action more."""
        before = len(self.evidence)
        wider, longer = np.zeros((size, size)), np.zeros(size)
        wider[:before, :before], longer[:before] = self.information, self.evidence
        self.information, self.evidence = wider, longer

    def of(self, spots: npt.NDArray[np.int64], known: npt.NDArray[np.int64], size: int) -> tuple[Floats, Floats]:
        """The sums of some places, put at others among `size`."""
        information, evidence = np.zeros((size, size)), np.zeros(size)
        information[np.ix_(known, known)] = self.information[np.ix_(spots, spots)]
        evidence[known] = self.evidence[spots]
        return information, evidence


@dataclass
class Posterior:
    """What trials have told, as sums that fade. Actions are known by id, in the order they were first met.

    soon, late: the two regressions. base, pull: of the regression of m(x). trials: how many told something.
    """

    half_life_days: float = 30.0
    actions: dict[str, int] = field(default_factory=dict)
    soon: Part = field(default_factory=Part)
    late: Part = field(default_factory=Part)
    base: Floats = field(default_factory=lambda: np.zeros((N_USUAL, N_USUAL)))
    pull: Floats = field(default_factory=lambda: np.zeros(N_USUAL))
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
        raw_soon, raw_late = self._told(ended, at, reward)
        soon, late = self.soon.tempered(raw_soon), self.late.tempered(raw_late)
        reward = reward - (raw_soon - soon) - (raw_late - late)
        stage = at[:, : len(STAGES)]
        self.soon.hear(soon, stage, fresh)
        self.late.hear(late, stage, fresh)
        here = _usual(at, ended)
        self.base += here.T @ (fresh[:, None] * here)
        self.pull += here.T @ (fresh * reward)
        told = [place for place, trial in enumerate(ended) if trial.known and trial.shown]
        rows = self._rows([ended[place] for place in told], at[told])
        self.soon.learn(rows, soon[told], stage[told], fresh[told])
        self.late.learn(rows, late[told], stage[told], fresh[told])
        self.trials += len(told)
        return len(told)

    def _told(self, ended: Sequence[Trial], at: Floats, reward: Floats) -> tuple[Floats, Floats]:
        """What is left over of each reward: by the next decision, and after it. (n,) each."""
        weights = np.linalg.solve(self.base + _RIDGE * np.eye(N_USUAL), self.pull)
        late = np.zeros(len(ended))
        followed = [place for place, trial in enumerate(ended) if trial.next is not None]
        if followed:
            then = [trial.next for trial in ended if trial.next is not None]
            there = np.array([effects_of(np.array(n.stage), np.array(n.intent), n.weariness) for n in then])
            late[followed] = np.array([n.reward for n in then]) - _usual(there, then) @ weights
        return reward - _usual(at, ended) @ weights - late, late

    def _fade(self, ts_ms: npt.NDArray[np.int64]) -> Floats:
        """Fades what is known to the newest of some moments; returns what is left of each of them, (n,)."""
        newest = max(int(ts_ms.max()), self.as_of_ms)
        if self.as_of_ms:
            kept = float(self._left(np.array([self.as_of_ms]), newest)[0])
            self.soon.fade(kept)
            self.late.fade(kept)
            self.base *= kept
            self.pull *= kept
        self.as_of_ms = newest
        return self._left(ts_ms, newest)

    def _left(self, ts_ms: npt.NDArray[np.int64], now_ms: int) -> Floats:
        return np.asarray(0.5 ** ((now_ms - ts_ms) / DAY_MS / self.half_life_days))

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
            self.soon.grow(len(self.actions) * N_EFFECTS)
            self.late.grow(len(self.actions) * N_EFFECTS)
        return self.actions[action]

    def seed(self, policy: Policy) -> int:
        """Of the draws for a policy: whoever learned the same draws the same."""
        return hash64(f"{policy.shop}|{policy.version}|{self.trials}|{self.as_of_ms}")

    def believed(self, policy: Policy) -> "Belief":
        """What is believed of the policy's actions, those without data included."""
        mean, prior = prior_of(policy)
        spots, known = self._spots(policy)
        soon, late = (part.of(spots, known, mean.size) for part in (self.soon, self.late))
        one = _fitted(mean, prior, *soon, SOON_WIDTHS, SOON_WIDTH)
        other = _fitted(0 * mean, late_prior_of(policy), *late, LATE_WIDTHS, LATE_WIDTH)
        root = np.hstack([one.root, other.root])
        return Belief(one.mean + other.mean, root, one.width, self._untried(policy))

    def _untried(self, policy: Policy) -> float:
        """How new all of it is, from 1 down to 0 as trials come, for what was believed was tried by then."""
        before, told = CALMED * max(len(policy.actions), 1), float(self.soon.noise[:, 1].sum())
        return before / (before + told)

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
        parts = {f"{which}_{name}": getattr(getattr(self, which), name) for which in _PARTS for name in _SUMS}
        return {"ids": ids, "moment": moment, "base": self.base, "pull": self.pull, **parts}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> "Posterior":
        """From to_arrays. Raises KeyError, ValueError where the arrays do not fit."""
        soon, late = (Part(*(np.array(arrays[f"{which}_{name}"], np.float64) for name in _SUMS)) for which in _PARTS)
        base, pull = (np.array(arrays[name], np.float64) for name in ("base", "pull"))
        ids = [str(name) for name in arrays["ids"].tolist()]
        size = len(ids) * N_EFFECTS
        shapes = [part.information.shape for part in (soon, late)]
        if shapes != [(size, size)] * 2 or base.shape != (N_USUAL, N_USUAL):
            raise ValueError("posterior: its sums do not fit its actions")
        half_life, as_of_ms, trials = arrays["moment"].tolist()
        actions = {name: place for place, name in enumerate(ids)}
        return cls(half_life, actions, soon, late, base, pull, int(as_of_ms), int(trials))


_PARTS: Final = ("soon", "late")
_SUMS: Final = ("information", "evidence", "noise")


def _usual(at: Floats, moments: Sequence[Any]) -> Floats:
    """The numbers that the usual reward is a sum over: those of the effects, and the chance of buying itself.

    Not the weariness: it tells of what was shown before, so who is weary differs from others in more than that, and
    every message would be charged with the difference through the next moment's m.
    """
    buy = np.array([moment.intent[BUY] for moment in moments])
    usual = np.column_stack([at, np.where(np.isnan(buy), 0.0, buy)])
    usual[:, len(STAGES)] = 0.0
    return usual


@dataclass(frozen=True, slots=True)
class Belief:
    """A normal belief in the effects of a policy's actions. mean: (n C,). root: (n C, any), its covariance is root
    root'. width: by how much the prior was widened to fit the data. untried: from 1 to 0, how new all of it is."""

    mean: Floats
    root: Floats
    width: float
    untried: float = 1.0

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
        """Draws to decide by, float32 (n, C, count), in pairs that mirror each other about their mean.

        A share BOLD of them is as the belief is, and explores (Thompson sampling). The others lie close together,
        calm times as wide as the belief, and cautious: by stage some spreads of an effect below it. For the best
        of several wide draws is nearly always some message, and mostly a wrong one while little is known, and silence
        is the one choice whose worth is known (Chapelle and Li 2011, "An Empirical Evaluation of Thompson Sampling", on
        narrower draws; Wu et al. 2016, "Conservative Bandits"). All of it fades as the spread does, and
        by itself too, as trials come: a lasting caution keeps away from what it would have to show to learn.
        """
        random = np.random.Generator(
            np.random.Philox(key=np.array([seed & 0xFFFFFFFFFFFFFFFF, hash64("draws")], np.uint64))
        )
        half = random.standard_normal((self.root.shape[1], (count + 1) // 2))
        calm = CALM_LAST + (CALM_FIRST - CALM_LAST) * self.untried
        caution = CAUTION_LAST + (CAUTION_FIRST - CAUTION_LAST) * self.untried
        bold = np.arange((count + 1) // 2) < BOLD * count / 2
        noise = np.concatenate([half, -half], axis=1)[:, :count] * np.tile(np.where(bold, 1.0, calm), 2)[:count]
        by_stage = np.tile(np.arange(N_EFFECTS) < len(STAGES), self.mean.size // N_EFFECTS)
        lower = np.outer(caution * self.spread * by_stage, ~np.tile(bold, 2)[:count])
        table = (self.mean[:, None] - lower + self.root @ noise).reshape(-1, N_EFFECTS, count)
        return Draws.of(table.astype(np.float32))


def _fitted(
    mean: Floats, prior: Floats, information: Floats, evidence: Floats, widths: Sequence[float], usual: float
) -> Belief:
    """The belief under the prior width of most likelihood, a little in favour of the usual one."""
    width = usual
    if information.any():
        told = [_log_likelihood(w, mean, prior, information, evidence) - 0.5 * math.log(w / usual) ** 2 for w in widths]
        width = widths[int(np.argmax(told))]
    return Belief.of(mean, width**2 * prior, information, evidence, width)


def _log_likelihood(width: float, mean: Floats, prior: Floats, information: Floats, evidence: Floats) -> float:
    """Of the evidence, up to a constant, when the prior's spread is `width` times as wide."""
    lower = width * np.linalg.cholesky(prior)
    halfway = np.linalg.cholesky(np.eye(mean.size) + lower.T @ information @ lower)
    pulled = np.linalg.solve(halfway, lower.T @ (evidence - information @ mean))
    return float(0.5 * pulled @ pulled - np.log(np.diag(halfway)).sum())
