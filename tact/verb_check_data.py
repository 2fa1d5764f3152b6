"""`tact check-data`: what a shop's log would teach wrongly, before models are trained on it."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table as Grid

from tact.console import console
from tact.learning import MOMENT, LakeOption, ShopOption, span_of, steps, the_lake, told_plainly
from tact.outputs import file_to_write, write_text
from training.check_data import Report, check
from training.check_events import load
from training.check_finding import ERROR, OK, Finding, percent
from training.figures import counted
from training.open_log import the_shop

_COLOUR: Mapping[str, str] = {OK: "green", "warning": "bold yellow", ERROR: "bold red"}


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("check-data")(check_data)


def check_data(
    lake: LakeOption = None,
    shop: ShopOption = "",
    since: Annotated[str, typer.Option("--since", help=f"Only events from here on. {MOMENT}")] = "",
    until: Annotated[str, typer.Option("--until", help=f"Only events before this. {MOMENT}")] = "",
    json_file: Annotated[Path | None, typer.Option("--json", help="Write all findings as JSON.")] = None,
) -> None:
    """Check a shop's log before training. Ends with 0, or with 1 if any check found an error."""
    started, root = time.monotonic(), the_lake(lake)
    file_to_write(json_file, "--json")
    since_ms, until_ms = span_of(since, until)
    with told_plainly(), steps() as progress:
        name = the_shop(root, shop)
        report = check(load(root, name, since_ms, until_ms, time.time_ns() // 1_000_000), progress)
    if json_file is not None:
        write_text(json_file, json.dumps(report.as_dict(), indent=1, allow_nan=False) + "\n")
    _show(report)
    console.print(f"{report.summary}, {time.monotonic() - started:.1f} s")
    if report.at(ERROR):
        raise typer.Exit(1)


def _show(report: Report) -> None:
    """Every check in a line, then what to do about those that found something."""
    console.print(f"{report.shop}: {counted(report.events, 'event')}, {report.since} .. {report.until}", markup=False)
    grid = Grid("check", "", "rows", "share", "found")
    for one in report.findings:
        share = percent(one.share) if one.of else ""
        grid.add_row(one.name, f"[{_COLOUR[one.level]}]{one.level}[/]", f"{one.rows:,}", share, escape(one.message))
    console.print(grid)
    for one in report.findings:
        if one.level != OK:
            _advise(one)


def _advise(one: Finding) -> None:
    console.print(f"[{_COLOUR[one.level]}]{one.level}[/] {one.name}: {escape(one.message)}", soft_wrap=True)
    console.print(f"  what to do: {one.advice}", markup=False, soft_wrap=True)
    if one.example:
        console.print(f"  for example: {_words(one.example)}", markup=False, soft_wrap=True)


def _words(example: Mapping[str, Any]) -> str:
    return json.dumps(example, ensure_ascii=False)
