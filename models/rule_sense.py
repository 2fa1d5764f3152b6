"""Whether a rule can hold at all, given what each name can be: `why_never` finds the tests that exclude each other.

Exact for comparisons of one name with values; what relates several names is taken as possible, but for the stages,
whose probabilities sum to 1 and of which `stage.name` is the likeliest.
"""

import math
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Final

from features.events import CHANNELS, DEVICES, KINDS, PAGE_TYPES, PROMOTION_KINDS, REFERRERS
from features.schema import FEATURES
from models.intent import INTENTS
from models.rule_tree import Asked, Value, formula_of, ways
from models.rules import FEATURE_NAMES, FLAGS
from models.stage import STAGES

_WHOLE_UNITS: Final = ("events", "sessions", "items", "categories", "units", "step", "h", "day")
_FADING: Final = ("time.pace_fast", "time.pace_slow")
"""Counts that fade, so that they are no whole numbers."""
_ANYTHING: Final = ("nats",)
_MOST: Final = {"step": 3.0, "h": 23.0, "day": 6.0}

TEXTS: Final[dict[str, tuple[str, ...]]] = {
    "stage.name": STAGES,
    "event.name": tuple(kind for kind in KINDS if kind not in PROMOTION_KINDS),
    "event.page_type": PAGE_TYPES[1:],
    "event.channel": CHANNELS[1:],
    "event.referrer": REFERRERS[1:],
    "event.device": DEVICES[1:],
}
"""Names that are one of a few words."""

_SIZES: Final[dict[str, tuple[float, float, bool]]] = {
    **{f"stage.{stage}": (0.0, 1.0, False) for stage in STAGES},
    **{f"intent.{intent}": (0.0, 1.0, False) for intent in INTENTS},
    "item.stock": (0.0, math.inf, True),
    "item.in_store_stock": (0.0, math.inf, True),
    "item.reviews": (0.0, math.inf, True),
    "item.rating": (0.0, math.inf, False),
}


def _sizes() -> dict[str, tuple[float, float, bool]]:
    """By name, (least, most, whole) of every number a rule can name."""
    found = {}
    for name, place in FEATURE_NAMES.items():
        unit, dotted = FEATURES[place].unit, ".".join(name)
        least = -math.inf if unit in _ANYTHING else 0.0
        found[dotted] = (least, _MOST.get(unit, math.inf), unit in _WHOLE_UNITS and dotted not in _FADING)
    return found | _SIZES


SIZES: Final = _sizes()
_FLAGS: Final = frozenset(".".join(name) for name in FLAGS)

_HOLDS: Final[dict[str, Callable[[Value, tuple[Value, ...]], bool]]] = {
    "==": lambda value, given: _same(value, given[0]),
    "!=": lambda value, given: not _same(value, given[0]),
    "<": lambda value, given: _is_number(value, given) and float(value) < float(given[0]),
    "<=": lambda value, given: _is_number(value, given) and float(value) <= float(given[0]),
    ">": lambda value, given: _is_number(value, given) and float(value) > float(given[0]),
    ">=": lambda value, given: _is_number(value, given) and float(value) >= float(given[0]),
    "in": lambda value, given: any(_same(value, one) for one in given),
    "not in": lambda value, given: not any(_same(value, one) for one in given),
}


def why_never(source: str, given: Iterable[Asked] = ()) -> str:
    """Why a rule can never hold beside what is given; "" if it can, or if nobody can tell."""
    formula = formula_of(source)
    found = ways(formula) if formula is not None else None
    if found is None:
        return ""
    if not found:
        return "it is always false"
    reasons = [_clash((*way, *given)) for way in found]
    return reasons[0] if all(reasons) else ""


def _clash(tests: tuple[Asked, ...]) -> str:
    """Why these tests cannot hold together; "" if they can."""
    by_name: dict[str, list[Asked]] = {}
    for test in tests:
        by_name.setdefault(test.name, []).append(test)
    for name, asked in by_name.items():
        if not _possible(name, asked):
            return _told(name, asked)
    return _stages_clash(by_name)


def _possible(name: str, asked: list[Asked]) -> bool:
    """Whether one name can pass all its tests; a name that must be unknown passes no comparison."""
    ops = {test.op for test in asked}
    if {"has", "has not"} <= ops or {"holds", "holds not"} <= ops:
        return False
    compared = [test for test in asked if test.op in _HOLDS]
    if not compared or ops & {"holds", "holds not"}:
        return True
    if "has not" in ops:
        return False
    return any(all(_HOLDS[test.op](value, test.values) for test in compared) for value in _candidates(name, compared))


def _candidates(name: str, compared: list[Asked]) -> list[Value]:
    """Values of a name that decide whether its tests can hold together: its words, or numbers at and between those
    that are mentioned."""
    if name in TEXTS:
        return list(TEXTS[name])
    if name in _FLAGS:
        return [True, False]
    given = [value for test in compared for value in test.values]
    least, most, whole = SIZES.get(name, (-math.inf, math.inf, False))
    numbers = sorted(
        {float(v) for v in given if not isinstance(v, str | bool)} | ({least, most} - {-math.inf, math.inf})
    )
    around = [edge + step for edge in numbers for step in (-1.0, 0.0, 1.0)]
    between = [(low + high) / 2 for low, high in pairwise(numbers)]
    found = {math.floor(n) if whole else n for n in (*around, *between)} | {
        math.ceil(n) if whole else n for n in around
    }
    inside: list[Value] = [float(n) for n in sorted(found) if least <= n <= most]
    if name in SIZES:
        return inside
    texts: list[Value] = [*{v for v in given if isinstance(v, str)}, "another text"]
    return [*inside, *texts, True, False]


def _told(name: str, asked: list[Asked]) -> str:
    texts = list(dict.fromkeys(test.text for test in asked))
    alone = next((t for t in asked if not _possible(name, [t])), None)
    if alone is None:
        return f"{' and '.join(texts)} exclude each other"
    if name in TEXTS:
        return f"{alone.text} never holds: {name} is one of {', '.join(TEXTS[name])}"
    least, most, _ = SIZES.get(name, (-math.inf, math.inf, False))
    span = f"at least {least:g}" if most == math.inf else f"from {least:g} to {most:g}"
    return f"{alone.text} never holds: {name} is {span}"


def _stages_clash(by_name: dict[str, list[Asked]]) -> str:
    """Why no likeliest stage fits the tests of the probabilities; "" if one does."""
    low, high = {}, {}
    for stage in STAGES:
        asked = [test for test in by_name.get(f"stage.{stage}", ()) if test.op in _HOLDS]
        low[stage] = max((float(t.values[0]) for t in asked if t.op in (">", ">=", "==")), default=0.0)
        high[stage] = min((float(t.values[0]) for t in asked if t.op in ("<", "<=", "==")), default=1.0)
    named = [test for test in by_name.get("stage.name", ()) if test.op in _HOLDS]
    allowed = [s for s in STAGES if all(_HOLDS[test.op](s, test.values) for test in named)]
    if any(_can_lead(stage, low, high) for stage in allowed):
        return ""
    tests = [test.text for name, tests in by_name.items() if name.startswith("stage.") for test in tests]
    return f"{' and '.join(dict.fromkeys(tests))} exclude each other: stages sum to 1 and stage.name is the likeliest"


def _can_lead(leader: str, low: dict[str, float], high: dict[str, float]) -> bool:
    """Whether a stage can be the likeliest within the bounds of all."""
    top = max(low.values())
    least = sum(bound for stage, bound in low.items() if stage != leader) + top
    most = sum(min(bound, high[leader]) for bound in high.values())
    return high[leader] >= top and least <= 1.0 <= most


def _is_number(value: Value, given: tuple[Value, ...]) -> bool:
    return not any(isinstance(one, str | bool) for one in (value, given[0]))


def _same(one: Value, other: Value) -> bool:
    return isinstance(one, bool) == isinstance(other, bool) and one == other
