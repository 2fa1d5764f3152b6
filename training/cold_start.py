"""Cold start: a new shop served by what other shops taught, beside what its own first hours and days teach.

One later window of the new shop is the test of all: `foreign`, portable models (training/portable.py) of another shop's
log; `local`, models of the new shop's first hour, six hours, day, two days, four days, ... up to the test, with all
features; `both`, portable models of the other shop's rows and the local ones together. At most 60,000 moments of each
are learned from and tested on (every n-th session of more): the question is where the curves cross. Statistics of
products are as of each row throughout, as a learner has them from the first event on, whoever trained the models.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models.intent import INTENTS
from training.compared import limits
from training.evaluate import about_window, tested_rows
from training.figures import binary_figures, number, stage_figures
from training.fitted import Fitted
from training.metrics_binary import Ranked, draws, resampled
from training.metrics_stage import resampled_stage
from training.moments import iso
from training.portable import portable, together
from training.split import TooLittleData, Window, split
from training.table import MAX_PREFIX, Log, Progress, Table
from training.train import fit_models

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
SPANS: Final = (
    ("1h", HOUR_MS),
    ("6h", 6 * HOUR_MS),
    ("1d", DAY_MS),
    ("2d", 2 * DAY_MS),
    ("4d", 4 * DAY_MS),
    ("7d", 7 * DAY_MS),
    ("30d", 30 * DAY_MS),
)
MAX_ROWS: Final = 60_000
STAGE_MEASURES: Final = ("macro_f1", "log_loss")


@dataclass(frozen=True, slots=True)
class _Test:
    """The test all are put to."""

    table: Table
    group: Ints
    weights: Floats
    portable: Table


def evaluate_cold_start(
    table: Table,
    train: Window,
    new_log: Log,
    new_table: Table,
    test: Window,
    seed: int,
    progress: Progress,
    max_prefix: int = MAX_PREFIX,
) -> dict[str, Any]:
    """Figures by model: foreign, local_<span> and both_<span>, each with intent and stage figures and intervals.

    table: of the other shop, learned from in `train`. new_table: of the new shop, tested on `test`; what lies before it
    is learned from. `ahead` is each model's minus the foreign one's; `overtakes` names by measure the first span from
    which on the local models are surely ahead (their interval above 0), null if none.
    """
    tested = _thinned(tested_rows(new_log, new_table, test))
    _, group = np.unique(tested.labels.session, return_inverse=True)
    one = _Test(tested, group, draws(int(group.max()) + 1, seed), portable(tested))
    table = _thinned(table.where(train.holds(table.start_ms)))
    parted = split(table.start_ms, table.end_ms, table.labels.session, train)
    abroad = portable(table)
    tell = partial(_part, progress)
    models = {"foreign": _scored(fit_models(abroad, parted, seed, tell("foreign"), {}), one, True)}
    begin = int(new_table.start_ms.min())
    spans, skipped = _spans(new_table, begin, test.since_ms)
    for name, window in spans:
        here = _thinned(new_table.where(window.holds(new_table.start_ms)))
        local = split(here.start_ms, here.end_ms, here.labels.session, window)
        fitted = fit_models(here, local, seed, tell(f"local {name}"), {})
        models[f"local_{name}"] = _scored(fitted, one, False)
        mixed = fit_models(*together((abroad, portable(here)), (parted, local)), seed, tell(f"both {name}"), {})
        models[f"both_{name}"] = _scored(mixed, one, True)
    figures = {name: said.figures for name, said in models.items()}
    for name, said in models.items():
        if name != "foreign":
            figures[name]["ahead"] = _ahead(said, models["foreign"])
    about = {"train": about_window(train, table.where(parted.train)), "test": about_window(test, tested)}
    counts = {name: int(window.holds(new_table.start_ms).sum()) for name, window in spans}
    overtakes = _overtakes(figures, [name for name, _ in spans])
    begins = {"begins": iso(begin), "rows": counts, "skipped": skipped, "max_prefix": max_prefix}
    return {**about, **begins, "models": figures, "overtakes": overtakes}


def _part(progress: Progress, what: str) -> Progress:
    return lambda name, share: progress(f"{what}: {name}", share)


def _thinned(table: Table) -> Table:
    """Every n-th session of a table of more than MAX_ROWS."""
    step = -(-len(table) // MAX_ROWS)
    return table if step <= 1 else table.where(table.labels.session % step == 0)


def _spans(table: Table, begin: int, until_ms: int) -> tuple[list[tuple[str, Window]], dict[str, str]]:
    """The first spans of a log that hold enough to learn from, and why others are left out."""
    found, skipped = [], {}
    for name, length in (*SPANS, ("all", until_ms - begin)):
        end = begin + length
        if end > until_ms:
            skipped[name] = "reaches into the test"
            continue
        try:
            window = Window(begin, end)
            split(table.start_ms, table.end_ms, table.labels.session, window)
            found.append((name, window))
        except TooLittleData as error:
            skipped[name] = str(error)
        except ValueError:
            skipped[name] = "the log begins with the test"
    return found, skipped


@dataclass(frozen=True, slots=True)
class _Said:
    """One set of models in the test: its figures, and each figure's resamples."""

    figures: dict[str, Any]
    runs: dict[tuple[str, str], Floats]


def _scored(fitted: dict[str, Fitted], test: _Test, masked: bool) -> _Said:
    """Figures with intervals of models on the test. masked: whether they know portable features only."""
    table = test.portable if masked else test.table
    figures: dict[str, Any] = {"intent": {}}
    runs: dict[tuple[str, str], Floats] = {}
    for name in INTENTS:
        label = getattr(table.labels, name).astype(np.int64)
        rows = label >= 0
        said = fitted[f"intent_{name}"].probabilities(table.matrix[rows])[:, 0]
        one = binary_figures(label[rows], said, fitted[f"intent_{name}"].note)
        drawn = (
            resampled(Ranked.of(label[rows], said, test.group[rows]), test.weights) if one["auc"] is not None else None
        )
        for at, measure in enumerate(("auc", "average_precision")):
            one[f"{measure}_ci"] = None if drawn is None else limits(drawn[:, at])
            if drawn is not None:
                runs[name, measure] = drawn[:, at]
        figures["intent"][name] = one
    figures["stage"] = _stage(fitted["stage"], table, test, runs)
    return _Said(figures, runs)


def _stage(one: Fitted, table: Table, test: _Test, runs: dict[tuple[str, str], Floats]) -> dict[str, Any]:
    truth, said = table.labels.stage.astype(np.int64), one.probabilities(table.matrix)
    figures = stage_figures(truth, said, one.named(said))
    drawn = resampled_stage(said, one.named(said), truth, test.group, test.weights)
    for at, measure in enumerate(STAGE_MEASURES):
        figures[f"{measure}_ci"] = limits(drawn[:, at])
        runs["stage", measure] = drawn[:, at]
    return figures


def _ahead(ours: _Said, foreign: _Said) -> dict[str, Any]:
    """By model and measure, ours minus the foreign one's, paired."""
    found: dict[str, Any] = {}
    for (model, measure), run in ours.runs.items():
        mine, theirs = (_figure(one, model, measure) for one in (ours, foreign))
        one = found.setdefault(model, {})
        one[measure] = number(mine - theirs)
        one[f"{measure}_ci"] = limits(run - foreign.runs[model, measure])
    return found


def _figure(said: _Said, model: str, measure: str) -> float:
    place = said.figures["stage"] if model == "stage" else said.figures["intent"][model]
    return float(place[measure])


def _overtakes(figures: dict[str, Any], spans: Sequence[str]) -> dict[str, dict[str, str | None]]:
    """The first span from which on the local models are surely ahead of the foreign ones, by model and measure."""
    names = [*INTENTS, "stage"]
    found: dict[str, dict[str, str | None]] = {}
    for model in names:
        for measure in ("macro_f1",) if model == "stage" else ("auc", "average_precision"):
            surely = [_surely(figures[f"local_{span}"]["ahead"], model, measure) for span in spans]
            first = next((at for at in range(len(spans)) if all(surely[at:])), None)
            found.setdefault(model, {})[measure] = None if first is None else spans[first]
    return found


def _surely(ahead: dict[str, Any], model: str, measure: str) -> bool:
    interval = ahead.get(model, {}).get(f"{measure}_ci")
    return interval is not None and interval[0] > 0
