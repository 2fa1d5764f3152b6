"""Lints about courtesy and learning: what interrupts without limit, and what leaves nothing to learn from."""

from collections.abc import Iterator

from models.action_kinds import INTERRUPTING
from models.lint_finding import Hit, Linted
from models.policy_terms import Caps


def interrupts_for_nothing(linted: Linted) -> Iterator[Hit]:
    for at, action in linted.actions():
        if action.kind in INTERRUPTING and action.cost == 0:
            yield at.node("cost"), f"{action.id}: a {action.kind} interrupts and costs 0: it always beats silence"


def interrupts_without_cap(linted: Linted) -> Iterator[Hit]:
    for at, action in linted.actions():
        if action.kind in INTERRUPTING and action.caps == Caps():
            yield at.node("caps"), f"{action.id}: a {action.kind} interrupts and has no cap"


def no_rest_after_a_no(linted: Linted) -> Iterator[Hit]:
    for at, action in linted.actions():
        if action.kind in INTERRUPTING and not action.cooldown_after_dismissal_s:
            node = at.node("cooldown_after_dismissal_s")
            yield node, f"{action.id}: a {action.kind} interrupts and comes back right after a no"


def nothing_is_explored(linted: Linted) -> Iterator[Hit]:
    if linted.policy.exploration_floor == 0:
        said = "exploration_floor is 0: what does not win today is never tried, so nothing can be learned of it"
        yield linted.node("exploration_floor"), said


def nothing_is_worth_anything(linted: Linted) -> Iterator[Hit]:
    reward = linted.policy.reward
    if reward is not None and not any((reward.order, reward.revenue, reward.margin, reward.cart, reward.click)):
        said = "nothing that a message may bring about has a weight: no message is ever worth more than silence"
        yield linted.node("reward"), f"reward: {said}"


def nobody_is_held_out(linted: Linted) -> Iterator[Hit]:
    if linted.policy.holdout == 0:
        said = "holdout is 0: without visitors who see nothing, no lift can be shown"
        yield linted.node("holdout"), said
