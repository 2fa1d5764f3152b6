"""Which candidate comes first: LightGBM lambdarank over what is known of each, or the sources' scores without one.

The text of a ranker holds two models, since a row that may show the visitor's own products and one that asks "what
next" know different things: with the own products' numbers, and without.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from models.candidates import (
    EARLIER_BACK,
    EARLIER_VIEWS,
    FEATURES,
    IS_LAST,
    KNN,
    LINKED,
    OWN_BACK,
    OWN_VIEWS,
    TREND,
    TWO_STEPS,
)
from models.forest import Forest
from models.intent import INTENTS
from models.modeltext import InvalidModel
from models.stage import STAGES

Matrix = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]

CONTEXT: Final = (*(f"stage_{name}" for name in STAGES), *(f"intent_{name}" for name in INTENTS))
COLUMNS: Final = (*FEATURES, *CONTEXT)
"""What a ranker may read."""
BETWEEN: Final = "\n---- without own products ----\n"


@dataclass(frozen=True, slots=True)
class Ranker:
    """Scores candidates. own, without: models with and without own products; columns of each in COLUMNS."""

    own: Forest
    without: Forest

    @classmethod
    def of(cls, text: str) -> "Ranker":
        """Raises InvalidModel where the text is no ranker of this code's columns."""
        texts = text.split(BETWEEN)
        if len(texts) != 2:
            raise InvalidModel("a ranker's text holds two models")
        return cls(*(_checked(Forest.of(one)) for one in texts))

    def score(self, x: Matrix, own: bool) -> Floats:
        """The score of each candidate, the larger the better. x: float32 (n, len(COLUMNS)) -> float64 (n,)."""
        return (self.own if own else self.without).predict(x)


def _checked(forest: Forest) -> Forest:
    if forest.names != COLUMNS:
        raise InvalidModel("the ranker was trained on other columns than this code makes: train again")
    return forest


def plain_scores(x: Matrix) -> Floats:
    """Scores without a ranker: own products first, the newest first, then nearest neighbours, the current
    product last."""
    found = x[:, KNN] + 0.01 * x[:, LINKED] + 1e-4 * x[:, TWO_STEPS] + 1e-7 * x[:, TREND]
    found = found / (1.0 + found.max(initial=0.0))
    back = np.where(x[:, OWN_VIEWS] > 0, x[:, OWN_BACK], x[:, EARLIER_BACK])
    mine = (x[:, OWN_VIEWS] > 0) | (x[:, EARLIER_VIEWS] > 0)
    scores = found + np.where(mine, 1.0 + 1.0 / np.maximum(back, 1), 0.0)
    return np.asarray(np.where(x[:, IS_LAST] > 0, 0.0, scores), np.float64)
