"""What a bundle's `reference` holds: how features and scores were spread in training; how the test window differs.

Only steps at which a page is seen count (models.drift.AT_PAGES), since decisions are asked for there, and of the window
only its last sessions, those held back from growing trees: item statistics still fill up in a log's first weeks, and
the latest days resemble tomorrow most. Scores are the finished models' own. Those have seen these sessions by then, and
so spread a little wider than on new ones; a model that has not would be another one, whose rare stages lie elsewhere.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models.bundle import Bundle, Parts, decode, encode
from models.drift import AT_PAGES, NAMES, Bins, Floats, Matrix, Reference, as_section, compare
from training.side_by_side import AT_ONCE, side_by_side
from training.split import Split
from training.table import Progress, Table

Flags = npt.NDArray[np.bool_]

MOST: Final = 100_000
"""Rows of the reference, evenly taken. So many are also scored at a time."""


def with_reference(parts: Parts, table: Table, split: Split, at_once: int = AT_ONCE) -> Parts:
    """The parts with the spread of each feature and score over the rows held back, as the array `reference`."""
    bundle = decode(*encode(parts))
    seen = np.flatnonzero(_at_pages(table, split.hold))
    rows = seen[:: -(-len(seen) // MOST) or 1]
    matrix = scored_rows(bundle, table.matrix[rows], at_once)
    bins = Bins.of(NAMES, list(matrix.T))
    counts = bins.empty()
    bins.add(counts, matrix)
    sessions = np.full(len(NAMES), len(np.unique(table.labels.session[rows])), np.int64)
    return replace(parts, arrays={**parts.arrays, "reference": Reference(bins, counts, sessions).to_arrays()})


def _at_pages(table: Table, rows: Flags) -> Flags:
    """The rows at which a page is seen; all of them where there is none such."""
    seen = rows & AT_PAGES[table.kind]
    return seen if seen.any() else rows


def _sessions(table: Table, rows: Flags) -> int:
    return len(np.unique(table.labels.session[rows]))


def scored_rows(bundle: Bundle, matrix: Matrix, at_once: int = AT_ONCE) -> Matrix:
    """Vectors with the scores the bundle gives them: float32 (n, Q), as models.drift.NAMES."""
    jobs: dict[str, Callable[[Progress], Floats]] = {
        "stage": lambda told: bundle.stage.probabilities_batch(matrix),
        "intent": lambda told: bundle.intent.probabilities_batch(matrix),
    }
    scores = side_by_side(jobs, lambda name, share: None, at_once)
    return np.concatenate([matrix, *scores.values()], axis=1).astype(np.float32)


def window_drift(bundle: Bundle, test: Table) -> dict[str, Any]:
    """The test window's rows against the bundle's own reference: the `drift` of `tact evaluate`."""
    if "reference" not in bundle.arrays:
        return {"features": [], "scores": []}
    reference = Reference.from_arrays(bundle.arrays["reference"])
    seen = _at_pages(test, np.ones(len(test), bool))
    counts: Floats = reference.bins.empty()
    for start in range(0, len(test), MOST):
        chosen = np.flatnonzero(seen[start : start + MOST]) + start
        if len(chosen):
            reference.bins.add(counts, scored_rows(bundle, test.matrix[chosen]))
    return as_section(compare(reference, counts, _sessions(test, seen)))
