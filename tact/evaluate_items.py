"""`tact evaluate recommend`: next products as session-rec evaluates them, and how the figures are shown."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from rich.table import Table as Grid

from features.catalog import EMPTY_CATALOG, Catalog
from tact.console import console
from tact.learning import shown, span
from training.evaluate_recommend import OURS, RECOMMENDERS, REGIMES, evaluate_recommend
from training.pictures import NAMES
from training.ranked_items import RankedOurs
from training.split import Window
from training.table import Log, Progress

MEASURES: Final = ("hr5", "mrr5", "hr10", "mrr10", "hr20", "mrr20", "hr20_seen", "mrr20_seen")


def run(
    log: Log,
    train: Window,
    test_log: Log,
    test: Window,
    seed: int,
    progress: Progress,
    max_prefix: int | None = None,
    catalog: Catalog = EMPTY_CATALOG,
) -> dict[str, Any]:
    """The figures of `recommend` in `tact evaluate --json`, by regime.

    log, test_log: the same log or two, to a day past the test window's end. max_prefix: views of a test session that
    count; None for all, as published. catalog: what the shop told of its products.
    """
    ours = partial(RankedOurs, log, train, test_log, test, seed, progress, catalog=catalog)
    return evaluate_recommend(log, train, test_log, test, seed, progress, max_prefix, ours)


def show(figures: Mapping[str, Any]) -> None:
    """Prints a table for each regime."""
    for regime in REGIMES:
        if regime in figures:
            console.print(_grid(regime, figures[regime]))
            console.print(_about(figures[regime]))


def _about(figures: Mapping[str, Any]) -> str:
    share = figures["seen_share"]
    unseen = "" if share is None else f"; training never saw {1 - share:.0%} of the targets"
    return f"{figures['n']:,} targets of {figures['sessions']:,} sessions{unseen}"


def _grid(regime: str, figures: Mapping[str, Any]) -> Grid:
    grid = Grid(f"recommend, {regime}", *MEASURES, "hr20 of Tact ahead by")
    for name in RECOMMENDERS:
        one = figures[name]
        if one["hr20"] is None:
            grid.add_row(_name(name), *[""] * len(MEASURES), one["reason"])
            continue
        ahead = figures["ahead"].get(name, {})
        by = f"{shown(ahead['hr20'])}{span(ahead['hr20_ci'])}" if ahead.get("hr20") is not None else ""
        grid.add_row(_name(name), *(shown(one[measure]) for measure in MEASURES), by)
    return grid


def markdown(figures: Mapping[str, Any]) -> str:
    """The same as tables in Markdown: HR@20 and MRR@20 with their 95 % intervals, all targets and seen."""
    parts = [_table(regime, figures[regime]) for regime in REGIMES if regime in figures]
    return "\n\n".join(parts) + "\n"


def _table(regime: str, figures: Mapping[str, Any]) -> str:
    head = ("HR@20", "MRR@20", "HR@20 seen", "MRR@20 seen")
    rows = [f"| {regime} | {' | '.join(head)} |", f"|---|{'---|' * len(head)}"]
    for name in RECOMMENDERS:
        one = figures[name]
        cells = [_cell(one, measure) for measure in ("hr20", "mrr20", "hr20_seen", "mrr20_seen")]
        rows.append(f"| {_name(name)} | {' | '.join(cells)} |")
    return "\n".join(rows) + f"\n\n{_about(figures)}."


def _cell(one: Mapping[str, Any], measure: str) -> str:
    """A figure and its interval: .331 (.313–.348)."""
    value, limits = one[measure], one[f"{measure}_ci"]
    if value is None:
        return "–"
    between = "" if limits is None else f" ({'–'.join(_short(limit) for limit in limits)})"
    return f"{_short(value)}{between}"


def _short(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}".removeprefix("0")


def _name(name: str) -> str:
    return f"**{NAMES[name]}**" if name in OURS else NAMES[name]
