"""`--fail-if` of `tact simulate`: conditions under which a changed policy must not be merged.

CONDITIONS is the list, as docs/policy.md has it. A condition is `silence>0.95`, `shown:ACTION<0.5` or `lost:ACTION`.
"""

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from math import isnan, nan
from typing import Final

from training.whatif_report import Report

_COMPARED: Final[dict[str, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_SHAPE: Final = re.compile(r"(?P<name>[a-z-]+)(:(?P<action>[a-z0-9_.-]+))?(?P<sign>[<>]=?)(?P<number>-?\d+(\.\d+)?)")
_LOST: Final = re.compile(r"lost:(?P<action>[a-z0-9_.-]+)")


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure that a condition can name. of_action: whether `:ACTION` belongs to it."""

    name: str
    meaning: str
    read: Callable[[Report, str], float]
    of_action: bool = False


def _shown(report: Report, action: str) -> float:
    reach = report.of_action(action)
    return reach.ratio if reach is not None else 0.0


def _value(report: Report, _: str) -> float:
    return report.worth.difference[1] if report.worth.difference is not None else nan


CONDITIONS: Final = (
    Figure("silence", "Expected share of placements that stay silent.", lambda r, _: r.about.new.silence_share),
    Figure("unserved", "Share of visitors with no eligible action at all.", lambda r, _: r.about.new.unserved_share),
    Figure("limited", "Share of decisions in which a cap, cool-down, rest or the budget blocks an action.",
           lambda r, _: r.about.new.limited_share),
    Figure("options", "Eligible actions per decision, in the mean.", lambda r, _: r.about.new.optionality),
    Figure("value", "Lower end of the interval of new less old value; one that cannot be said fails too.", _value),
    Figure("shown", "How often an action is expected to show, as a multiple of before.", _shown, of_action=True),
)  # fmt: skip
LOST: Final = "An action was eligible before and nowhere is now; `lost:any` is any of them."


class BadCondition(ValueError):
    """A condition that is none; the text says what would be."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that was read. text: as written."""

    text: str
    action: str
    figure: Figure | None = None
    sign: str = ""
    number: float = 0.0

    @classmethod
    def of(cls, text: str) -> "Condition":
        """Reads a condition. Raises BadCondition."""
        written = text.replace(" ", "")
        if lost := _LOST.fullmatch(written):
            return cls(text, lost["action"])
        found = _SHAPE.fullmatch(written)
        figure = next((f for f in CONDITIONS if found and f.name == found["name"]), None)
        if found is None or figure is None or figure.of_action != bool(found["action"]):
            raise BadCondition(f"{text!r} is no condition; there are {', '.join(shapes())}")
        return cls(text, found["action"] or "", figure, found["sign"], float(found["number"]))

    def fires(self, report: Report) -> str:
        """What to say where the condition holds; "" where it does not."""
        if self.figure is None:
            lost = [one.action for one in report.reach if one.eligible[0] and not one.eligible[1]]
            hit = lost if self.action == "any" else [name for name in lost if name == self.action]
            return f"{self.text}: {', '.join(hit)} was eligible before and is nowhere now" if hit else ""
        value = self.figure.read(report, self.action)
        if isnan(value):
            return f"{self.text}: it cannot be said"
        return f"{self.text}: it is {value:.4g}" if _COMPARED[self.sign](value, self.number) else ""

    def unknown_in(self, report: Report) -> bool:
        """Whether it names an action that neither policy has."""
        return self.action not in ("", "any") and report.of_action(self.action) is None


def shapes() -> tuple[str, ...]:
    """What a condition can look like."""
    return (*(f"{f.name}{':ACTION' if f.of_action else ''}>NUMBER" for f in CONDITIONS), "lost:ACTION", "lost:any")
