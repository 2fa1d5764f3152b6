"""What the visitor is about to do in this session, as four calibrated probabilities.

What each means: docs/labels.md.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from models.calibration import Calibration
from models.scorer import InvalidModel, Predictor

Floats = npt.NDArray[np.float64]
Vector = npt.NDArray[np.float32]

INTENTS: Final = ("buy", "cart", "leave", "help")
BUY, CART, LEAVE, HELP = range(len(INTENTS))


@dataclass(frozen=True, slots=True)
class IntentModel:
    """Scores a vector into the intents: one model and one calibration each, in the order of INTENTS."""

    scorers: tuple[Predictor, ...]
    calibrations: tuple[Calibration, ...]

    def __post_init__(self) -> None:
        if not len(self.scorers) == len(self.calibrations) == len(INTENTS):
            raise InvalidModel(f"intent: {len(self.scorers)} models instead of {len(INTENTS)}")
        for name, scorer, calibration in zip(INTENTS, self.scorers, self.calibrations, strict=True):
            if not scorer.outputs == calibration.outputs == 1:
                raise InvalidModel(f"intent {name}: {scorer.outputs} outputs instead of 1")

    def probabilities(self, vector: Vector) -> Floats:
        """Shape (N,) -> (4,), each from 0 to 1 on its own."""
        raw = [scorer.predict(vector) for scorer in self.scorers]
        return np.concatenate([c.apply(p) for c, p in zip(self.calibrations, raw, strict=True)])

    def probabilities_batch(self, matrix: Vector) -> Floats:
        """Shape (n, N) -> (n, 4)."""
        raw = [scorer.predict_batch(matrix) for scorer in self.scorers]
        return np.concatenate([c.apply(p) for c, p in zip(self.calibrations, raw, strict=True)], axis=1)
