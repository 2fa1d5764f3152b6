"""What followed each decision of a log, by the policy's own reward and window: what a what-if weighs.

The same as the learner makes from the stream (models/credit.py), told apart: what followed the page as a whole, such
as an order, and what the message of one placement met with, such as a click.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import nan
from typing import NamedTuple

from models.credit import Credit
from models.policy_terms import Policy, Reward
from models.trial import Trial


class Line(NamedTuple):
    """What a reward needs of one line of an event; text is "" and numbers None where unknown."""

    visitor_id: str
    event_id: str
    ts_ms: int
    event: str
    item_id: str
    quantity: int
    order_id: str
    decision_id: str
    action: str
    price: float | None
    value: float | None


@dataclass(frozen=True, slots=True)
class Followed:
    """What followed, in the reward's units; NaN where the window is still open or the decision is not known."""

    page: dict[str, float]
    own: dict[tuple[str, str], float]

    def of_page(self, decision_id: str) -> float:
        return self.page.get(decision_id, nan)

    def of_placement(self, decision_id: str, placement: str) -> float:
        return self.own.get((decision_id, placement), nan)


@dataclass(frozen=True, slots=True)
class Terms:
    """What counts, and for how long. window_s: 0 is the visitor's session."""

    reward: Reward | None
    window_s: int
    margin_of: Callable[[str], float | None]

    @classmethod
    def of(cls, policy: Policy, margin_of: Callable[[str], float | None]) -> "Terms":
        """A policy's; without a `reward` each order counts 1."""
        return cls(policy.reward, policy.attribution.window_s, margin_of)


def followed(trials: Iterable[Trial], lines: Iterable[Line], terms: Terms, until_ms: int) -> Followed:
    """What followed each trial. lines: by time, those of an event together. until_ms: up to when the log is known."""
    decided: dict[str, dict[str, list[Trial]]] = defaultdict(dict)
    for trial in trials:
        decided[trial.visitor_id].setdefault(trial.decision_id, []).append(trial)
    happened: dict[str, list[list[Line]]] = defaultdict(list)
    for (visitor_id, _), event in groupby(lines, key=lambda line: (line.visitor_id, line.event_id)):
        if visitor_id in decided:
            happened[visitor_id].append(list(event))
    found = Followed({}, {})
    for visitor_id, decisions in decided.items():
        _follow(found, list(decisions.values()), happened[visitor_id], terms, until_ms)
    return found


def _follow(
    found: Followed, decisions: Sequence[list[Trial]], events: Sequence[list[Line]], terms: Terms, until_ms: int
) -> None:
    """One visitor's decisions and events, in time; what came with a question before its decision."""
    credit = Credit(terms.reward, terms.window_s, terms.margin_of)
    moments: list[tuple[int, int, list[Trial] | list[Line]]] = [(trials[0].ts_ms, 1, trials) for trials in decisions]
    moments += [(event[0].ts_ms, 0, event) for event in events]
    for ts_ms, is_decision, what in sorted(moments, key=lambda moment: moment[:2]):
        _settle(found, credit, ts_ms)
        if is_decision:
            credit.decided(what)  # type: ignore[arg-type]  # by is_decision
        else:
            credit.happened(what)  # type: ignore[arg-type]
    _settle(found, credit, until_ms)


def _settle(found: Followed, credit: Credit, now_ms: int) -> None:
    for trial in credit.settle(now_ms):
        found.page[trial.decision_id] = trial.of_page
        found.own[trial.decision_id, trial.placement] = trial.own
