"""What the verbs that learn share: where the log is, which window, how progress is shown, how refusals are told."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

from models.bundle import InvalidBundle
from models.registry import NothingBefore, UnknownBundle
from models.scorer import LibraryMissing
from tact.console import console, fail, load_settings
from training.moments import parse_moment
from training.open_log import NoLog
from training.split import TooLittleData

MOMENT = "ISO date or time (UTC unless it says otherwise), or epoch seconds or milliseconds."

LakeOption = Annotated[Path | None, typer.Option("--lake", help="Folder of the event lake. Default: TACT_LAKE.")]
ShopOption = Annotated[str, typer.Option("--shop", help="Default: the lake's only shop.")]
SeedOption = Annotated[int, typer.Option("--seed", help="The same data and seed give the same bytes.")]
PrefixOption = Annotated[
    int, typer.Option("--max-prefix", min=1, help="Events of a session learned from and tested on, at most.")
]


def the_lake(lake: Path | None) -> Path:
    """The lake given, or the install's."""
    return lake if lake is not None else load_settings().lake


def moment(text: str, option: str) -> int:
    """Unix milliseconds of an option's text; ends with what would be understood."""
    try:
        return parse_moment(text)
    except ValueError as error:
        fail(f"{option}: {error}", code=2)


@contextmanager
def told_plainly() -> Iterator[None]:
    """Turns what can go wrong with data and bundles into one line and exit code 1."""
    try:
        yield
    except (NoLog, TooLittleData, NothingBefore, LibraryMissing) as error:
        fail(str(error))
    except InvalidBundle as error:
        fail(f"the bundle is refused: {error}")
    except UnknownBundle as error:
        fail(f"the registry holds no bundle {error}")


class Steps:
    """Progress by named steps, a bar each: call it with a step's name and how much of it is done."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, name: str, share: float) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=1.0)
        self._progress.update(self._tasks[name], completed=share)


@contextmanager
def steps() -> Iterator[Steps]:
    """A live display of steps, gone when they are done."""
    columns = (TextColumn("{task.description:<24}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        yield Steps(progress)


def shown(value: float | None) -> str:
    """A figure for the terminal."""
    return "–" if value is None else f"{value:.4f}"


def span(limits: list[float] | None) -> str:
    """An interval for the terminal."""
    return "" if limits is None else f" [{limits[0]:.3f}, {limits[1]:.3f}]"
