"""`tact check policy.yaml`: is this policy fit to serve? Every problem with its line, in one go."""

import json
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from models.policy import Policy, PolicyError, Problem, load_policy, warnings
from tact.console import console, errors, fail


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("check")(check)


def check(
    files: Annotated[list[Path], typer.Argument(help="Policy files, YAML or TOML.")],
    as_json: Annotated[bool, typer.Option("--json", help="Write problems and warnings as JSON to stdout.")] = False,
) -> None:
    """Check policy files: errors and warnings as file:line:column: message. Exit 1 if any file has an error."""
    checked = [_checked(path) for path in files]
    if as_json:
        typer.echo(json.dumps([_as_dict(path, *found) for path, found in zip(files, checked, strict=True)], indent=2))
    else:
        for path, found in zip(files, checked, strict=True):
            _show(path, *found)
    if any(policy is None for policy, _, _ in checked):
        raise typer.Exit(1)


Checked = tuple[Policy | None, tuple[Problem, ...], tuple[Problem, ...]]
"""A file's policy (None if it has errors), its errors, and its warnings."""


def _checked(path: Path) -> Checked:
    try:
        text = path.read_bytes().decode()
    except OSError as bad:
        fail(f"cannot read {path}: {bad.strerror}", code=2)
    except UnicodeDecodeError as bad:
        line = path.read_bytes()[: bad.start].count(b"\n") + 1
        return None, (Problem(str(path), line, 0, "the file is not valid UTF-8"),), ()
    try:
        policy = load_policy(text, str(path))
    except PolicyError as bad:
        return None, bad.problems, ()
    return policy, (), warnings(policy, time.time_ns() // 1_000_000)


def _show(path: Path, policy: Policy | None, problems: tuple[Problem, ...], doubts: tuple[Problem, ...]) -> None:
    """What a person reads: problems and warnings on stderr, the summary on stdout."""
    for problem in problems:
        errors.print(f"[bold red]error[/] {escape(str(problem))}", soft_wrap=True)
    for doubt in doubts:
        errors.print(f"[bold yellow]warning[/] {escape(str(doubt))}", soft_wrap=True)
    if policy is None:
        count = len(problems)
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


def _as_dict(
    path: Path, policy: Policy | None, problems: tuple[Problem, ...], doubts: tuple[Problem, ...]
) -> dict[str, object]:
    return {
        "file": str(path),
        "ok": policy is not None,
        "shop": policy.shop if policy else None,
        "version": policy.version if policy else None,
        "actions": len(policy.actions) if policy else 0,
        "placements": len(policy.placements) if policy else 0,
        "errors": [_place(problem) for problem in problems],
        "warnings": [_place(doubt) for doubt in doubts],
    }


def _place(problem: Problem) -> dict[str, object]:
    return {"line": problem.line, "column": problem.column, "message": problem.message}
