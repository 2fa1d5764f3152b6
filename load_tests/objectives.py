"""What a run is held against: objectives.toml, and which of it a run reached."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from math import isnan
from operator import ge, getitem, gt, le, lt
from pathlib import Path
from typing import Any, Final

FILE: Final = Path(__file__).with_name("objectives.toml")
RELATIONS: Final = {">=": ge, "<=": le, ">": gt, "<": lt}


class WrongObjective(ValueError):
    """An objective that cannot be judged."""


@dataclass(frozen=True, slots=True)
class Objective:
    """One figure and what it has to be. by: the command that measures it where a short run does not."""

    name: str
    figure: str
    relation: str
    goal: float
    aim: float | None = None
    unit: str = ""
    by: str = ""

    def __post_init__(self) -> None:
        if self.relation not in RELATIONS:
            raise WrongObjective(f"{self.name}: `{self.relation}` is none of {', '.join(RELATIONS)}")

    def of(self, figures: Mapping[str, Any]) -> float | None:
        """Its figure; None if this run has not measured it."""
        try:
            found = float(reduce(getitem, self.figure.split("."), figures))  # type: ignore[arg-type]  # the last is none
        except (KeyError, TypeError):
            return None
        return None if isnan(found) else found

    def reached(self, figures: Mapping[str, Any]) -> bool | None:
        """Whether it is; None if not measured."""
        found = self.of(figures)
        return None if found is None else bool(RELATIONS[self.relation](found, self.goal))

    def spread(self, figures: Mapping[str, Any]) -> tuple[float, float] | None:
        """Lowest and highest of the rounds."""
        row, _, name = self.figure.partition(".")
        found = figures.get(row, {}).get(f"{name}_ci")
        return None if found is None else (float(found[0]), float(found[1]))


def objectives(path: Path = FILE) -> tuple[Objective, ...]:
    """All of them, in the file's order. Raises WrongObjective."""
    try:
        return tuple(Objective(**found) for found in tomllib.loads(path.read_text())["objective"])
    except TypeError as error:
        raise WrongObjective(str(error)) from error
