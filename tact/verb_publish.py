"""`tact publish`: a bundle goes live if it passes the gate."""

import getpass
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table as Grid

from features.lakefile import shops
from models import bundle
from models.bundle import Bundle, InvalidBundle
from models.registry import DEFAULT_SHOP, Registry
from tact.console import console, errors, fail, load_settings
from tact.learning import steps, the_lake, told_plainly
from training.gate import Verdict, judge
from training.moments import parse_moment
from training.open_log import catalog_of, open_log
from training.table import Table, build


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("publish")(publish)


def publish(
    folder: Annotated[
        str,
        typer.Argument(help="The bundle's folder or fsspec address. Default: TACT_HOME/bundle.", show_default=False),
    ] = "",
    shop: Annotated[
        str,
        typer.Option(
            "--shop", help="The shop it serves; `default`: all without their own. Default: that it learned from."
        ),
    ] = "",
    registry: Annotated[str, typer.Option("--registry", help="Default: TACT_REGISTRY.")] = "",
    lake: Annotated[
        Path | None,
        typer.Option("--lake", help="Compare with the live bundle on this lake's later sessions. Default: TACT_LAKE."),
    ] = None,
    lake_shop: Annotated[str, typer.Option("--lake-shop", help="The shop in the lake. Default: --shop.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Publish although the gate refuses; needs --why.")] = False,
    why: Annotated[str, typer.Option("--why", help="Kept in the registry's history.")] = "",
) -> None:
    """Check a bundle, compare it with the live one, and make it live; running services pick it up."""
    if force and not why.strip():
        fail("--force needs --why: the history keeps the reason", code=2)
    settings = load_settings()
    target, folder = Registry(registry or settings.registry), folder or str(settings.home / "bundle")
    with told_plainly():
        candidate = bundle.load(folder)
        shop = shop or str(candidate.manifest.get("shop", DEFAULT_SHOP))
        live = _live(target, shop)
        later = _later(candidate, live, the_lake(lake), lake_shop or shop)
        verdict = judge(candidate, live, later, shop)
        _show(verdict)
        if not verdict.passed and not force:
            reasons = "; ".join(f"{check.name}: {check.detail}" for check in verdict.refusals)
            fail(f"the gate refuses bundle {candidate.id}: {reasons}", "Publish all the same: --force --why REASON")
        note = why if verdict.passed else f"forced: {why} (refused: {', '.join(c.name for c in verdict.refusals)})"
        identifier = target.publish(folder, shop, getpass.getuser(), note, time.time_ns() // 1_000_000)
    console.print(f"bundle {identifier} is live for shop {shop}")


def _live(registry: Registry, shop: str) -> Bundle | None:
    """The live bundle, or None where there is none or this code cannot score it any more."""
    identifier = registry.live(shop)
    if identifier is None:
        return None
    try:
        return bundle.load(registry.path(identifier))
    except InvalidBundle as error:
        errors.print(f"the live bundle {identifier} cannot be compared with: {error}", markup=False)
        return None


def _later(candidate: Bundle, live: Bundle | None, lake: Path, shop: str) -> Table | None:
    """Rows of the sessions that began after both bundles' train windows."""
    if live is None or live.id == candidate.id or shop not in shops(lake):
        return None
    since = max(parse_moment(str(one.manifest["window"]["until"])) for one in (candidate, live))
    with steps() as progress:
        table = build(open_log(lake, shop), progress, catalog=catalog_of(lake, shop))
    return table.where(table.start_ms >= since)


def _show(verdict: Verdict) -> None:
    grid = Grid("check", "", "")
    for check in verdict.checks:
        grid.add_row(check.name, {True: "passed", False: "refused", None: "–"}[check.passed], check.detail)
    console.print(grid)
    if verdict.warning:
        console.print(f"[bold yellow]warning[/] compared with nothing: {escape(verdict.warning)}", soft_wrap=True)
