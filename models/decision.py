"""One decision, start to end and pure: inputs -> vector -> scores -> candidates and gates -> arbitration -> answer.

* UnknownPlacement   the policy has no such placement; lists those it has
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import compress, count, repeat
from operator import is_, not_
from typing import Final, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from features.catalog import no_facts
from features.fold import fold
from features.record import Records
from features.tail import as_read, tail_of
from models.answer import answer
from models.arbitration import SILENCE, Contest, Draws, Outcome, arbitrate, lots_of
from models.arms import LEARNED, arm_of
from models.bundle import Scores
from models.chosen import Candidate, Chosen, Decision
from models.closed import NO_HOPE, Closed
from models.effects import effects_of
from models.gates import closed_gates, first_closed_without_state
from models.inputs import Context, Inputs, Suggestion
from models.intent import LEAVE
from models.leave_level import levelled
from models.moment import Moment, granted, locale_of
from models.one_place import NOBODY, Settled, blocked
from models.page_plan import Plan, Worths, in_order, plan_of, worths_of
from models.policy_terms import Action, Policy
from models.switches import Switches
from models.timing import Timing

__all__ = [
    "Candidate",
    "Chosen",
    "Context",
    "Decision",
    "Inputs",
    "Known",
    "Suggestion",
    "UnknownPlacement",
    "answer",
    "decide",
]

Vector = npt.NDArray[np.float32]


class UnknownPlacement(LookupError):
    """A request names placements the policy does not have."""

    def __init__(self, unknown: tuple[str, ...], known: tuple[str, ...]) -> None:
        super().__init__(f"unknown placement {', '.join(unknown)}; the policy has {', '.join(known)}")
        self.unknown, self.known = unknown, known


class Scoring(Protocol):
    """What a decision needs of a bundle."""

    @property
    def id(self) -> str: ...

    def score(self, vector: Vector) -> Scores: ...


class _Page(msgspec.Struct, frozen=True, gc=False):
    """A page being filled. gates: of every action considered, by position; contest: of those with all gates open.

    learning: positions of the apprentices among them. places: rows of the contest, by position.
    """

    moment: Moment
    draws: Draws
    timing: Timing | None
    switches: Switches
    learning: frozenset[int]
    gates: dict[int, Closed | None]
    contest: Contest
    places: dict[int, int]
    worths: Worths


class Known(msgspec.Struct, frozen=True):
    """What follows from inputs and bundle alone, for a caller that needs it before the decision. tail: in order."""

    tail: Records
    vector: Vector
    scores: Scores

    @classmethod
    def of(cls, inputs: Inputs, bundle: Scoring, tail: Records | None = None) -> "Known":
        """The visitor's vector and scores. tail: tail_of(inputs.tail), if it is at hand."""
        tail = as_read(tail) if tail is not None else tail_of(inputs.tail or b"")
        vector = fold(tail, inputs.now_ms, inputs.facts or no_facts(tail))
        return cls(tail, vector, at_its_level(inputs, bundle.score(vector), vector))


def at_its_level(inputs: Inputs, said: Scores, vector: Vector) -> Scores:
    """What the bundle said, with `leave` at the level of lately."""
    intent = levelled(said.intent, vector, inputs.leave_line)
    return said if intent is said.intent else msgspec.structs.replace(said, intent=intent)


def decide(
    inputs: Inputs, bundle: Scoring | None, policy: Policy, draws: Draws, known: Known | None = None
) -> Decision:
    """Fills the placements, in the policy's order. Raises UnknownPlacement; everything else ends in a decision.

    Without a bundle, or with `inputs.degraded_because`, only fallback actions and silence are possible.
    known: Known.of(inputs, bundle), from a caller that has it already; a replay makes it anew.
    """
    there, unknown = in_order(policy, inputs.placements)
    if unknown and inputs.degraded_because != "policy":
        raise UnknownPlacement(unknown, tuple(policy.at))
    because = inputs.degraded_because or ("" if bundle is not None else "bundle")
    placements = there + unknown if unknown else there
    arm = arm_of(policy, inputs.visitor_id)
    if because or bundle is None:
        chosen = _without_state(inputs, policy, placements, arm)
        return Decision(inputs, policy, "", "", None, None, chosen, because, arm)
    known = known or Known.of(inputs, bundle)
    tail, vector, scores = known.tail, known.vector, known.scores
    if arm == "holdout":
        chosen = tuple(Chosen.silence(placement, "holdout") for placement in placements)
        return Decision(inputs, policy, bundle.id, draws.id, vector, scores, chosen, "", arm, 1.0)
    moment = Moment.of(inputs, policy, tail, vector, scores)
    chosen, untold = _fill(moment, draws, placements, arm, getattr(bundle, "timing", None))
    return Decision(inputs, policy, bundle.id, draws.id, vector, scores, chosen, "", arm, moment.weariness, untold)


def _without_state(inputs: Inputs, policy: Policy, placements: tuple[str, ...], arm: str) -> tuple[Chosen, ...]:
    """For each placement the first fallback action that its gates let through, by the policy's order; else silence."""
    if arm == "holdout":
        return tuple(Chosen.silence(placement, "holdout") for placement in placements)
    allowed, locale = granted(inputs, policy), locale_of(policy, inputs.context.locale)
    switches = Switches.of(inputs.switches)
    taken: dict[int, str] = {}
    filled = []
    for placement in placements:
        candidates: list[Candidate] = []
        winner: str | None = None
        for place in policy.at.get(placement, ()):
            action = policy.actions[place]
            closed = (
                _stopped(action, placement, switches)
                or (_STILL_LEARNING if switches.apprentice(action, policy) else None)
                or _once(place, taken)
                or first_closed_without_state(action, inputs, allowed, locale)
            )
            if closed is None and winner is None:
                winner, taken[place] = action.id, placement
                candidates.append(Candidate(action.id, propensity=1.0))
            elif closed is None:
                candidates.append(Candidate(action.id, propensity=0.0))
            else:
                candidates.append(Candidate(action.id, closed.gate, closed.detail))
        reason = "fallback" if winner else "degraded"
        silent = 0.0 if winner else 1.0
        filled.append(Chosen(placement, winner, 1.0, reason, tuple(candidates), silent, silent))
    return tuple(filled)


_STILL_LEARNING: Final = Closed("fallback", "the decision is degraded; the action is an apprentice")


def _stopped(action: Action, placement: str, switches: Switches) -> Closed | None:
    """What somebody stopped by hand."""
    if not switches.states:
        return None
    if switches.closed(placement):
        return Closed("stopped", f"placement {placement} is stopped")
    what = switches.stopped(action)
    return Closed("stopped", f"{what.replace(':', ' ')} is stopped") if what else None


def _fill(
    moment: Moment, draws: Draws, placements: tuple[str, ...], arm: str, timing: Timing | None
) -> tuple[tuple[Chosen, ...], Settled | None]:
    """Arbitrates placement after placement; an action stands at most once on a page. Where there is one placement its
    candidates are left out, for Decision.chosen to add."""
    policy = moment.policy
    plan = plan_of(policy, placements, moment.granted, moment.locale)
    asked = closed_gates(plan, moment)
    weariness = moment.weariness
    if _alone(moment, placements, plan, arm):
        lots = lots_of(moment.inputs.decision_id, placements[0], draws.count)
        settled = Settled.of(policy, draws, plan.places, asked, moment.scores, weariness, arm, lots)
        return (_settled(moment, placements[0], settled, timing),), settled
    eligible = _open(plan.places, asked)
    switches = Switches.of(moment.inputs.switches)
    at = effects_of(moment.scores.stage, moment.scores.intent, weariness)
    contest = Contest.of(policy, draws, eligible, at, weariness, arm, moment.scores.uplift)
    gates = dict(zip(plan.places, asked, strict=True))
    if arm in LEARNED and eligible:
        for place in compress(eligible, map(not_, contest.all_hopeful())):
            gates[place] = NO_HOPE
    learning = _apprentices(policy, eligible, switches)
    rows = dict(zip(eligible, count()))
    page = _Page(moment, draws, timing, switches, learning, gates, contest, rows, worths_of(policy))
    taken: dict[int, str] = {}
    filled = []
    for placement in placements:
        chosen, winner = _place(page, placement, taken)
        if winner is not None:
            taken[winner] = placement
        filled.append(chosen)
    return tuple(filled), None


def _alone(moment: Moment, placements: tuple[str, ...], plan: Plan, arm: str) -> bool:
    """Whether a page is one placement in which nothing is stopped, learning or decided without the draws."""
    policy = moment.policy
    plain = len(placements) == 1 and not moment.inputs.switches and not policy.apprentice and arm != "rules_only"
    return plain and worths_of(policy).apprentices.isdisjoint(plan.places)


def _settled(moment: Moment, placement: str, settled: Settled, timing: Timing | None) -> Chosen:
    """What a placement got, without its candidates."""
    numbers = settled.numbers
    silent = numbers.item(3, 0), numbers.item(4, 0)
    if settled.winner == NOBODY:
        reason = "explored" if settled.explored else _SILENT_BECAUSE[settled.hopeful == 0]
        return Chosen(placement, None, settled.propensity, reason, (), *silent, settled.draw)
    action = moment.policy.actions[settled.winner]
    reason = "explored" if settled.explored else "won"
    offers = moment.offers(action) if action.recommend is not None else ()
    shown_s = _show_after_s(moment, action, timing)
    return Chosen(placement, action.id, settled.propensity, reason, (), *silent, settled.draw, offers, "", shown_s)


def _show_after_s(moment: Moment, action: Action, timing: Timing | None) -> float | None:
    """When a timed action shows, for this visitor; None for the action's own."""
    if not action.timed or timing is None:
        return None
    return timing.moment_s(moment.inputs.context.page_type, float(moment.scores.intent[LEAVE]), action.show_after_s)


def _apprentices(policy: Policy, eligible: tuple[int, ...], switches: Switches) -> frozenset[int]:
    """Which of the eligible are only decided and logged."""
    if not switches.states and not policy.apprentice:
        return worths_of(policy).apprentices.intersection(eligible)
    return frozenset([place for place in eligible if switches.apprentice(policy.actions[place], policy)])


def _place(page: _Page, placement: str, taken: dict[int, str]) -> tuple[Chosen, int | None]:
    """One placement, given what the earlier ones took, and the position of the action it gets."""
    policy = page.moment.policy
    here = policy.at[placement]
    closed = _closed(page, placement, taken)
    open_here = _open(here, map(closed.__getitem__, here))
    eligible = tuple([place for place in open_here if place not in page.learning]) if page.learning else open_here
    outcome = _arbitrated(page, placement, eligible)
    shadow = outcome if len(eligible) == len(open_here) else _arbitrated(page, placement, open_here)
    found = dict(zip(eligible, _candidates(page, eligible, outcome.share[1:], outcome.propensity[1:]), strict=True))
    if shadow is not outcome:
        share = dict(zip(open_here, shadow.share[1:], strict=True))
        learning = tuple([place for place in open_here if place in page.learning])
        told = _candidates(page, learning, [share[place] for place in learning], [0.0] * len(learning), True)
        found |= zip(learning, told, strict=True)
    shut = tuple(compress(here, map(closed.__getitem__, here)))
    ids = page.worths.ids
    found |= zip(shut, map(blocked, map(ids.__getitem__, shut), map(closed.__getitem__, shut)), strict=True)
    candidates = tuple(map(found.__getitem__, here))
    winner = None if outcome.winner == SILENCE else eligible[outcome.winner - 1]
    would_be = None if shadow.winner == SILENCE else open_here[shadow.winner - 1]
    chosen = _chosen(page.moment, placement, winner, outcome, candidates)
    if winner is not None:
        shown_s = _show_after_s(page.moment, policy.actions[winner], page.timing)
        chosen = chosen if shown_s is None else msgspec.structs.replace(chosen, show_after_s=shown_s)
    if would_be in page.learning:
        chosen = msgspec.structs.replace(chosen, withheld=policy.actions[would_be].id)
    return chosen, winner


def _open(places: tuple[int, ...], gates: Iterable[Closed | None]) -> tuple[int, ...]:
    """Those of which no gate is closed."""
    return tuple(compress(places, map(is_, gates, repeat(None))))


def _arbitrated(page: _Page, placement: str, eligible: tuple[int, ...]) -> Outcome:
    rows = tuple(map(page.places.__getitem__, eligible))
    inputs, floor = page.moment.inputs, page.moment.policy.exploration_floor
    return arbitrate(page.contest, rows, inputs.decision_id, placement, floor)


def _closed(page: _Page, placement: str, taken: dict[int, str]) -> Mapping[int, Closed | None]:
    """What blocks each action of a placement: stopped by hand, shown elsewhere on the page, or a gate."""
    if not page.switches.states and not taken:
        return page.gates
    policy = page.moment.policy
    return {
        place: _stopped(policy.actions[place], placement, page.switches) or _once(place, taken) or page.gates[place]
        for place in policy.at[placement]
    }


def _once(place: int, taken: dict[int, str]) -> Closed | None:
    return Closed("once", f"already at {taken[place]} on this page") if place in taken else None


def _candidates(
    page: _Page, places: tuple[int, ...], share: Sequence[float], propensity: Sequence[float], apprentice: bool = False
) -> list[Candidate]:
    """The actions of a contest as candidates, each with its share of the draws and its chance."""
    worths, numbers = page.worths, page.contest.numbers
    if len(places) < len(page.places):
        numbers = numbers[:, list(map(page.places.__getitem__, places))]
    probability, cost, net = numbers.tolist()
    ids, units, levers = (map(of.__getitem__, places) for of in (worths.ids, worths.units, worths.levers))
    none = repeat("")
    return list(
        map(Candidate, ids, none, none, units, probability, levers, cost, net, share, propensity, repeat(apprentice))
    )


_SILENT_BECAUSE: Final = {True: "no_candidate", False: "silence"}


def _chosen(
    moment: Moment, placement: str, winner: int | None, outcome: Outcome, candidates: tuple[Candidate, ...]
) -> Chosen:
    action = moment.policy.actions[winner] if winner is not None else None
    reason = "explored" if outcome.explored else "won" if action else _SILENT_BECAUSE[len(outcome.share) == 1]
    return Chosen(
        placement,
        action.id if action else None,
        outcome.propensity[outcome.winner],
        reason,
        candidates,
        outcome.share[SILENCE],
        outcome.propensity[SILENCE],
        outcome.draw,
        moment.offers(action) if action else (),
    )
