"""Tact as a player of a simulated shop: the real arbitration, credit and posterior, on a policy made from the truth.

What it uses is what runs live: models.arbitration decides by draws, models.credit follows decisions and outcomes and
ends trials half an hour after their visit, models.posterior learns, and new draws are taken as the teacher publishes
them. The policy says of each message what a shop would: kind, placements, cost, caps; of effects it says nothing, so
the kinds' priors hold. Every visitor is in the full arm, for holdout and comparison arms cost their share.
"""

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from features.record import hash64
from models.action_kinds import BY_NAME
from models.arbitration import Contest, Draws, arbitrate, prior_draws
from models.credit import Credit
from models.effects import effects_of
from models.policy import load_policy
from models.policy_terms import Policy
from models.posterior import Posterior
from models.trial import SILENCE as NOTHING
from models.trial import Trial
from training.simulated_shop import Masks, Moments
from training.truth import Truth
from training.truth_world import Ints, World

MOVED = 0.1
"""New draws are taken when what is believed moved by this share of its spread somewhere (as service/teacher.py)."""
FEW = 2000
"""Trials before the first of them: until then the priors decide (as service/teacher.py)."""


def policy_of(truth: Truth, **more: Any) -> Policy:
    """The policy of a truth. more: further fields of the file, as `exploration_floor`."""
    actions = [
        {
            "id": a.id,
            "kind": a.kind,
            "placements": list(a.placements),
            "content": {"en": {"text": a.id}},
            "value": truth.order_value,
            "cost": BY_NAME[a.kind].cost if a.cost is None else a.cost,
            "consent": "none",
        }
        for a in truth.actions
    ]
    kinds = sorted({a.kind for a in truth.actions})
    file = {
        "shop": truth.name,
        "locales": ["en"],
        "placements": [{"id": name, "kinds": kinds} for name, _ in truth.placements],
        "actions": actions,
        "holdout": 0,
        "arms": dict.fromkeys(("random", "propensity_only", "no_levers", "rules_only"), 0),
        "dismissal_weight": truth.harm.dismissal_weighs,
        **more,
    }
    return load_policy(json.dumps(file), f"{truth.name}.yaml")


@dataclass(frozen=True, slots=True)
class _Line:
    """An event, as models.credit reads one."""

    visitor_id: str
    ts_ms: int
    event: str
    item_id: str = ""
    quantity: int = 1
    order_id: str = ""
    decision_id: str = ""
    action: str = ""
    price: float | None = None
    value: float | None = None


@dataclass
class Tact:
    """The learning policy. seed: of the decisions' ids, so of its luck."""

    world: World
    policy: Policy
    seed: int = 1
    posterior: Posterior = field(default_factory=Posterior)
    _mean: Any = None

    def __post_init__(self) -> None:
        self.posterior.half_life_days = self.policy.half_life_days
        self.credit = Credit(self.policy.reward, self.policy.attribution.window_s)
        self.draws: Draws = prior_draws(self.policy)
        self._trials: list[Trial] = []
        self._places = [name for name, _ in self.world.truth.placements]
        self._ids = [action.id for action in self.policy.actions]

    @classmethod
    def of(cls, world: World, seed: int = 1, **more: Any) -> "Tact":
        """With the truth's policy."""
        return cls(world, policy_of(world.truth, **more), seed)

    def choose(self, at: Moments) -> Ints:
        """Decides each row as models/decision.py does."""
        self._trials = [self._decide(at, row) for row in range(len(at.number))]
        places = {NOTHING: 0, **{name: place for place, name in enumerate(self._ids, 1)}}
        return np.array([places[trial.chosen] for trial in self._trials], np.int64)

    def _decide(self, at: Moments, one: int) -> Trial:
        number, weariness = int(at.number[one]), float(at.weariness[one])
        eligible = tuple((np.flatnonzero(at.open[one, 1:])).tolist())
        decision_id = f"{self.seed}-{number}-{at.step}"
        placement = self._places[at.place[one]]
        moment = effects_of(at.stage[one], at.intent[one], weariness)
        contest = Contest.of(self.policy, self.draws, eligible, moment, weariness)
        rows = tuple(row for row in range(len(eligible)) if contest.hopeful(row))
        outcome = arbitrate(contest, rows, decision_id, placement, self.policy.exploration_floor)
        choices = (NOTHING, *(self._ids[eligible[row]] for row in rows))
        return Trial(
            decision_id=decision_id,
            visitor_id=str(number),
            ts_ms=at.ts_ms,
            policy=self.policy.version,
            arm="full",
            placement=placement,
            chosen=choices[outcome.winner],
            choices=choices,
            propensity=outcome.propensity,
            stage=tuple(at.stage[one].tolist()),
            intent=tuple(at.intent[one].tolist()),
            weariness=weariness,
        )

    def met(self, at: Moments, chosen: Ints, clicked: Masks, dismissed: Masks, ordered: Masks) -> None:
        """Tells the credit what its events would tell."""
        self.credit.decided(self._trials)
        for row, trial in enumerate(self._trials):
            seen = trial.chosen != NOTHING
            for event, true in (
                ("view", seen),
                ("select", seen and clicked[row]),
                ("dismiss", seen and dismissed[row]),
            ):
                if true:
                    name, soon = f"{event}_promotion", trial.ts_ms + 1000
                    self._happened(
                        trial, _Line(trial.visitor_id, soon, name, decision_id=trial.decision_id, action=trial.chosen)
                    )
            if ordered[row]:
                self._happened(
                    trial, _Line(trial.visitor_id, trial.ts_ms + 5000, "purchase", order_id=trial.visitor_id)
                )

    def _happened(self, trial: Trial, line: _Line) -> None:
        self.credit.happened([line])

    def later(self, now_ms: int) -> None:
        """Learns from what ended, and takes new draws where they differ."""
        self.posterior.learn(self.credit.settle(now_ms))
        if self.posterior.trials < FEW:
            return
        belief = self.posterior.believed(self.policy)
        if self._mean is None or bool(np.any(np.abs(belief.mean - self._mean) > MOVED * belief.spread)):
            self.draws, self._mean = belief.draws(hash64(f"{self.seed}|{self.posterior.trials}")), belief.mean
