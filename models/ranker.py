"""Which candidate comes first: LightGBM lambdarank over what is known of each, or the sources' scores without one.

One model serves a row that may show the visitor's own products and one that asks "what next": it knows of each
candidate what this session did with it. A model for each was no better where it was measured (docs/recommend.md).
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
from models.forest_rows import ForestRows
from models.modeltext import InvalidModel

Matrix = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]

COLUMNS: Final = FEATURES
"""What a ranker may read."""


_OWN, _EARLIER = 1.0, 0.25


@dataclass(frozen=True, slots=True)
class Ranker:
    """Scores candidates. forest: of the first of COLUMNS. rows: the same for many rows at once, None where it has no
    such form."""

    forest: Forest
    rows: ForestRows | None = None

    @classmethod
    def of(cls, text: str) -> "Ranker":
        """Raises InvalidModel where the text is no ranker of this code's columns."""
        forest = _checked(Forest.of(text))
        return cls(forest, ForestRows.of(forest))

    def score(self, x: Matrix) -> Floats:
        """The score of each candidate, the larger the better. x: float32 (n, len(COLUMNS)) -> float64 (n,)."""
        known = len(self.forest.names)
        x = x if known == x.shape[1] else np.ascontiguousarray(x[:, :known])
        return self.forest.predict(x) if self.rows is None else self.rows.predict(x)


def _checked(forest: Forest) -> Forest:
    if forest.outputs != 1:
        raise InvalidModel("a ranker gives one number a row")
    if (
        forest.names != COLUMNS[: len(forest.names)]
    ):  # columns are added at the end: an older bundle's ranker still ranks
        raise InvalidModel("the ranker was trained on other columns than this code makes: train again")
    return forest


def plain_scores(x: Matrix) -> Floats:
    """Scores without a ranker: nearest neighbours; what this session looked at before stands out, the newest most, what
    earlier sessions did a little; the current product last."""
    found = x[:, KNN] + 0.01 * x[:, LINKED] + 1e-4 * x[:, TWO_STEPS] + 1e-7 * x[:, TREND]
    found = found / (1.0 + found.max(initial=0.0))
    here = np.where(x[:, OWN_VIEWS] > 0, _OWN / np.maximum(x[:, OWN_BACK], 1), 0.0)
    before = np.where(x[:, EARLIER_VIEWS] > 0, _EARLIER / np.maximum(x[:, EARLIER_BACK], 1), 0.0)
    return np.asarray(np.where(x[:, IS_LAST] > 0, 0.0, found + np.maximum(here, before)), np.float64)
