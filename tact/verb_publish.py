"""`tact publish`: a bundle goes live if it passes the gate."""

import getpass
import json
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
from tact.audited import note
from tact.console import console, errors, fail, load_settings
from tact.learning import RegistryOption, WhyOption, steps, the_lake, told_plainly
from tact.outputs import file_to_write, write_text
from tact.uplifts import actions_with_uplift
from training.gate import AGAINST_LIVE, NONE_LIVE, Check, Verdict, judge
from training.gate_views import Views, later_views
from training.moments import parse_moment
from training.open_log import catalog_of, open_log, the_shop
from training.table import Table, build
from training.uplift_bundle import differ_by_uplift_alone


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
    registry: RegistryOption = "",
    lake: Annotated[
        Path | None,
        typer.Option("--lake", help="Compare with the live bundle on this lake's later sessions. Default: TACT_LAKE."),
    ] = None,
    lake_shop: Annotated[str, typer.Option("--lake-shop", help="The shop in the lake. Default: --shop.")] = "",
    allow_uncompared: Annotated[
        bool,
        typer.Option(
            "--allow-uncompared", help="Pass without later sessions to compare with the live bundle on; else refused."
        ),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Publish although the gate refuses; needs --why.")] = False,
    why: WhyOption = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Judge, and publish nothing.")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the verdict as JSON.")] = None,
) -> None:
    """Check a bundle, compare it with the live one, and make it live; running services pick it up."""
    if force and not why.strip():
        fail("--force needs --why: the history keeps the reason", code=2)
    file_to_write(json_file, "--json")
    settings = load_settings()
    target, folder = Registry(registry or settings.registry), folder or str(settings.home / "bundle")
    with told_plainly():
        candidate = bundle.load(folder)
        shop = shop or str(candidate.manifest.get("shop", DEFAULT_SHOP))
        live, none_live = _live(target, shop)
        root = the_lake(lake)
        if lake is not None or lake_shop:
            the_shop(root, lake_shop or shop)  # a slip of the pen must not switch the comparison off
        later, views = _later(candidate, live, root, lake_shop or shop)
        verdict = judge(candidate, live, later, shop, views, allow_uncompared, none_live)
        _show(verdict)
        _warn_lost(candidate, live)
        if json_file is not None:
            about = {"bundle": candidate.id, "live": live.id if live is not None else None, "shop": shop}
            write_text(json_file, json.dumps(about | verdict.as_dict(), indent=1, allow_nan=False) + "\n")
        if not verdict.passed and not force:
            reasons = "; ".join(f"{check.name}: {check.detail}" for check in verdict.refusals)
            fail(f"the gate refuses bundle {candidate.id}: {reasons}", "Publish all the same: --force --why REASON")
        if dry_run:
            said = "would pass" if verdict.passed else "would be forced past the gate"
            console.print(f"bundle {candidate.id} {said}; nothing was published (--dry-run)")
            return
        kept = _note(verdict, why)
        before = target.live(shop) or ""
        identifier = target.publish(folder, shop, getpass.getuser(), kept, time.time_ns() // 1_000_000)
    note(settings, "publish", shop, "bundle", (before, identifier), kept)
    console.print(f"bundle {identifier} is live for shop {shop}")


def _warn_lost(candidate: Bundle, live: Bundle | None) -> None:
    """Says which uplift models end with the live bundle."""
    lost = actions_with_uplift(live.manifest) if live is not None else ""
    if lost and not actions_with_uplift(candidate.manifest):
        told = f"the live bundle has uplift models of {lost} and this one has none: the learned draws choose there"
        errors.print(f"[bold yellow]warning[/] {escape(told)}. tact train takes them over.", soft_wrap=True)


def _note(verdict: Verdict, why: str) -> str:
    """What the history keeps: the reason given, and what was passed over."""
    if not verdict.passed:
        return f"forced: {why} (refused: {', '.join(check.name for check in verdict.refusals)})"
    unseen = any(check.name == AGAINST_LIVE and check.worry for check in verdict.checks)
    return f"{why} (not compared with the live bundle)".lstrip() if unseen else why


def _live(registry: Registry, shop: str) -> tuple[Bundle | None, str]:
    """The live bundle, or None and why: there is none, or this code cannot load it any more."""
    identifier = registry.live(shop)
    if identifier is None:
        return None, NONE_LIVE
    try:
        return bundle.load(registry.path(identifier)), ""
    except InvalidBundle as error:
        return None, f"the live bundle {identifier} cannot be loaded any more: {error}"


def _later(candidate: Bundle, live: Bundle | None, lake: Path, shop: str) -> tuple[Table | None, Views | None]:
    """Rows and next views of the sessions that began after both bundles' train windows."""
    if live is None or live.id == candidate.id or differ_by_uplift_alone(candidate, live):
        return None, None
    if shop not in shops(lake):
        errors.print(f"{lake} holds no events of shop {shop}: there is nothing to compare the bundles on", markup=False)
        return None, None
    since = max(parse_moment(str(one.manifest["window"]["until"])) for one in (candidate, live))
    log, catalog = open_log(lake, shop), catalog_of(lake, shop)
    with steps() as progress:
        table = build(log, progress, catalog=catalog)
    return table.where(table.start_ms >= since), later_views(log, since, catalog)


_SHOWN = {
    "passed": "[green]passed[/]",
    "warning": "[yellow]warning[/]",
    "refused": "[bold red]refused[/]",
    "not told": "–",
}


def _show(verdict: Verdict) -> None:
    grid = Grid("check", "", "")
    for check in verdict.checks:
        if check.pair is None:
            grid.add_row(escape(check.name), _SHOWN[check.verdict], escape(check.detail))
    console.print(grid)
    pairs = [check for check in verdict.checks if check.pair is not None]
    if pairs:
        console.print(_compared(pairs))
    if verdict.uncompared:
        console.print(f"[bold yellow]warning[/] compared with nothing: {escape(verdict.uncompared)}", soft_wrap=True)


def _compared(checks: list[Check]) -> Grid:
    """A row for each figure that both bundles were measured on."""
    grid = Grid("against live", "", "candidate", "live", "difference (+ is better)", "95 % interval", "margin")
    for check in checks:
        if (pair := check.pair) is not None:
            span = "–" if pair.ci is None else f"{pair.ci[0]:+.4f} .. {pair.ci[1]:+.4f}"
            numbers = (f"{pair.candidate:.4f}", f"{pair.live:.4f}", f"{pair.difference:+.4f}", span, f"{pair.margin}")
            grid.add_row(check.name.removesuffix(" against live"), _SHOWN[check.verdict], *numbers)
    return grid
