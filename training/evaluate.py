"""`tact evaluate`: train on one window, test on the next, beside what any shop could have without us.

The answer is plain JSON values (keys in docs/evaluation.md) plus the scored rows that the report draws. Every interval
is 95 %, from 200 resamples of whole test sessions, the same resamples for every model, so differences are paired.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models.bundle import Bundle, decode, encode
from models.intent import INTENTS
from models.stage import STAGES
from training.baselines import logistic, rate_of_kind, stages_of_map
from training.evaluate_recommend import evaluate_recommend
from training.figures import binary_figures, number, stage_figures
from training.metrics_binary import Ranked, calibration_bins, draws, interval, resampled, resampled_error
from training.metrics_stage import confusion, per_class, resampled_stage
from training.moments import iso
from training.ranked_items import RankedOurs
from training.shape import with_nothing_missing
from training.split import TooLittleData, Window
from training.table import MAX_PREFIX, Log, Progress, Table, reach, session_starts_ms
from training.train import Trained, lacks, train

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

PREFIXES: Final = ((1, 1), (2, 2), (3, 4), (5, 9), (10, 10**9))
"""Ranges of steps into the session, both ends included, that figures are also given for."""


@dataclass(frozen=True, slots=True)
class Scored:
    """Rows of one target, for pictures. label: int64 (n,); by: probabilities (n, K) of each model by name."""

    label: Ints
    by: Mapping[str, Floats]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """figures: plain JSON values. scored: by target name. trained: what was evaluated, for its card."""

    figures: dict[str, Any]
    scored: dict[str, Scored]
    trained: Trained | None = None


@dataclass(frozen=True, slots=True)
class _Round:
    """What every comparison of this evaluation shares."""

    train: Table
    test: Table
    group: Ints
    weights: Floats
    bundle: Bundle
    trained: Trained


def evaluate(
    log: Log,
    table: Table,
    window: Window,
    test_log: Log,
    test_table: Table,
    test: Window,
    seed: int,
    progress: Progress,
    max_prefix: int = MAX_PREFIX,
) -> Evaluation:
    """Figures of models trained on `window` of one log and tested on `test` of the same log or another.

    max_prefix: the steps of a session that the tables hold, at most. Raises TooLittleData where a window holds too few
    sessions.
    """
    tested = test_table.where(test.holds(test_table.start_ms))
    if not len(tested):
        begun = f"no whole session starts in the test window {iso(test.since_ms)} .. {iso(test.until_ms)}"
        raise TooLittleData(f"{begun}; {reach(test_log)}")
    trained = train(log, table, window, seed, progress, max_prefix)
    bundle = decode(*encode(trained.parts))
    _, group = np.unique(tested.labels.session, return_inverse=True)
    weights = draws(int(group.max()) + 1, seed)
    shared = _Round(table.where(trained.split.train), tested, group, weights, bundle, trained)
    intents, scored = _intents(shared, progress)
    stage, scored["stage"] = _stage(shared, progress)
    inside = test.holds(session_starts_ms(test_log))
    ours = partial(RankedOurs, log, window, test_log, test, seed, progress)
    recommend = evaluate_recommend(log, window, test_log, test, seed, progress, ours=ours)
    about = {"seed": seed, "bundle": bundle.id, "max_prefix": max_prefix}
    windows = {"train": _window(window, shared.train), "test": _window(test, tested)}
    words = {"lacks": trained.parts.about["lacks"], "test_lacks": lacks(test_log.records[inside])}
    figures = {**about, **windows, **words, "intent": intents, "stage": stage, "recommend": recommend}
    return Evaluation(figures, scored, trained)


def _window(window: Window, rows: Table) -> dict[str, Any]:
    sessions = len(np.unique(rows.labels.session))
    return {"since": iso(window.since_ms), "until": iso(window.until_ms), "rows": len(rows), "sessions": sessions}


def _intents(shared: _Round, progress: Progress) -> tuple[dict[str, Any], dict[str, Scored]]:
    said = shared.bundle.intent.probabilities_batch(shared.test.matrix)
    figures, scored = {}, {}
    for at, name in enumerate(INTENTS):
        progress(f"testing {name}", 0.0)
        figures[name], scored[name] = _intent(shared, name, said[:, at])
        progress(f"testing {name}", 1.0)
    return figures, scored


def _intent(shared: _Round, name: str, said: Floats) -> tuple[dict[str, Any], Scored]:
    """One intent's figures beside its baselines."""
    truth = getattr(shared.test.labels, name).astype(np.int64)
    rows = truth >= 0
    label, ours = truth[rows], said[rows]
    by = {"tact": ours, **_intent_baselines(shared, name, rows)}
    fitted = shared.trained.fitted[f"intent_{name}"]
    figures = binary_figures(label, ours, fitted.note)
    figures["baselines"] = {model: binary_figures(label, p) for model, p in by.items() if model != "tact"}
    if figures["auc"] is not None:
        _add_intervals(figures, label, by, shared.group[rows], shared.weights)
    with_nothing_missing(figures, ("base_rate", "static_map", "logistic"), ("auc", "average_precision", "ece"))
    prefix = shared.test.labels.prefix[rows]
    figures["by_prefix"] = _by_prefix(prefix, lambda chosen: binary_figures(label[chosen], ours[chosen]))
    bins = calibration_bins(label, ours) if len(label) else []
    figures["calibration"] = [{"n": b.n, "said": number(b.said), "was": number(b.was)} for b in bins]
    figures["importance"] = dict(sorted(fitted.importance.items(), key=lambda pair: -pair[1])[:20])
    figures["calibrated_by"] = fitted.calibrated_by
    return figures, Scored(label, {model: p[:, None] for model, p in by.items()})


def _intent_baselines(shared: _Round, name: str, rows: npt.NDArray[np.bool_]) -> dict[str, Floats]:
    """Probabilities of each baseline for the chosen test rows; those that cannot be fitted are left out."""
    known = getattr(shared.train.labels, name) >= 0
    learned = shared.train.where(known)
    target = getattr(learned.labels, name).astype(np.int64)
    if not len(target):
        return {}
    base = np.full(int(rows.sum()), target.mean())
    found = {"base_rate": base, "static_map": rate_of_kind(learned.kind, target, shared.test.kind[rows])}
    if 0 < target.sum() < len(target):
        found["logistic"] = logistic(learned, target, shared.test.matrix[rows], 2)[:, 0]
    return found


def _add_intervals(
    figures: dict[str, Any], label: Ints, by: Mapping[str, Floats], group: Ints, weights: Floats
) -> None:
    """`_ci` beside auc and average_precision of every model, and how far ours is ahead of each."""
    runs = {name: resampled(Ranked.of(label, p, group), weights) for name, p in by.items()}
    errors = {name: resampled_error(label, p, group, weights) for name, p in by.items()}
    figures["ahead"] = {}
    for name, values in runs.items():
        place = figures if name == "tact" else figures["baselines"][name]
        for at, measure in enumerate(("auc", "average_precision")):
            place[f"{measure}_ci"] = _rounded(interval(values[:, at]))
            if name != "tact":
                ahead = figures["ahead"].setdefault(name, {})
                ahead[measure] = number(figures[measure] - place[measure])
                ahead[f"{measure}_ci"] = _rounded(interval(runs["tact"][:, at] - values[:, at]))
        place["ece_ci"] = _rounded(interval(errors[name]))
        if name != "tact":
            figures["ahead"][name]["ece"] = number(figures["ece"] - place["ece"])
            figures["ahead"][name]["ece_ci"] = _rounded(interval(errors["tact"] - errors[name]))


def _rounded(values: list[float] | None) -> list[float | None] | None:
    return None if values is None else [number(value) for value in values]


def _by_prefix(prefix: Ints, figures_of: Any) -> list[dict[str, Any]]:
    """Figures for ranges of steps into the session; ranges without rows are left out."""
    found = []
    for low, high in PREFIXES:
        chosen = (prefix >= low) & (prefix <= high)
        if chosen.any():
            name = str(low) if low == high else f"{low}+" if high > 10**6 else f"{low}-{high}"
            found.append({"prefix": name, **figures_of(chosen)})
    return found


def _stage(shared: _Round, progress: Progress) -> tuple[dict[str, Any], Scored]:
    """The stage's figures beside its baselines."""
    progress("testing stage", 0.0)
    truth = shared.test.labels.stage.astype(np.int64)
    ours = shared.bundle.stage.probabilities_batch(shared.test.matrix)
    learned = shared.train.labels.stage.astype(np.int64)
    share = np.bincount(learned, minlength=len(STAGES)) + 1.0
    static, spread = stages_of_map(shared.train.kind, learned, shared.test.kind)
    by = {"tact": ours, "majority": np.tile(share / share.sum(), (len(truth), 1)), "static_map": spread}
    if len(np.unique(learned)) > 1:
        by["logistic"] = logistic(shared.train, learned, shared.test.matrix, len(STAGES))
    named = {name: static if name == "static_map" else p.argmax(axis=1) for name, p in by.items()}
    figures = _with_stage_intervals(shared, truth, by, named)
    figures["by_prefix"] = _by_prefix(
        shared.test.labels.prefix, lambda chosen: stage_figures(truth[chosen], ours[chosen])
    )
    table = confusion(truth, named["tact"], len(STAGES))
    figures |= {"classes": per_class(table, STAGES), "confusion": table.astype(int).tolist(), "stages": list(STAGES)}
    fitted = shared.trained.fitted["stage"]
    figures["importance"] = dict(sorted(fitted.importance.items(), key=lambda pair: -pair[1])[:20])
    figures |= {"calibrated_by": fitted.calibrated_by, **({"note": fitted.note} if fitted.note else {})}
    progress("testing stage", 1.0)
    return figures, Scored(truth, by)


def _with_stage_intervals(
    shared: _Round, truth: Ints, by: Mapping[str, Floats], named: Mapping[str, Ints]
) -> dict[str, Any]:
    runs = {name: resampled_stage(p, named[name], truth, shared.group, shared.weights) for name, p in by.items()}
    found = {name: stage_figures(truth, p, named[name]) for name, p in by.items()}
    for name, values in runs.items():
        for at, measure in enumerate(("macro_f1", "log_loss")):
            found[name][f"{measure}_ci"] = _rounded(interval(values[:, at]))
    figures = found.pop("tact")
    figures["ahead"] = {
        name: {
            "macro_f1": number(figures["macro_f1"] - one["macro_f1"]),
            "macro_f1_ci": _rounded(interval(runs["tact"][:, 0] - runs[name][:, 0])),
            "log_loss": number(figures["log_loss"] - one["log_loss"]),
            "log_loss_ci": _rounded(interval(runs["tact"][:, 1] - runs[name][:, 1])),
        }
        for name, one in found.items()
    }
    figures["baselines"] = found
    with_nothing_missing(figures, ("majority", "static_map", "logistic"), ("macro_f1", "log_loss"))
    return figures
