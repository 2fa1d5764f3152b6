"""Lints about what can ever be shown: rules that never hold, schedules that are over, actions that never win."""

import re
from collections.abc import Iterator
from itertools import combinations
from typing import Final

import numpy as np

from models.action_kinds import FALLBACK_KINDS
from models.arbitration import prior_draws
from models.lint_finding import Hit, Linted
from models.policy_terms import Action, Policy, Schedule
from models.rule_sense import why_never
from models.rule_tree import Asked
from models.schedule import outside
from models.stage import STAGES

SOON_MS: Final = 30 * 86_400_000
"""A claim that expires within 30 days deserves a warning."""

_WORD: Final = r"""(?:"[^"]*"|'[^']*')"""
_PERSONA: Final = re.compile(
    rf"visitor\.persona\s*(?:[=!]=\s*{_WORD}|in\s*\[[^\]]*\])|{_WORD}\s*[=!]=\s*visitor\.persona"
)
_TEXT: Final = re.compile(r"""\"([^"]*)"|'([^']*)'""")
_MINUTE_MS: Final = 60_000
_WEEK_MS: Final = 7 * 86_400_000
_RULE_FACTS: Final = {"stock": "item.stock", "price": "item.price", "rating": "item.rating", "reviews": "item.reviews"}


def rule_never_holds(linted: Linted) -> Iterator[Hit]:
    for at, action in linted.actions():
        if action.when and (why := why_never(action.when.source)):
            yield at.node("when"), f"{action.id}: its rule can never hold: {why}"


def stages_exclude_rule(linted: Linted) -> Iterator[Hit]:
    for at, action in linted.actions():
        if not action.when or not action.stages or why_never(action.when.source):
            continue
        if why := why_never(action.when.source, _stages(action)):
            yield at.node("stages"), f"{action.id}: its stages and its rule never hold together: {why}"


def parts_exclude_rule(linted: Linted) -> Iterator[Hit]:
    for at, action in linted.actions():
        if not action.when or why_never(action.when.source, _stages(action)):
            continue
        for field, given in (("claims", _claimed(action)), ("schedule", _scheduled(action, linted.policy))):
            if given and (why := why_never(action.when.source, (*_stages(action), *given))):
                yield at.node(field), f"{action.id}: its {field} and its rule never hold together: {why}"


def _stages(action: Action) -> tuple[Asked, ...]:
    return (Asked("stage.name", "in", action.stages),) if action.stages else ()


def _claimed(action: Action) -> tuple[Asked, ...]:
    """What the catalog must say for the action's claims to stand."""
    return tuple(Asked(_RULE_FACTS[c.fact], ">", (0.0,)) for c in action.claims if c.fact in _RULE_FACTS)


def _scheduled(action: Action, policy: Policy) -> tuple[Asked, ...]:
    """The hours and days of the schedule, where it goes by the shop's own clock, as rules do."""
    schedule = action.schedule
    if schedule is None or str(schedule.timezone) != str(policy.timezone):
        return ()
    tests = []
    if schedule.hours:
        begin, end = schedule.hours
        open_at = [m for m in range(1440) if (begin <= m < end if begin < end else m >= begin or m < end)]
        tests.append(Asked("time.hour", "in", tuple(float(hour) for hour in sorted({m // 60 for m in open_at}))))
    if schedule.weekdays:
        tests.append(Asked("time.weekday", "in", tuple(float(day) for day in schedule.weekdays)))
    return tuple(tests)


def persona_is_unknown(linted: Linted) -> Iterator[Hit]:
    there = (
        f"in use are {', '.join(linted.personas)}" if linted.personas else "none are in use: tact personas --publish"
    )
    for at, action in linted.actions():
        for name in personas_asked(action.when.source) if action.when else ():
            if name not in linted.personas:
                yield at.node("when"), f"{action.id}: no persona is called {name!r}; {there}"


def personas_asked(rule: str) -> tuple[str, ...]:
    """The names that a rule compares visitor.persona with, each once, in order."""
    found = []
    for match in _PERSONA.finditer(rule):
        found += _TEXT.findall(match[0])
    return tuple(dict.fromkeys(first or second for first, second in found))


def schedule_is_over(linted: Linted) -> Iterator[Hit]:
    for at, action in linted.actions():
        if action.schedule and action.schedule.to_ms is not None and action.schedule.to_ms <= linted.now_ms:
            yield at.node("schedule", "to"), f"{action.id}: its schedule is over"


def schedule_never_opens(linted: Linted) -> Iterator[Hit]:
    for at, action in linted.actions():
        if action.schedule and not _ever_open(action.schedule):
            yield at.node("schedule"), f"{action.id}: its days and hours never come between 'from' and 'to'"


def _ever_open(schedule: Schedule) -> bool:
    """Whether any moment lies in it. Over a week or longer every day and hour comes."""
    begin, end = schedule.from_ms, schedule.to_ms
    if begin is None or end is None or end - begin > _WEEK_MS:
        return True
    return any(not outside(schedule, ts_ms) for ts_ms in range(begin, end, _MINUTE_MS))


def prior_below_cost(linted: Linted) -> Iterator[Hit]:
    for at, action in linted.actions():
        if not _beats_silence(action):
            field = "prior" if action.value * action.lever > 0 else "value"
            said = f"by its prior it is worth less than its cost ({action.cost:g}) in every stage"
            yield at.node(field), f"{action.id}: {said}; silence wins on average"


def _beats_silence(action: Action) -> bool:
    allowed = [action.prior.mean[STAGES.index(stage)] for stage in action.stages or STAGES]
    return max(allowed) * action.value * action.lever > action.cost


def another_always_wins(linted: Linted) -> Iterator[Hit]:
    """Over all draws of the priors and all stages: stages mix, so what holds in each holds in any mixture."""
    policy = linted.policy
    if not policy.actions:
        return
    table = prior_draws(policy).table
    for placement, places in policy.at.items():
        for loser in places:
            winner = next(
                (w for w in places if w != loser and _always_before(policy, w, loser, placement, table)), None
            )
            if winner is not None and _beats_silence(policy.actions[loser]):
                said = f"at {placement} {policy.actions[winner].id} wins in every draw of the priors"
                node = linted.node("actions", loser, "placements", policy.actions[loser].placements.index(placement))
                yield node, f"{policy.actions[loser].id}: {said}; it shows by exploration alone"


def _always_before(policy: Policy, first: int, second: int, placement: str, table: np.ndarray) -> bool:
    """Whether `first` is there whenever `second` is, costs no more, and is worth at least as much in every draw."""
    one, other = policy.actions[first], policy.actions[second]
    if not _there_whenever(policy, one, other, placement) or one.cost > other.cost:
        return False
    net, beside = (policy.unit(a) * a.lever * table[place] - a.cost for a, place in ((one, first), (other, second)))
    stages = [STAGES.index(stage) for stage in other.stages or STAGES]
    better = (net > beside) | ((net == beside) & (first < second)) | (beside <= 0)
    return bool(better[stages].all())


def _there_whenever(policy: Policy, one: Action, other: Action, placement: str) -> bool:
    return (
        _free_at(policy, one, placement)
        and not one.recommend
        and (one.when is None or one.when == other.when)
        and (not one.stages or set(other.stages or STAGES) <= set(one.stages))
        and (one.consent in ("none", other.consent))
        and (one.schedule is None or one.schedule == other.schedule)
        and set(one.claims) <= set(other.claims)
        and one.kind != "availability"
        and one.caps == type(one.caps)()
        and not one.cooldown_after_dismissal_s
        and one.rest is None
        and not one.apprentice
    )


def _free_at(policy: Policy, action: Action, placement: str) -> bool:
    """Whether no earlier placement of a page can have taken the action."""
    return next(p.id for p in policy.placements if p.id in action.placements) == placement


def fallback_never_shows(linted: Linted) -> Iterator[Hit]:
    policy = linted.policy
    for placement, places in policy.at.items():
        safe = [place for place in places if policy.actions[place].fallback]
        for first, second in combinations(safe, 2):
            one, other = policy.actions[first], policy.actions[second]
            if one.schedule in (None, other.schedule) and _free_at(policy, one, placement) and _patient(one):
                said = f"as a fallback at {placement} {one.id} before it always shows instead"
                yield linted.node("actions", second, "fallback"), f"{other.id}: {said}"
                break


def _patient(action: Action) -> bool:
    """Whether a no does not silence it: only quiet kinds can be a fallback, and they need no rest."""
    return action.kind in FALLBACK_KINDS and not action.cooldown_after_dismissal_s


def placement_is_empty(linted: Linted) -> Iterator[Hit]:
    for place, placement in enumerate(linted.policy.placements):
        if not linted.policy.at[placement.id]:
            yield linted.node("placements", place, "id"), f"placement {placement.id!r} has no action"


def cap_never_bites(linted: Linted) -> Iterator[Hit]:
    for at, action in linted.actions():
        caps = action.caps
        limits = (("per_session", caps.per_session), ("per_day", caps.per_day), ("per_30_days", caps.per_30_days))
        known = [(name, most) for name, most in limits if most is not None]
        for (short, few), (longer, many) in combinations(known, 2):
            if few > many:
                said = f"{short} {few} never counts beside {longer} {many}"
                yield at.node("caps", short), f"{action.id}: {said}"


def proof_has_expired(linted: Linted) -> Iterator[Hit]:
    for at, action in linted.actions():
        for place, claim in enumerate(action.claims):
            if claim.expires_ms is not None and claim.expires_ms <= linted.now_ms:
                said = f"the proof of {claim.text!r} has expired; the action is blocked"
                yield at.node("claims", place, "expires"), f"{action.id}: {said}"


def proof_expires_soon(linted: Linted) -> Iterator[Hit]:
    for at, action in linted.actions():
        for place, claim in enumerate(action.claims):
            if claim.expires_ms is not None and linted.now_ms < claim.expires_ms <= linted.now_ms + SOON_MS:
                said = f"the proof of {claim.text!r} expires within 30 days"
                yield at.node("claims", place, "expires"), f"{action.id}: {said}"


def claims_contradict(linted: Linted) -> Iterator[Hit]:
    """One proof, two numbers: at most one of the claims is true."""
    first: dict[str, tuple[str, str]] = {}
    for at, action in linted.actions():
        for place, claim in enumerate(action.claims):
            numbers = re.findall(r"\d+(?:[.,:]\d+)*", claim.text)
            if claim.fact or not numbers:
                continue
            whose, other = first.setdefault(claim.evidence, (action.id, claim.text))
            if re.findall(r"\d+(?:[.,:]\d+)*", other) != numbers:
                said = f"claims {claim.text!r} where {whose} claims {other!r} on the same evidence"
                yield at.node("claims", place, "text"), f"{action.id}: {said}"
