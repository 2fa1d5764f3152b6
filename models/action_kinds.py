"""The kinds of action, and what holds for an action whose policy does not say otherwise.

A prior's mean is the incremental probability that a visitor who sees the message does what it is for, by stage. They
are cautious on purpose: most messages change few minds, and a wrong one must lose to silence until data says more.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

DAY_S: Final = 86_400


@dataclass(frozen=True, slots=True)
class ActionKind:
    """Defaults of one kind. prior: mean by stage, awareness to loyalty. cost: money, of one interruption.

    timed: its moment is chosen for each visitor, at show_after_s at the earliest.
    """

    name: str
    meaning: str
    prior: tuple[float, float, float, float, float, float]
    cost: float
    cooldown_after_dismissal_s: int = DAY_S
    show_after_s: float = 0.0
    ttl_s: int = 1800
    timed: bool = False

    @property
    def interrupts(self) -> bool:
        """Whether it steps between a visitor and the page: shown only where a no to it is remembered."""
        return self.name in INTERRUPTING


INTERRUPTING: Final = ("bar", "chat", "loyalty", "survey", "welcome")

PRIOR_STRENGTH: Final = 200.0
"""A default prior weighs as much as so many visitors."""

KINDS: Final = (
    ActionKind("badge", "A quiet mark of trust.", (0.002, 0.003, 0.005, 0.008, 0.004, 0.001), 0.005, 0),
    ActionKind("hint", "A short text where the question arises.", (0.001, 0.003, 0.006, 0.008, 0.004, 0.002), 0.01, 0),
    ActionKind("bar", "A line across the page.", (0.002, 0.003, 0.003, 0.004, 0.001, 0.002), 0.03, 7 * DAY_S),
    ActionKind(
        "chat", "A person to talk to.", (0.0, 0.002, 0.008, 0.015, 0.008, 0.003), 0.10, 30 * DAY_S, 8.0, timed=True
    ),
    ActionKind("recommend", "Products.", (0.006, 0.010, 0.006, 0.002, 0.0005, 0.004), 0.01, 0),
    ActionKind("availability", "A product in a store.", (0.001, 0.004, 0.010, 0.010, 0.002, 0.001), 0.01, 0),
    ActionKind("loyalty", "An invitation to the programme.", (0.0, 0.001, 0.001, 0.0, 0.0, 0.02), 0.05, 30 * DAY_S),
    ActionKind("search_help", "A way on after a search.", (0.01, 0.03, 0.02, 0.005, 0.001, 0.005), 0.01, 0),
    ActionKind("survey", "A question to the visitor.", (0.0, 0.0, 0.0, 0.0, 0.0, 0.03), 0.10, 90 * DAY_S, 3.0),
    ActionKind("welcome", "A greeting that fits the way in.", (0.010, 0.004, 0.001, 0.0, 0.0, 0.0), 0.02, 7 * DAY_S),
    ActionKind("account", "An account, or the way round it.", (0.0, 0.0, 0.001, 0.006, 0.010, 0.01), 0.02, 7 * DAY_S),
    ActionKind("care", "Help with what was bought.", (0.0, 0.0, 0.0, 0.0, 0.0, 0.03), 0.02, 7 * DAY_S),
    ActionKind("compare", "Products side by side.", (0.0, 0.004, 0.012, 0.004, 0.0, 0.0), 0.02, DAY_S),
)
BY_NAME: Final[Mapping[str, ActionKind]] = {kind.name: kind for kind in KINDS}
ACTION_KINDS: Final = tuple(BY_NAME)

FALLBACK_KINDS: Final = ("badge", "hint")
"""Kinds quiet enough to be shown when nothing is known of the visitor."""
