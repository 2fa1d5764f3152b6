"""Rules answered without CEL: comparisons of known names with values, joined by and, or and not.

CEL stays the definition. What is made here answers True or False only where CEL would say the same, and None for all
else (a name that is unknown and decides, a type that does not fit, a shape that is not followed): the caller then asks
CEL, whose words for what is unknown or wrong are also the ones a shopkeeper reads.
"""

import operator
from collections.abc import Callable, Mapping
from typing import Any, Final

from models.rule_tree import Asked, Formula, Joined, formula_of

Variables = Mapping[str, Mapping[str, Any]]
Answer = bool | None
Quick = Callable[[Variables], Answer]

_OPERATORS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_OF_NUMBERS: Final = frozenset({"<", "<=", ">", ">="})
_ATTRIBUTES: Final = "visitor.attributes."


def quick_rule(source: str) -> Quick | None:
    """A rule as a function of its variables; None if its shape is not followed. What is unknown before a "?" leaves the
    whole unknown, which a formula does not tell."""
    formula = formula_of(source) if "?" not in source else None
    return None if formula is None or isinstance(formula, bool) else _quick(formula)


def _quick(formula: Formula) -> Quick | None:
    if isinstance(formula, bool):
        return lambda _: formula
    if isinstance(formula, Asked):
        return _test(formula)
    parts = [_quick(part) for part in formula.parts]
    known = tuple(part for part in parts if part is not None)
    return _joined(formula, known) if len(known) == len(parts) else None


def _joined(formula: Joined, parts: tuple[Quick, ...]) -> Quick:
    """As CEL joins: what decides outweighs what is unknown, wherever it stands."""
    decides = formula.word == "or"

    def joined(variables: Variables) -> Answer:
        answer: Answer = not decides
        for part in parts:
            found = part(variables)
            if found is decides:
                return decides
            if found is None:
                answer = None
        return answer

    return joined


def _test(asked: Asked) -> Quick | None:
    of, _, field = asked.name.partition(".")
    if asked.name.startswith(_ATTRIBUTES) or "." in field:
        return _of_attributes(asked)
    if asked.op in ("has", "has not"):
        has = asked.op == "has"
        return lambda variables: (field in variables[of]) is has
    return _compared(asked, lambda variables: variables[of].get(field))


def _of_attributes(asked: Asked) -> Quick | None:
    """A test of visitor.attributes.NAME."""
    if not asked.name.startswith(_ATTRIBUTES):
        return None
    field = asked.name.removeprefix(_ATTRIBUTES)
    if "." in field or asked.op in ("has", "has not"):
        return None if "." in field else _has_attribute(field, asked.op == "has")
    return _compared(asked, lambda variables: variables["visitor"].get("attributes", {}).get(field))


def _has_attribute(field: str, has: bool) -> Quick:
    return lambda variables: (field in variables["visitor"]["attributes"]) is has if "visitor" in variables else None


def _compared(asked: Asked, get: Callable[[Variables], Any]) -> Quick | None:
    """A comparison with values of one type; of another type, or unknown, is left to CEL."""
    kinds = {type(value) for value in asked.values}
    if len(kinds) != 1 or asked.op in ("holds", "holds not"):
        return None
    kind, values = kinds.pop(), asked.values
    if asked.op in ("in", "not in"):
        if kind is not str:
            return None
        within = asked.op == "in"
        return lambda variables: (value in values) is within if type(value := get(variables)) is kind else None
    if asked.op in _OF_NUMBERS and kind is not float:
        return None
    compare, other = _OPERATORS[asked.op], values[0]
    return lambda variables: compare(value, other) if type(value := get(variables)) is kind else None
