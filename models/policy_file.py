"""Reading a policy file's text into nodes that know their line: YAML with the plain types of YAML 1.2, or TOML.

* PolicyError   what is wrong with the file, every problem together, each as file:line:column: message

Nothing here knows what a policy is; `models.policy_schema` does.
"""

import math
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

MAX_BYTES: Final = 1 << 20
MAX_NODES: Final = 50_000
"""Values in one file, aliases counted each time they are used: an alias bomb stops here."""
MAX_DEPTH: Final = 16

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9_]*)\Z")
_DECIMAL = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_SPECIAL = {".inf": math.inf, "+.inf": math.inf, "-.inf": -math.inf, ".nan": math.nan}
_TOML_HEADER = re.compile(r"\s*\[(\[)?\s*([^\[\]]+?)\s*\]")
_TOML_KEY = re.compile(r"\s*([A-Za-z0-9_\-.\"']+)\s*=")
_TOML_PLACE = re.compile(r"at line (\d+), column (\d+)")
Path = tuple[str | int, ...]
"""The keys and positions that lead to a value."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong (or, as a warning, doubtful) in a file. line and column count from 1; column 0 is unknown."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.column else f"{self.file}:{self.line}"
        return f"{place}: {self.message}"


class PolicyError(Exception):
    """A policy file that cannot be used. problems: all of them, in the order of the file."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


@dataclass(slots=True)
class Node:
    """A value of the file and where it stands. value: None, bool, int, float, str, dict[str, Node] or list[Node]."""

    value: Any
    line: int
    column: int = 0

    def get(self, *path: str | int) -> "Node | None":
        """The node below, by keys and positions; None if there is none."""
        node: Node | None = self
        for step in path:
            if node is None:
                return None
            if isinstance(node.value, dict) and isinstance(step, str):
                node = node.value.get(step)
            elif isinstance(node.value, list) and isinstance(step, int) and step < len(node.value):
                node = node.value[step]
            else:
                return None
        return node


class Malformed(Exception):
    """The text is not YAML or TOML, or is too large to be a policy."""

    def __init__(self, message: str, line: int = 1, column: int = 0) -> None:
        super().__init__(message)
        self.message, self.line, self.column = message, line, column


def decoded(data: bytes, filename: str) -> str:
    """A file's bytes as text, its lines ended by a line feed alone. Raises PolicyError where it is not UTF-8."""
    try:
        return data.decode().replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as bad:
        line = data[: bad.start].count(b"\n") + 1
        raise PolicyError((Problem(filename, line, 0, "the file is not valid UTF-8"),)) from bad


def parse(text: str, filename: str) -> tuple[Node, list[Problem]]:
    """The file's tree, by the ending of its name (.toml, else YAML), and the keys that stand twice.

    Raises PolicyError where there is no tree: one problem, for a reader cannot go on behind it.
    """
    try:
        size = len(text.encode())
        if size > MAX_BYTES:
            raise Malformed(f"the file has {size:,} bytes; a policy may have {MAX_BYTES:,}")
        if filename.endswith(".toml"):
            return _parse_toml(text), []
        composer = _Composer()
        root = composer.compose(text)
        return root, [Problem(filename, at.line, at.column, at.message) for at in composer.repeated]
    except Malformed as bad:
        raise PolicyError((Problem(filename, bad.line, bad.column, bad.message),)) from bad
    except UnicodeEncodeError as bad:
        raise PolicyError((Problem(filename, 1, 0, "the file is not valid UTF-8"),)) from bad


@dataclass(slots=True)
class _Open:
    """A mapping or list whose end has not been read yet. key: waiting for its value."""

    node: Node
    anchor: str | None
    key: str | None = None


@dataclass(slots=True)
class _Composer:
    """Builds nodes from YAML's parse events, without recursion, counting what aliases repeat."""

    stack: list[_Open] = field(default_factory=list)
    anchors: dict[str, Node] = field(default_factory=dict)
    sizes: dict[int, int] = field(default_factory=dict)
    repeated: list["Malformed"] = field(default_factory=list)
    count: int = 0
    root: Node | None = None

    def compose(self, text: str) -> Node:
        documents = 0
        try:
            event: Any
            for event in yaml.parse(text, Loader=_LOADER):
                documents += isinstance(event, yaml.DocumentStartEvent)
                if documents > 1:
                    raise Malformed("the file has more than one YAML document", event.start_mark.line + 1)
                self._take(event)
        except yaml.MarkedYAMLError as bad:
            mark = bad.problem_mark or bad.context_mark
            where = (mark.line + 1, mark.column + 1) if mark is not None else (1, 0)
            raise Malformed(f"not valid YAML: {bad.problem or bad.context}", *where) from bad
        except yaml.YAMLError as bad:
            raise Malformed(f"not valid YAML: {str(bad).splitlines()[0]}") from bad
        if self.root is None:
            raise Malformed("the file is empty")
        return self.root

    def _take(self, event: Any) -> None:
        """Adds what one parse event says."""
        kind = type(event)
        if kind in (yaml.MappingStartEvent, yaml.SequenceStartEvent):
            self._begin(event, {} if kind is yaml.MappingStartEvent else [])
        elif kind in (yaml.MappingEndEvent, yaml.SequenceEndEvent):
            closed = self.stack.pop()
            self.sizes[id(closed.node)] = _size(closed.node, self.sizes)
            if closed.anchor:
                self.anchors[closed.anchor] = closed.node
        elif kind is yaml.AliasEvent:
            self._alias(event)
        elif kind is yaml.ScalarEvent:
            node = Node(_scalar(event), event.start_mark.line + 1, event.start_mark.column + 1)
            if event.anchor:
                self.anchors[event.anchor] = node
            self._place(node, 1, is_key_text=event.value)

    def _begin(self, event: Any, value: Any) -> None:
        _check_tag(event, "map" if isinstance(value, dict) else "seq")
        node = Node(value, event.start_mark.line + 1, event.start_mark.column + 1)
        if len(self.stack) >= MAX_DEPTH:
            raise Malformed(f"nested deeper than {MAX_DEPTH} levels", node.line, node.column)
        self._place(node, 1)
        self.stack.append(_Open(node, event.anchor))

    def _alias(self, event: Any) -> None:
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        node = self.anchors.get(event.anchor)
        if node is None:
            raise Malformed(f"alias *{event.anchor} has no finished anchor before it", line, column)
        key_text = node.value if isinstance(node.value, str) else None
        self._place(node, self.sizes.get(id(node), 1), is_key_text=key_text, at=(line, column))

    def _place(self, node: Node, size: int, is_key_text: str | None = None, at: tuple[int, int] | None = None) -> None:
        """Puts a node into the collection being read; in a mapping every other one is a key."""
        self.count += size
        line, column = at or (node.line, node.column)
        if self.count > MAX_NODES:
            raise Malformed(f"more than {MAX_NODES:,} values (aliases count each time)", line, column)
        if not self.stack:
            self.root = node
            return
        top = self.stack[-1]
        if isinstance(top.node.value, list):
            top.node.value.append(node)
        elif top.key is not None:
            top.node.value[top.key] = node
            top.key = None
        elif is_key_text is None:
            raise Malformed("a key must be plain text", line, column)
        else:
            top.key = is_key_text
            if is_key_text in top.node.value:
                first = top.node.value[is_key_text].line
                self.repeated.append(Malformed(f"{is_key_text!r} stands twice; first at line {first}", line, column))


def _size(node: Node, sizes: dict[int, int]) -> int:
    """How many values a finished collection holds, itself included."""
    below = node.value.values() if isinstance(node.value, dict) else node.value
    return 1 + sum(sizes.get(id(child), 1) for child in below)


def _check_tag(event: Any, plain: str) -> None:
    """Refuses every tag but the one that says what a value is anyway."""
    if event.tag not in (None, "!", f"tag:yaml.org,2002:{plain}"):
        raise Malformed(f"tag {event.tag} is not accepted", event.start_mark.line + 1, event.start_mark.column + 1)


def _scalar(event: Any) -> Any:
    """A YAML scalar's value by the core schema of YAML 1.2: `no` is text, not False."""
    text: str = event.value
    _check_tag(event, "str")
    if not event.implicit[0] or event.style in ("'", '"', "|", ">"):
        return text
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text.lower() in ("true", "false") and text in (text.lower(), text.title(), text.upper()):
        return text.lower() == "true"
    if text.lower() in _SPECIAL:
        return _SPECIAL[text.lower()]
    if len(text) <= 30 and _INTEGER.match(text):
        return int(text)
    return float(text) if _DECIMAL.match(text) else text


def _parse_toml(text: str) -> Node:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as bad:
        found = _TOML_PLACE.search(str(bad))
        where = (int(found[1]), int(found[2])) if found else (len(text.splitlines()) or 1, 0)
        raise Malformed(f"not valid TOML: {_TOML_PLACE.sub('', str(bad)).replace('()', '').strip()}", *where) from bad
    except (RecursionError, ValueError) as bad:
        raise Malformed(f"not valid TOML: {str(bad).splitlines()[0]}") from bad
    lines = dict(_toml_lines(text))
    return _toml_node(data, (), lines, 1, 0)


def _toml_node(value: Any, path: Path, lines: Mapping[Path, int], line: int, depth: int) -> Node:
    """A node of plain TOML values; its line is its key's, or that of the nearest key above it."""
    line = lines.get(path, line)
    if depth > MAX_DEPTH:
        raise Malformed(f"nested deeper than {MAX_DEPTH} levels", line)
    if isinstance(value, dict):
        below = {key: _toml_node(v, (*path, key), lines, line, depth + 1) for key, v in value.items()}
        return Node(below, line)
    if isinstance(value, list):
        return Node([_toml_node(v, (*path, i), lines, line, depth + 1) for i, v in enumerate(value)], line)
    if value is None or isinstance(value, bool | int | float | str):
        return Node(value, line)
    return Node(value.isoformat(), line)  # TOML's dates and times; the fields parse their text


def _toml_lines(text: str) -> Iterator[tuple[Path, int]]:
    """The path and line of every `key =` and every [table] header. tomllib itself keeps no lines."""
    arrays: dict[Path, int] = {}
    table: Path = ()
    for number, line in enumerate(text.splitlines(), 1):
        header = _TOML_HEADER.match(line)
        key = _TOML_KEY.match(line)
        if header and not key:
            table = _toml_table(_toml_path(header[2]), bool(header[1]), arrays)
            yield table, number
        elif key:
            yield (*table, *_toml_path(key[1])), number


def _toml_table(names: tuple[str, ...], is_array: bool, arrays: dict[Path, int]) -> Path:
    """The path a header opens: [[a.b]] adds an element to the list a.b, [a.b.c] stands in the last one."""
    path: Path = ()
    for depth, name in enumerate(names):
        path = (*path, name)
        if is_array and depth == len(names) - 1:
            arrays[path] = arrays.get(path, -1) + 1
        if path in arrays:
            path = (*path, arrays[path])
    return path


def _toml_path(text: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in re.findall(r"\"[^\"]*\"|'[^']*'|[^.\s]+", text))
