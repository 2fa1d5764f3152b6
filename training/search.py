"""A bounded search for settings that fit one shop better: `tact train --search N`.

Every setting is tried on rolling folds inside the train window: grown on the sessions before a moment, calibrated as
always, judged by the log loss of the sessions after it. The default stays unless another setting is better by more than
chance allows among so many tries: its mean gain over all folds must exceed its standard error (rows of a session taken
together) times the quantile of a one-sided test at 5 %, divided by the number tried (Bonferroni), and WORTH.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from statistics import NormalDist
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models.intent import INTENTS
from models.stage import STAGES
from training.boosting import Codes, Rows, grow_early, predicted
from training.calibrate import losses_of, mean_and_error
from training.figures import number
from training.fit_linear import fit_linear
from training.fitted import MIN_EACH, calibrated, counts_of
from training.settings import Settings, default_settings
from training.split import Split, TooLittleData, Window, split
from training.table import Progress, Table

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

CUTS: Final = (0.4, 0.6, 0.8)
"""Shares of the window's sessions before each fold's moment; the next 20 % are judged."""

REACH: Final = 0.2
LEVEL: Final = 0.05
WORTH: Final = 0.002
"""A gain of less than this share of the log loss is not worth another setting, however sure."""
MAX_ROWS: Final = 300_000
"""Of a larger log every n-th session is searched on."""

MOST_DRAWS: Final = 60_000
"""There are some 6,000 different settings."""

CHOICES: Final[Mapping[str, tuple[Any, ...]]] = {
    "learning_rate": (0.6, 1.0, 1.6),  # times the default's
    "leaves": (15, 31, 63),
    "min_rows": (0, 30, 100, 300),
    "feature_share": (0.3, 0.5, 0.8),
    "extra_trees": (True, True, False),
    "l2": (2.0, 20.0, 60.0),
    "session_power": (0.0, 0.0, -0.25, -0.5),
    "linear": (0.5, 0.25, 0.75),
}


@dataclass(frozen=True, slots=True)
class Found:
    """settings: those better than the default, by model. about: JSON values for the manifest."""

    settings: Mapping[str, Settings]
    about: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Fold:
    """One rolling fold. tested: the rows judged, bool (n,)."""

    split: Split
    tested: Flags


@dataclass(frozen=True, slots=True)
class _Model:
    """What is searched for."""

    name: str
    target: Codes
    outputs: int


def drawn_settings(default: Settings, tries: int, seed: int) -> list[Settings]:
    """`tries` different settings around the default, without it, or all there are.

    The first n are the same for every larger number.
    """
    rng = np.random.default_rng(seed)
    found: dict[Settings, None] = {}
    for _ in range(MOST_DRAWS):
        if len(found) == tries:
            break
        picked = {name: choices[int(rng.integers(len(choices)))] for name, choices in CHOICES.items()}
        rate = default.learning_rate * picked.pop("learning_rate", 1.0)
        one = replace(default, learning_rate=round(rate, 6), **picked)
        if one != default:
            found[one] = None
    return list(found)


def search(
    table: Table,
    window: Window,
    tries: int,
    seed: int,
    progress: Progress,
    budget_s: float = float("inf"),
    clock: Callable[[], float] = time.monotonic,
) -> Found:
    """Tries `tries` settings for each model on the sessions of the window, or as many as the budget allows.

    The same table, seed and number tried give the same answer; a budget stops only between settings. Logs too short for
    folds leave the defaults, with a reason.
    """
    started, searched = clock(), _thinned(table, window)
    folds = _folds(searched, window)
    models = [model for model in _models(searched) if folds and _learnable(model, folds)]
    if not models:
        return Found({}, {"tried": 0, "reason": "too few sessions to try settings on"})
    progress("search", 0.0)
    judged = {model.name: _Judged(searched, model, folds, seed, tries) for model in models}
    tried, most = 0, min(one.settings for one in judged.values())
    for at in range(most):
        if tried and clock() - started > budget_s:
            break
        for model in judged.values():
            model.judge(at)
        tried += 1
        progress("search", tried / most)
    progress("search", 1.0)
    about = {name: one.verdict(tried) for name, one in judged.items()}
    settings = {name: one.best(tried) for name, one in judged.items() if about[name]["chosen"]}
    return Found(settings, {"tried": tried, "asked": tries, "folds": len(folds), "models": about})


class _Judged:
    """One model's settings and how much less each one's log loss is than the default's."""

    def __init__(self, table: Table, model: _Model, folds: list[_Fold], seed: int, tries: int) -> None:
        self._table, self._model, self._folds, self._seed = table, model, folds, seed
        default = default_settings(model.name, model.outputs)
        self.name, self._settings = model.name, drawn_settings(default, tries, seed)
        self.settings = len(self._settings)
        self._session = np.concatenate([table.labels.session[self._known(fold)] for fold in folds])
        self._plain = self._losses(default)
        self._gains: list[tuple[float, float]] = []

    def judge(self, at: int) -> None:
        """Tries the setting at a place."""
        self._gains.append(mean_and_error(self._plain - self._losses(self._settings[at]), self._session))

    def best(self, tried: int) -> Settings:
        """The setting of the largest gain among those tried."""
        return self._settings[self._place(tried)]

    def _place(self, tried: int) -> int:
        return int(np.argmax([gain for gain, _ in self._gains[:tried]]))

    def verdict(self, tried: int) -> dict[str, Any]:
        """The best of those tried: what it gained, nats a row, and whether that is more than chance."""
        gain, error = self._gains[self._place(tried)]
        loss = float(self._plain.mean())
        needed = max(NormalDist().inv_cdf(1 - LEVEL / tried) * error, WORTH * loss)
        figures = {"gain": number(gain), "standard_error": number(error), "needed": number(needed)}
        return {
            "chosen": gain > needed,
            **figures,
            "default_log_loss": number(loss),
            "settings": asdict(self.best(tried)),
        }

    def _known(self, fold: _Fold) -> Flags:
        return fold.tested & (self._model.target >= 0)

    def _losses(self, settings: Settings) -> Floats:
        """Each judged row's log loss, fold by fold."""
        return np.concatenate([self._loss_of(settings, fold) for fold in self._folds])

    def _loss_of(self, settings: Settings, fold: _Fold) -> Floats:
        table, target, outputs = self._table, self._model.target, self._model.outputs
        fit, hold = fold.split.fit & (target >= 0), fold.split.hold & (target >= 0)
        rows = Rows(table.matrix, target, table.labels.session)
        model, _ = grow_early(rows, fit, hold, outputs, self._seed, lambda share: None, settings)
        linear = fit_linear(table.matrix[fit], target[fit], outputs, settings)
        curve, _ = calibrated(table, target, hold, predicted(model, linear, table.matrix[hold], outputs))
        tested = self._known(fold)
        said = curve.apply(predicted(model, linear, table.matrix[tested], outputs))
        return losses_of(said, target[tested].astype(np.int64))


def _models(table: Table) -> list[_Model]:
    labels = table.labels
    intents = [_Model(f"intent_{name}", getattr(labels, name), 1) for name in INTENTS]
    return [_Model("stage", labels.stage, len(STAGES)), *intents]


def _learnable(model: _Model, folds: list[_Fold]) -> bool:
    """Whether each fold has enough of the rarer label to grow trees on."""
    return all(np.sort(counts_of(model.target, fold.split.fit, model.outputs))[-2] >= MIN_EACH for fold in folds)


def _thinned(table: Table, window: Window) -> Table:
    """Every n-th session of a log that is larger than MAX_ROWS."""
    inside = window.holds(table.start_ms)
    step = -(-int(inside.sum()) // MAX_ROWS)
    return table if step <= 1 else table.where(inside & (table.labels.session % step == 0))


def _folds(table: Table, window: Window) -> list[_Fold]:
    """Rolling folds; none where one would hold too few sessions."""
    inside = window.holds(table.start_ms) & (table.end_ms < window.until_ms)
    numbers, first = np.unique(table.labels.session[inside], return_index=True)
    starts = np.sort(table.start_ms[inside][first])
    if len(numbers) < 10 / REACH:
        return []
    found = []
    for cut in CUTS:
        begin = int(starts[int(cut * len(starts))])
        end = int(starts[min(int((cut + REACH) * len(starts)), len(starts) - 1)])
        try:
            parted = split(table.start_ms, table.end_ms, table.labels.session, Window(window.since_ms, begin))
            found.append(_Fold(parted, Window(begin, end).holds(table.start_ms) & inside))
        except (TooLittleData, ValueError):  # a log that begins with a rush: all in its first moments
            return []
    return found
