"""What the operators' console asks of the lake: a table of questions, each a function from what is asked to plain JSON.

A question is answered off the serving path, by the part `console` (tact/console_part.py), which keeps answers while the
lake stays as it is. To add one: write `name(asked: Asked) -> dict`, and put it into QUERIES. It may use polars.

* Unanswerable   the lake, or the install, lacks what the question needs; says what, for the page to show as it is
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from models.policy_terms import Policy

HOUR_MS: Final = 3_600_000
_SPANS_H: Final = {"1h": 1, "24h": 24, "7d": 7 * 24, "30d": 30 * 24, "90d": 90 * 24}

Json = dict[str, Any]


class Unanswerable(ValueError):
    """There is nothing to answer from yet."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a question is about.

    params: as the page's address has them, each once; an answer may depend on nothing else but the lake, the policy and
    now_ms. policy: the shop's live one, None where it has none. policy_of: an earlier one by its version, None if it is
    gone. progress: told the name of a step and the share of it that is done; a page shows it while it waits. folder:
    where what took long may be kept over a restart, as a cache; None for nowhere.
    """

    lake: Path
    shop: str
    params: Mapping[str, str] = field(default_factory=dict)
    policy: Policy | None = None
    policy_of: Callable[[str], Policy | None] = lambda version: None
    now_ms: int = 0
    progress: Callable[[str, float], None] = lambda step, share: None
    folder: Path | None = None

    @property
    def since_ms(self) -> int | None:
        """The start of the period asked for (`period`: 1h, 24h, 7d, 30d, 90d or all), None for all of the log.

        Raises Unanswerable.
        """
        period = self.params.get("period", "all")
        if period == "all":
            return None
        if period not in _SPANS_H:
            raise Unanswerable(f"period {period!r} is none of {', '.join(_SPANS_H)}, all")
        return (self.now_ms // HOUR_MS + 1) * HOUR_MS - _SPANS_H[period] * HOUR_MS  # whole hours: answers can be kept

    def live_policy(self) -> Policy:
        """Raises Unanswerable where the shop has none."""
        if self.policy is None:
            raise Unanswerable(f"shop {self.shop!r} has no policy that could be read")
        return self.policy


Query = Callable[[Asked], Json]


def answer(name: str, asked: Asked) -> Json:
    """Raises KeyError for a question that nobody knows, Unanswerable."""
    return QUERIES[name](asked)


def _messages(asked: Asked) -> Json:
    from training.console_messages import messages

    return messages(asked)


def _message_lift(asked: Asked) -> Json:
    from training.console_lift import message_lift

    return message_lift(asked)


def _decisions(asked: Asked) -> Json:
    from training.console_decisions import decisions

    return decisions(asked)


def _calibration(asked: Asked) -> Json:
    from training.console_calibration import calibration

    return calibration(asked)


def _experiments(asked: Asked) -> Json:
    from training.console_experiments import experiments

    return experiments(asked)


def _of_journeys(name: str) -> Query:
    def query(asked: Asked) -> Json:
        from training import console_journeys

        told: Json = getattr(console_journeys, name)(asked)
        return told

    return query


QUERIES: Final[dict[str, Query]] = {
    "messages": _messages,
    "message_lift": _message_lift,
    "decisions": _decisions,
    "calibration": _calibration,
    "experiments": _experiments,
    **{name: _of_journeys(name) for name in ("journey_map", "journey_paths", "journey_lift", "personas")},
}
"""By the name it has in /console/api/lake/NAME. Imports wait until a question is asked."""

SLOW: Final = frozenset({"message_lift", "calibration", "experiments", "journey_lift"})
"""Those that read receipts one by one: they wait for each other, and the others do not wait for them."""
