"""`tact evaluate uplift`: whom a message changes, on the file of a randomised experiment."""

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from tact.console import console, fail
from tact.learning import SeedOption, steps
from tact.outputs import file_to_write, write_text
from training.fit_uplift import card
from training.hillstrom import CONTROL, OUTCOME, TREATMENT, Experiment, NotAnExperiment, read_experiment
from training.qini import Outcomes
from training.report_uplift import HEAD, cells, render
from training.uplift import HALVES, Choice, choose

Found = dict[str, tuple[Choice, Outcomes, dict[str, Any]]]


def register(app: typer.Typer) -> None:
    """Add the verb's part."""
    app.command("evaluate-uplift")(evaluate_uplift)


def evaluate_uplift(
    file: Annotated[
        Path, typer.Option("--file", help="CSV of a randomised experiment, a row per visitor; plain or gzip.")
    ],
    treatment: Annotated[str, typer.Option(help="Column of the message that each visitor was given by lot.")] = (
        TREATMENT
    ),
    outcome: Annotated[str, typer.Option(help="Column of what came of it: a number, or yes or no.")] = OUTCOME,
    control: Annotated[
        str,
        typer.Option(
            help=f"The treatment column's value that is no message. Default: the one that says so, as {CONTROL!r}.",
            show_default=False,
        ),
    ] = "",
    leave_out: Annotated[
        list[str] | None,
        typer.Option("--leave-out", help="A column not known before the message, such as another outcome; repeatable."),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Random halvings: one half is learned from, one tested on.")] = (
        HALVES
    ),
    seed: SeedOption = 1,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures as JSON.")] = None,
    report: Annotated[Path | None, typer.Option("--report", help="Write a page with Qini curves (HTML).")] = None,
) -> None:
    """Qini of S-learner, X-learner and response model for each message, and which of them would be used."""
    started = time.monotonic()
    file_to_write(json_file, "--json")
    file_to_write(report, "--report")
    try:
        experiment = read_experiment(file, treatment, outcome, control, tuple(leave_out or ()))
    except NotAnExperiment as error:
        fail(str(error), code=2)
    words = _facts(experiment, treatment, outcome)
    for line in words:
        console.print(escape(line), soft_wrap=True)
    found: Found = {}
    with steps() as progress:
        for message in experiment.messages:
            tried = experiment.tried(message)
            choice = choose(tried, seed, seeds, lambda share, name=message: progress(name, share))  # type: ignore[misc]
            found[message] = choice, tried.outcomes, card(choice)
    for message, (choice, _, figures) in found.items():
        _show(message, choice, figures)
    _write(json_file, report, found, words, {"file": file.name, "outcome": outcome, "seeds": seeds, "seed": seed})
    written = ", ".join(str(path) for path in (json_file, report) if path is not None)
    console.print(f"{time.monotonic() - started:.1f} s" + (f"; written: {written}" if written else ""), soft_wrap=True)


def _facts(experiment: Experiment, treatment: str, outcome: str) -> list[str]:
    """What was read, in lines."""
    counts = ", ".join(
        f"{name}: {int((experiment.arm == name).sum()):,} ({experiment.outcome[experiment.arm == name].mean():.4f})"
        for name in (experiment.control, *experiment.messages)
    )
    lines = [f"{len(experiment.outcome):,} rows; {treatment} (mean {outcome}): {counts}"]
    lines += [f"column {name} is left out: {reason}" for name, reason in experiment.left_out.items()]
    if experiment.without_outcome:
        lines.append(f"{experiment.without_outcome:,} rows without {treatment} or {outcome} are left out")
    return lines


def _show(message: str, choice: Choice, figures: dict[str, Any]) -> None:
    if choice.compared is not None:
        grid = Table(*HEAD, title=escape(message), title_justify="left")
        for line in cells(figures):
            grid.add_row(*(escape(cell) for cell in line))
        console.print(grid)
    console.print(f"{escape(message)}: [bold]{choice.choice}[/] – {escape(choice.why)}\n", soft_wrap=True)


def _write(json_file: Path | None, report: Path | None, found: Found, words: list[str], asked: dict[str, Any]) -> None:
    if json_file is not None:
        figures = asked | {"messages": {message: one for message, (_, _, one) in found.items()}}
        write_text(json_file, json.dumps(figures, indent=1, allow_nan=False) + "\n")
    if report is not None:
        write_text(report, render(f"Uplift of {asked['file']}", words, found))
