"""Learning a policy offline: the lake's trials into a posterior, and what it says of each action in each stage.

The same trials, in the same order, as the learner's (training/trials.py), into the same sums (models/posterior.py).
"""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np

from models.effects import N_EFFECTS
from models.policy_terms import Action, Policy
from models.posterior import Belief, Posterior
from models.stage import STAGES
from models.trial import SILENCE, Trial
from training.trials import in_batches

ENOUGH: Final = 30
"""Times that a message was shown in a stage before its effect there is called known: below, the prior and what other
stages and actions tell say most of it."""
ENOUGH_REWARDED: Final = 10
"""Decisions with any reward, of the whole log, before an effect is called known: with none there is no telling how much
a reward varies, and intervals come out too narrow (ten events a variable: Peduzzi et al. 1996, J Clin Epidemiol 49)."""
Z: Final = 1.959963984540054
TOO_LITTLE, BEATS, LOSES, OPEN = "too little data", "yes", "no", "not known yet"


@dataclass
class Lessons:
    """What trials told. shown: (action, stage) to how often it was shown there, where its chances were known.
    rewarded: how many trials had a reward other than 0."""

    posterior: Posterior
    shown: Counter[tuple[str, str]] = field(default_factory=Counter)
    rewarded: int = 0

    @classmethod
    def of(cls, trials: Iterable[Trial], policy: Policy) -> "Lessons":
        found = cls(Posterior(policy.half_life_days))
        for batch in in_batches(trials):
            found.learn(batch)
        return found

    def learn(self, trials: list[Trial]) -> None:
        """Takes trials whose windows ended."""
        self.posterior.learn(trials)
        for trial in trials:
            self.rewarded += math.isfinite(trial.reward) and trial.reward != 0
            if trial.chosen != SILENCE and trial.shown and trial.known:
                self.shown[trial.chosen, STAGES[int(np.argmax(trial.stage))]] += 1

    def enough(self, shown: int) -> bool:
        """Whether the effect of what was shown so often can be told."""
        return shown >= ENOUGH and self.rewarded >= ENOUGH_REWARDED


@dataclass(frozen=True, slots=True)
class Effect:
    """An action in a stage: what it adds over silence, in reward per showing, with its 95 % interval.

    worth: the same in money (value x lever x effect), beside its cost there. shown: how often it was.
    """

    action: str
    stage: str
    shown: int
    effect: float
    low: float
    high: float
    worth: float
    cost: float
    beats_cost: str

    def as_dict(self) -> dict[str, Any]:
        """As `--json` writes it."""
        row = asdict(self)
        return {**row, "effect_ci": [row.pop("low"), row.pop("high")]}


def effects(lessons: Lessons, policy: Policy) -> list[Effect]:
    """Every action of the policy in every stage, at an ordinary moment of it."""
    belief = lessons.posterior.believed(policy) if policy.actions else None
    return [
        _effect(policy, action, belief, place, stage, lessons.shown[action.id, name], lessons)
        for place, action in enumerate(policy.actions)
        for stage, name in enumerate(STAGES)
        if belief is not None
    ]


def _effect(
    policy: Policy, action: Action, belief: Belief, place: int, stage: int, shown: int, lessons: Lessons
) -> Effect:
    at = np.zeros(N_EFFECTS)
    at[stage] = 1.0
    mean, spread = belief.effect(place, at)
    low, high = mean - Z * spread, mean + Z * spread
    factor = policy.unit(action) * action.lever
    verdict = verdict_on(lessons.enough(shown), factor * low, factor * high, action.cost)
    return Effect(action.id, STAGES[stage], shown, mean, low, high, factor * mean, action.cost, verdict)


def verdict_on(enough: bool, low: float, high: float, cost: float) -> str:
    """Whether what a message adds beats what it costs, in words. enough: whether there are data to tell it by."""
    if not enough:
        return TOO_LITTLE
    return BEATS if low > cost else LOSES if high < cost else OPEN
