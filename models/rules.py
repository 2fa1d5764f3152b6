"""Rules: a condition a shop writes in CEL, compiled once, answered for each decision.

A rule sees features by their prefix (`session_views` is `session.views`) and a few facts that are no features:
`NAMES` is the whole list. What is unknown is absent: a rule that needs it is not eligible, unless the rest decides
(`has(item.stock)` asks). Numbers are decimals: write `cart.value * 2.0`. `time.hour` and `time.weekday` are the shop's.

* InvalidRule   a rule that does not parse, mentions an unknown name, or is not a yes-or-no question
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Final

from features.schema import FEATURES, INDEX
from models.cel_library import cel
from models.intent import INTENTS
from models.rule_quick import Quick, quick_rule
from models.stage import STAGES

MAX_CHARS: Final = 500

Name = tuple[str, str]
"""A variable and its field, as in ("cart", "value")."""

EVENT_NAMES: Final = (
    "name",
    "page_type",
    "item_id",
    "category",
    "channel",
    "referrer",
    "device",
    "locale",
    "query",
)
ITEM_NAMES: Final = ("stock", "category", "price", "margin", "in_store_stock", "rating", "reviews")
ATTRIBUTES: Final = ("visitor", "attributes")
PERSONA: Final = ("visitor", "persona")
"""The kind of visitor, of those in use (models/persona.py): absent until somebody did enough to have one."""
LOCAL_TIME: Final[tuple[Name, ...]] = (("time", "hour"), ("time", "weekday"))

_TEXTS: Final[tuple[Name, ...]] = (
    *(("event", name) for name in EVENT_NAMES),
    ("item", "category"),
    ("stage", "name"),
    PERSONA,
)


def rule_name(feature: str) -> Name:
    """How a rule names a feature: `session_views` is session.views, `courtesy_30d_shown` courtesy.last_30d_shown."""
    variable, _, field = feature.partition("_")
    return variable, f"last_{field}" if field[0].isdigit() else field


FEATURE_NAMES: Final[Mapping[Name, int]] = {
    rule_name(name): INDEX[name] for name, unit, _ in FEATURES if unit != "code"
}
"""The features a rule can name, and their place in the vector. Codes are left out: `event.name` and so on say them."""

FLAGS: Final = frozenset(name for name, place in FEATURE_NAMES.items() if FEATURES[place].unit == "0/1")
"""Features a rule sees as true or false."""

NAMES: Final[frozenset[Name]] = frozenset(
    [
        *FEATURE_NAMES,
        *_TEXTS,
        *(("item", name) for name in ITEM_NAMES),
        *(("stage", name) for name in STAGES),
        *(("intent", name) for name in INTENTS),
        ATTRIBUTES,
    ]
)
VARIABLES: Final = tuple(sorted({variable for variable, _ in NAMES}))

FUNCTIONS: Final = ("contains", "startsWith", "endsWith", "size", "has", "double", "int", "string")
_COMPREHENSIONS: Final = ("all", "exists", "exists_one", "map", "filter")
_OPERATORS: Final = frozenset(
    {
        *("_&&_", "_||_", "!_", "_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_"),
        *("_+_", "_-_", "_*_", "_/_", "_%_", "-_", "_?_:_", "@in"),
    }
)
_TOKEN = re.compile(
    r"""(?P<text>[rRbB]{0,2}("{3}.*?"{3}|'{3}.*?'{3}|"(\\.|[^"\\\n])*"|'(\\.|[^'\\\n])*'))|(?P<comment>//[^\n]*)"""
    r"""|(?P<number>\d+(\.\d+)?([eE][-+]?\d+)?[uU]?)|(?P<name>[A-Za-z_]\w*)|(?P<space>\s+)|(?P<sign>.)""",
    re.DOTALL | re.VERBOSE,
)
_WORDS: Final = frozenset({"true", "false", "null", "in"})


class InvalidRule(ValueError):
    """A rule that cannot be used; the text says what to change."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A compiled rule. names: what it mentions, sorted. quick: answers most questions without CEL, and alike."""

    source: str
    names: tuple[Name, ...]
    program: cel.Program = field(compare=False, repr=False)
    quick: Quick | None = field(default=None, compare=False, repr=False)


def compile_rule(source: str) -> Rule:
    """Compiles and vets a rule. Raises InvalidRule; never runs unvetted code."""
    if len(source) > MAX_CHARS:
        raise InvalidRule(f"the rule has {len(source)} characters; at most {MAX_CHARS} are allowed")
    chains, calls = _mentions(source)
    try:
        program = cel.compile(source)
    except ValueError as bad:
        raise InvalidRule(f"not a CEL expression: {_first_error(str(bad))}") from bad
    _check_functions(program.functions(), calls)
    names = tuple(sorted({_checked_name(chain) for chain in chains}))
    unseen = set(program.variables()) - {variable for variable, _ in names}
    if unseen:
        raise InvalidRule(f"unknown name {min(unseen)!r}; the variables are {', '.join(VARIABLES)}")
    rule = Rule(source, names, program, quick_rule(source))
    _try_out(rule, chains)
    return rule


def holds(rule: Rule, context: cel.Context) -> bool:
    """Whether the rule is true. Raises KeyError where what it needs is unknown, other exceptions where it fails."""
    return rule.program.execute(context) is True


def mentioned(source: str) -> tuple[Name, ...]:
    """The known names a text mentions, sorted: also where the text is no rule but quotes one."""
    words = re.findall(r"\b([a-z]+)\.([a-z_][a-z0-9_]*)\b", source)
    return tuple(sorted({(variable, field) for variable, field in words} & NAMES))


def _first_error(text: str) -> str:
    """The parser's message without its echo of the source."""
    found = re.search(r"ERROR: <input>:\d+:(\d+): (.*)", text)
    return f"{found[2][:160]} (at character {found[1]})" if found else text.splitlines()[0][:160]


def _mentions(source: str) -> tuple[list[tuple[str, ...]], set[str]]:
    """The dotted names of a rule, and the names of what it calls."""
    tokens = [
        (match.lastgroup or "sign", match[0])
        for match in _TOKEN.finditer(source)
        if match.lastgroup not in ("space", "comment")
    ]
    chains: list[tuple[str, ...]] = []
    calls: set[str] = set()
    at = 0
    while at < len(tokens):
        kind, text = tokens[at]
        if kind == "sign" and text in "{}`":
            raise InvalidRule(f"{text!r} is not accepted; a rule compares names with values")
        if kind != "name" or text in _WORDS:
            at += 1
            continue
        chain, at = _chain(tokens, at)
        is_call = at < len(tokens) and tokens[at][1] == "("
        follows_value = at - 2 * len(chain) >= 0 and tokens[at - 2 * len(chain)][1] == "."
        if is_call:
            calls.add(chain[-1])
            chain = chain[:-1]
        if chain and not follows_value:
            chains.append(chain)
        elif follows_value and not is_call:
            raise InvalidRule(f"{'.'.join(chain)!r} does not follow a name")
    return chains, calls


def _chain(tokens: list[tuple[str, str]], at: int) -> tuple[tuple[str, ...], int]:
    """The dotted name that begins at a token, and where it ends."""
    parts = [tokens[at][1]]
    at += 1
    while at + 1 < len(tokens) and tokens[at][1] == "." and tokens[at + 1][0] == "name":
        parts.append(tokens[at + 1][1])
        at += 2
    return tuple(parts), at


def _check_functions(used: Iterable[str], calls: set[str]) -> None:
    looping = sorted(calls.intersection(_COMPREHENSIONS))
    if looping:
        raise InvalidRule(f"{looping[0]}() is a comprehension; a rule may not loop")
    if "_[_]" in used:
        raise InvalidRule("brackets after a name are not accepted; write session.views")
    unknown = sorted((calls | (set(used) - _OPERATORS)) - set(FUNCTIONS))
    if unknown:
        raise InvalidRule(f"unknown function {unknown[0]!r}; a rule may call {', '.join(FUNCTIONS)}")


def _checked_name(chain: tuple[str, ...]) -> Name:
    """A dotted name as (variable, field). Raises InvalidRule where there is no such name."""
    written = ".".join(chain)
    if chain[0] not in VARIABLES:
        hint = _meant(chain[0], VARIABLES)
        raise InvalidRule(f"unknown name {chain[0]!r}{hint}; the variables are {', '.join(VARIABLES)}")
    if len(chain) == 1:
        raise InvalidRule(f"{written!r} alone is no value; name a field, as in {_example(chain[0])}")
    name = (chain[0], chain[1])
    if name not in NAMES:
        fields = [f"{variable}.{known}" for variable, known in NAMES]
        raise InvalidRule(f"unknown name {written!r}{_meant(written, fields)}")
    if len(chain) != (3 if name == ATTRIBUTES else 2):
        right = "visitor.attributes.NAME" if name == ATTRIBUTES else ".".join(name)
        raise InvalidRule(f"{written!r} is not a value; write {right}")
    return name


def _meant(word: str, known: Iterable[str]) -> str:
    close = get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _example(variable: str) -> str:
    return min(f"{v}.{name}" for v, name in NAMES if v == variable)


def _try_out(rule: Rule, chains: list[tuple[str, ...]]) -> None:
    """Runs the rule on made-up visitors: mixed types and answers that are not yes or no show up here."""
    attributes = {chain[2] for chain in chains if chain[:2] == ATTRIBUTES}
    guesses: tuple[str | float | bool, ...] = ("a", 1.0, True) if attributes else (1.0,)
    faults = [_fault(rule, dict.fromkeys(attributes, guess)) for guess in guesses]
    if all(faults) and len(attributes) < 2:
        raise InvalidRule(str(faults[0]))


def _fault(rule: Rule, attributes: Mapping[str, str | float | bool]) -> str:
    """What goes wrong when a rule meets a few made-up visitors; "" if nothing does."""
    for number in (1.0, 0.0, 1e6):
        variables: dict[str, dict[str, Any]] = {variable: {} for variable, _ in rule.names}
        for variable, name in rule.names:
            variables[variable][name] = _sample((variable, name), number, attributes)
        try:
            result = rule.program.execute(variables)
        except ZeroDivisionError:
            continue
        except (TypeError, ValueError) as bad:
            return f"the rule mixes types: {str(bad).split('. ')[0]}; numbers are decimals, so write 2.0 rather than 2"
        if not isinstance(result, bool):
            return f"the rule gives {type(result).__name__}, not true or false"
    return ""


def _sample(name: Name, number: float, attributes: Mapping[str, str | float | bool]) -> Any:
    if name == ATTRIBUTES:
        return dict(attributes)
    if name in FLAGS:
        return number == 1.0
    return "1" if name in _TEXTS else number
