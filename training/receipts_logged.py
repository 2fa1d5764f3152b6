"""From the lake's receipts to what another policy would have done in the same decisions.

A row is a placement of a decision. Its propensities are conditional on what the earlier placements of the page got, so
the other policy is asked for each placement given what the log showed in the earlier ones, and the row is weighted by
how much likelier those are under it: exact, if what follows a placement does not depend on what later ones show. What
follows the page as a whole (an order) counts once, with its last placement, whose weight is that of all of them.
Rows of a page are summed and visitors are the clusters: the value of a page is the sum of its placements' values.

Left out, and counted: visitors in the holdout or in another arm than `full` (both policies treat them alike),
degraded decisions (the visitor's state is not in them), those made from another feature table, and those whose reward
is not known yet (NaN).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from math import isnan

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import structs

from features.catalog import no_facts
from features.schema import FINGERPRINT
from features.tail import tail_of
from models.arbitration import Draws
from models.bundle import Scores
from models.chosen import Chosen
from models.decision import Known, decide
from models.inputs import Inputs
from models.policy_terms import Arms, Policy
from models.receipt import Receipt
from models.stage import STAGES
from models.trial import SILENCE, Trial, trials_of
from training.off_policy import Estimate, Logged
from training.trial_rows import Probabilities, logged_under

Reward = Callable[[str, str], float]
"""(decision id, placement) -> what followed this placement alone, such as a click on its message."""
PageReward = Callable[[str], float]
"""Decision id -> what followed the page as a whole, such as an order."""


Choice = Callable[[Receipt], Mapping[str, Probabilities]]
"""What a policy would do in each placement of a decision, given what the log showed before it on the page."""


def unusable(receipt: Receipt) -> str:
    """Why a receipt says nothing about a policy's choices; "" if it does."""
    if receipt.degraded_because or receipt.vector is None or receipt.scores is None:
        return "degraded"
    if any(chosen.reason == "holdout" for chosen in receipt.chosen):
        return "holdout"
    if receipt.arm != "full":
        return "another arm"
    return "" if receipt.features == FINGERPRINT else "another feature table"


def nothing(*_: str) -> float:
    """No reward of this kind."""
    return 0.0


def trials(receipt: Receipt, reward: Reward, of_page: PageReward = nothing) -> list[Trial]:
    """The placements of a decision, in the page's order; what followed the page counts with its last."""
    made = trials_of(receipt)
    return [
        msgspec.structs.replace(
            one,
            reward=reward(one.decision_id, one.placement) + (of_page(one.decision_id) if one is made[-1] else 0.0),
        )
        for one in made
    ]


def probabilities(chosen: Chosen) -> Probabilities:
    """How likely each action and silence were in a placement."""
    open_ones = {
        c.action: c.propensity
        for c in chosen.candidates
        if not c.gate and not c.apprentice and c.propensity is not None
    }
    return {SILENCE: chosen.silence_propensity, **open_ones}


@dataclass(frozen=True, slots=True)
class _AsScored:
    """A bundle that says of the visitor what the receipt says, and of the actions what the asked side's does."""

    id: str
    scores: Scores

    def score(self, vector: npt.NDArray[np.float32]) -> Scores:
        return self.scores


EffectsOf = Callable[[npt.NDArray[np.float32]], Mapping[int, float]]
"""A vector, (N_FEATURES,) -> effects of the actions that have an uplift model, by the action's hash."""


def choices(policy: Policy, draws: Draws, uplift: EffectsOf | None = None) -> Choice:
    """A policy with its draws, asked about receipts. Where it has no such placement it is silent.

    uplift: of the bundle that it decides with (models/bundle.py); None: the draws stand for every action.
    """

    alone = replace(policy, holdout=0.0, arms=Arms(0.0, 0.0, 0.0, 0.0))  # only receipts of the full arm are asked about

    def of(receipt: Receipt) -> Mapping[str, Probabilities]:
        return _choices(receipt, alone, draws, uplift)

    return of


def _choices(receipt: Receipt, policy: Policy, draws: Draws, uplift: EffectsOf | None) -> dict[str, Probabilities]:
    inputs, known, bundle = _as_then(receipt, uplift)
    found: dict[str, Probabilities] = {}
    taken: set[str] = set()
    for then in receipt.chosen:
        if then.placement in policy.at:
            asked = structs.replace(inputs, placements=(then.placement,))
            decision = decide(asked, bundle, _without(policy, then.placement, taken), draws, known)
            found[then.placement] = probabilities(decision.chosen[0])
        else:
            found[then.placement] = {SILENCE: 1.0}
        taken.add(then.action or SILENCE)
    return found


def _as_then(receipt: Receipt, uplift: EffectsOf | None) -> tuple[Inputs, Known, _AsScored]:
    """What the decision was made from, and effects. Raises ValueError for a receipt that is `unusable`."""
    if receipt.scores is None or receipt.numbers is None:
        raise ValueError(f"decision {receipt.decision_id} is degraded: no policy can be asked about it")
    tail = tail_of(receipt.inputs.tail or b"")
    named = STAGES.index(receipt.stage) if receipt.stage in STAGES else -1  # by weights, not always the likeliest
    effects = uplift(receipt.numbers) if uplift is not None else {}
    scores = Scores(np.array(receipt.scores.stage), np.array(receipt.scores.intent), named, effects)
    facts = receipt.facts.facts() if receipt.facts else no_facts(tail)
    inputs = structs.replace(receipt.inputs, facts=facts)
    return inputs, Known(tail, receipt.numbers, scores), _AsScored(receipt.bundle, scores)


def _without(policy: Policy, placement: str, taken: set[str]) -> Policy:
    """The policy where a placement takes none of the actions that the page has already."""
    left = tuple(place for place in policy.at[placement] if policy.actions[place].id not in taken)
    return policy if left == policy.at[placement] else replace(policy, at={**policy.at, placement: left})


@dataclass(frozen=True, slots=True, eq=False)
class Replayed:
    """The same decisions under several policies. logged: by policy, all of the same rows. placement: (n,) of the rows.

    decisions: how many were used. left_out: the others, by reason.
    """

    logged: Mapping[str, Logged]
    placement: npt.NDArray[np.str_]
    decisions: int
    left_out: Mapping[str, int]

    def at(self, placement: str) -> dict[str, Logged]:
        """One placement's rows under each policy."""
        rows = self.placement == placement
        return {name: logged.take(rows) for name, logged in self.logged.items()}

    def per_decision(self, one: Estimate) -> Estimate:
        """A value per row as one per decision: its placements summed."""
        by = len(self.placement) / self.decisions
        return Estimate(one.value * by, one.low * by, one.high * by, one.error * by)


class NothingLogged(ValueError):
    """No receipt can be used; says why not."""


def replayed(
    receipts: Iterable[Receipt],
    reward: Reward,
    policies: Mapping[str, Choice],
    of_page: PageReward = nothing,
    seed: int = 1,
) -> Replayed:
    """The receipts' decisions under each policy. Raises NothingLogged."""
    rows: list[Trial] = []
    asked: dict[str, list[Probabilities]] = {name: [] for name in policies}
    left_out: Counter[str] = Counter()
    decisions = 0
    for receipt in receipts:
        made = trials(receipt, reward, of_page)
        why = unusable(receipt) or ("reward not known yet" if any(isnan(row.reward) for row in made) else "")
        if why:
            left_out[why] += 1
            continue
        decisions += 1
        rows += made
        for name, choice in policies.items():
            said = choice(receipt)
            asked[name] += [said[row.placement] for row in made]
    if not rows:
        told = ", ".join(f"{count:,} {why}" for why, count in left_out.items())
        raise NothingLogged(f"no decision can be used{f': {told}' if told else ''}")
    placement = np.array([row.placement for row in rows])
    return Replayed(logged_under(rows, asked, seed), placement, decisions, dict(left_out))
