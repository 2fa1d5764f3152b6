"""`tact bench`: what Tact costs beside its floors, on this machine; needs a source checkout."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table as Grid

from tact.console import console, errors, fail, load_settings
from tact.outputs import FiguresOption, file_to_write, write_text

if TYPE_CHECKING:
    from load_tests.bench import Say

MINUTES = 5.0
SOURCE = "Load tests are no part of an installed package: run ./dev bench in a checkout of the source."


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command("bench")
    def bench(
        minutes: Annotated[
            float, typer.Option("--minutes", min=0.01, max=60, help="How long it measures, about.")
        ] = MINUTES,
        full: Annotated[
            bool, typer.Option("--full", help="Also latency against offered load, growth and memory; pictures.")
        ] = False,
        feast: Annotated[bool, typer.Option("--feast/--no-feast", help="Beside Feast's feature server.")] = True,
        keep: Annotated[bool, typer.Option("--keep", help="Keep the figures in load_tests/results.")] = False,
        out: FiguresOption = None,
    ) -> None:
        """Measure throughput and latency beside the floors of the same machine, and compare with the objectives.

        Everything is started and stopped by itself, on loopback, with default settings. What else the machine does
        shows: look at the spread.
        """
        file_to_write(out, "--json")
        folder = load_settings(writes=True).home / "bench"
        found = _measured(folder, minutes, feast, full)
        if out is not None:
            write_text(out, json.dumps(found, indent=1) + "\n")
        _show(found)
        if keep:
            _keep(found, full)


def _measured(folder: Path, minutes: float, feast: bool, full: bool) -> dict[str, Any]:
    try:
        from load_tests.full import more
        from load_tests.install import NotUp
        from load_tests.run import run
        from load_tests.sender import LoadFailed
    except ModuleNotFoundError as error:
        fail(f"tact bench needs {error.name}, which is not here", SOURCE)
    from service.embedded import NoServer, ServerFailed
    from tact.supervisor import NotReady, PartFailed, interruptible

    try:
        with interruptible(), _told(60 * minutes) as say:
            return run(folder, 60 * minutes, say, feast, after=more if full else None)
    except KeyboardInterrupt:
        fail("stopped", code=130)
    except (NotUp, LoadFailed, NoServer, ServerFailed, NotReady, PartFailed, OSError) as error:
        fail(str(error))


@contextmanager
def _told(seconds: float) -> "Iterator[Say]":
    """A bar on a terminal: what is done now, how much of it is done."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as progress:
        bar = progress.add_task("", total=seconds)

        def say(what: str, more_s: float) -> None:
            progress.update(bar, description=what, advance=more_s)

        yield say


def _keep(found: dict[str, Any], full: bool) -> None:
    """Where the others are; a full run's pictures into the docs."""
    from load_tests.results import keep

    console.print(f"kept as {keep(found, kind='full' if full else 'bench')}", soft_wrap=True)
    if full:
        from load_tests.pictures import draw

        for path in draw(found, Path("docs/img")):
            console.print(f"drawn: {path}", soft_wrap=True)


def _show(found: dict[str, Any]) -> None:
    from load_tests.results import HEAD, JUDGED_HEAD, judged, rows_of

    about = found["about"]
    machine = about["machine"]
    where = f"{machine['cpu']}, {machine['cores']} cores, commit {about['commit']}, {about['rounds']} rounds"
    grid = Grid(*HEAD, title=f"{where}; others took {100 * about['others_share']:.0f} % of it")
    for line in rows_of(found):
        grid.add_row(*line)
    grid.add_section()
    console.print(grid)
    goals = Grid(*JUDGED_HEAD)
    for line in judged(found):
        goals.add_row(*line)
    console.print(goals)
    for problem in about["problems"]:
        errors.print(f"[yellow]{problem}[/]", soft_wrap=True)
