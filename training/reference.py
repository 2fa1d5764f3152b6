"""What a bundle's `reference` holds: how features and scores were spread in training; how the test window differs.

Only steps at which a page is seen count (models.drift.AT_PAGES), since decisions are asked for there. Features are of
the whole train window; scores are what models of its earlier part said of its last sessions, as honest as scores of
tomorrow's visitors.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.schema import FEATURES
from models.bundle import Bundle
from models.drift import AT_PAGES, NAMES, SCORES, Bins, Floats, Matrix, Reference, as_section, compare
from models.stage import STAGES
from training.fitted import Fitted
from training.split import Split
from training.table import Table

Flags = npt.NDArray[np.bool_]

ROWS_FOR_BINS: Final = 100_000
"""Quantiles are those of at most so many rows, evenly taken."""


def reference_of(table: Table, split: Split, fitted: Mapping[str, Fitted]) -> Reference:
    """The spread of each feature over the rows trained on, and of each score over those held back."""
    seen = _at_pages(table, split.train)
    step = -(-int(seen.sum()) // ROWS_FOR_BINS) or 1
    rows = np.flatnonzero(seen)[::step]
    columns = [table.matrix[rows, at] for at in range(len(FEATURES))]
    scores, sessions = _scores(table, split, fitted)
    bins = Bins.of(NAMES, [*columns, *scores])
    counts = bins.empty()
    for start in range(0, len(table), ROWS_FOR_BINS):
        chosen = np.flatnonzero(seen[start : start + ROWS_FOR_BINS]) + start
        _part(bins, 0).add(counts[: bins.edges[len(FEATURES)]], table.matrix[chosen])
    for at, column in enumerate(scores, len(FEATURES)):
        _part(bins, at, at + 1).add(counts[bins.edges[at] : bins.edges[at + 1]], column[:, None])
    of_features = [_sessions(table, seen)] * len(FEATURES)
    return Reference(bins, counts, np.array([*of_features, *sessions], np.int64))


def _part(bins: Bins, first: int, last: int = len(FEATURES)) -> Bins:
    """The bins of some quantities alone."""
    starts = bins.starts[first : last + 1]
    return Bins(bins.names[first:last], bins.cuts[starts[0] : starts[-1]], starts - starts[0])


def _at_pages(table: Table, rows: Flags) -> Flags:
    """The rows at which a page is seen; all of them where there is none such."""
    seen = rows & AT_PAGES[table.kind]
    return seen if seen.any() else rows


def _sessions(table: Table, rows: Flags) -> int:
    return len(np.unique(table.labels.session[rows]))


def _scores(table: Table, split: Split, fitted: Mapping[str, Fitted]) -> tuple[list[Matrix], list[int]]:
    """Each score of the held rows at pages that had a label, in the order of SCORES; and from how many sessions."""
    seen = _at_pages(table, split.hold)
    columns, sessions = [], []
    for name in SCORES:
        model, output = ("stage", STAGES.index(name[6:])) if name.startswith("stage_") else (name, 0)
        rows = split.hold & (_target(table, model) >= 0)
        said = fitted[model].said_of_held(int(rows.sum()))[:, output]
        columns.append(said[seen[rows]].astype(np.float32))
        sessions.append(_sessions(table, seen & rows))
    return columns, sessions


def _target(table: Table, model: str) -> npt.NDArray[np.int8]:
    target: npt.NDArray[np.int8] = getattr(table.labels, model.removeprefix("intent_"))
    return target


def scored_rows(bundle: Bundle, matrix: Matrix) -> Matrix:
    """Vectors with the scores the bundle gives them: float32 (n, Q), as models.drift.NAMES."""
    stage, intent = bundle.stage.probabilities_batch(matrix), bundle.intent.probabilities_batch(matrix)
    return np.concatenate([matrix, stage, intent], axis=1).astype(np.float32)


def window_drift(bundle: Bundle, test: Table) -> dict[str, Any]:
    """The test window's rows against the bundle's own reference: the `drift` of `tact evaluate`."""
    if "reference" not in bundle.arrays:
        return {"features": [], "scores": []}
    reference = Reference.from_arrays(bundle.arrays["reference"])
    seen = _at_pages(test, np.ones(len(test), bool))
    counts: Floats = reference.bins.empty()
    for start in range(0, len(test), ROWS_FOR_BINS):
        chosen = np.flatnonzero(seen[start : start + ROWS_FOR_BINS]) + start
        if len(chosen):
            reference.bins.add(counts, scored_rows(bundle, test.matrix[chosen]))
    return as_section(compare(reference, counts, _sessions(test, seen)))
