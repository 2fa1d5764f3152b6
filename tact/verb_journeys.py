"""`tact journeys`: the shop's journeys as counts: channels, stages, outcomes, friction, dead ends, lift by stage."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from tact.console import console, fail
from tact.grids import grid
from tact.learning import MOMENT, LakeOption, ShopOption, shop_of, span_of, steps, the_lake
from tact.outputs import file_to_write, write_text
from training.journey_lift import by_stage, scored
from training.journey_report import NoSuchValue, Which, report
from training.journey_sessions import journeys
from training.journey_words import MOMENT_WORDS, NEXT_WORDS, OUTCOME_WORDS, page, place_words
from training.lake import load_log

_SHOWN = 8


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("journeys")(journeys_verb)


def journeys_verb(
    lake: LakeOption = None,
    shop: ShopOption = "",
    since: Annotated[str, typer.Option("--since", help=f"Only sessions that begin from here on. {MOMENT}")] = "",
    until: Annotated[str, typer.Option("--until", help=f"Only sessions that begin before this. {MOMENT}")] = "",
    channel: Annotated[str, typer.Option("--channel", help="Only sessions by this channel; unknown for none.")] = "",
    device: Annotated[str, typer.Option("--device", help="Only sessions on this device; unknown for none.")] = "",
    as_scored: Annotated[
        bool, typer.Option("--as-scored", help="Stages as decisions named them at the time. Default: in hindsight.")
    ] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write everything found as JSON.")] = None,
    report_file: Annotated[Path | None, typer.Option("--report", help="Write it as a page of text (Markdown).")] = None,
) -> None:
    """Tell how visitors travel: where they come in, which stages they pass, where they stop and what helps."""
    file_to_write(json_file, "--json")
    file_to_write(report_file, "--report")
    root, (since_ms, until_ms) = the_lake(lake), span_of(since, until)
    name = shop_of(root, shop)
    which = Which(channel, device, "", since_ms, until_ms)
    with steps() as progress:
        progress("reading the log", 0.0)
        log = load_log(root, name)
        progress("reading the log", 1.0)
        progress("journeys", 0.0)
        found = journeys(log, scored(root, log) if as_scored else None)
        try:
            told = report(found, which)
        except NoSuchValue as bad:
            fail(str(bad), code=2)
        progress("journeys", 1.0)
        progress("lift by stage", 0.0)
        told["lift"] = by_stage(root, name, since_ms, until_ms)
        progress("lift by stage", 1.0)
    if json_file is not None:
        write_text(json_file, json.dumps(told, indent=1, allow_nan=False) + "\n")
    if report_file is not None:
        write_text(report_file, page(told))
    _show(told)


def _show(told: Mapping[str, Any]) -> None:
    """The main tables; --report and --json have everything."""
    by = "in hindsight" if told["stages"] == "hindsight" else "as scored at the time"
    sessions, visitors = told["sessions"], told["visitors"]
    console.print(f"{told['shop']}: {sessions:,} sessions of {visitors:,} visitors; stages {by}", markup=False)
    if sessions:
        _outcomes(told)
        _friction(told)
        _dead_ends(told)
        _lift(told)
    for one in told["missing"]:
        console.print(f"missing: {one['words']}", markup=False, soft_wrap=True)


def _outcomes(told: Mapping[str, Any]) -> None:
    table = grid("outcome", "sessions", "share", "came back", right=("sessions", "share", "came back"))
    for row in told["outcomes"]:
        back = f"{row['came_back'] / row['sessions']:.0%}"
        table.add_row(OUTCOME_WORDS[row["outcome"]], f"{row['sessions']:,}", f"{row['share']:.1%}", back)
    console.print(table)


def _friction(told: Mapping[str, Any]) -> None:
    if not told["moments"]:
        return
    table = grid("moment", "sessions", "of all", "what came next", "bought in it", right=("sessions", "of all"))
    for row in told["moments"]:
        after = ", ".join(f"{NEXT_WORDS[k]} {n / row['sessions']:.0%}" for k, n in list(row["next"].items())[:3])
        bought = "too few" if row["bought_share"] is None else f"{row['bought_share']:.0%} {_span(row['bought_ci'])}"
        table.add_row(MOMENT_WORDS[row["moment"]], f"{row['sessions']:,}", f"{row['share']:.1%}", after, bought)
    console.print(table)


def _span(ends: list[float]) -> str:
    return escape(f"[{ends[0]:.0%}, {ends[1]:.0%}]")


def _dead_ends(told: Mapping[str, Any]) -> None:
    judged = told["judged"]
    looked = f"{judged['places']:,} kinds of page and {judged['products']:,} products had visitors enough to judge"
    if not told["dead_ends"]:
        console.print(f"no dead ends: {looked}", soft_wrap=True)
        return
    table = grid("dead end", "stop here", "expected", "times as many", right=("stop here", "expected"))
    for row in told["dead_ends"][:_SHOWN]:
        share, expected = f"{row['share']:.0%} of {row['passed']:,}", f"{row['expected_share']:.0%}"
        low, high = row["ratio_ci"]
        ratio = escape(f"{row['ratio']:.2f} [{low:.2f}, {high:.2f}]")
        table.add_row(escape(place_words(row["id"])), share, expected, ratio)
    console.print(table)
    more = len(told["dead_ends"]) - _SHOWN
    console.print(f"{looked}" + (f"; {more:,} more dead ends" if more > 0 else ""), soft_wrap=True)


def _lift(told: Mapping[str, Any]) -> None:
    if not told["lift"]:
        console.print("lift by stage: no decisions yet", soft_wrap=True)
        return
    table = grid(
        "stage", "visitors", "holdout", "conversion with messages over the holdout", right=("visitors", "holdout")
    )
    for stage, row in told["lift"].items():
        full, held = row["visitors"].get("full", 0), row["visitors"].get("holdout", 0)
        table.add_row(stage, f"{full:,}", f"{held:,}", escape(row["words"]))
    console.print(table)
