"""Follows a visitor through the shop: every decision answered on the way, held against the shop's policy."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Page, Response

from models.policy_terms import Policy
from tests.browser.conftest import Demo

NEVER_AT: dict[str, tuple[str, ...]] = {
    "checkout": ("recommend", "bar", "welcome", "loyalty", "survey", "compare", "availability"),
    "thankyou": ("recommend", "bar", "welcome", "chat", "availability"),
    "search": ("bar", "chat", "loyalty", "survey"),
}
"""By how a placement begins, the kinds that have no place there whatever the policy's file says."""


@dataclass
class Watch:
    """The answers of one page's visitor, in order."""

    answers: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def on(cls, page: Page) -> "Watch":
        """Watches what the page is answered, and what comes to it over the stream of prompts."""
        watch = cls()

        def heard(response: Response) -> None:
            if response.url.endswith("/v1/decisions") and response.status == 200:
                watch.answers.append(response.json())

        page.on("response", heard)
        page.expose_function("streamed", lambda answer: watch.answers.append(answer))
        page.add_init_script("document.addEventListener('shop:decision', (e) => streamed(e.detail));")
        return watch

    def said(self) -> list[tuple[str, str, str]]:
        """(placement, action, kind) of every message that was decided."""
        return [
            (placement, chosen["action"], chosen["kind"])
            for answer in self.answers
            for placement, chosen in answer["placements"].items()
            if chosen["action"]
        ]

    def forbidden(self, policy: Policy, demo: Demo, visitor_id: str) -> list[str]:
        """What the policy does not allow, in words; nothing if all is well."""
        wrong = [one for answer in self.answers for one in _of_answer(answer, policy)]
        wrong += _caps(policy, demo.tail(visitor_id))
        for answer in self.answers:
            wrong += _gates(answer, demo)
        return wrong


def _of_answer(answer: dict[str, Any], policy: Policy) -> list[str]:
    """Place, kind, stage, consent, and no message twice on a page."""
    wrong = [f"degraded: {answer['degraded_because']}"] if answer["degraded"] else []
    kinds = {placement.id: placement.kinds for placement in policy.placements}
    seen: Counter[str] = Counter()
    for placement, chosen in answer["placements"].items():
        action = policy.action(chosen["action"]) if chosen["action"] else None
        if action is None:
            continue
        seen[action.id] += 1
        if placement not in action.placements or action.kind not in kinds[placement]:
            wrong.append(f"{action.id} has no place at {placement}")
        if action.stages and answer["stage"]["name"] not in action.stages:
            wrong.append(f"{action.id} in stage {answer['stage']['name']}")
        if action.consent != "none" and action.consent not in policy.assumed_consent:
            wrong.append(f"{action.id} without consent to {action.consent}")
        if action.kind in NEVER_AT.get(placement.split(".")[0], ()):
            wrong.append(f"a {action.kind} at {placement}")
    return wrong + [f"{action_id} {n} times on a page" for action_id, n in seen.items() if n > 1]


def _caps(policy: Policy, tail: list[dict[str, Any]]) -> list[str]:
    """What was shown, against the caps and the session's budget; and nothing after a no."""
    names = {action.hash: action for action in policy.actions}
    shown: Counter[str] = Counter()
    refused: set[str] = set()
    wrong = []
    for record in {(r["event"], r["kind"], r["item"]): r for r in tail}.values():
        action = names.get(int(record["item"]))
        if action is None:
            continue
        if record["kind"] == "view_promotion":
            shown[action.id] += 1
            wrong += [f"{action.id} after a no"] if action.id in refused else []
        if record["kind"] == "dismiss_promotion":
            refused.add(action.id)
    for action in policy.actions:
        if action.caps.per_session is not None and shown[action.id] > action.caps.per_session:
            wrong.append(f"{action.id} {shown[action.id]} times in a session")
    budget = policy.session_budget.per_session
    return wrong + (["over the session's budget"] if budget is not None and shown.total() > budget else [])


def _gates(answer: dict[str, Any], demo: Demo) -> list[str]:
    """Each message's own gate, as the receipt has it: open."""
    told = demo.get(f"/v1/decisions/{answer['decision_id']}/why")
    wrong = []
    for placement, about in told["placements"].items():
        gates = {candidate["action"]: candidate.get("gate", "") for candidate in about["candidates"]}
        if about["action"] and gates[about["action"]]:
            wrong.append(f"{about['action']} at {placement} in spite of {gates[about['action']]}")
    return wrong
