"""Stage and intents of one vector in one compiled pass: all models' trees, linear parts and calibrations.

What the library does in five calls of tens of microseconds, for one row, as arrays walked by one loop. Equal bit by bit
to StageModel.probabilities and IntentModel.probabilities (tests/models/test_panel.py), which stay for batches.

* a model this pass does not know (another objective) is told by `Panel.of` returning None; the caller then asks the
  models one by one
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numba
import numpy as np
import numpy.typing as npt

from features.schema import N_FEATURES
from models.calibration import Calibration, calibrate, squash
from models.forest import Forest, walk
from models.forest_layout import PLACE
from models.forest_quick import QuickForest, add_leaves, reachable
from models.forest_rows import ForestRows
from models.linear import N_KINDS, Blended, Linear, blend, logs_of
from models.scorer import ConstantScorer, Predictor, Scorer

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Vector = npt.NDArray[np.float32]


@numba.njit(cache=True, nogil=True)
def _finish(x, logs, table, share, rates, columns, kinds, xs, ys, starts, out):  # type: ignore[no-untyped-def]
    """Trees' sums in out to calibrated probabilities. table: for each model where its trees, its outputs and its
    rows of `columns` begin and end; one without trees is constant (`rates`)."""
    for m in range(table.shape[0]):
        begin, end = table[m, _OUTPUTS], table[m, _OUTPUTS + 1]
        said = out[begin:end]
        if table[m, _TREES] == table[m, _TREES + 1]:
            said[:] = rates[begin:end]
        else:
            squash(said, said.max())
            if share[m] > 0.0:
                blend(x, logs, columns[table[m, _ROWS] : table[m, _ROWS + 1]], kinds[begin:end], share[m], said)
        calibrate(said, xs, ys, starts[begin : end + 1], said)


@numba.njit(cache=True, nogil=True)
def _score(  # type: ignore[no-untyped-def]
    x, features, thresholds, ends, splits, leaf, first_leaf, place,
    table, share, rates, columns, kinds, xs, ys, starts, weights, out,
):  # fmt: skip
    """All models of one vector, into out, without walking; which output is named (_named). Each array by itself:
    to tell the types in a tuple takes as long again."""
    left, logs = np.empty(first_leaf.size, np.uint32), np.empty(x.size)
    reachable(x, features, thresholds, ends, splits, left)
    out[:] = 0.0
    for m in range(table.shape[0]):
        said = out[table[m, _OUTPUTS] : table[m, _OUTPUTS + 1]]
        add_leaves(left, table[m, _TREES], table[m, _TREES + 1], leaf, first_leaf, place, said)
    logs_of(x, logs)
    _finish(x, logs, table, share, rates, columns, kinds, xs, ys, starts, out)
    return _named(weights, out)


@numba.njit(cache=True, nogil=True)
def _walked(x, nodes, roots, leaf, table, share, rates, columns, kinds, xs, ys, starts, weights, out):  # type: ignore[no-untyped-def]
    """The same of trees that are to be walked."""
    logs = np.empty(x.size)
    out[:] = 0.0
    for m in range(table.shape[0]):
        said = out[table[m, _OUTPUTS] : table[m, _OUTPUTS + 1]]
        if table[m, _TREES] < table[m, _TREES + 1]:
            walk(x, nodes, roots[table[m, _TREES] : table[m, _TREES + 1]], leaf, said)
    logs_of(x, logs)
    _finish(x, logs, table, share, rates, columns, kinds, xs, ys, starts, out)
    return _named(weights, out)


@numba.njit(cache=True, nogil=True)
def _named(weights, out):  # type: ignore[no-untyped-def]
    """The first of the outputs that weights are of whose probability times its weight is largest."""
    best = 0
    for k in range(1, weights.size):
        if out[k] * weights[k] > out[best] * weights[best]:
            best = k
    return best


@numba.njit(cache=True, nogil=True)
def _finish_rows(x, table, share, rates, columns, kinds, xs, ys, starts, weights, sums, out, named):  # type: ignore[no-untyped-def]
    """Trees' sums (outputs, n) to probabilities in out (n, outputs)."""
    logs = np.empty(x.shape[1])
    for row in range(x.shape[0]):
        out[row] = sums[:, row]
        logs_of(x[row], logs)
        _finish(x[row], logs, table, share, rates, columns, kinds, xs, ys, starts, out[row])
        named[row] = _named(weights, out[row])


_TREES, _OUTPUTS, _ROWS = 0, 2, 4
"""Columns of a panel's table, each followed by where it ends."""


@dataclass(frozen=True, slots=True)
class Panel:
    """Models side by side. models: what _finish reads but for the row, in its order, and last the weights by which one
    of the first model's outputs is named. forest: all models' trees; quick and rows: the same for one vector and for
    many, None where they have no such form. outputs: how many numbers all models give."""

    models: tuple[Any, ...]
    forest: Forest
    quick: QuickForest | None
    rows: ForestRows | None
    outputs: int

    @classmethod
    def of(cls, models: Sequence[tuple[Predictor, Calibration]], weights: Floats | None = None) -> Self | None:
        """The panel of some models, in order; None if one of them is none this pass can score."""
        parts = [_parts(model) for model, _ in models]
        known = [part for part in parts if part is not None]
        if len(known) < len(parts):
            return None
        arrays = _joined(known, [curves for _, curves in models])
        forest = Forest.joined([part.forest for part in known if part.forest is not None])
        rows = ForestRows.of(forest, _outputs_of(arrays[0]))
        weights = np.ones(models[0][0].outputs) if weights is None else weights
        return cls((*arrays, weights), forest, QuickForest.of(forest), rows, sum(m.outputs for m, _ in models))

    def score(self, vector: Vector) -> tuple[Floats, int]:
        """Calibrated probabilities of all models, one after another, float64 (outputs,), and which of the first model's
        is named. vector: float32 (N,)."""
        out = np.empty(self.outputs)
        if self.quick is not None:
            return out, _score(vector, *self.quick.arrays, PLACE, *self.models, out)  # type: ignore[call-arg]
        forest = self.forest
        return out, _walked(vector, forest.nodes, forest.roots, forest.leaf, *self.models, out)  # type: ignore[call-arg]

    def score_rows(self, matrix: Vector) -> tuple[Floats, Ints]:
        """The same of many vectors, tree after tree. matrix: float32 (n, N) -> float64 (n, outputs), int64 (n,)."""
        out, named = np.empty((len(matrix), self.outputs)), np.empty(len(matrix), np.int64)
        if self.rows is not None:
            sums = self.rows.scores(matrix, self.outputs)
            _finish_rows(matrix, *self.models, sums, out, named)  # type: ignore[call-arg]
            return out, named
        for i, row in enumerate(matrix):
            out[i], named[i] = self.score(row)
        return out, named


def _outputs_of(table: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    """Of each tree which of the panel's outputs it adds to."""
    trees, first = table[:, _TREES + 1] - table[:, _TREES], table[:, _OUTPUTS]
    each = [begin + np.arange(n) % max(end - begin, 1) for begin, end, n in zip(first, table[:, 3], trees, strict=True)]
    return np.concatenate(each).astype(np.int32)


@dataclass(frozen=True, slots=True)
class _Part:
    outputs: int
    forest: Forest | None
    linear: Linear | None
    rates: Floats


def _parts(model: Predictor) -> _Part | None:
    if isinstance(model, ConstantScorer):
        return _Part(model.outputs, None, None, model.predict(np.zeros(N_FEATURES, np.float32)))
    trees, linear = (model.trees, model.linear) if isinstance(model, Blended) else (model, None)
    if not isinstance(trees, Scorer) or trees.forest is None:
        return None
    return _Part(model.outputs, trees.forest, linear, np.zeros(model.outputs))


def _joined(parts: Sequence[_Part], curves: Sequence[Calibration]) -> tuple[Any, ...]:
    """The arrays of _finish."""
    trees = np.cumsum([0, *(0 if part.forest is None else part.forest.roots.size for part in parts)])
    outputs = np.cumsum([0, *(part.outputs for part in parts)])
    rows = np.cumsum([0, *(0 if part.linear is None else len(part.linear.columns) for part in parts)])
    knots = np.cumsum([0, *(len(one.xs) for one in curves)])
    return (
        np.column_stack([trees[:-1], trees[1:], outputs[:-1], outputs[1:], rows[:-1], rows[1:]]).astype(np.int64),
        np.array([0.0 if part.linear is None else part.linear.share for part in parts]),
        np.concatenate([part.rates for part in parts]),
        np.concatenate(
            [np.zeros((0, N_FEATURES)), *(part.linear.columns for part in parts if part.linear is not None)]
        ),
        np.concatenate([_kinds(part) for part in parts]),
        np.concatenate([one.xs for one in curves]),
        np.concatenate([one.ys for one in curves]),
        np.array([0, *(end + at for one, at in zip(curves, knots, strict=False) for end in one.starts[1:])], np.int64),
    )


def _kinds(part: _Part) -> Floats:
    return np.zeros((part.outputs, N_KINDS + 1)) if part.linear is None else part.linear.kinds
