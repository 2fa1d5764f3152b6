"""`tact evaluate off-policy`: what one policy would have earned, from the log of another; or that it cannot be said."""

import json
from math import isfinite
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from tact.console import console, fail
from tact.learning import SeedOption
from tact.outputs import file_to_write, write_text
from training.off_policy import Estimate
from training.open_bandit import BanditLog, NotBandit, Other, items_beside, other_policy, read_items, read_log
from training.overlap import Assessment

NAMES = {
    "ips": "IPS",
    "snips": "SNIPS",
    "dr": "doubly robust",
    "switch": "switch-DR",
}


def register(app: typer.Typer) -> None:
    """Add the verb's part."""
    app.command("evaluate-off-policy")(evaluate_off_policy)


def evaluate_off_policy(
    log: Annotated[
        Path, typer.Option("--log", help="CSV of decisions: item_id, position, click, propensity_score; plain or gzip.")
    ],
    target: Annotated[Path, typer.Option("--target", help="The same of the policy whose value is asked for.")],
    items: Annotated[
        Path | None, typer.Option("--items", help="CSV of all items. Default: the log's NAME_items file beside it.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures as JSON.")] = None,
    seed: SeedOption = 1,
) -> None:
    """Estimate the target policy's value from the log, and the other way round, beside what each log measured."""
    file_to_write(json_file, "--json")
    try:
        logs = read_log(log), read_log(target)
        listed = items if items is not None else items_beside(log)
        known = read_items(listed) if listed is not None else ()
        there, back = other_policy(*logs, known, seed), other_policy(logs[1], logs[0], known, seed)
    except NotBandit as error:
        fail(str(error), code=2)
    for one, path in zip(logs, (log, target), strict=True):
        _facts(one, path)
    _show(there, "target from log")
    _show(back, "the reverse: log's policy from target's log")
    if json_file is not None:
        figures = {"log": str(log), "target": str(target), "seed": seed, **_plain(there), "reverse": _plain(back)}
        write_text(json_file, json.dumps(figures, indent=1, allow_nan=False) + "\n")
        console.print(f"written: {json_file}")


def _facts(log: BanditLog, path: Path) -> None:
    left = f", {log.left_out:,} left out" if log.left_out else ""
    rewarded = int((log.reward != 0).sum())
    console.print(f"{path}: {len(log):,} rows{left}, {rewarded:,} with a reward", soft_wrap=True)


def _plain(found: Other) -> dict[str, Any]:
    """As --json writes it, to six places that count."""
    figures = {**found.assessment.as_dict(), "on_policy": found.on_policy.as_dict(), "covers": found.covers}
    return {name: _rounded(value) for name, value in figures.items()}


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if isfinite(value) else None
    return value


def _show(found: Other, title: str) -> None:
    """The estimators beside the value on policy, or the refusal."""
    console.print()
    if found.assessment.refused:
        console.print(f"[bold]{title}[/]: [yellow]cannot say[/]")
        for reason in found.assessment.refused:
            console.print(f"  {reason}", soft_wrap=True)
    else:
        grid = Table("", "value", "95 % interval", "on policy inside", title=title, title_justify="left")
        for name, one in found.assessment.estimates.items():
            grid.add_row(NAMES[name], f"{one.value:.4f}", _span(one), "yes" if found.covers[name] else "[red]no[/]")
        grid.add_row("on policy", f"{found.on_policy.value:.4f}", _span(found.on_policy), "")
        console.print(grid)
    _overlap(found.assessment)


def _span(one: Estimate) -> str:
    return f"{one.low:.4f} .. {one.high:.4f}"


def _overlap(found: Assessment) -> None:
    at = found.overlap
    console.print(
        f"effective sample size {at.ess:,.0f} of {at.rows:,} ({at.share:.1%}); weights: mean {at.mean_weight:.3f}, "
        f"largest {at.max_weight:.1f}; without support {at.unsupported:.2%}",
        soft_wrap=True,
    )
