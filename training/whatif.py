"""What a changed policy would have done in the decisions of the lake, beside what was done. Nothing here does I/O.

Both sides are counted by exact propensities, not by what a draw happened to give: the old one as the receipt kept
them, the new one as `models.decision.decide` gives them for the receipt's inputs, vector and scores. Draws are those
of the old policy where an action is the same, so that an unchanged action differs by its surroundings alone.

What is not replayed: what visitors would have done afterwards. Messages that count for caps, budgets and costs are
those that were shown in the log, and recommended products those that the old policy asked for.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

import numpy as np
from msgspec import structs

from features.catalog import no_facts
from features.schema import FINGERPRINT
from features.tail import tail_of
from models.arbitration import Draws, prior_draws
from models.bundle import Scores
from models.chosen import Chosen
from models.decision import Known, decide
from models.policy_terms import Action, Policy
from models.receipt import Receipt, Vector
from models.stage import STAGES

LIMITING: Final = ("cap", "cooldown", "rest", "budget")
"""Gates that close because of what was shown or refused before."""
HOLDOUT: Final = "holdout"
APPRENTICE: Final = "apprentice"
"""Stands among the gates for what is decided and not shown."""
KEPT_DRAWS: Final = 16
"""Learned draws change every few seconds and are large: those of the latest receipts are kept."""
OLD, NEW = "old", "new"
NO_UPLIFT: Final[Mapping[int, float]] = MappingProxyType({})
FEATURES_GONE: Final = "another feature table"


@dataclass(frozen=True, slots=True)
class AsScored:
    """A bundle that says of a visitor what the receipt says: it is the policy that is asked."""

    id: str
    scores: Scores

    def score(self, vector: Vector) -> Scores:
        return self.scores


def draws_between(new: Policy, old: Policy | None, draws: Draws | None) -> Draws:
    """Draws for a changed policy: the old ones of every action that is believed to do the same, priors for the others.

    draws: what the old policy decided with, in its order of actions; None where they are gone.
    """
    if old is None or draws is None or len(draws.table) != len(old.actions):
        return prior_draws(new)
    table = prior_draws(new, draws.count).table.copy()
    before = {action.id: place for place, action in enumerate(old.actions)}
    for place, action in enumerate(new.actions):
        then = before.get(action.id)
        if then is not None and _believed_alike(old, old.actions[then], new, action):
            table[place] = draws.table[then]
    return Draws.of(table)


def _believed_alike(old: Policy, then: Action, new: Policy, now: Action) -> bool:
    """Whether an effect learned under the old policy is one under the new: the same prior, in the same units."""
    same_unit = old.reward is None or then.value == now.value  # in money where there is a reward, else in values
    return then.prior == now.prior and old.reward == new.reward and same_unit


def decided_again(
    receipt: Receipt, policy: Policy, draws: Draws, uplift: Mapping[int, float] = NO_UPLIFT
) -> tuple[Chosen, ...]:
    """What the policy does in a receipt's place. Where it has no such placement it is silent.

    uplift: effects that the receipt's bundle told of this visitor, by the action's hash.
    Raises ValueError for a receipt of another feature table: rules would read other numbers.
    """
    if receipt.vector is not None and receipt.features != FINGERPRINT:
        raise ValueError(FEATURES_GONE)
    there = tuple(name for name in receipt.inputs.placements if name in policy.at)
    gone = tuple(Chosen.silence(name, "no_candidate") for name in receipt.inputs.placements if name not in policy.at)
    if not there:
        return gone
    inputs = structs.replace(receipt.inputs, placements=there)
    if receipt.scores is None or receipt.numbers is None:
        because = inputs.degraded_because or receipt.degraded_because
        return (*decide(structs.replace(inputs, degraded_because=because), None, policy, draws).chosen, *gone)
    tail = tail_of(inputs.tail or b"")
    named = STAGES.index(receipt.stage) if receipt.stage in STAGES else -1  # by weights, not always the likeliest
    scores = Scores(np.array(receipt.scores.stage), np.array(receipt.scores.intent), named, uplift)
    facts = receipt.facts.facts() if receipt.facts else no_facts(tail)
    known = Known(tail, receipt.numbers, scores)
    made = decide(structs.replace(inputs, facts=facts), AsScored(receipt.bundle, scores), policy, draws, known)
    return (*made.chosen, *gone)


@dataclass(slots=True)
class Side:
    """What one policy does over the decisions. Shown counts are expected: sums of propensities.

    cells: by (action, stage, placement). gates: decisions by (action, first closed gate). missed: by (visitor, action)
    the chance that it was never shown. options: how many decisions had so many eligible actions. held_out: decisions.
    """

    decisions: int = 0
    held_out: int = 0
    placements: int = 0
    silence: float = 0.0
    limited: int = 0
    eligible: Counter[str] = field(default_factory=Counter)
    shown: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    cells: defaultdict[tuple[str, str, str], float] = field(default_factory=lambda: defaultdict(float))
    gates: Counter[tuple[str, str]] = field(default_factory=Counter)
    options: Counter[int] = field(default_factory=Counter)
    missed: dict[tuple[str, str], float] = field(default_factory=dict)
    served: set[str] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)

    def add(self, visitor_id: str, stage: str, chosen: tuple[Chosen, ...]) -> None:
        """Counts one decision. Visitors who are held out count for nothing but themselves."""
        self.decisions += 1
        if any(one.reason == HOLDOUT for one in chosen):
            self.held_out += 1
            return
        self.asked.add(visitor_id)
        shut: dict[str, str] = {}
        free: set[str] = set()
        for one in chosen:
            self.placements += 1
            self.silence += one.silence_propensity
            for candidate in one.candidates:
                if gate := candidate.gate or (APPRENTICE if candidate.apprentice else ""):
                    shut.setdefault(candidate.action, gate)
                    continue
                free.add(candidate.action)
                self._shown(visitor_id, candidate.action, stage, one.placement, candidate.propensity or 0.0)
        self._standing(visitor_id, free, shut)

    def _shown(self, visitor_id: str, action: str, stage: str, placement: str, propensity: float) -> None:
        self.shown[action] += propensity
        self.cells[action, stage, placement] += propensity
        key = (visitor_id, action)
        self.missed[key] = self.missed.get(key, 1.0) * (1.0 - propensity)

    def _standing(self, visitor_id: str, free: set[str], shut: Mapping[str, str]) -> None:
        """An action that is open anywhere on the page is eligible; of the others the first closed gate counts."""
        self.eligible.update(free)
        self.options[len(free)] += 1
        if free:
            self.served.add(visitor_id)
        blocked = {action: gate for action, gate in shut.items() if action not in free}
        self.gates.update(blocked.items())
        self.limited += any(gate in LIMITING for gate in blocked.values())

    @property
    def open_decisions(self) -> int:
        """Decisions of visitors who are not held out."""
        return self.decisions - self.held_out

    @property
    def silence_share(self) -> float:
        """Expected share of placements that stay silent; 1 where there are none."""
        return self.silence / self.placements if self.placements else 1.0

    @property
    def limited_share(self) -> float:
        """Share of decisions in which a cap, a cool-down or the budget blocked an action."""
        return self.limited / self.open_decisions if self.open_decisions else 0.0

    @property
    def unserved(self) -> set[str]:
        """Visitors for whom no action was eligible in any placement of any decision."""
        return self.asked - self.served

    @property
    def unserved_share(self) -> float:
        return len(self.unserved) / len(self.asked) if self.asked else 0.0

    @property
    def optionality(self) -> float:
        """Eligible actions per decision, in the mean."""
        total = sum(count * times for count, times in self.options.items())
        return total / self.open_decisions if self.open_decisions else 0.0

    @property
    def few_options_share(self) -> float:
        """Share of decisions with fewer than two eligible actions."""
        few = sum(times for count, times in self.options.items() if count < FEW)
        return few / self.open_decisions if self.open_decisions else 0.0

    def visitors(self) -> dict[str, float]:
        """Expected number of visitors who are shown each action at least once, given the log's histories."""
        found: dict[str, float] = defaultdict(float)
        for (_, action), missed in self.missed.items():
            found[action] += 1.0 - missed
        return found


FEW: Final = 2
"""Below so many eligible actions a decision hardly chooses."""

OldDraws = Callable[[Receipt], tuple[Policy | None, Draws | None]]
"""The policy and draws a receipt was decided with; None where they are gone."""
OldUplift = Callable[[Receipt], Mapping[int, float]]
"""What the bundle that a receipt was decided with tells of its visitor's uplift; nothing where it is gone."""


@dataclass(slots=True)
class WhatIf:
    """Both sides over the same receipts. left_out: receipts that say nothing, by reason. without_draws: receipts whose
    policy or draws are gone: there the new policy decides with priors alone."""

    policy: Policy
    old_draws: OldDraws
    uplift: OldUplift = lambda receipt: NO_UPLIFT
    old: Side = field(default_factory=Side)
    new: Side = field(default_factory=Side)
    left_out: Counter[str] = field(default_factory=Counter)
    without_draws: int = 0
    before: dict[str, Policy] = field(default_factory=dict)
    asked_placements: set[str] = field(default_factory=set)
    _draws: dict[tuple[str, str], tuple[Draws, bool]] = field(default_factory=dict)

    def add(self, receipt: Receipt) -> bool:
        """Counts one receipt on both sides; False if it says nothing."""
        draws, known = self.draws_for(receipt)
        try:
            chosen = decided_again(receipt, self.policy, draws, self.uplift(receipt))
        except ValueError as error:
            self.left_out[str(error)] += 1
            return False
        self.without_draws += not known
        self.asked_placements.update(receipt.inputs.placements)
        self.old.add(receipt.visitor_id, receipt.stage, receipt.chosen)
        self.new.add(receipt.visitor_id, receipt.stage, chosen)
        return True

    def draws_for(self, receipt: Receipt) -> tuple[Draws, bool]:
        """The new policy's draws beside those of a receipt, and whether these are known."""
        key = (receipt.policy, receipt.draws)
        if key not in self._draws:
            while len(self._draws) >= KEPT_DRAWS:
                self._draws.pop(next(iter(self._draws)))
            policy, draws = self.old_draws(receipt)
            if policy is not None:
                self.before[policy.version] = policy
            known = policy is not None and (draws is not None or not receipt.draws)
            self._draws[key] = draws_between(self.policy, policy, draws), known
        return self._draws[key]

    @property
    def decisions(self) -> int:
        return self.new.decisions

    def actions(self) -> Iterator[str]:
        """Every action of either side, the new policy's first, in its order."""
        mine = [action.id for action in self.policy.actions]
        theirs = {a for side in (self.old, self.new) for a in [*side.shown, *(name for name, _ in side.gates)]}
        return iter([*mine, *sorted(theirs.difference(mine))])
