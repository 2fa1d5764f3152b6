"""The logs and windows that `tact evaluate` was asked for, read, made tables of and evaluated."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from features.catalog import Catalog
from features.schema import FINGERPRINT
from tact.console import fail
from training.card import completed
from training.check_data import Report, check
from training.check_events import load
from training.cold_start import evaluate_cold_start
from training.evaluate import Evaluation, evaluate, evaluate_next
from training.lake import Log
from training.leaks import look
from training.moments import iso
from training.open_log import DAY_MS, catalog_of, open_log
from training.split import Window
from training.table import MAX_PREFIX, Progress, Table, build

LATER_SHARE: Final = 0.2
"""Of a new shop's time up to --test-until, the test of a cold start if it was not told from when."""


@dataclass(slots=True)
class Asked:
    """The logs that were asked for. since_ms, first_ms: begin of training and of test; None for the defaults."""

    lake: Path
    shop: str
    test_lake: Path
    test_shop: str
    max_prefix: int | None
    since_ms: int | None
    until_ms: int
    first_ms: int | None
    last_ms: int
    checks: Report | None = None
    manifest: Mapping[str, Any] | None = None
    _learned_from: tuple[Log, Table, Window] | None = field(default=None)

    @property
    def elsewhere(self) -> bool:
        """Whether the test is another log than training's."""
        return (self.test_lake.resolve(), self.test_shop) != (self.lake.resolve(), self.shop)

    def run(self, what: str, seed: int, progress: Progress) -> Evaluation:
        """Reads the logs, makes tables of them where moments are scored, and evaluates."""
        log, train = self._training()
        other, test = self._testing(log)
        if what == "recommend":
            return evaluate_next(log, train, other, test, seed, progress, self.max_prefix, self._catalog())
        table = self._table(log, self.shop, self.lake, progress)
        tested = self._table(other, self.test_shop, self.test_lake, progress) if self.elsewhere else table
        self._learned_from = (log, table, train)
        return evaluate(
            *(log, table, train, other, tested, test), seed, progress, self.max_prefix, what, self._catalog()
        )

    def _catalog(self) -> Catalog:
        return catalog_of(self.lake, self.shop)

    def cold_start(self, seed: int, progress: Progress) -> dict[str, Any]:
        """The figures of a new shop served by another's models."""
        if not self.elsewhere:
            fail("cold-start needs a new shop to test on: name it with --test-shop (and --test-lake)", code=2)
        log, train = self._training()
        other = self._other()
        begin = self._begin(other, self.last_ms)
        start = self.first_ms
        if start is None:
            start = int(self.last_ms - LATER_SHARE * (self.last_ms - begin))
        test = window(start, self.last_ms, "--test-since", "--test-until")
        table = self._table(log, self.shop, self.lake, progress)
        tested = self._table(other, self.test_shop, self.test_lake, progress)
        return evaluate_cold_start(table, train, other, tested, test, seed, progress, self._steps)

    def look_back(self, evaluation: Evaluation, progress: Progress) -> None:
        """The card and the data checks of what was learned from, for the report."""
        if self._learned_from is None or evaluation.trained is None:
            return
        log, table, train = self._learned_from
        self.checks = check(load(self.lake, self.shop, train.since_ms, train.until_ms, train.until_ms), progress)
        leaks = look(log, table, evaluation.trained, progress, catalog_of(self.lake, self.shop))
        parts = completed(evaluation.trained, table, self.checks, leaks, self._steps)
        self.manifest = {**parts.about, "features": {"fingerprint": FINGERPRINT}}

    @property
    def _steps(self) -> int:
        return MAX_PREFIX if self.max_prefix is None else self.max_prefix

    def _training(self) -> tuple[Log, Window]:
        log = open_log(self.lake, self.shop, self.until_ms if self.elsewhere else self.last_ms + DAY_MS)
        begin = self.since_ms if self.since_ms is not None else self._begin(log, self.until_ms)
        return log, window(begin, self.until_ms, "--train-since", "--train-until")

    def _testing(self, log: Log) -> tuple[Log, Window]:
        """The log and window tested on. log: training's."""
        if self.elsewhere:
            other = self._other()
            start = self.first_ms if self.first_ms is not None else self._begin(other, self.last_ms)
            return other, window(start, self.last_ms, "--test-since", "--test-until")
        if self.first_ms is None:
            return log, window(self.until_ms, self.last_ms, "--train-until", "--test-until")
        if self.first_ms < self.until_ms:
            fail(f"--test-since {iso(self.first_ms)} lies before the end of training {iso(self.until_ms)}", code=2)
        return log, window(self.first_ms, self.last_ms, "--test-since", "--test-until")

    def _other(self) -> Log:
        return open_log(self.test_lake, self.test_shop, self.last_ms + DAY_MS)

    def _table(self, log: Log, shop: str, lake: Path, progress: Progress) -> Table:
        return build(log, progress, self._steps, catalog_of(lake, shop))

    def _begin(self, log: Log, before_ms: int) -> int:
        """The log's first moment, if that lies before a window's end."""
        return min(int(log.records["ts_ms"].min()), before_ms - 1)


def window(since_ms: int, until_ms: int, first: str, last: str) -> Window:
    """The window between two options' moments; ends where it would be empty."""
    if since_ms >= until_ms:
        fail(f"{first} {iso(since_ms)} is not before {last} {iso(until_ms)}", code=2)
    return Window(since_ms, until_ms)
