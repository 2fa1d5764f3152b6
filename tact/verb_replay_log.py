"""`tact replay-log FILE --through http`: an event log to a running service, in order, with its own clock."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import typer
import uvloop
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from tact.console import console, errors, fail, load_settings
from tact.http_client import BadAddress, Connection
from tact.log_events import events, in_order
from tact.log_plan import (
    EventMapOption,
    EveryRowOption,
    MapOption,
    MissingOption,
    PresetOption,
    SeparatorOption,
    ShopOption,
    TimeFormatOption,
    opened,
    refuse,
    show_counts,
    show_plan,
    wishes_of,
)
from tact.log_replay import Tally, Target, replay
from tact.outputs import FiguresOption
from training.importers import ImportRefused, Reader, RejectsFile

PLACEMENTS = "pdp.trust,pdp.recommend,global.chat"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("replay-log")(replay_log)


def replay_log(
    file: Annotated[str, typer.Argument(help="An event log, as for `tact import`.")],
    through: Annotated[str, typer.Option("--through", help="http: the one way there is.")] = "http",
    url: Annotated[str, typer.Option("--url", help="Default: the running demo's.")] = "",
    key: Annotated[str, typer.Option("--key", help="A secret key. Default: the running demo's.")] = "",
    shop: ShopOption = "",
    rate: Annotated[float, typer.Option("--rate", min=0, help="Events a second; 0: as fast as it goes.")] = 0.0,
    limit: Annotated[int, typer.Option("--limit", min=0, help="Only the first events; 0: all.")] = 0,
    decisions: Annotated[bool, typer.Option("--decisions/--no-decisions", help="Decide on each product view.")] = True,
    placements: Annotated[str, typer.Option("--placements", help="What to decide, by comma.")] = PLACEMENTS,
    concurrency: Annotated[int, typer.Option("--concurrency", min=1, max=256, help="Connections at once.")] = 4,
    preset: PresetOption = "",
    map_: MapOption = "",
    event_map: EventMapOption = "",
    every_row: EveryRowOption = "",
    time_format: TimeFormatOption = "",
    missing: MissingOption = "",
    separator: SeparatorOption = "",
    rejects: Annotated[Path | None, typer.Option("--rejects", help="Where rows that are no events go.")] = None,
    json_file: FiguresOption = None,
) -> None:
    """Send an event log to a running service, in order, with its own clock, and a decision on each product view.

    Gives the lake the rows that `tact import` gives. Keeps trying for a minute while the service is away.
    Ends with code 1 if any event was not acknowledged.
    """
    if through != "http":
        fail(f"--through {through}: there is only http.", "To write to the lake directly: tact import FILE", code=2)
    target = target_of(url, key)
    asked = tuple(name.strip() for name in placements.split(",") if name.strip()) if decisions else ()
    target = replace(target, placements=asked, lanes=concurrency, rate=rate)
    wishes = wishes_of(map_, event_map, missing, preset, every_row, time_format, separator)
    reader = opened(file, wishes, shop)
    show_plan(reader.plan, file, "of the key")
    table = _ordered(reader, rejects or load_settings().home / "rejects" / f"{Path(file).name}.ndjson")
    tally = _replay(table, target, limit)
    show(tally)
    if json_file is not None:
        json_file.write_text(json.dumps(tally.as_dict(), indent=1) + "\n", encoding="utf-8")
    if tally.errors.total() or tally.acknowledged < tally.sent:
        raise typer.Exit(1)


def target_of(url: str, key: str) -> Target:
    """Where to send: as said, the rest from the running demo's file; ends with code 2 where that is not there."""
    if not (url and key):
        path = load_settings().home / "demo.json"
        try:
            demo = json.loads(path.read_text(encoding="utf-8"))
            url, key = url or demo["url"], key or demo["secret_key"]
        except (OSError, ValueError, KeyError, TypeError):
            fail(
                f"no service: {path} does not say where one runs.",
                "Start one (./dev demo), or give --url and --key.",
                code=2,
            )
    try:
        Connection(url)
    except BadAddress as error:
        fail(str(error), "--url http://127.0.0.1:8000", code=2)
    return Target(url, key)


def show(tally: Tally) -> None:
    """Print what came of it."""
    figures = tally.as_dict()
    table = Table("", "", title="Replayed", title_justify="left")
    table.columns[1].justify = "right"
    for name, value in (
        ("events sent", f"{tally.sent:,}"),
        ("acknowledged", f"{tally.acknowledged:,}"),
        ("decisions", f"{tally.decisions:,}"),
        ("silence, share of placements", f"{tally.silence_share:.1%}"),
        ("degraded", f"{tally.degraded.total():,}" + _listed(tally.degraded)),
        ("requests repeated", f"{tally.retries:,}"),
        ("events sent again after degraded", f"{tally.resent:,}"),
        ("errors", f"{tally.errors.total():,}" + _listed(tally.errors)),
        ("seconds", f"{tally.seconds:,.1f}"),
        ("events/s", f"{figures['events_per_s']:,.0f}"),
    ):
        table.add_row(name, escape(value))
    console.print(table)
    if tally.decided:
        console.print(_by_action(tally))
        console.print(_by_stage(tally))
    for what, detail in tally.samples.items():
        errors.print(f"[red]{escape(what)}[/] {escape(detail)}", soft_wrap=True)


def _by_action(tally: Tally) -> Table:
    table = Table("placement", "action", "decisions", title="By action", title_justify="left")
    table.columns[2].justify = "right"
    for (placement, action), n in sorted(tally.decided.items(), key=lambda item: (item[0][0], -item[1])):
        table.add_row(escape(placement), escape(action), f"{n:,}")
    return table


def _by_stage(tally: Tally) -> Table:
    table = Table("stage", "decisions", title="By stage", title_justify="left")
    table.columns[1].justify = "right"
    for stage, n in tally.stages.most_common():
        table.add_row(escape(stage), f"{n:,}")
    return table


def _listed(counts: Mapping[str, int]) -> str:
    return f" ({', '.join(f'{name} {n:,}' for name, n in counts.items())})" if counts else ""


def _ordered(reader: Reader, rejects: Path) -> pa.Table:
    """The log's rows in order. Rows that are no events are put aside, as by an import."""
    sink = RejectsFile(rejects)
    try:
        table = in_order(list(reader.batches(sink)))
    except ImportRefused as error:
        refuse(error)
    finally:
        sink.close()
    if reader.counts.rejects.total():
        show_counts(reader.counts, str(rejects))
    return table


def _replay(table: pa.Table, target: Target, limit: int) -> Tally:
    first_lines = table.column("line").to_numpy() == 0
    total = min(limit or len(table), int(first_lines.sum()))
    bar = Progress(
        TextColumn("sending"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(
            "{task.fields[rate]:,.0f}/s · {task.fields[decisions]:,} decisions · {task.fields[errors]:,} errors"
        ),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task("send", total=total, rate=0.0, decisions=0, errors=0)

        def moved(tally: Tally) -> None:
            seconds = bar.tasks[0].elapsed or 1e-9
            done = tally.acknowledged + tally.errors.total()
            bar.update(
                task, completed=done, rate=done / seconds, decisions=tally.decisions, errors=tally.errors.total()
            )

        tally = Tally()
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(replay(islice(events(table), limit or None), target, moved, tally))
        except KeyboardInterrupt:
            tally.refuse("interrupted", f"stopped after {tally.sent:,} of {total:,} events")
        return tally
