"""`tact evaluate policy`: how well the policy learns simulated shops whose truth is known, beside what others build."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from tact.console import console, fail
from tact.learning import steps
from tact.outputs import file_to_write, write_text
from training.pictures import name_of
from training.report_policy import NOTE, render, spread
from training.shop_contest import figures, run
from training.truth import FOLDER, Truth, TruthError, read_truth


def register(app: typer.Typer) -> None:
    """Add the verb's part."""
    app.command("evaluate-policy")(evaluate_policy)


def evaluate_policy(
    truth: Annotated[
        list[str] | None,
        typer.Option(
            "--truth", help="A truth file (docs/simulation.md), or the name of one that comes along; may repeat."
        ),
    ] = None,
    decisions: Annotated[
        int, typer.Option("--decisions", min=1_000, max=5_000_000, help="Decisions of each run.")
    ] = 200_000,
    seeds: Annotated[
        int, typer.Option("--seeds", min=1, max=50, help="Runs of each truth, with luck of their own.")
    ] = 3,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures as JSON.")] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write a page with the regret curves.")] = None,
) -> None:
    """Let the learning policy, an oracle and others serve the same simulated visitors; compare what each earned."""
    file_to_write(json_file, "--json")
    file_to_write(html, "--html")
    truths = _truths(truth or ["stationary", "drifting", "harmful"])
    found = []
    with steps() as progress:
        for one in truths:
            runs = [run(one, decisions, seed, progress) for seed in range(1, seeds + 1)]
            found.append(figures(one, runs))
    for figure in found:
        _show(figure)
    console.print(NOTE, soft_wrap=True)
    if json_file is not None:
        write_text(json_file, json.dumps(_plain(found), indent=1, allow_nan=False) + "\n")
        console.print(f"written: {json_file}")
    if html is not None:
        write_text(html, render(found))
        console.print(f"written: {html}")


def _truths(asked: Sequence[str]) -> list[Truth]:
    """The truths of files and names; ends with every problem of every file."""
    truths, problems = [], []
    for name in asked:
        own = FOLDER / f"{name}.yaml"
        path = own if own.is_file() and not Path(name).exists() else Path(name)
        try:
            truths.append(read_truth(path))
        except TruthError as error:
            problems.append(str(error))
    if problems:
        known = ", ".join(sorted(path.stem for path in FOLDER.glob("*.yaml")))
        fail("\n".join(problems), f"Truths that come along: {known}. The form of a file: docs/simulation.md.", code=2)
    return truths


def _plain(value: Any) -> Any:
    """As JSON has it: numbers to six places that count, none where there is none."""
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if value == value else None
    return value


def _show(one: Mapping[str, Any]) -> None:
    points = list(next(iter(one["players"].values()))["now"])
    title = (
        f"{one['truth']}: share of the oracle's gain over silence ({one['oracle_gain_over_silence']:.1%} of what "
        f"silence earns), {len(one['seeds'])} seeds"
    )
    grid = Table("", *(f"at {int(p):,}" for p in points), "so far", "lowest 5,000", title=title, title_justify="left")
    for name, player in one["players"].items():
        last = spread(player["so_far"][points[-1]]) if points else "–"
        low = f"{player['lowest_after_warm_up']:.0%}"
        style = "bold" if name == "tact" else None
        grid.add_row(name_of(name), *(spread(player["now"][p]) for p in points), last, low, style=style)
    console.print(grid)
    for name, why in one["skipped"].items():
        console.print(f"{name_of(name)}: left out, {why}", soft_wrap=True)
