"""Gates: what can block an action, asked in one order, the first closed one kept by name with its detail.

| gate       | closed when                                                                        |
|------------|------------------------------------------------------------------------------------|
| stopped    | somebody stopped the action, its placement or the whole shop                       |
| consent    | the visitor has not allowed what the action needs; or it interrupts, and a no to it could not be kept |
| schedule   | now is outside the action's dates, weekdays or hours                                |
| stage      | the stage named is not one of the action's                                          |
| rule       | the action's rule does not hold, or what it needs is unknown                        |
| rule_error | the rule failed                                                                     |
| cap        | the visitor has seen the action as often as its caps allow                          |
| cooldown   | the visitor dismissed it (for chat: any chat prompt) not long enough ago            |
| rest       | the visitor ignored it in as many sessions as its rest allows, not long enough ago  |
| budget     | the visitor has seen as many messages as the session's or the day's budget allows   |
| truth      | a claim's evidence has expired, or the catalog does not bear it out                 |
| content    | there are no words in the page's language, or no product to recommend               |
| once       | an earlier placement of the same page already has the action                        |
| no_hope    | of what is believed hardly any draw lifts it above silence at this moment           |
| fallback   | the decision is degraded and the action is not marked safe for that                 |
"""

from typing import Final

from features.catalog import Product
from models.closed import Closed
from models.inputs import Inputs
from models.moment import DAY_MS, Moment
from models.page_plan import Plan, without_consent
from models.policy_terms import Action
from models.rule_vector import NO, YES
from models.schedule import outside


def first_closed_gate(action: Action, moment: Moment) -> Closed | None:
    """The first gate that blocks an action at a moment; None if all are open."""
    return closed_gates(Plan.of((0,), (action,), moment.granted, moment.locale), moment)[0]


def closed_gates(plan: Plan, moment: Moment) -> list[Closed | None]:
    """The same for the actions of a plan, in its order: gate after gate, each asked of those it can still close."""
    actions, closed = plan.actions, list(plan.consent)
    if plan.interrupting and (no_memory := _memory(moment)) is not None:
        for at in plan.interrupting:
            closed[at] = closed[at] or no_memory
    for at in plan.scheduled:
        closed[at] = closed[at] or schedule(actions[at], moment)
    for at, not_now in plan.unstaged[moment.stage]:
        closed[at] = closed[at] or not_now
    if plan.ruled:
        _ask_rules(plan, moment, closed)
    history = moment.history
    if history.shown or history.dismissed:
        spent = budget(moment)
        for at, action in enumerate(actions):
            closed[at] = closed[at] or _courtesy(action, moment, spent)
    for at in plan.claimed:
        closed[at] = closed[at] or truth(actions[at], moment)
    for at in plan.wordless:
        closed[at] = closed[at] or _words(actions[at], moment.locale, moment.inputs)
    for at in plan.recommending:
        closed[at] = closed[at] or content(actions[at], moment)
    return closed


def _ask_rules(plan: Plan, moment: Moment, closed: list[Closed | None]) -> None:
    """Closes what its rule closes: those that the vector does not answer are asked one by one."""
    for at, said, not_so in zip(plan.ruled, plan.quick.answers(moment.vector), plan.not_so, strict=True):
        if closed[at] is None and said != YES:
            closed[at] = not_so if said == NO else rule(plan.actions[at], moment)


def first_closed_without_state(action: Action, inputs: Inputs, granted: tuple[str, ...], locale: str) -> Closed | None:
    """The same for a degraded decision: of the visitor nothing is known, so only safe actions come through."""
    if not action.fallback:
        return Closed("fallback", "the decision is degraded; the action is not marked as a fallback")
    if action.cooldown_after_dismissal_s and action.id in (inputs.context.dismissed or ()):
        return Closed("cooldown", "dismissed, as the request says")
    return without_consent(action, granted) or _schedule(action, inputs.now_ms) or _words(action, locale, inputs)


def _memory(moment: Moment) -> Closed | None:
    """What interrupts needs a memory of the no to it: ours, which consent allows, or the browser's own."""
    if "analytics" in moment.granted or moment.inputs.context.dismissed is not None:
        return None
    return Closed("consent", "it interrupts, and without consent for analytics or `dismissed` a no could not be kept")


def schedule(action: Action, moment: Moment) -> Closed | None:
    return _schedule(action, moment.inputs.now_ms)


def _schedule(action: Action, now_ms: int) -> Closed | None:
    why = outside(action.schedule, now_ms) if action.schedule else ""
    return Closed("schedule", why) if why else None


def rule(action: Action, moment: Moment) -> Closed | None:
    if action.when is None:
        return None
    try:
        if moment.variables.satisfy(action.when):
            return None
    except KeyError as unknown:
        return Closed("rule", f"{unknown.args[0]!r} is unknown: {action.when.source}")
    except Exception as bad:  # noqa: BLE001  whatever CEL raises, the action stays closed and the error is counted
        return Closed("rule_error", f"{type(bad).__name__}: {str(bad)[:200]}: {action.when.source}")
    return Closed("rule", f"not so: {action.when.source}")


def cap(action: Action, moment: Moment) -> Closed | None:
    times = moment.history.shown.get(action.hash)
    if not times:
        return None
    now_ms, caps = moment.inputs.now_ms, action.caps
    windows = (
        (caps.per_session, moment.history.session_ms - 1, "in this session"),
        (caps.per_day, now_ms - DAY_MS, "in 24 hours"),
        (caps.per_30_days, now_ms - 30 * DAY_MS, "in 30 days"),
    )
    for most, after_ms, words in windows:
        if most is not None and (count := sum(ts_ms > after_ms for ts_ms in times)) >= most:
            return Closed("cap", f"shown {count} times {words}; at most {most}")
    return None


def _courtesy(action: Action, moment: Moment, spent: Closed | None) -> Closed | None:
    """What was shown before and how it was received. spent: budget(moment)."""
    return (
        cap(action, moment)
        or (cooldown(action, moment) if moment.history.dismissed else None)
        or (rest(action, moment) if action.rest is not None else None)
        or spent
    )


def rest(action: Action, moment: Moment) -> Closed | None:
    if action.rest is None:
        return None
    ignored_ms = moment.history.ignored.get(action.hash, ())
    last_ms = ignored_ms[-1] if ignored_ms else 0
    since_ms = last_ms - action.rest.within_days * DAY_MS
    count = sum(ts_ms >= since_ms for ts_ms in ignored_ms)
    left_s = action.rest.days * DAY_MS / 1000 - (moment.inputs.now_ms - last_ms) / 1000
    if count < action.rest.ignored or left_s <= 0:
        return None
    return Closed("rest", f"ignored in {count} sessions; stays away for another {_span(left_s)}")


def cooldown(action: Action, moment: Moment) -> Closed | None:
    dismissed = moment.history.dismissed
    if not dismissed or not action.cooldown_after_dismissal_s:
        return None
    answered = (action.hash,) if action.kind != "chat" else moment.policy.chats
    last_ms = max((dismissed[item] for item in answered if item in dismissed), default=None)
    if last_ms is None:
        return None
    left_s = action.cooldown_after_dismissal_s - (moment.inputs.now_ms - last_ms) / 1000
    return Closed("cooldown", f"dismissed; stays away for another {_span(left_s)}") if left_s > 0 else None


def budget(moment: Moment) -> Closed | None:
    limits = moment.policy.session_budget
    for most, count, words in (
        (limits.per_session, moment.history.shown_in_session, "in this session"),
        (limits.per_day, moment.history.shown_in_day, "in 24 hours"),
    ):
        if most is not None and count >= most:
            return Closed("budget", f"{count} messages shown {words}; at most {most}")
    return None


def truth(action: Action, moment: Moment) -> Closed | None:
    product = moment.inputs.product
    for claim in action.claims:
        if claim.expires_ms is not None and claim.expires_ms <= moment.inputs.now_ms:
            return Closed("truth", f"the evidence for {claim.text!r} has expired")
        if claim.fact and not _bears_out(claim.fact, product):
            return Closed("truth", f"the catalog does not bear out {claim.text!r}: no {claim.fact}")
    if action.kind == "availability" and not _bears_out("stores", product):
        return Closed("truth", "no store is known to have the product")
    return None


def _bears_out(fact: str, product: Product | None) -> bool:
    """Whether the catalog has a fact of the page's product."""
    if product is None:
        return False
    if fact == "stores":
        return any(units > 0 for units in product.stores.values())
    known = getattr(product, fact)
    return known is not None and known > 0


def content(action: Action, moment: Moment) -> Closed | None:
    closed = _words(action, moment.locale, moment.inputs)
    if closed is None and action.recommend and not moment.offers(action):
        return Closed("content", f"no product to recommend ({', '.join(action.recommend.sources)})")
    return closed


def _words(action: Action, locale: str, inputs: Inputs) -> Closed | None:
    if locale in action.content:
        return None
    return Closed("content", f"no words for locale {inputs.context.locale!r}; has {', '.join(action.content)}")


def _span(seconds: float) -> str:
    if seconds >= 172_800:
        return f"{seconds / 86_400:.0f} days"
    return f"{seconds / 3600:.0f} hours" if seconds >= 7200 else f"{seconds / 60:.0f} minutes"


GATE_NAMES: Final = (
    *("stopped", "consent", "schedule", "stage", "rule", "rule_error", "cap", "cooldown", "rest", "budget"),
    *("truth", "content", "once", "no_hope", "fallback"),
)
