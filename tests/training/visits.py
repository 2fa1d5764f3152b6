"""Visits of a made-up shop in a lake: decisions as the service keeps them, and what followed them, by a hash."""

from collections.abc import Mapping
from pathlib import Path

from msgspec import structs

from features import lakefile
from features.events import Row
from features.lakefile import DecisionRow
from features.record import hash64
from models import receipt
from models.arbitration import Draws
from models.chosen import Decision
from models.decision import Known, decide
from models.policy_terms import Policy
from models.trial import SILENCE
from tests.models.deciding import NOW, FixedScores, Visitor

SHOP = "demo"
BUNDLE = FixedScores()
MINUTE, HOUR = 60_000, 3_600_000
_SEEN = Visitor().did("view_item", 3, item_id="p1").inputs("top", "side")
_KNOWN = Known.of(_SEEN, BUNDLE)


def decision_id(number: int) -> str:
    """An id of the form that the service gives."""
    return f"{number:026d}-00"


def decided(number: int, policy: Policy, draws: Draws, visitor: str = "", at_ms: int = 0) -> Decision:
    """The decision of a visit, its placements all those of the policy. Visits are 10 seconds apart."""
    at_ms = at_ms or NOW + number * 10_000
    who = {"visitor_id": visitor or f"v{number}", "decision_id": decision_id(number), "now_ms": at_ms}
    inputs = structs.replace(_SEEN, **who, placements=tuple(policy.at))
    return decide(inputs, BUNDLE, policy, draws, _KNOWN)


def kept(made: Decision) -> DecisionRow:
    """A decision as the recorder writes it."""
    inputs = made.inputs
    return DecisionRow(
        *(SHOP, inputs.decision_id, inputs.visitor_id, inputs.now_ms, made.degraded, made.bundle_id),
        *(made.policy.version, made.stage, made.silent, made.actions, receipt.encode(made)),
    )


def event(name: str, made: Decision, after_ms: int, **fields) -> Row:
    """Something the decision's visitor did after it."""
    inputs = made.inputs
    ts_ms = inputs.now_ms + after_ms
    text = f"{name}|{inputs.decision_id}|{after_ms}|{fields.get('action', '')}"
    return Row(SHOP, inputs.visitor_id, text, ts_ms, name, received_ms=ts_ms, **fields)


def shown(made: Decision, after_ms: int = 500, name: str = "view_promotion") -> list[Row]:
    """Every message of a decision, as seen by its visitor."""
    return [
        event(name, made, after_ms, action=chosen.action, decision_id=made.inputs.decision_id)
        for chosen in made.chosen
        if chosen.action is not None
    ]


def visit(number: int, policy: Policy, draws: Draws, odds: Mapping[str, float]) -> tuple[DecisionRow, list[Row]]:
    """A visit: a decision, its messages shown, and an order as likely as the first placement's message makes it."""
    made = decided(number, policy, draws)
    rows = shown(made)
    first = made.chosen[0].action or SILENCE
    if hash64(f"{number}|orders") / 2**64 < odds[first]:
        rows.append(event("purchase", made, 20_000, order_id=f"o{number}", value=10.0))
    return kept(made), rows


def write_visits(
    lake: Path, numbers: range, policy: Policy, draws: Draws, odds: Mapping[str, float], name: str = "a"
) -> None:
    """Visits into a lake, and an event two hours later, by which their sessions are over."""
    visits = [visit(number, policy, draws, odds) for number in numbers]
    rows = [row for _, several in visits for row in several]
    later_ms = NOW + numbers.stop * 10_000 + 2 * HOUR
    rows.append(Row(SHOP, "later", f"later{numbers.stop}", later_ms, "page_view", received_ms=later_ms))
    lakefile.write_events(lake, rows, name)
    lakefile.write_decisions(lake, [decision for decision, _ in visits], name)
