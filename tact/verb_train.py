"""`tact train`: a bundle of models from the lake."""

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import typer
from rich.table import Table as Grid

from models import bundle
from models.registry import Registry
from tact import uplifts
from tact.console import console, errors, fail, load_settings
from tact.learning import (
    MOMENT,
    LakeOption,
    PrefixOption,
    RegistryOption,
    SeedOption,
    ShopOption,
    ago,
    moment,
    shown,
    steps,
    the_lake,
    told_plainly,
)
from tact.outputs import folder_to_write
from training.card import completed
from training.check_data import Report, check
from training.check_events import load
from training.figures import counted
from training.hold_out import held_from
from training.lake import Log
from training.leaks import Leaks, look
from training.moments import iso
from training.open_log import catalog_of, open_log, the_shop
from training.portable import portable
from training.sample import MOST_ROWS, Cap
from training.search import Found, search
from training.side_by_side import AT_ONCE
from training.split import Window
from training.table import MAX_PREFIX, Progress, Table, build
from training.train import train


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("train")(train_bundle)


def train_bundle(
    lake: LakeOption = None,
    shop: ShopOption = "",
    since: Annotated[str, typer.Option("--since", help=f"First session start learned from. {MOMENT}")] = "",
    until: Annotated[str, typer.Option("--until", help=f"Nothing from here on is read. {MOMENT}")] = "",
    hold_out: Annotated[
        str,
        typer.Option(
            "--hold-out",
            help="1d, 12h: leave the log's end, 300 sessions or more, for `tact publish` to compare on.",
        ),
    ] = "",
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the bundle. Default: TACT_HOME/bundle.")] = None,
    seed: SeedOption = 1,
    max_prefix: PrefixOption = MAX_PREFIX,
    max_rows: Annotated[
        int, typer.Option("--max-rows", min=1000, help="Rows learned from, at most: whole sessions, chosen by a hash.")
    ] = MOST_ROWS,
    tries: Annotated[
        int, typer.Option("--search", min=0, help="Try N settings of the trees on earlier folds of the window.")
    ] = 0,
    minutes: Annotated[
        float, typer.Option("--search-minutes", min=0.1, help="Stop searching after this long; what was tried counts.")
    ] = 30.0,
    at_once: Annotated[
        int, typer.Option("--at-once", min=1, help="Models fitted at a time, a thread each. The bytes are the same.")
    ] = AT_ONCE,
    only_portable: Annotated[
        bool, typer.Option("--portable", help="Learn only what means the same in every shop, to serve another one.")
    ] = False,
    registry: RegistryOption = "",
    keep_uplift: Annotated[
        bool, typer.Option("--keep-uplift/--drop-uplift", help="Take over the uplift models of the shop's live bundle.")
    ] = True,
) -> None:
    """Train stage, intents and recommendations on a shop's log and write a bundle. `tact publish` makes it live."""
    started, settings = time.monotonic(), load_settings()
    folder = out if out is not None else settings.home / "bundle"
    _check_out(folder)
    root = the_lake(lake)
    with told_plainly(), steps() as progress:
        name = the_shop(root, shop)
        asked = (moment(since, "--since") if since else None, moment(until, "--until") if until else None)
        checks = _checked(root, name, *asked, progress)  # first: it holds what the lake says, as large as the log
        log = open_log(root, name, asked[1])
        since_ms = int(log.records["ts_ms"].min()) if asked[0] is None else asked[0]
        until_ms = int(log.records["ts_ms"].max()) + 1 if asked[1] is None else asked[1]
        if hold_out:
            log, until_ms = _left(log, root, ago(hold_out, "--hold-out", until_ms), until_ms)
        if since_ms >= until_ms:
            fail(f"--since {iso(since_ms)} is not before the end {iso(until_ms)}", code=2)
        cap = Cap(max_rows, since_ms, until_ms)
        catalog = catalog_of(root, name)
        table = build(log, progress, max_prefix, catalog, cap)
        window = Window(since_ms, until_ms)
        found = _searched(portable(table) if only_portable else table, window, tries, minutes, seed, progress)
        how = (max_prefix, found.settings, only_portable)
        trained = train(log, table, window, seed, progress, *how, catalog=catalog, at_once=at_once)
        trained = replace(trained, parts=replace(trained.parts, about={**trained.parts.about, "search": found.about}))
        leaks = look(log, table, trained, progress, catalog)
        parts = completed(trained, table, checks, leaks, max_prefix)
        identifier = bundle.write(folder, parts)
    if keep_uplift and not only_portable:
        identifier = uplifts.carry_over(folder, identifier, Registry(registry or settings.registry), name)
    _show(parts.about, name)
    _warn(checks, leaks)
    console.print(f"bundle {identifier} in {folder}, {time.monotonic() - started:.1f} s")
    console.print(f"make it live: tact publish {folder} --shop {name}", soft_wrap=True)


def _left(log: Log, lake: Path, cut_ms: int, until_ms: int) -> tuple[Log, int]:
    """The log without the end that is left to `tact publish`, and where that begins."""
    end_ms = held_from(log, cut_ms, until_ms)
    console.print(f"sessions from {iso(end_ms)} on are left for tact publish to compare on", soft_wrap=True)
    return open_log(lake, log.shop, end_ms), end_ms


def _checked(lake: Path, shop: str, since_ms: int | None, until_ms: int | None, progress: Progress) -> Report:
    """The data checks on a window of the lake; without an end as if looked at right after the last event."""
    events = load(lake, shop, since_ms, until_ms, until_ms or 0)
    if until_ms is None:
        events = replace(events, now_ms=int(events.ts_ms.max(initial=0)) + 1)
    report = check(events, progress)
    del events
    pa.default_memory_pool().release_unused()  # Arrow would keep it
    return report


def _searched(table: Table, window: Window, tries: int, minutes: float, seed: int, progress: Progress) -> Found:
    """Better settings, if any were asked for and found."""
    if not tries:
        return Found({}, {"tried": 0, "reason": "not asked for"})
    found = search(table, window, tries, seed, progress, minutes * 60)
    for model, one in found.about.get("models", {}).items():
        better = "better" if one["chosen"] else "no better than chance"
        change = f"{'gains' if one['gain'] > 0 else 'loses'} {abs(one['gain']):.5f} nats a moment"
        words = f"{model}: {counted(found.about['tried'], 'setting')} tried, the best {change}"
        console.print(f"{words} (a gain of {one['needed']:.5f} is needed): {better}")
    return found


def _warn(checks: Report, leaks: Leaks) -> None:
    """A line of the data checks, and one for each leak."""
    console.print(f"{checks.summary}; tact check-data tells more", soft_wrap=True)
    for one in leaks.as_dict()["findings"]:
        errors.print(f"[bold yellow]a leak?[/] {one['detail']}", soft_wrap=True)


def _check_out(folder: Path) -> None:
    """Ends where a bundle cannot be written, or would be mixed with other files."""
    folder_to_write(folder, "--out")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / bundle.MANIFEST).is_file():
        fail(f"--out {folder} holds other files and no bundle; name a new or an empty folder", code=2)


def _show(about: Mapping[str, Any], shop: str) -> None:
    """The figures on the slice held back, and what the log lacks."""
    window, figures = about["window"], about["figures"]
    console.print(
        f"{shop}: {counted(about['events'], 'event')}, {counted(about['sessions'], 'session')}, "
        f"{window['since']} .. {window['until']}"
    )
    rows = about["rows"]
    if rows["left_out"]:
        used = rows["fit"] + rows["hold"]
        console.print(
            f"learned from {used:,} rows; {rows['left_out']:,} are beyond --max-rows (whole sessions, by hash)"
        )
    grid = Grid("model", "AUC", "average precision", "base rate", "ECE", "rows", "rounds", "", title=figures["on"])
    for name, one in figures["intent"].items():
        card = about["models"][f"intent_{name}"]
        numbers = (shown(one.get(key)) for key in ("auc", "average_precision", "base_rate", "ece"))
        grid.add_row(name, *numbers, f"{one['n']:,}", str(card["rounds"]), card["note"])
    stage, card = figures["stage"], about["models"]["stage"]
    words = f"macro-F1 {shown(stage['macro_f1'])}, log loss {shown(stage['log_loss'])} {card['note']}"
    grid.add_row("stage", "", "", "", "", f"{stage['n']:,}", str(card["rounds"]), words)
    console.print(grid)
    if about["lacks"]:
        console.print(f"the log has no {', '.join(about['lacks'])}: the models cannot use them")
