"""Rules answered from the vector alone, all of a page's in one compiled pass.

Most rules compare features with numbers. Such a rule becomes a short program over the vector; the answer is True, False
or unknown, as models/rule_quick.py gives it, and CEL stays the definition. A rule that needs more than the vector (the
event's words, the catalog's facts, texts) is answered as unknown: the caller then asks models/rules.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt

from models.rule_tree import Asked, Formula, formula_of
from models.rules import FEATURE_NAMES, FLAGS, ITEM_NAMES, LOCAL_TIME, Rule

YES, NO, UNKNOWN = 1, 0, 2
_NUMBERS: Final = {"<": 0, "<=": 1, ">": 2, ">=": 3, "==": 4, "!=": 5}
_HAS, _HAS_NOT, _IS, _IS_NOT, _AND, _OR, _UNKNOWN = range(6, 13)
_ELSEWHERE: Final = frozenset({*LOCAL_TIME, *(("item", name) for name in ITEM_NAMES)})
_ELSEWHERE_ALL: Final = frozenset({"event", "stage", "intent"})
"""Names that a rule reads elsewhere, though a feature may be called alike (models/moment.py)."""

_DEEPEST: Final = 16
"""Answers that wait at once; a rule that needs more is left to CEL."""

Step = tuple[int, int, float]
"""What to do, the feature's place in the vector (how many answers, where some are joined), and the number."""


@numba.njit(cache=True, nogil=True)
def _answers(vector, starts, steps, numbers, out):  # type: ignore[no-untyped-def]
    """The answer of each rule, whose steps are those from one of `starts` to the next. steps: int32 (n, 2)."""
    waiting = np.empty(_DEEPEST, np.int64)
    for rule in range(out.size):
        top = 0
        for at in range(starts[rule], starts[rule + 1]):
            do, place = steps[at, 0], steps[at, 1]
            if do in (_AND, _OR):
                decides = NO if do == _AND else YES
                said = 1 - decides
                for one in waiting[top - place : top]:
                    if one == decides or said == decides:
                        said = decides
                    elif one == UNKNOWN:
                        said = UNKNOWN
                top -= place
            elif do == _UNKNOWN:
                said = UNKNOWN
            else:
                value, number = np.float64(vector[place]), numbers[at]
                if do == _HAS:
                    said = YES if value == value else NO
                elif do == _HAS_NOT:
                    said = NO if value == value else YES
                elif value != value:
                    said = UNKNOWN
                elif do == 0:
                    said = YES if value < number else NO
                elif do == 1:
                    said = YES if value <= number else NO
                elif do == 2:
                    said = YES if value > number else NO
                elif do == 3:
                    said = YES if value >= number else NO
                elif do == 4:
                    said = YES if value == number else NO
                elif do == 5:
                    said = YES if value != number else NO
                elif do == _IS:
                    said = YES if value == 1.0 else NO
                else:
                    said = NO if value == 1.0 else YES
            waiting[top] = said
            top += 1
        out[rule] = waiting[0]


@dataclass(frozen=True, slots=True)
class VectorRules:
    """Some rules as programs. arrays: what the compiled pass reads. count: of the rules."""

    arrays: tuple[Any, ...]
    count: int

    @classmethod
    def of(cls, rules: Sequence[Rule]) -> "VectorRules":
        """The programs of rules, in order."""
        programs = [_program(rule) for rule in rules]
        steps = [step for program in programs for step in program]
        starts = np.cumsum([0, *map(len, programs)]).astype(np.int64)
        whole = np.array([step[:2] for step in steps], np.int32).reshape(-1, 2)
        return cls((starts, whole, np.array([step[2] for step in steps], np.float64)), len(programs))

    def answers(self, vector: npt.NDArray[np.float32]) -> list[int]:
        """Of each rule YES, NO or UNKNOWN. vector: float32 (N,)."""
        out = np.empty(self.count, np.int64)
        _answers(vector, *self.arrays, out)  # type: ignore[call-arg]
        told: list[int] = out.tolist()
        return told


def _program(rule: Rule) -> list[Step]:
    """A rule's steps; a single unknown where the vector alone does not answer it."""
    formula = formula_of(rule.source) if "?" not in rule.source else None
    steps = _steps(formula) if formula is not None else None
    return steps if steps is not None and _depth(steps) <= _DEEPEST else [(_UNKNOWN, 0, 0.0)]


def _steps(formula: Formula) -> list[Step] | None:
    if isinstance(formula, bool):
        return None
    if isinstance(formula, Asked):
        step = _step(formula)
        return None if step is None else [step]
    below = [_steps(part) for part in formula.parts]
    known = [steps for steps in below if steps is not None]
    if len(known) < len(below):
        return None
    return [*(step for steps in known for step in steps), (_OR if formula.word == "or" else _AND, len(known), 0.0)]


def _step(asked: Asked) -> Step | None:
    """A test of one feature; None for another, and where the types differ: CEL says what is wrong with them."""
    variable, _, field = asked.name.partition(".")
    name = (variable, field)
    place = FEATURE_NAMES.get(name)
    if place is None or name in _ELSEWHERE or variable in _ELSEWHERE_ALL:
        return None
    if asked.op in ("has", "has not"):
        return (_HAS if asked.op == "has" else _HAS_NOT, place, 0.0)
    if len(asked.values) != 1:
        return None
    value = asked.values[0]
    if name in FLAGS:
        if type(value) is not bool or asked.op not in ("==", "!="):
            return None
        return (_IS if value == (asked.op == "==") else _IS_NOT, place, 0.0)
    return (_NUMBERS[asked.op], place, value) if type(value) is float and asked.op in _NUMBERS else None


def _depth(steps: Sequence[Step]) -> int:
    """How many answers wait at most."""
    deepest = waiting = 0
    for do, count, _ in steps:
        waiting += 1 - (count if do in (_AND, _OR) else 0)
        deepest = max(deepest, waiting + (count - 1 if do in (_AND, _OR) else 0))
    return deepest
