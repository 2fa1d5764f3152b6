"""`tact check policy.yaml`: is this policy fit to serve? Every problem with its line, in one go."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from models.policy import Policy, PolicyError, Problem, load_policy, warnings
from service import policy_files
from tact.console import console, errors, fail, load_settings


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("check")(check)


def check(
    files: Annotated[list[Path], typer.Argument(help="Policy files, YAML or TOML.")],
    as_json: Annotated[bool, typer.Option("--json", help="Write problems and warnings as JSON to stdout.")] = False,
) -> None:
    """Check policy files: errors and warnings as file:line:column: message. Exit 1 if any file has an error."""
    folder = load_settings().policies
    checked = [_checked(path, folder) for path in files]
    if as_json:
        typer.echo(json.dumps([found.as_dict() for found in checked], indent=2))
    else:
        for found in checked:
            _show(found)
    if any(found.problems for found in checked):
        raise typer.Exit(1)


@dataclass(frozen=True, slots=True)
class Checked:
    """A file and its policy (None if the text has errors). notes: what only matters once a service is to read it."""

    path: Path
    policy: Policy | None
    problems: tuple[Problem, ...] = ()
    doubts: tuple[Problem, ...] = ()
    notes: tuple[Problem, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """As --json writes it."""
        policy = self.policy
        return {
            "file": str(self.path),
            "ok": not self.problems,
            "shop": policy.shop if policy else None,
            "version": policy.version if policy else None,
            "actions": len(policy.actions) if policy else 0,
            "placements": len(policy.placements) if policy else 0,
            "errors": [_place(problem) for problem in self.problems],
            "warnings": [_place(doubt) for doubt in self.doubts],
            "notes": [_place(note) for note in self.notes],
        }


def _checked(path: Path, folder: Path) -> Checked:
    """folder: of the policies that a service reads, in which a file's name counts."""
    try:
        text = policy_files.read(path)
        policy = load_policy(text, str(path))
    except OSError as bad:
        fail(f"cannot read {path}: {bad.strerror}", code=2)
    except PolicyError as bad:
        return Checked(path, None, bad.problems)
    doubts = warnings(policy, time.time_ns() // 1_000_000)
    misnamed = tuple(filter(None, (policy_files.misnamed(policy, text, path),)))
    if path.resolve().parent != folder.resolve():
        return Checked(path, policy, (), doubts, misnamed)
    several = policy_files.beside(policy_files.find(path.parent).get(path.stem, ()))
    if several:
        doubts = (*doubts, Problem(str(path), 1, 0, several))
    return Checked(path, policy, misnamed, doubts)


def _show(found: Checked) -> None:
    """What a person reads: problems, warnings and notes on stderr, the summary on stdout."""
    path, policy, doubts = found.path, found.policy, found.doubts
    for word, told in (("bold red]error", found.problems), ("bold yellow]warning", doubts), ("cyan]note", found.notes)):
        for one in told:
            errors.print(f"[{word}[/] {escape(str(one))}", soft_wrap=True)
    if policy is None or found.problems:
        count = len(found.problems)
        errors.print(f"{escape(str(path))}: {count} error{'s' if count != 1 else ''}; not fit to serve", soft_wrap=True)
        return
    console.print(_summary(policy))
    console.print(
        f"[bold green]fit to serve[/] {escape(str(path))}: shop {policy.shop}, version {policy.version}, "
        f"{len(policy.actions)} actions, {len(policy.placements)} placements, locales {', '.join(policy.locales)}, "
        f"{len(doubts)} warning{'s' if len(doubts) != 1 else ''}",
        soft_wrap=True,
    )


def _summary(policy: Policy) -> Table:
    """Placements down, with what may stand in each."""
    table = Table("placement", "kinds", "actions, in the order that settles ties", title_justify="left")
    for placement in policy.placements:
        names = ", ".join(policy.actions[place].id for place in policy.at[placement.id])
        table.add_row(placement.id, ", ".join(placement.kinds), names or "[dim]none[/]")
    return table


def _place(problem: Problem) -> dict[str, object]:
    return {"line": problem.line, "column": problem.column, "message": problem.message}
