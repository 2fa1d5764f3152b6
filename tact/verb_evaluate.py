"""`tact evaluate`: train on one window, test on the next; figures as JSON, tables and a report with pictures."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.table import Table as Grid

from tact.asked import Asked
from tact.console import console, errors, fail
from tact.learning import (
    MOMENT,
    LakeOption,
    SeedOption,
    ShopOption,
    moment,
    steps,
    the_lake,
    told_plainly,
)
from tact.outputs import FiguresOption, file_to_write, write_text
from tact.tables import Sheet, amount, as_markdown, sheets
from training.evaluate import WHAT
from training.open_log import the_shop
from training.report import render
from training.table import MAX_PREFIX

COLD_START: Final = "cold-start"
PARTS: Final = (*WHAT, COLD_START)


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("evaluate")(evaluate_window)


def evaluate_window(
    train_until: Annotated[str, typer.Option("--train-until", help=f"End of training. {MOMENT}")],
    test_until: Annotated[str, typer.Option("--test-until", help=f"End of the test. {MOMENT}")],
    what: Annotated[
        str,
        typer.Argument(
            metavar="[WHAT]",
            help="all; models: intents, stage, milestone, early warning; recommend; "
            "cold-start: --shop's models and --test-shop's first days, tested on --test-shop; "
            "with options of their own (tact evaluate uplift --help): off-policy: what a policy would have earned; "
            "policy: how well a policy learns simulated shops; uplift: whom a message changes.",
        ),
    ] = "all",
    lake: LakeOption = None,
    shop: ShopOption = "",
    train_since: Annotated[
        str, typer.Option("--train-since", help="Start of training. Default: the first event.")
    ] = "",
    test_since: Annotated[
        str,
        typer.Option("--test-since", help="Start of the test. Default: --train-until; of cold-start, the last fifth."),
    ] = "",
    test_lake: Annotated[Path | None, typer.Option("--test-lake", help="Another lake to test on.")] = None,
    test_shop: Annotated[str, typer.Option("--test-shop", help="Another shop to test on.")] = "",
    table: Annotated[bool, typer.Option("--table", help="Print the tables as Markdown, and nothing else.")] = False,
    json_file: FiguresOption = None,
    report: Annotated[Path | None, typer.Option("--report", help="Write a page with pictures (HTML).")] = None,
    seed: SeedOption = 1,
    max_prefix: Annotated[
        int | None,
        typer.Option(
            "--max-prefix",
            min=1,
            help="Events of a session learned from and tested on, at most; of recommendations, views tested on. "
            f"Default: {MAX_PREFIX}; of recommendations, all.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Train on the sessions of one window, test on those of the next (or of another shop), beside baselines."""
    started = time.monotonic()
    root, until_ms = the_lake(lake), moment(train_until, "--train-until")
    _check(what, report)
    file_to_write(json_file, "--json")
    file_to_write(report, "--report")
    with told_plainly(), steps() as progress:
        name = the_shop(root, shop)
        there = test_lake if test_lake is not None else root
        tested = the_shop(there, test_shop) if test_lake is not None or test_shop else name
        since = moment(train_since, "--train-since") if train_since else None
        first = moment(test_since, "--test-since") if test_since else None
        last = moment(test_until, "--test-until")
        asked = Asked(root, name, there, tested, max_prefix, since, until_ms, first, last)
        figures: dict[str, Any] = {"shop": name, "test_shop": tested, "seed": seed}
        if what == COLD_START:
            figures["cold_start"] = asked.cold_start(seed, progress)
        else:
            evaluation = asked.run(what, seed, progress)
            figures |= evaluation.figures
        if report is not None:
            asked.look_back(evaluation, progress)
    if json_file is not None:
        write_text(json_file, json.dumps(figures, indent=1, allow_nan=False) + "\n")
    if report is not None:
        title = f"Evaluation of {name}" + (f", tested on {tested}" if asked.elsewhere else "")
        write_text(report, render(evaluation, title, asked.manifest, asked.checks))
    _say(figures, table)
    written = ", ".join(str(path) for path in (json_file, report) if path is not None)
    told = errors if table else console
    told.print(f"{time.monotonic() - started:.1f} s" + (f"; written: {written}" if written else ""))


def _check(what: str, report: Path | None) -> None:
    """Ends with code 2 for a part that there is not, and a report of parts."""
    if what not in PARTS:
        fail(f"there is no {what!r} to evaluate; there are {', '.join(PARTS)}", code=2)
    if report is not None and what != "all":
        fail(f"--report shows everything: leave out {what!r}", code=2)


def _say(figures: Mapping[str, Any], table: bool) -> None:
    """The figures beside their baselines, as Markdown or for the terminal."""
    if table:
        typer.echo(as_markdown(figures), nl=False)
        return
    part = figures.get("cold_start", figures)
    for what in ("train", "test"):
        one = part[what]
        console.print(f"{what}: {amount(one, 'row')}, {one['since']} .. {one['until']}")
    for sheet in sheets(figures):
        console.print(_grid(sheet))
    if figures.get("lacks"):
        console.print(f"the training window has no {', '.join(figures['lacks'])}")


def _grid(sheet: Sheet) -> Grid:
    """A sheet for the terminal."""
    grid = Grid(*sheet.head, title=sheet.title, title_justify="left")
    for row in sheet.rows:
        grid.add_row(*(cell.replace("**", "") for cell in row))
    return grid
