"""`leave` as it would be served: at each test row moved as the learner would have moved it by then.

The very sums of models/leave_level.py, walked through time: the truth of a row is learned from KNOWN_AFTER_MS after it,
never before. They begin with nothing at the first test row, as after a bundle goes live.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models.leave_level import KNOWN_AFTER_MS, LeaveLevel, moved, step_of
from training.compared import Compared, limits
from training.figures import binary_figures, number
from training.metrics_binary import Ranked, resampled, resampled_error
from training.shape import with_nothing_missing

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MEASURES: Final = ("auc", "average_precision", "ece")


def followed(said: Floats, was: Ints, ts_ms: Ints, step: Ints) -> Floats:
    """Probabilities of leaving at the level of their time, (n,).

    said: of the rows, as the bundle says it; was: 1 where the visitor left; step: 0 at a session's first step, else 1.
    """
    level, out = LeaveLevel(), np.empty(len(said))
    order = np.argsort(ts_ms, kind="stable").tolist()
    known = 0
    for row in order:
        while ts_ms[order[known]] + KNOWN_AFTER_MS < ts_ms[row]:
            told = order[known]
            level.learn(int(step[told]), float(said[told]), bool(was[told]))
            known += 1
        out[row] = moved(float(said[row]), level.line, int(step[row]))
    return out


def prequential(shared: Compared, said: Floats, rows: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """Figures of `leave` followed through the test window, with intervals, and how far ahead of the frozen ones.

    said: of the rows chosen.
    """
    test = shared.test.where(rows)
    was, group = test.labels.leave.astype(np.int64), shared.group[rows]
    ts_ms = shared.test_log.records["ts_ms"][test.labels.row].astype(np.int64)
    step = np.array([step_of(vector) for vector in test.matrix], np.int64)
    by = {"tact": followed(said, was, ts_ms, step), "frozen": said}
    figures, before = (binary_figures(was, p) for p in by.values())
    figures["baselines"] = {"frozen": before}
    if figures["auc"] is not None:
        _add_intervals(figures, before, *(_runs(was, p, group, shared.weights) for p in by.values()))
    with_nothing_missing(figures, ("frozen",), MEASURES)
    return figures


def _add_intervals(figures: dict[str, Any], before: dict[str, Any], runs: Floats, frozen: Floats) -> None:
    """`_ci` beside MEASURES of both, and the paired difference. runs, frozen: (resamples, 3)."""
    ahead = figures.setdefault("ahead", {}).setdefault("frozen", {})
    for at, name in enumerate(MEASURES):
        figures[f"{name}_ci"], before[f"{name}_ci"] = limits(runs[:, at]), limits(frozen[:, at])
        ahead[name] = number(figures[name] - before[name])
        ahead[f"{name}_ci"] = limits(runs[:, at] - frozen[:, at])


def _runs(was: Ints, said: Floats, group: Ints, weights: Floats) -> Floats:
    """MEASURES in each resample, (resamples, 3)."""
    ranked = resampled(Ranked.of(was, said, group), weights)
    return np.column_stack([ranked, resampled_error(was, said, group, weights)])
