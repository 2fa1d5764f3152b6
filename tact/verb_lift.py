"""`tact lift`: each arm against the holdout, per visitor, by intervals that may be looked at every day."""

import json
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from tact.configured import shares_of, shares_of_versions
from tact.console import console, fail, load_settings
from tact.grids import grid
from tact.learning import MOMENT, LakeOption, ShopOption, shop_of, span_of, steps, the_lake
from tact.outputs import file_to_write, write_text
from tact.policies import policy_of
from training.figures import counted
from training.lift import OUTCOMES
from training.lift_days import NoLift, evaluate
from training.lift_found import Found, Question, Shares
from training.moments import iso
from training.report_lift import HEAD, cells, notes, render
from training.sequential import Plan

_COLOUR = {"better": "bold green", "worse": "bold red", "sample": "bold red"}


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("lift")(lift)


def lift(
    lake: LakeOption = None,
    shop: ShopOption = "",
    since: Annotated[
        str, typer.Option("--since", help=f"Only visitors whose first decision lies from here on. {MOMENT}")
    ] = "",
    until: Annotated[str, typer.Option("--until", help=f"Only what happened before this. {MOMENT}")] = "",
    alpha: Annotated[float, typer.Option("--alpha", help="How often at most an interval may ever miss.")] = 0.05,
    plan: Annotated[
        int, typer.Option("--plan", min=1, help="Visitors at which intervals are tightest. Choose before you look.")
    ] = Plan.visitors,
    smallest: Annotated[
        float | None,
        typer.Option("--smallest", help="Least relative lift worth seeing, 0.05: visitors still needed are for it."),
    ] = None,
    against: Annotated[str, typer.Option("--against", help="The arm compared with.")] = "holdout",
    cap: Annotated[
        int | None, typer.Option("--cap", min=1, help="Leave out visitors with more events than this.")
    ] = None,
    policy: Annotated[
        Path | None, typer.Option("--policy", help="Policy file with the shares. Default: the decisions' own.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write everything found as JSON.")] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write a page with pictures.")] = None,
) -> None:
    """Measure each arm against the holdout. Ends with 1 where a check forbids to read it, with 2 on bad input."""
    file_to_write(json_file, "--json")
    file_to_write(html, "--html")
    root, (since_ms, until_ms) = the_lake(lake), span_of(since, until)
    name = shop_of(root, shop)
    question = Question(
        shop=name,
        since_ms=since_ms,
        until_ms=until_ms,
        base=against,
        plan=_plan(alpha, plan),
        smallest=_smallest(smallest),
        shares=_shares(policy, name),
        most_events=cap,
    )
    try:
        with steps() as progress:
            found = evaluate(root, question, progress=progress)
    except NoLift as nothing:
        fail(str(nothing), code=2)
    if json_file is not None:
        write_text(json_file, json.dumps(found.as_dict(), indent=1, allow_nan=False) + "\n")
    if html is not None:
        write_text(html, render(found, f"Lift of {question.shop}"))
    _show(found)
    if found.alarms:
        raise typer.Exit(1)


def _plan(alpha: float, visitors: int) -> Plan:
    try:
        return Plan(alpha, visitors)
    except ValueError as bad:
        fail(f"--alpha: {bad}", code=2)


def _smallest(value: float | None) -> float | None:
    if value is not None and not 0 < value < 100:
        fail(f"--smallest {value} is no relative lift; 0.05 is five per cent", code=2)
    return value


def _shares(path: Path | None, shop: str) -> Shares:
    """Where the configured shares come from: the file named, or the archive of policies."""
    settings = load_settings()
    if path is None:
        return partial(shares_of_versions, settings)
    shares = shares_of(policy_of(settings, shop, path))
    return lambda _: shares


def _show(found: Found) -> None:
    """A table an outcome, then what forbids or limits reading it."""
    people = sum(found.people.values())
    until = iso(found.last.end_ms)[:16].replace("T", " ")
    looks = counted(len(found.days), "look")
    console.print(f"{found.question.shop}: {people:,} visitors, {looks}, to {until} UTC", markup=False)
    for outcome in found.last.lifts:
        table = grid(*HEAD, whole=HEAD[:1], right=HEAD[1:3], title=OUTCOMES[outcome])
        for line in cells(found, outcome):
            colour = _COLOUR.get(line[-1].split(" ")[0], "")
            words = escape(line[-1])
            table.add_row(*(escape(cell) for cell in line[:-1]), f"[{colour}]{words}[/]" if colour else words)
        console.print(table)
    for note in notes(found):
        console.print(note, markup=False, soft_wrap=True)
    for alarm in found.alarms:
        console.print(f"[bold red]alarm[/] {escape(alarm)}", soft_wrap=True)
    if not found.alarms:
        console.print(f"checks: {_checked(found)}", soft_wrap=True)


def _checked(found: Found) -> str:
    """The checks that found nothing."""
    made = [("sample ratio", found.ratio), ("A/A", found.halves), ("arms alike before the start", found.before)]
    return (", ".join(name for name, one in made if one) + " fine") if any(one for _, one in made) else "none made"
