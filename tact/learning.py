"""What the verbs that learn share: where the log is, which window, how progress is shown, how refusals are told."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.progress import BarColumn, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress

from models.bundle import InvalidBundle
from models.registry import DEFAULT_SHOP, NothingBefore, Registry, UnknownBundle
from models.scorer import LibraryMissing
from tact.console import console, errors, fail, load_settings
from training.moments import iso, parse_moment
from training.open_log import NoLog, the_shop
from training.split import TooLittleData
from training.table import Progress

MOMENT = "ISO date or time (UTC unless it says otherwise), or epoch seconds or milliseconds."

_SPANS_MS: Final = {"m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 7 * 86_400_000}

LakeOption = Annotated[Path | None, typer.Option("--lake", help="Folder of the event lake. Default: TACT_LAKE.")]
ShopOption = Annotated[str, typer.Option("--shop", help="Default: the lake's only shop.")]
SeedOption = Annotated[int, typer.Option("--seed", help="The same data and seed give the same bytes.")]
RegistryOption = Annotated[str, typer.Option("--registry", help="Default: TACT_REGISTRY.")]
WhyOption = Annotated[str, typer.Option("--why", help="Kept in the registry's history.")]
PrefixOption = Annotated[
    int, typer.Option("--max-prefix", min=1, help="Events of a session learned from and tested on, at most.")
]


def the_lake(lake: Path | None) -> Path:
    """The lake given, or the install's."""
    return lake if lake is not None else load_settings().lake


def shop_of(lake: Path, shop: str) -> str:
    """The named shop of a lake, or its only one; ends with code 2 and the shops that there are."""
    with told_plainly():
        return the_shop(lake, shop)


def published_shop(registry: Registry, shop: str) -> str:
    """The named shop of a registry, or its only one; ends with code 2 and the shops that there are.

    Any shop will do where the shop "default" has a bundle: it is everybody's.
    """
    known, hint = registry.shops(), "Publish a bundle of it: tact train, then tact publish"
    if shop and not {shop, DEFAULT_SHOP} & set(known):
        fail(f"the registry holds no shop {shop!r}; it has {', '.join(known) or 'none yet'}", hint, code=2)
    if not shop and len(known) != 1:
        fail(f"name the shop with --shop: {', '.join(known) or 'none has a bundle yet'}", code=2)
    return shop or known[0]


def moment(text: str, option: str) -> int:
    """Unix milliseconds of an option's text; ends with what would be understood."""
    try:
        return parse_moment(text)
    except ValueError as error:
        fail(f"{option}: {error}", code=2)


def ago(text: str, option: str, until_ms: int) -> int:
    """Unix milliseconds of an option's text: a moment, or a time before until_ms such as 7d or 12h."""
    found = re.fullmatch(r"(\d+)\s*([mhdw])", text.strip())
    return until_ms - int(found[1]) * _SPANS_MS[found[2]] if found else moment(text, option)


def span_of(since: str, until: str) -> tuple[int | None, int | None]:
    """Unix milliseconds of --since and --until, None for what was not given; ends where nothing lies between."""
    since_ms = moment(since, "--since") if since else None
    until_ms = moment(until, "--until") if until else None
    if since_ms is not None and until_ms is not None and since_ms >= until_ms:
        fail(f"--since {iso(since_ms)} is not before --until {iso(until_ms)}", code=2)
    return since_ms, until_ms


@contextmanager
def told_plainly() -> Iterator[None]:
    """Turns what can go wrong with data and bundles into one line and exit code 1; 2 where no such shop or lake is."""
    try:
        yield
    except NoLog as error:
        fail(str(error), code=2)
    except (TooLittleData, NothingBefore, LibraryMissing) as error:
        fail(str(error))
    except InvalidBundle as error:
        fail(f"the bundle is refused: {error}")
    except UnknownBundle as error:
        fail(f"the registry holds no bundle {error}")


class Bars:
    """Progress by named steps, a bar each: call it with a step's name and how much of it is done."""

    def __init__(self, progress: RichProgress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, name: str, share: float) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=1.0)
        self._progress.update(self._tasks[name], completed=share)


class Lines:
    """Progress as lines, for logs: one when a step begins, one with its seconds when it is done."""

    def __init__(self, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._say, self._clock = say, clock
        self._started: dict[str, float] = {}
        self._done: set[str] = set()

    def __call__(self, name: str, share: float) -> None:
        if name not in self._started:
            if share >= 1 and name in self._done:
                return
            self._started[name] = self._clock()
            self._say(f"{name} …")
        if share >= 1:
            self._end(name)

    def close(self) -> None:
        """Ends what was not told to be done."""
        for name in list(self._started):
            self._end(name)

    def _end(self, name: str) -> None:
        self._done.add(name)
        self._say(f"{name}: {self._clock() - self._started.pop(name):.1f} s")


@contextmanager
def steps() -> Iterator[Progress]:
    """Shows steps on stderr: bars that go when they are done on a terminal, else lines. Never anything on stdout."""
    if not errors.is_terminal:
        lines = Lines(lambda line: errors.print(line, markup=False, soft_wrap=True))
        yield lines
        lines.close()
        return
    columns = (TextColumn("{task.description:<24}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with RichProgress(*columns, console=errors, transient=True, redirect_stdout=console.is_terminal) as progress:
        yield Bars(progress)


def shown(value: float | None) -> str:
    """A figure for the terminal."""
    return "–" if value is None else f"{value:.4f}"


def span(limits: list[float] | None) -> str:
    """An interval for the terminal."""
    return "" if limits is None else f" [{limits[0]:.3f}, {limits[1]:.3f}]"
