"""Types of the fields a policy file can have: each reads a node into a plain value and knows its JSON Schema.

A type reports what is wrong and returns BAD, so that one pass over a file finds every problem.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from difflib import get_close_matches
from typing import Any, Final, Protocol
from zoneinfo import ZoneInfo

from models.policy_file import Node
from models.rules import MAX_CHARS, InvalidRule, Rule, compile_rule

Report = Callable[[Node, str], None]
Json = dict[str, Any]


class Bad:
    """What a type returns for a node it has reported."""


BAD: Final = Bad()
NODE: Final = "@"
"""The key under which a table that was read keeps its node; no field has this name."""


class Type(Protocol):
    """A type of field."""

    def read(self, node: Node, report: Report) -> Any:
        """The node's value, or BAD after reporting why."""

    def json(self) -> Json:
        """The type's JSON Schema."""


def _shown(node: Node) -> str:
    if isinstance(node.value, dict):
        return "a table"
    if isinstance(node.value, list):
        return "a list"
    return "nothing" if node.value is None else repr(node.value)[:60]


def meant(word: str, known: tuple[str, ...]) -> str:
    """`; did you mean …?` where a known word is close, else the known words."""
    close = get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; it is one of {', '.join(known)}"


@dataclass(frozen=True, slots=True)
class Text:
    """Text of 1 to `longest` characters, matching `pattern` (described by `shape`) where given."""

    longest: int = 2000
    pattern: str = ""
    shape: str = ""

    def read(self, node: Node, report: Report) -> Any:
        if not isinstance(node.value, str):
            report(node, f"expected text, found {_shown(node)}" + ("; put it in quotes" if _is_plain(node) else ""))
        elif not node.value.strip():
            report(node, "the text is empty")
        elif len(node.value) > self.longest:
            report(node, f"the text has {len(node.value)} characters; at most {self.longest} are allowed")
        elif self.pattern and not re.fullmatch(self.pattern, node.value):
            report(node, f"{node.value[:60]!r} is not {self.shape}")
        else:
            return node.value
        return BAD

    def json(self) -> Json:
        pattern = {"pattern": f"^(?:{self.pattern})$"} if self.pattern else {}
        return {"type": "string", "minLength": 1, "maxLength": self.longest, **pattern}


def _is_plain(node: Node) -> bool:
    return isinstance(node.value, bool | int | float)


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words."""

    words: tuple[str, ...]

    def read(self, node: Node, report: Report) -> Any:
        if node.value in self.words:
            return node.value
        is_text = isinstance(node.value, str)
        report(node, f"unknown {_shown(node)}{meant(node.value if is_text else '', self.words)}")
        return BAD

    def json(self) -> Json:
        return {"enum": list(self.words)}


@dataclass(frozen=True, slots=True)
class Number:
    """A finite number from low to high; a whole one if `whole`."""

    low: float = 0.0
    high: float = 1e9
    whole: bool = False

    def read(self, node: Node, report: Report) -> Any:
        value = node.value
        if isinstance(value, bool) or not isinstance(value, int | float):
            report(node, f"expected a number, found {_shown(node)}")
        elif not math.isfinite(value):
            report(node, f"expected a finite number, found {value}")
        elif not self.low <= value <= self.high:
            report(node, f"{value} is not from {self.low:g} to {self.high:g}")
        elif self.whole and value != int(value):
            report(node, f"expected a whole number, found {value}")
        else:
            return int(value) if self.whole else float(value)
        return BAD

    def json(self) -> Json:
        return {"type": "integer" if self.whole else "number", "minimum": self.low, "maximum": self.high}


@dataclass(frozen=True, slots=True)
class Flag:
    """true or false."""

    def read(self, node: Node, report: Report) -> Any:
        if isinstance(node.value, bool):
            return node.value
        report(node, f"expected true or false, found {_shown(node)}")
        return BAD

    def json(self) -> Json:
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Moment:
    """A date (its midnight) or a date with a time, UTC unless it names an offset; read as Unix milliseconds."""

    def read(self, node: Node, report: Report) -> Any:
        try:
            text = node.value if isinstance(node.value, str) else ""
            at = datetime.fromisoformat(text) if "T" in text or " " in text else _midnight(text)
            return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)
        except (ValueError, OverflowError):
            report(node, f"{_shown(node)} is not a date such as 2027-01-31 or 2027-01-31T18:00:00+01:00")
            return BAD

    def json(self) -> Json:
        return {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}([T ].+)?$"}


def _midnight(text: str) -> datetime:
    day = date.fromisoformat(text)
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Hours:
    """Hours of the day, `09:00-17:30` (past midnight: `22:00-06:00`); read as two minutes of the day."""

    def read(self, node: Node, report: Report) -> Any:
        text = node.value if isinstance(node.value, str) else ""
        found = re.fullmatch(r"(\d\d):([0-5]\d) ?- ?(\d\d):([0-5]\d)", text)
        if found:
            begin, end = int(found[1]) * 60 + int(found[2]), int(found[3]) * 60 + int(found[4])
            if begin <= 1440 and end <= 1440 and begin != end:
                return begin, end
        report(node, f"{_shown(node)} is not hours such as 09:00-17:30")
        return BAD

    def json(self) -> Json:
        return {"type": "string", "pattern": r"^\d\d:[0-5]\d ?- ?\d\d:[0-5]\d$"}


@dataclass(frozen=True, slots=True)
class Timezone:
    """A time zone by its IANA name; read as a tzinfo."""

    def read(self, node: Node, report: Report) -> Any:
        try:
            zone: tzinfo = ZoneInfo(node.value if isinstance(node.value, str) else "")
            return zone
        except (OSError, ValueError, LookupError):
            report(node, f"unknown time zone {_shown(node)}; write a name such as Europe/Amsterdam")
            return BAD

    def json(self) -> Json:
        return {"type": "string", "examples": ["Europe/Amsterdam", "UTC"]}


@dataclass(frozen=True, slots=True)
class Cel:
    """A rule; read compiled."""

    def read(self, node: Node, report: Report) -> Any:
        if not isinstance(node.value, str):
            report(node, f"expected a rule as text, found {_shown(node)}")
            return BAD
        try:
            rule: Rule = compile_rule(node.value.strip())
            return rule
        except InvalidRule as bad:
            report(node, str(bad))
            return BAD

    def json(self) -> Json:
        return {"type": "string", "minLength": 1, "maxLength": MAX_CHARS}


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list without repetitions (unless of tables); read as a tuple of what could be read."""

    of: Type
    at_least: int = 0

    def read(self, node: Node, report: Report) -> Any:
        if not isinstance(node.value, list):
            report(node, f"expected a list, found {_shown(node)}")
            return BAD
        if len(node.value) < self.at_least:
            report(node, f"expected at least {self.at_least} entry, found {len(node.value)}")
        read: list[Any] = []
        for item in node.value:
            value = self.of.read(item, report)
            if value is not BAD and not isinstance(self.of, Table) and value in read:
                report(item, f"{_shown(item)} stands twice")
            elif value is not BAD:
                read.append(value)
        return tuple(read)

    def json(self) -> Json:
        return {"type": "array", "items": self.of.json(), **({"minItems": self.at_least} if self.at_least else {})}


@dataclass(frozen=True, slots=True)
class OneOrMore:
    """A plain value or a list of them without repetitions; read as a tuple."""

    of: Type

    def read(self, node: Node, report: Report) -> Any:
        if isinstance(node.value, list):
            return ListOf(self.of, 1).read(node, report)
        value = self.of.read(node, report)
        return value if value is BAD else (value,)

    def json(self) -> Json:
        return {"anyOf": [self.of.json(), ListOf(self.of, 1).json()]}


@dataclass(frozen=True, slots=True)
class MapOf:
    """A table whose keys the shop chooses; read as a dict."""

    of: Type
    key: str = "[A-Za-z][A-Za-z0-9_-]{0,40}"

    def read(self, node: Node, report: Report) -> Any:
        if not isinstance(node.value, dict):
            report(node, f"expected a table, found {_shown(node)}")
            return BAD
        read = {}
        for key, below in node.value.items():
            value = self.of.read(below, report)
            if not re.fullmatch(self.key, key):
                report(below, f"{key[:60]!r} cannot be a key here")
            elif value is not BAD:
                read[key] = value
        return read

    def json(self) -> Json:
        return {"type": "object", "patternProperties": {f"^{self.key}$": self.of.json()}, "additionalProperties": False}


@dataclass(frozen=True, slots=True)
class Field:
    """A named field of a table. doc: one sentence for the documentation and for editors."""

    name: str
    type: Type
    doc: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table of known fields, and of any others of type `more` where given.

    Read as a dict of what could be read, with the node itself under NODE, so that later checks can say where.
    """

    fields: tuple[Field, ...]
    more: Type | None = None

    def read(self, node: Node, report: Report) -> Any:
        if not isinstance(node.value, dict):
            report(node, f"expected a table, found {_shown(node)}")
            return BAD
        known = {field.name: field for field in self.fields}
        for field in self.fields:
            if field.required and field.name not in node.value:
                report(node, f"{field.name!r} is missing")
        read: dict[str, Any] = {NODE: node}
        for name, below in node.value.items():
            type_ = known[name].type if name in known else self.more
            if type_ is None:
                report(below, f"unknown field {name[:60]!r}{meant(name, tuple(known))}")
                continue
            value = type_.read(below, report)
            if value is not BAD:
                read[name] = value
        return read

    def json(self) -> Json:
        return {
            "type": "object",
            "properties": {f.name: {**f.type.json(), "description": f.doc} for f in self.fields},
            "required": [f.name for f in self.fields if f.required],
            "additionalProperties": self.more.json() if self.more else False,
        }


@dataclass(frozen=True, slots=True)
class Either:
    """A plain value, or a table of them."""

    plain: Type
    table: Type

    def read(self, node: Node, report: Report) -> Any:
        return (self.table if isinstance(node.value, dict) else self.plain).read(node, report)

    def json(self) -> Json:
        return {"anyOf": [self.plain.json(), self.table.json()]}
