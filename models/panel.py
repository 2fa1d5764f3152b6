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
from models.linear import N_KINDS, Blended, Linear, blend, logs_of
from models.scorer import ConstantScorer, Predictor, Scorer

Floats = npt.NDArray[np.float64]
Vector = npt.NDArray[np.float32]


@numba.njit(cache=True, nogil=True)
def _score(x, table, share, rates, nodes, roots, leaf, columns, kinds, xs, ys, starts, out):  # type: ignore[no-untyped-def]
    """All models of one vector, into out. table: for each model where its trees, its outputs and its rows of `columns`
    begin and end; one without trees is constant (`rates`)."""
    logs = np.empty(x.size)
    logs_of(x, logs)
    for m in range(table.shape[0]):
        first, last, begin, end = table[m, 0], table[m, 1], table[m, 2], table[m, 3]
        said = out[begin:end]
        if first == last:
            said[:] = rates[begin:end]
        else:
            said[:] = 0.0
            walk(x, nodes, roots[first:last], leaf, said)
            squash(said, said.max())
            if share[m] > 0.0:
                blend(x, logs, columns[table[m, 4] : table[m, 5]], kinds[begin:end], share[m], said)
        calibrate(said, xs, ys, starts[begin : end + 1], said)


@dataclass(frozen=True, slots=True)
class Panel:
    """Models side by side. arrays: what _score reads, in its order. outputs: how many numbers all of them give."""

    arrays: tuple[Any, ...]
    outputs: int

    @classmethod
    def of(cls, models: Sequence[tuple[Predictor, Calibration]]) -> Self | None:
        """The panel of some models, in order; None if one of them is none this pass can score."""
        parts = [_parts(model) for model, _ in models]
        forests = [part for part in parts if part is not None]
        if len(forests) < len(parts):
            return None
        return cls(_joined(forests, [curves for _, curves in models]), sum(m.outputs for m, _ in models))

    def score(self, vector: Vector) -> Floats:
        """Calibrated probabilities of all models, one after another. vector: float32 (N,) -> float64 (outputs,)."""
        out = np.empty(self.outputs)
        _score(vector, *self.arrays, out)  # type: ignore[call-arg]
        return out


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
    """The arrays of _score."""
    trees = np.cumsum([0, *(0 if part.forest is None else part.forest.roots.size for part in parts)])
    outputs = np.cumsum([0, *(part.outputs for part in parts)])
    rows = np.cumsum([0, *(0 if part.linear is None else len(part.linear.columns) for part in parts)])
    knots = np.cumsum([0, *(len(one.xs) for one in curves)])
    forest = Forest.joined([part.forest for part in parts if part.forest is not None])
    return (
        np.column_stack([trees[:-1], trees[1:], outputs[:-1], outputs[1:], rows[:-1], rows[1:]]).astype(np.int64),
        np.array([0.0 if part.linear is None else part.linear.share for part in parts]),
        np.concatenate([part.rates for part in parts]),
        forest.nodes,
        forest.roots,
        forest.leaf,
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
