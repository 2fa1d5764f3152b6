"""`tact drift`: features and scores of the lake's decisions, beside what the live bundle was trained on."""

from typing import Annotated

import msgspec
import typer
from rich.table import Table

from models import bundle as bundles
from models.bundle import InvalidBundle
from models.drift import ALERT, CALENDAR, MIN_SESSIONS, Reference, Shift
from models.registry import Registry, UnknownBundle
from service.settings import Settings
from tact.console import console, fail, load_settings
from tact.drifted import Drifted, drifted
from tact.learning import MOMENT, LakeOption, published_shop, span_of, the_lake, told_plainly
from training.figures import counted
from training.open_log import a_lake

ROWS = 15
"""Features shown, the worst; all of them with --all."""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("drift")(run)


def run(
    shop: Annotated[str, typer.Option("--shop", help="The shop.")],
    lake: LakeOption = None,
    since: Annotated[str, typer.Option("--since", help=f"Decisions from here on. {MOMENT}")] = "",
    until: Annotated[str, typer.Option("--until", help=f"Decisions before this. {MOMENT}")] = "",
    every: Annotated[bool, typer.Option("--all", help="Every feature, not only the worst.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Tell which features and scores are spread differently from training, the worst first."""
    settings = load_settings()
    since_ms, until_ms = span_of(since, until)
    identifier, reference = _live(settings, shop)
    root = the_lake(lake)
    with told_plainly():
        a_lake(root)
    found = drifted(root, shop, identifier, reference, since_ms, until_ms)
    if not found.decisions:
        fail(f"{root} has no decisions of shop {shop!r} in that time with the live bundle {identifier}{_missed(found)}")
    if json:
        typer.echo(msgspec.json.format(msgspec.json.encode(found.section())).decode())
    else:
        _show(found, every)


def _live(settings: Settings, shop: str) -> tuple[str, Reference]:
    """The live bundle's id and reference; ends where there is none."""
    registry = Registry(settings.registry)
    identifier = registry.live(published_shop(registry, shop))
    if identifier is None:
        fail(f"no bundle is live for shop {shop!r} in {settings.registry}: tact train, then tact publish")
    try:
        arrays = bundles.load_arrays(registry.path(identifier), "reference")
        if not arrays:
            fail(
                f"the live bundle {identifier} holds no reference: it is older than drift. Train and publish a new one"
            )
        return identifier, Reference.from_arrays(arrays)
    except (InvalidBundle, UnknownBundle, KeyError, ValueError) as error:
        fail(f"the live bundle {identifier} cannot be read: {error}")


def _missed(found: Drifted) -> str:
    parts = [f"{found.others:,} {'is' if found.others == 1 else 'are'} of other bundles"] if found.others else []
    parts += [f"{found.unusable:,} degraded or of other features"] if found.unusable else []
    return f" ({', '.join(parts)})" if parts else ""


def _show(found: Drifted, every: bool) -> None:
    console.print(
        f"bundle {found.bundle}: {counted(found.decisions, 'decision')} in {counted(found.sessions, 'session')}"
        f"{_missed(found)}"
    )
    if found.sessions < MIN_SESSIONS:
        console.print(f"[yellow]fewer than {MIN_SESSIONS} sessions: no levels[/]")
    scores = [shift for shift in found.shifts if shift.is_score]
    features = [shift for shift in found.shifts if not shift.is_score]
    _grid("scores", scores)
    _grid("features, the worst first", features if every else features[:ROWS])
    moved = [shift for shift in found.shifts if shift.level == "alert"]
    console.print(f"{len(moved)} above {ALERT}" + "".join(f"\n  {shift.name}: {shift.words}" for shift in moved))


def _grid(title: str, shifts: list[Shift]) -> None:
    grid = Table("", "PSI", "by chance", "level", "what moved most", title=title)
    for shift in shifts:
        level = "calendar" if shift.name in CALENDAR else shift.level
        shown = {"alert": f"[red]{level}[/]", "watch": f"[yellow]{level}[/]"}.get(level, level)
        grid.add_row(shift.name, f"{shift.psi:.3f}", f"{shift.chance:.3f}", shown, shift.words)
    console.print(grid)
