"""The model card: what a person must know of a bundle before trusting it, all of it in the manifest.

tact train writes it; `tact card` and the report read it. Keys are listed in docs/evaluation.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models.bundle import Parts
from models.intent import INTENTS
from training.check_data import Report
from training.check_finding import ERROR
from training.figures import number
from training.leaks import Leaks
from training.levels import immature
from training.metrics_binary import RESAMPLES, Ranked, auc_and_precision, interval
from training.moments import parse_moment
from training.open_log import DAY_MS
from training.table import MAX_PREFIX, Table
from training.train import Trained

Floats = npt.NDArray[np.float64]
MEASURES: Final = ("auc", "average_precision")
WEEK_DAYS: Final = 7


def completed(trained: Trained, table: Table, checks: Report, leaks: Leaks, max_prefix: int = MAX_PREFIX) -> Parts:
    """The parts of a bundle with the whole card in their manifest."""
    about = dict(trained.parts.about)
    about["figures"] = with_intervals(trained, table, int(about["seed"]))
    about |= {"data_checks": checks.brief(), "leaks": leaks.as_dict(), "max_prefix": max_prefix}
    return replace(trained.parts, about=about | {"limits": limits(about)})


def with_intervals(trained: Trained, table: Table, seed: int) -> dict[str, Any]:
    """The manifest's figures, each intent's AUC and average precision with a 95 % interval over the held sessions."""
    figures = dict(trained.parts.about["figures"])
    intents = {name: dict(one) for name, one in figures["intent"].items()}
    held = table.where(trained.split.hold)
    _, group = np.unique(held.labels.session, return_inverse=True)
    ranked = {name: _ranked(trained, held, group, name) for name in INTENTS if intents[name].get("auc") is not None}
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in ranked}
    rng, sessions = np.random.default_rng(seed), int(group.max(initial=0)) + 1
    for _ in range(RESAMPLES if ranked else 0):
        weight = np.bincount(rng.integers(0, sessions, sessions), minlength=sessions).astype(np.float64)
        for name, one in ranked.items():
            runs[name].append(auc_and_precision(one, weight))
    for name, values in runs.items():
        for at, measure in enumerate(MEASURES):
            span = interval(np.array(values)[:, at])
            intents[name][f"{measure}_ci"] = None if span is None else [number(limit) for limit in span]
    return figures | {"intent": intents}


def _ranked(trained: Trained, held: Table, group: npt.NDArray[np.int64], name: str) -> Ranked:
    target = getattr(held.labels, name)
    known = target >= 0
    said = trained.fitted[f"intent_{name}"].said_of_held(int(known.sum()))[:, 0]
    return Ranked.of(target[known], said, group[known])


def limits(about: Mapping[str, Any]) -> list[str]:
    """What the bundle cannot know or was not tested on, in words."""
    found = ["The figures are of the slice that also stopped the trees and chose the calibration: a little kind."]
    days = (parse_moment(about["window"]["until"]) - parse_moment(about["window"]["since"])) / DAY_MS
    if days < WEEK_DAYS:
        found.append(f"It learned from {days:.1f} days: it has not seen every day of a week.")
    if about["lacks"]:
        found.append(f"The log has no {', no '.join(about['lacks'])}: the models cannot use them.")
    if about.get("portable"):
        found.append("Portable: it reads only what means the same in every shop. Publish it for `--shop default`.")
    for name, one in about["figures"]["intent"].items():
        found += _limits_of(name, one)
    return [*found, *_doubts(about.get("data_checks", ()))]


def _limits_of(name: str, figure: Mapping[str, Any]) -> list[str]:
    if figure.get("note"):
        return [f"{name} is a constant: {str(figure['note']).removesuffix(': constant')}."]
    few = immature(int(figure.get("positives", 0)))
    return [f"{name} is {few}."] if few else []


def _doubts(findings: Sequence[Mapping[str, Any]]) -> list[str]:
    return [f"Data check {one['name']}: {one['message']}." for one in findings if one["level"] == ERROR]
