"""A rule's shape: what it compares, joined by and, or and not, for whoever asks what a rule can mean.

Only rules that `models.rules.compile_rule` took are read here. What is neither a comparison of a name with values nor
`has(name)` is kept as its text: nothing is said of it but that it cannot be true and false at once.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Final

MOST_WAYS: Final = 2000
"""Ways to hold that are looked at; a rule with more is left alone."""

Value = str | float | bool
_TOKEN = re.compile(
    r"""\s+|//[^\n]*|(?P<text>"(\\.|[^"\\\n])*"|'(\\.|[^'\\\n])*')|(?P<number>\d+(\.\d+)?([eE][-+]?\d+)?)[uU]?"""
    r"""|(?P<name>[A-Za-z_]\w*(\.[A-Za-z_]\w*)*)|(?P<sign>&&|\|\||[=!<>]=|.)""",
    re.DOTALL,
)
_GAPS = re.compile(r" (?=[.(),\])])|(?<=[(\[.!]) ")
_COMPARED: Final = ("==", "!=", "<", "<=", ">", ">=")
_TURNED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_NEGATED: Final = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">", "in": "not in", "not in": "in"}
_NEGATED_ASKED: Final = {"has": "has not", "has not": "has", "holds": "holds not", "holds not": "holds"}


@dataclass(frozen=True, slots=True)
class Asked:
    """One thing a rule asks. op: a comparison with `values`, "in", "not in"; "has", "has not" (of a name); "holds",
    "holds not" (of `name` as the text of what could not be read). text: as the rule says it, for messages.
    """

    name: str
    op: str
    values: tuple[Value, ...] = ()

    @property
    def text(self) -> str:
        if self.op in ("has", "has not"):
            return f"{'!' if self.op == 'has not' else ''}has({self.name})"
        if self.op in ("holds", "holds not"):
            return self.name if self.op == "holds" else f"!({self.name})"
        if self.op in ("in", "not in"):
            return f"{self.name} {self.op} [{', '.join(map(_shown, self.values))}]"
        if self.op in ("==", "!=") and self.values == (True,):
            return self.name if self.op == "==" else f"!{self.name}"
        return f"{self.name} {self.op} {_shown(self.values[0])}"

    def negated(self) -> "Asked":
        return Asked(self.name, (_NEGATED | _NEGATED_ASKED)[self.op], self.values)


@dataclass(frozen=True, slots=True)
class Joined:
    """Formulas joined by "and" or "or"."""

    word: str
    parts: tuple["Formula", ...]


Formula = Asked | Joined | bool


def _shown(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, str) else f"{value:g}"


class _Unread(ValueError):
    """A rule that this reader does not follow."""


def formula_of(source: str) -> Formula | None:
    """A rule's formula; None if its shape is not followed."""
    try:
        reader = _Reader([(m.lastgroup or "", m[0]) for m in _TOKEN.finditer(source) if m.lastgroup])
        found = reader.choice()
        return _formula(found) if reader.at == len(reader.tokens) else None
    except (_Unread, RecursionError):
        return None


def ways(formula: Formula) -> list[tuple[Asked, ...]] | None:
    """Every way to hold, as tests that must hold together; None if there are more than MOST_WAYS."""
    if isinstance(formula, bool):
        return [()] if formula else []
    if isinstance(formula, Asked):
        return [(formula,)]
    below = [ways(part) for part in formula.parts]
    if any(part is None for part in below):
        return None
    known = [part for part in below if part is not None]
    if formula.word == "or":
        either = [way for part in known for way in part]
        return either if len(either) <= MOST_WAYS else None
    count = 1
    for part in known:
        count *= len(part)
    if count > MOST_WAYS:
        return None
    return [tuple(test for way in chosen for test in way) for chosen in product(*known)]


@dataclass(frozen=True, slots=True)
class _Part:
    """A piece of a rule. kind: name, value, list, not, and, or, if, compare, has or other. text: as written."""

    kind: str
    text: str
    value: Value = False
    parts: tuple["_Part", ...] = ()


def _formula(part: _Part, positive: bool = True) -> Formula:
    """What a piece means as yes or no; `positive` False is its opposite."""
    if part.kind == "not":
        return _formula(part.parts[0], not positive)
    if part.kind in ("and", "or"):
        word = part.kind if positive else {"and": "or", "or": "and"}[part.kind]
        return Joined(word, tuple(_formula(below, positive) for below in part.parts))
    if part.kind == "if":
        asked, then, other = part.parts
        yes = Joined("and", (_formula(asked), _formula(then, positive)))
        return Joined("or", (yes, Joined("and", (_formula(asked, False), _formula(other, positive)))))
    if part.kind == "value" and isinstance(part.value, bool):
        return part.value == positive
    test = _test(part)
    return test if positive else test.negated()


def _test(part: _Part) -> Asked:
    if part.kind == "name":
        return Asked(part.text, "==", (True,))
    if part.kind == "has":
        return Asked(part.parts[0].text, "has")
    if part.kind == "compare":
        left, right = part.parts
        op = str(part.value)
        if left.kind == "value" and right.kind == "name" and op in _TURNED:
            left, right, op = right, left, _TURNED[op]
        if left.kind == "name" and right.kind == "value" and op != "in":
            return Asked(left.text, op, (right.value,))
        if left.kind == "name" and right.kind == "list" and op == "in" and all(v.kind == "value" for v in right.parts):
            return Asked(left.text, "in", tuple(v.value for v in right.parts))
    return Asked(part.text, "holds")


@dataclass(slots=True)
class _Reader:
    """CEL's grammar, as far as rules may use it, by recursive descent."""

    tokens: list[tuple[str, str]]
    at: int = 0

    def choice(self) -> _Part:
        begin = self.at
        asked = self._joined("||", "or", lambda: self._joined("&&", "and", self._compared))
        if not self._took("?"):
            return asked
        then = self.choice()
        self._need(":")
        return self._part("if", begin, parts=(asked, then, self.choice()))

    def _joined(self, sign: str, kind: str, below: Callable[[], _Part]) -> _Part:
        begin, parts = self.at, [below()]
        while self._took(sign):
            parts.append(below())
        return parts[0] if len(parts) == 1 else self._part(kind, begin, parts=tuple(parts))

    def _compared(self) -> _Part:
        begin = self.at
        left = self._calculated()
        while self._peek() in (*_COMPARED, "in"):
            op = self._next()
            left = self._part("compare", begin, op, (left, self._calculated()))
        return left

    def _calculated(self) -> _Part:
        begin, left = self.at, self._signed()
        while self._peek() in ("+", "-", "*", "/", "%"):
            self._next()
            self._signed()
            left = self._part("other", begin)
        return left

    def _signed(self) -> _Part:
        begin = self.at
        if self._took("!"):
            return self._part("not", begin, parts=(self._signed(),))
        if self._took("-"):
            below = self._signed()
            is_number = below.kind == "value" and isinstance(below.value, float)
            return self._part("value", begin, -float(below.value)) if is_number else self._part("other", begin)
        return self._member()

    def _member(self) -> _Part:
        begin, found = self.at, self._primary()
        while self._took("."):
            self._next()
            if self._took("("):
                self._until(")")
            found = self._part("other", begin)
        return found

    def _primary(self) -> _Part:
        begin = self.at
        if self.at >= len(self.tokens):
            raise _Unread
        kind, text = self.tokens[self.at]
        self.at += 1
        if kind == "number":
            return self._part("value", begin, float(text.rstrip("uU")))
        if kind == "text":
            if "\\" in text:
                raise _Unread
            return self._part("value", begin, text[1:-1])
        if text in ("true", "false"):
            return self._part("value", begin, text == "true")
        if text == "(":
            inside = self.choice()
            self._need(")")
            return inside
        if text == "[":
            return self._part("list", begin, parts=self._until("]"))
        if kind != "name" or text == "null":
            raise _Unread
        if not self._took("("):
            return self._part("name", begin)
        given = self._until(")")
        return self._part("has" if text == "has" and len(given) == 1 else "other", begin, parts=given)

    def _until(self, end: str) -> tuple[_Part, ...]:
        """Values with commas between, up to the closing sign."""
        found: list[_Part] = []
        while not self._took(end):
            found.append(self.choice())
            if self._peek() != end:
                self._need(",")
        return tuple(found)

    def _part(self, kind: str, begin: int, value: Value = False, parts: tuple[_Part, ...] = ()) -> _Part:
        written = " ".join(text for _, text in self.tokens[begin : self.at])
        return _Part(kind, _GAPS.sub("", written), value, parts)

    def _peek(self) -> str:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else ""

    def _next(self) -> str:
        if self.at >= len(self.tokens):
            raise _Unread
        self.at += 1
        return self.tokens[self.at - 1][1]

    def _took(self, sign: str) -> bool:
        if self._peek() != sign:
            return False
        self.at += 1
        return True

    def _need(self, sign: str) -> None:
        if not self._took(sign):
            raise _Unread
