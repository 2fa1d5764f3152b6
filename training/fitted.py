"""One fitted output of a bundle: a model or base rates, its calibration, and what is to be said of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from features.schema import N_FEATURES
from models.calibration import Calibration
from models.linear import Blended, Linear
from models.scorer import Scorer
from training.boosting import Codes, Rows, Told, grow
from training.calibrate import fit_calibration, unmapped
from training.settings import Settings
from training.split import Split
from training.table import Table

MIN_EACH: Final = 25
"""With fewer rows of the rarer label, trees would learn names, not behaviour: the base rate is more honest."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """model: a LightGBM text or base rates (K,). linear: what is blended into the trees, if anything. held: what the
    model of the earlier part said of the rows held back, uncalibrated, (h, K) in the table's order. note: in words, for
    the manifest; "" if all is as usual. settings: of the trees; None for a constant. weights: (K,), of the classes when
    one is named (training/naming.py); None where none is.
    """

    model: str | npt.NDArray[np.float64]
    calibration: Calibration
    calibrated_by: str
    rounds: int
    importance: Mapping[str, float]
    held: npt.NDArray[np.float64]
    note: str
    settings: Settings | None = None
    linear: Linear | None = None
    weights: npt.NDArray[np.float64] | None = None

    def said_of_held(self, rows: int) -> npt.NDArray[np.float64]:
        """Calibrated probabilities of the rows held back, (h, K); the base rates for a constant."""
        if isinstance(self.model, str):
            return self.calibration.apply(self.held)
        return np.tile(self.calibration.apply(self.model), (rows, 1))

    def probabilities(self, matrix: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Calibrated probabilities of vectors, (n, N) -> (n, K), as a bundle would say them."""
        if isinstance(self.model, str):
            trees = Scorer(self.model, N_FEATURES)
            scorer = trees if self.linear is None else Blended(trees, self.linear)
            return self.calibration.apply(scorer.predict_batch(matrix))
        return np.tile(self.calibration.apply(self.model), (len(matrix), 1))

    def named(self, probabilities: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """The class that is named, (n, K) -> (n,)."""
        weighted = probabilities if self.weights is None else probabilities * self.weights
        return np.asarray(weighted.argmax(axis=1), np.int64)


def fit_output(
    table: Table, target: Codes, split: Split, outputs: int, seed: int, told: Told, settings: Settings
) -> Fitted:
    """Fits one target on the split's rows. target: int8 (n,), negative where there is no label."""
    counts = counts_of(target, split.train, outputs)
    if np.sort(counts)[-2] < MIN_EACH:
        told(1.0)
        return _constant(counts, outputs)
    grown = grow(Rows(table.matrix, target, table.labels.session), split, outputs, seed, told, settings)
    held = split.hold & (target >= 0)
    calibration, name = calibrated(table, target, held, grown.held)
    return Fitted(grown.text, calibration, name, grown.rounds, grown.importance, grown.held, "", settings, grown.linear)


def counts_of(target: Codes, rows: npt.NDArray[np.bool_], outputs: int) -> npt.NDArray[np.int64]:
    """How many of the rows have each label, (max(outputs, 2),)."""
    known = target[rows & (target >= 0)].astype(np.int64)
    return np.bincount(known, minlength=max(outputs, 2))


def calibrated(
    table: Table, target: Codes, held: npt.NDArray[np.bool_], said: npt.NDArray[np.float64]
) -> tuple[Calibration, str]:
    """The calibration chosen on the held rows, and its name. said: of them, uncalibrated, (h, K)."""
    by_time = np.lexsort((table.labels.session[held], table.start_ms[held]))
    labels = target[held].astype(np.int64)[by_time]
    return fit_calibration(said[by_time], labels, table.labels.session[held][by_time])


def _constant(counts: npt.NDArray[np.int64], outputs: int) -> Fitted:
    """Base rates, half a row added to each label (Jeffreys)."""
    rates = (counts + 0.5) / (counts.sum() + 0.5 * len(counts))
    rarer = int(np.sort(counts)[-2])
    answers = "negatives" if counts[0] < counts[-1] else "positives"
    what = answers if outputs == 1 else "rows of a second stage"
    note = f"{f'only {rarer}' if rarer else 'no'} {what}: constant"
    return Fitted(rates[-outputs:], unmapped(outputs), "identity", 0, {}, np.empty((0, outputs)), note)
