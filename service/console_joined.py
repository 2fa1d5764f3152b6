"""The console's modules, joined at start into two files a page loads: what all views share, and the view.

A page of eleven small files asks a browser eleven times, and each answer, also one from its own memory, costs it some
milliseconds before anything is drawn. The sources stay modules that run as they are. Only what they use of the
language is known here: imports by name from a file beside, and exports of functions, classes, constants and lists.
Each module becomes a function that returns what it exports, so names of one are never seen by another.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Final

_IMPORT: Final = re.compile(r'^import (\{[^}]*\}) from "([^"]+)";$', re.MULTILINE)
_EXPORT: Final = re.compile(r"^export (default )?((?:async )?function|class|const) (\w+)", re.MULTILINE)
_LISTED: Final = re.compile(r"^export ?\{([^}]*)\};?|;export\{([^}]*)\};?", re.MULTILINE)
_LATER: Final = re.compile(r'import\("\./(\w+)\.js"\)')
_LEFT: Final = re.compile(r"^\s*(?:import|export)\b|;export\b|\bimport\.meta\.(?!url\b)", re.MULTILINE)


class NotJoined(ValueError):
    """A module uses something of the language that is not known here; says which."""


def joined(files: Mapping[str, str], names: Iterable[str], shared: Mapping[str, str] | None = None) -> str:
    """One module of several, each after those it imports; the last one's exports are its own.

    files: texts by path under the folder of static files. names: which, in their order. shared: path to the name under
    which `./shell.js` exports a module that is not in this one. Raises NotJoined.
    """
    known = dict(shared or {})
    lines = [f'import {{ {", ".join(sorted(known.values()))} }} from "./shell.js";'] if known else []
    for name in names:
        lines.append(f"const {_name(name)} = (() => {{\n{_wrapped(name, files[name], known)}\n}})();")
        known[name] = _name(name)
    return "\n".join(lines) + "\n"


def shell(files: Mapping[str, str], names: Iterable[str], app: str) -> tuple[str, dict[str, str]]:
    """(the file that every page loads, what it shares as `joined` takes it). app: what runs at its end."""
    names = list(names)
    shared = {name: _name(name) for name in names}
    exported = f"export {{ {', '.join(shared.values())} }};\n"
    return joined(files, names) + exported + f"(() => {{\n{_wrapped(app, files[app], shared)}\n}})();\n", shared


def view(files: Mapping[str, str], names: Iterable[str], shared: Mapping[str, str]) -> str:
    """A view with what only it imports; names: the view itself first. Its default export is the file's."""
    names = list(names)
    return joined(files, reversed(names), shared) + f"export default {_name(names[0])}.default;\n"


def _wrapped(name: str, text: str, known: Mapping[str, str]) -> str:
    """The body of the function that a module becomes."""
    exported: dict[str, str] = {}

    def imported(found: re.Match[str]) -> str:
        path = _beside(name, found[2])
        if path not in known:
            raise NotJoined(f"{name} imports {path}, which is not joined before it")
        return f"const {found[1].replace(' as ', ': ')} = {known[path]};"

    def single(found: re.Match[str]) -> str:
        exported["default" if found[1] else found[3]] = found[3]
        return f"{found[2]} {found[3]}"

    def listed(found: re.Match[str]) -> str:
        for one in (found[1] or found[2]).split(","):
            inner, _, outer = one.strip().partition(" as ")
            if inner:
                exported[outer or inner] = inner
        return ";"

    text = _LISTED.sub(listed, _EXPORT.sub(single, _IMPORT.sub(imported, text)))
    if left := _LEFT.search(text):
        raise NotJoined(f"{name} has {text[left.start() : left.end() + 60].strip()!r}, which is not known how to join")
    text = _LATER.sub(r'import("./view-\1.js")', text)
    told = ", ".join(f"{outer}: {inner}" for outer, inner in exported.items())
    return f"{text.rstrip()}\nreturn {{ {told} }};"


def _beside(name: str, address: str) -> str:
    """The path that an address in a module means."""
    parts: list[str] = list(PurePosixPath(name).parent.parts)
    for part in address.split("/"):
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def _name(path: str) -> str:
    return "m_" + re.sub(r"\W", "_", PurePosixPath(path).stem)
