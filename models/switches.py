"""Switches: what somebody turned off, or on, by hand, above what the policy's file says.

A switch names the shop, a placement or an action, and what it shall be:

| state      | meaning                                                   |
|------------|-----------------------------------------------------------|
| stopped    | never shown until the switch is taken away                |
| apprentice | decided and logged, not shown                             |
| live       | shown, even if the file says that it is an apprentice     |

Stopped anywhere is stopped. Of the others the action's own switch counts, else the shop's, else the file.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from models.policy_terms import Action, Policy

STATES: Final = ("stopped", "apprentice", "live")
SHOP: Final = "shop"


def target(kind: str, name: str = "") -> str:
    """The key of a switch: `shop`, `placement:ID` or `action:ID`."""
    return f"{kind}:{name}" if name else SHOP


@dataclass(frozen=True, slots=True)
class Switches:
    """Switches by target."""

    states: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str]]) -> "Switches":
        states = dict(pairs)
        return cls(states) if states else NONE

    def stopped(self, action: Action) -> str:
        """What stopped an action everywhere; "" if nothing did."""
        return next((name for name in (SHOP, f"action:{action.id}") if self.states.get(name) == "stopped"), "")

    def closed(self, placement: str) -> bool:
        """Whether a placement is stopped."""
        return self.states.get(f"placement:{placement}") == "stopped"

    def apprentice(self, action: Action, policy: Policy) -> bool:
        """Whether an action is only decided and logged."""
        for name in (f"action:{action.id}", SHOP):
            if self.states.get(name) in ("apprentice", "live"):
                return self.states[name] == "apprentice"
        return policy.apprentice or action.apprentice


NONE: Final = Switches()
