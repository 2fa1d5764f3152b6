"""What of a page's gates is known before anybody comes: which are to be asked of which action, and who is left out.

Made once for the placements, purposes and locale of a request and remembered with the policy, so that a decision asks
only what depends on its moment.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Self

import msgspec
import numpy as np
import numpy.typing as npt

from models.action_kinds import INTERRUPTING
from models.closed import Closed
from models.policy_terms import Action, Policy
from models.rule_vector import VectorRules
from models.stage import STAGES

MOST: Final = 256
"""So many plans are remembered; requests name purposes and placements as they like, so then all are forgotten."""

Floats = npt.NDArray[np.float64]
Places = tuple[int, ...]


class Plan(msgspec.Struct, frozen=True):
    """Some actions of a policy, and the gates that each has. Positions are those in `actions`.

    places: of the actions in the policy. consent: by position, what the visitor's consent closes. interrupting,
    scheduled, ruled, claimed, wordless, recommending: the positions to ask at each gate. unstaged: by the stage that
    is named, what it closes. quick: the rules of `ruled`, answered from the vector where they can be. not_so: what
    each of `ruled` is closed by when its rule does not hold.
    """

    places: Places
    actions: tuple[Action, ...]
    consent: tuple[Closed | None, ...]
    interrupting: Places
    scheduled: Places
    unstaged: Mapping[str, tuple[tuple[int, Closed], ...]]
    ruled: Places
    quick: VectorRules
    not_so: tuple[Closed, ...]
    claimed: Places
    wordless: Places
    recommending: Places

    @classmethod
    def of(cls, places: Sequence[int], actions: Sequence[Action], granted: tuple[str, ...], locale: str) -> Self:
        """The plan of these actions for a visitor who granted so much, in a locale."""
        numbered = tuple(enumerate(actions))
        rules = [action.when for action in actions if action.when is not None]
        return cls(
            places=tuple(places),
            actions=tuple(actions),
            consent=tuple(without_consent(action, granted) for action in actions),
            interrupting=tuple(at for at, action in numbered if action.kind in INTERRUPTING),
            scheduled=tuple(at for at, action in numbered if action.schedule),
            unstaged={stage: _not_at(stage, actions) for stage in STAGES},
            ruled=tuple(at for at, action in numbered if action.when is not None),
            quick=VectorRules.of(rules),
            not_so=tuple(Closed("rule", f"not so: {rule.source}") for rule in rules),
            claimed=tuple(at for at, action in numbered if action.claims or action.kind == "availability"),
            wordless=tuple(at for at, action in numbered if locale not in action.content),
            recommending=tuple(at for at, action in numbered if action.recommend),
        )


def _not_at(stage: str, actions: Sequence[Action]) -> tuple[tuple[int, Closed], ...]:
    """What is closed, and why, where a stage is named."""
    return tuple(
        (at, Closed("stage", f"the stage named is {stage}; needs {' or '.join(action.stages)}"))
        for at, action in enumerate(actions)
        if action.stages and stage not in action.stages
    )


def without_consent(action: Action, granted: tuple[str, ...]) -> Closed | None:
    """What is closed because the visitor did not allow it."""
    if action.consent == "none" or action.consent in granted:
        return None
    return Closed("consent", f"needs consent for {action.consent}; granted: {', '.join(granted) or 'nothing'}")


def in_order(policy: Policy, placements: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Those of the placements asked for that a policy has, in its order, and those it has not. Remembered with it."""
    found: tuple[tuple[str, ...], tuple[str, ...]] | None = policy.remembered.get(placements)
    if found is None:
        found = tuple(p.id for p in policy.placements if p.id in placements), policy.unknown(placements)
        _remember(policy, placements, found)
    return found


def _remember(policy: Policy, key: Any, found: object) -> None:
    if len(policy.remembered) > MOST:
        policy.remembered.clear()
    policy.remembered[key] = found


def plan_of(policy: Policy, placements: tuple[str, ...], granted: tuple[str, ...], locale: str) -> Plan:
    """The plan of a page's placements, remembered with the policy."""
    key = (placements, granted, locale)
    plan: Plan | None = policy.remembered.get(key)
    if plan is None:
        places = tuple(dict.fromkeys(place for placement in placements for place in policy.at[placement]))
        plan = Plan.of(places, [policy.actions[place] for place in places], granted, locale)
        _remember(policy, key, plan)
    return plan


class Worths(msgspec.Struct, frozen=True):
    """What a policy's actions are worth and cost, by position in the policy. worth: unit x lever; plain: the unit.

    ids, units, levers: the same as plain values, for what is told of a decision. apprentices: positions of those that
    the file has as such.
    """

    ids: tuple[str, ...]
    units: tuple[float, ...]
    levers: tuple[float, ...]
    apprentices: frozenset[int]
    worth: Floats
    plain: Floats
    cost: Floats
    ones: Floats
    zeros: Floats

    def of(self, arm: str) -> tuple[Floats, Floats]:
        """What each action is worth when it works, and what it costs, as an arm has it. Each (n,)."""
        if arm == "propensity_only":
            return self.ones, self.zeros
        return (self.plain if arm == "no_levers" else self.worth), self.cost


def worths_of(policy: Policy) -> Worths:
    """The same for the same policy, remembered with it."""
    found: Worths | None = policy.remembered.get("worths")
    if found is None:
        units = tuple(policy.unit(action) for action in policy.actions)
        levers = tuple(action.lever for action in policy.actions)
        found = Worths(
            tuple(action.id for action in policy.actions),
            units,
            levers,
            frozenset(place for place, action in enumerate(policy.actions) if action.apprentice),
            np.array([unit * lever for unit, lever in zip(units, levers, strict=True)], np.float64),
            np.array(units, np.float64),
            np.array([action.cost for action in policy.actions], np.float64),
            np.ones(len(units)),
            np.zeros(len(units)),
        )
        policy.remembered["worths"] = found
    return found
