"""`tact check policy.yaml`: is this policy fit to serve? Every problem with its line, in one go."""

import json
import time
from collections.abc import Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from models.persona_files import live_if_read
from models.policy import Policy, PolicyError, Problem, load_policy
from models.policy_lint import CODES, Finding, lint, unread_languages
from service import policy_files
from tact.console import console, errors, fail, load_settings


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("check")(check)


def check(
    files: Annotated[list[Path], typer.Argument(help="Policy files, YAML or TOML.")],
    allow: Annotated[
        list[str] | None, typer.Option("--allow", help="A lint to leave out, by its code; several: once each.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 for warnings too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Write problems and warnings as JSON to stdout.")] = False,
) -> None:
    """Check policy files: errors and warnings as file:line:column: message. Exit 1 if any file has an error.

    Lints are listed in docs/policy.md.
    """
    folder, allowed = load_settings().policies, _codes(allow or [])
    checked = [_checked(path, folder, allowed) for path in files]
    if as_json:
        typer.echo(json.dumps([found.as_dict() for found in checked], indent=2))
    else:
        for found in checked:
            _show(found)
    if any(found.fails(strict) for found in checked):
        raise typer.Exit(1)


def _codes(given: list[str]) -> frozenset[str]:
    """The lints to leave out; ends where one has no such code."""
    codes = frozenset(code.strip() for text in given for code in text.split(","))
    unknown = sorted(codes.difference(CODES))
    if unknown:
        fail(f"--allow: there is no lint {unknown[0]!r}", f"There are {', '.join(CODES)}.", code=2)
    return codes


@dataclass(frozen=True, slots=True)
class Checked:
    """A file and its policy (None if the text has errors).

    problems: it cannot be served. doubts: warnings of the folder it lies in. lints: of what it says. notes: what only
    matters once a service is to read it, and what was not looked at.
    """

    path: Path
    policy: Policy | None
    problems: tuple[Problem, ...] = ()
    doubts: tuple[Problem, ...] = ()
    notes: tuple[Problem, ...] = ()
    lints: tuple[Finding, ...] = ()

    def fails(self, strict: bool) -> bool:
        """Whether a problem or a lint, with `strict` also one that only warns, is against it."""
        return bool(self.problems or self.of("error") or (strict and (self.doubts or self.lints)))

    def of(self, severity: str) -> tuple[Finding, ...]:
        """The lints of a severity."""
        return tuple(found for found in self.lints if found.severity == severity)

    def as_dict(self) -> dict[str, object]:
        """As --json writes it."""
        policy = self.policy
        return {
            "file": str(self.path),
            "ok": not self.fails(strict=False),
            "shop": policy.shop if policy else None,
            "version": policy.version if policy else None,
            "actions": len(policy.actions) if policy else 0,
            "placements": len(policy.placements) if policy else 0,
            "errors": [*map(_place, self.problems), *map(_found, self.of("error"))],
            "warnings": [*map(_place, self.doubts), *map(_found, self.of("warning"))],
            "notes": [_place(note) for note in self.notes],
        }


def _checked(path: Path, folder: Path, allow: frozenset[str]) -> Checked:
    """folder: of the policies that a service reads, in which a file's name counts."""
    try:
        text = policy_files.read(path)
        policy = load_policy(text, str(path))
    except OSError as bad:
        fail(f"cannot read {path}: {bad.strerror}", code=2)
    except PolicyError as bad:
        return Checked(path, None, bad.problems)
    lints = lint(policy, text, time.time_ns() // 1_000_000, allow, _personas(policy.shop))
    unread = _unread(policy)
    misnamed = tuple(filter(None, (policy_files.misnamed(policy, text, path),)))
    if path.resolve().parent != folder.resolve():
        return Checked(path, policy, notes=(*misnamed, *unread), lints=lints)
    several = policy_files.beside(policy_files.find(path.parent).get(path.stem, ()))
    doubts = (Problem(str(path), 1, 0, several),) if several else ()
    return Checked(path, policy, misnamed, doubts, unread, lints)


def _personas(shop: str) -> tuple[str, ...]:
    """The names of the personas in use."""
    found = live_if_read(load_settings().lake, shop)
    return found.names if found is not None else ()


def _unread(policy: Policy) -> tuple[Problem, ...]:
    languages = unread_languages(policy)
    said = f"no lint reads the words of {', '.join(languages)}: look for dark patterns and claims there yourself"
    return (Problem(policy.filename, 1, 0, said),) if languages else ()


def _show(found: Checked) -> None:
    """What a person reads: problems, warnings and notes on stderr, the summary on stdout."""
    path, policy = found.path, found.policy
    bad, doubtful = (*found.problems, *found.of("error")), (*found.doubts, *found.of("warning"))
    for word, told in (("bold red]error", bad), ("bold yellow]warning", doubtful), ("cyan]note", found.notes)):
        for one in told:
            errors.print(f"[{word}[/] {escape(str(one))}", soft_wrap=True)
    if policy is None or bad:
        errors.print(f"{escape(str(path))}: {_count(bad, 'error')}; {_against(found)}", soft_wrap=True)
        return
    console.print(_summary(policy))
    console.print(
        f"[bold green]fit to serve[/] {escape(str(path))}: shop {policy.shop}, version {policy.version}, "
        f"{len(policy.actions)} actions, {len(policy.placements)} placements, locales {', '.join(policy.locales)}, "
        f"{_count(doubtful, 'warning')}",
        soft_wrap=True,
    )


def _against(found: Checked) -> str:
    """A service refuses a file with problems; lints it does not know of."""
    if found.problems:
        return "not fit to serve: a service refuses it"
    return "not fit to serve, though a service would take it: mend it, or leave the lint out with --allow CODE"


def _count(told: Sized, word: str) -> str:
    return f"{len(told)} {word}{'s' if len(told) != 1 else ''}"


def _summary(policy: Policy) -> Table:
    """Placements down, with what may stand in each."""
    table = Table("placement", "kinds", "actions, in the order that settles ties", title_justify="left")
    for placement in policy.placements:
        names = ", ".join(policy.actions[place].id for place in policy.at[placement.id])
        table.add_row(placement.id, ", ".join(placement.kinds), names or "[dim]none[/]")
    return table


def _place(problem: Problem) -> dict[str, object]:
    return {"line": problem.line, "column": problem.column, "message": problem.message}


def _found(finding: Finding) -> dict[str, object]:
    return {"code": finding.code, **_place(finding.problem)}
