"""`tact evaluate`: train on one window, test on the next; figures as JSON and a report with pictures."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table as Grid

from features.schema import FINGERPRINT
from tact.console import console, fail
from tact.learning import (
    MOMENT,
    LakeOption,
    PrefixOption,
    SeedOption,
    ShopOption,
    Steps,
    moment,
    shown,
    span,
    steps,
    the_lake,
    told_plainly,
)
from tact.outputs import file_to_write, write_text
from training.card import completed
from training.check_data import Report, check
from training.check_events import load
from training.evaluate import Evaluation, evaluate
from training.lake import Log
from training.leaks import look
from training.moments import iso
from training.open_log import DAY_MS, catalog_of, open_log, the_shop
from training.report import render
from training.split import Window
from training.table import MAX_PREFIX, Table, build


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("evaluate")(evaluate_window)


def evaluate_window(
    train_until: Annotated[str, typer.Option("--train-until", help=f"End of training. {MOMENT}")],
    test_until: Annotated[str, typer.Option("--test-until", help=f"End of the test. {MOMENT}")],
    lake: LakeOption = None,
    shop: ShopOption = "",
    train_since: Annotated[
        str, typer.Option("--train-since", help="Start of training. Default: the first event.")
    ] = "",
    test_since: Annotated[str, typer.Option("--test-since", help="Start of the test. Default: --train-until.")] = "",
    test_lake: Annotated[Path | None, typer.Option("--test-lake", help="Another lake to test on.")] = None,
    test_shop: Annotated[str, typer.Option("--test-shop", help="Another shop to test on.")] = "",
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures as JSON.")] = None,
    report: Annotated[Path | None, typer.Option("--report", help="Write a page with pictures (HTML).")] = None,
    seed: SeedOption = 1,
    max_prefix: PrefixOption = MAX_PREFIX,
) -> None:
    """Train on the sessions of one window, test on those of the next (or of another shop), beside baselines."""
    started = time.monotonic()
    root, until_ms = the_lake(lake), moment(train_until, "--train-until")
    file_to_write(json_file, "--json")
    file_to_write(report, "--report")
    with told_plainly(), steps() as progress:
        name = the_shop(root, shop)
        there = test_lake if test_lake is not None else root
        tested = the_shop(there, test_shop) if test_lake is not None or test_shop else name
        elsewhere = (there.resolve(), tested) != (root.resolve(), name)
        asked = _Asked(root, name, there, tested, elsewhere, max_prefix)
        since = moment(train_since, "--train-since") if train_since else None
        first = moment(test_since, "--test-since") if test_since else None
        evaluation = asked.run(since, until_ms, first, moment(test_until, "--test-until"), seed, progress)
        if report is not None:
            asked.look_back(evaluation, progress)
    seconds = time.monotonic() - started
    figures = {"shop": name, "test_shop": tested, **evaluation.figures}
    if json_file is not None:
        write_text(json_file, json.dumps(figures, indent=1, allow_nan=False) + "\n")
    if report is not None:
        title = f"Evaluation of {name}" + (f", tested on {tested}" if elsewhere else "")
        write_text(report, render(evaluation, title, asked.manifest, asked.checks))
    _show(figures)
    written = ", ".join(str(path) for path in (json_file, report) if path is not None)
    console.print(f"{seconds:.1f} s" + (f"; written: {written}" if written else ""))


class _Asked:
    """The logs that were asked for."""

    def __init__(
        self, lake: Path, shop: str, test_lake: Path, test_shop: str, elsewhere: bool, max_prefix: int
    ) -> None:
        self.lake, self.shop, self.test_lake, self.test_shop = lake, shop, test_lake, test_shop
        self.elsewhere, self.max_prefix = elsewhere, max_prefix
        self.learned_from: tuple[Log, Table, Window] | None = None
        self.checks: Report | None = None
        self.manifest: Mapping[str, Any] | None = None

    def look_back(self, evaluation: Evaluation, progress: Steps) -> None:
        """The card and the data checks of what was learned from, for the report."""
        if self.learned_from is None or evaluation.trained is None:
            return
        log, table, train = self.learned_from
        self.checks = check(load(self.lake, self.shop, train.since_ms, train.until_ms, train.until_ms), progress)
        leaks = look(log, table, evaluation.trained, progress, catalog_of(self.lake, self.shop))
        parts = completed(evaluation.trained, table, self.checks, leaks, self.max_prefix)
        self.manifest = {**parts.about, "features": {"fingerprint": FINGERPRINT}}

    def run(
        self, since_ms: int | None, until_ms: int, first_ms: int | None, last_ms: int, seed: int, progress: Steps
    ) -> Evaluation:
        """Reads the logs, makes their tables and evaluates."""
        read_until = until_ms if self.elsewhere else last_ms + DAY_MS
        log = open_log(self.lake, self.shop, read_until)
        table = build(log, progress, self.max_prefix, catalog_of(self.lake, self.shop))
        begin = since_ms if since_ms is not None else min(int(log.records["ts_ms"].min()), until_ms - 1)
        train = _window(begin, until_ms, "--train-since", "--train-until")
        self.learned_from = (log, table, train)
        if not self.elsewhere:
            start = first_ms if first_ms is not None else until_ms
            if start < until_ms:
                fail(f"--test-since {iso(start)} lies before the end of training {iso(until_ms)}", code=2)
            test = _window(start, last_ms, "--test-since", "--test-until")
            return evaluate(log, table, train, log, table, test, seed, progress, self.max_prefix)
        other = open_log(self.test_lake, self.test_shop, last_ms + DAY_MS)
        start = first_ms if first_ms is not None else min(int(other.records["ts_ms"].min()), last_ms - 1)
        test = _window(start, last_ms, "--test-since", "--test-until")
        tested = build(other, progress, self.max_prefix, catalog_of(self.test_lake, self.test_shop))
        return evaluate(log, table, train, other, tested, test, seed, progress, self.max_prefix)


def _window(since_ms: int, until_ms: int, first: str, last: str) -> Window:
    if since_ms >= until_ms:
        fail(f"{first} {iso(since_ms)} is not before {last} {iso(until_ms)}", code=2)
    return Window(since_ms, until_ms)


def _show(figures: Mapping[str, Any]) -> None:
    """The figures beside their baselines."""
    for what in ("train", "test"):
        one = figures[what]
        console.print(f"{what}: {one['sessions']:,} sessions, {one['rows']:,} rows, {one['since']} .. {one['until']}")
    grid = Grid("", "model", "AUC", "average precision", "ECE", "base rate", "rows")
    for name, one in figures["intent"].items():
        for model, row in {"tact": one, **one["baselines"]}.items():
            label = name if model == "tact" else ""
            cells = [f"{shown(row.get(key))}{span(row.get(f'{key}_ci'))}" for key in ("auc", "average_precision")]
            note = one.get("reason", "") if model == "tact" and one["auc"] is None else ""
            grid.add_row(label, model, *cells, shown(row.get("ece")), shown(one["base_rate"]), f"{one['n']:,} {note}")
    console.print(grid)
    grid = Grid("", "model", "macro-F1", "log loss")
    stage = figures["stage"]
    for model, row in {"tact": stage, **stage["baselines"]}.items():
        cells = [f"{shown(row.get(key))}{span(row.get(f'{key}_ci'))}" for key in ("macro_f1", "log_loss")]
        grid.add_row("stage" if model == "tact" else "", model, *cells)
    console.print(grid)
    _show_recommend(figures["recommend"]["frozen"])
    if figures["lacks"]:
        console.print(f"the training window has no {', '.join(figures['lacks'])}")


def _show_recommend(figures: Mapping[str, Any]) -> None:
    measures = ("hr5", "mrr5", "hr20", "mrr20", "hr20_seen", "mrr20_seen")
    grid = Grid("recommend, frozen", *measures)
    for model, row in figures.items():
        if isinstance(row, dict) and "hr20" in row:
            grid.add_row(model, *(shown(row.get(measure)) for measure in measures))
    console.print(grid)
