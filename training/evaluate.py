"""`tact evaluate`: train on one window, test on the next, beside what any shop could have without us.

The answer is plain JSON values (keys in docs/evaluation.md) plus the scored rows that the report draws. Every interval
is 95 %, from 200 resamples of whole test sessions, the same resamples for every model, so differences are paired.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np

from features.catalog import EMPTY_CATALOG, Catalog
from features.record import Records
from models.bundle import decode, encode
from training.compared import Compared, Scored
from training.early_warning import evaluate_early_warning
from training.evaluate_intent import evaluate_intents
from training.evaluate_recommend import evaluate_recommend
from training.evaluate_stage import evaluate_stage
from training.metrics_binary import draws
from training.milestone import evaluate_milestone
from training.moments import iso
from training.ranked_items import RankedOurs
from training.reference import window_drift
from training.split import TooLittleData, Window
from training.table import MAX_PREFIX, Log, Progress, Table, reach, session_starts_ms
from training.train import Trained, lacks, train

__all__ = ["WHAT", "Evaluation", "Scored", "evaluate", "evaluate_next"]

WHAT: Final = ("all", "models", "recommend")
"""What can be evaluated: everything; intents, stage, milestone and early warning; recommendations."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """figures: plain JSON values. scored: by target name. trained: what was evaluated, for its card."""

    figures: dict[str, Any]
    scored: dict[str, Scored]
    trained: Trained | None = None


def evaluate(
    log: Log,
    table: Table,
    window: Window,
    test_log: Log,
    test_table: Table,
    test: Window,
    seed: int,
    progress: Progress,
    max_prefix: int | None = None,
    what: str = "all",
    catalog: Catalog = EMPTY_CATALOG,
) -> Evaluation:
    """Figures of models trained on `window` of one log and tested on `test` of the same log or another.

    max_prefix: the steps of a session that the tables hold and that recommendations are asked at, at most; None for
    tables of MAX_PREFIX steps and recommendations at every one. what: "all" or "models"; figures of other parts are
    left out. catalog: what the shop told of its products. Raises TooLittleData where a window holds too few sessions.
    """
    steps = MAX_PREFIX if max_prefix is None else max_prefix
    tested = tested_rows(test_log, test_table, test)
    trained = train(log, table, window, seed, progress, steps, catalog=catalog)
    bundle = decode(*encode(trained.parts))
    _, group = np.unique(tested.labels.session, return_inverse=True)
    weights = draws(int(group.max()) + 1, seed)
    shared = Compared(log, table, trained, bundle, test_log, tested, group, weights, steps)
    figures: dict[str, Any] = {
        "seed": seed,
        "bundle": bundle.id,
        "max_prefix": steps,
        "train": about_window(window, shared.train),
        "test": about_window(test, tested),
        "lacks": trained.parts.about["lacks"],
        "test_lacks": lacks(_begun(test_log, test)),
    }
    moments, scored = _moments(shared, seed, progress)
    figures |= moments | {"drift": window_drift(bundle, tested)}
    if what != "models":
        figures["recommend"] = _recommended(log, window, test_log, test, seed, progress, max_prefix, catalog)
    return Evaluation(figures, scored, trained)


def evaluate_next(
    log: Log,
    window: Window,
    test_log: Log,
    test: Window,
    seed: int,
    progress: Progress,
    max_prefix: int | None = None,
    catalog: Catalog = EMPTY_CATALOG,
) -> Evaluation:
    """Figures of recommendations alone: no moments are scored, so there are no tables, no bundle and no rows.

    Arguments as of evaluate. Raises TooLittleData where no session begins in a window.
    """
    figures: dict[str, Any] = {
        "seed": seed,
        "bundle": None,
        "max_prefix": max_prefix,
        "train": _about_log(log, window, "train"),
        "test": _about_log(test_log, test, "test"),
        "lacks": lacks(_begun(log, window)),
        "test_lacks": lacks(_begun(test_log, test)),
    }
    figures["recommend"] = _recommended(log, window, test_log, test, seed, progress, max_prefix, catalog)
    return Evaluation(figures, {})


def _recommended(
    log: Log,
    window: Window,
    test_log: Log,
    test: Window,
    seed: int,
    progress: Progress,
    max_prefix: int | None,
    catalog: Catalog,
) -> dict[str, Any]:
    ours = partial(RankedOurs, log, window, test_log, test, seed, progress, catalog=catalog)
    return evaluate_recommend(log, window, test_log, test, seed, progress, max_prefix, ours)


def _begun(log: Log, window: Window) -> Records:
    """The records of the sessions that begin in a window."""
    return log.records[window.holds(session_starts_ms(log))]


def _about_log(log: Log, window: Window, word: str) -> dict[str, Any]:
    """As about_window, without rows."""
    sessions = len(np.unique(log.session[window.holds(session_starts_ms(log))]))
    if not sessions:
        begun = f"no session starts in the {word} window {iso(window.since_ms)} .. {iso(window.until_ms)}"
        raise TooLittleData(f"{begun}; {reach(log)}")
    return {"since": iso(window.since_ms), "until": iso(window.until_ms), "rows": None, "sessions": sessions}


def tested_rows(log: Log, table: Table, test: Window) -> Table:
    """The rows of the sessions that start in the test window. Raises TooLittleData where there are none."""
    tested = table.where(test.holds(table.start_ms))
    if not len(tested):
        begun = f"no whole session starts in the test window {iso(test.since_ms)} .. {iso(test.until_ms)}"
        raise TooLittleData(f"{begun}; {reach(log)}")
    return tested


def about_window(window: Window, rows: Table) -> dict[str, Any]:
    """A window and how much of the log lies in it."""
    sessions = len(np.unique(rows.labels.session))
    return {"since": iso(window.since_ms), "until": iso(window.until_ms), "rows": len(rows), "sessions": sessions}


def _moments(shared: Compared, seed: int, progress: Progress) -> tuple[dict[str, Any], dict[str, Scored]]:
    """What is said of moments of a session."""
    intents, scored = evaluate_intents(shared, progress)
    stage, scored["stage"] = evaluate_stage(shared, progress)
    milestone = evaluate_milestone(shared, seed, progress)
    warning = evaluate_early_warning(shared)
    return {"intent": intents, "stage": stage, "milestone": milestone, "early_warning": warning}, scored
