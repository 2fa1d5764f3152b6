"""The stage of a visitor's journey: six calibrated probabilities and a name. What each means: docs/labels.md.

The stage *named* is that of the largest probability times its weight: by probability alone a rare stage would hardly
ever be named, however plain its signs. Training chooses the weights (training/naming.py); probabilities know nothing
of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from features.events import KINDS
from models.calibration import Calibration
from models.scorer import InvalidModel, Predictor

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Vector = npt.NDArray[np.float32]

STAGES: Final = ("awareness", "consideration", "evaluation", "hesitation", "purchase", "loyalty")
"""In the order a visitor meets them."""

AWARENESS, CONSIDERATION, EVALUATION, HESITATION, PURCHASE, LOYALTY = range(len(STAGES))

STATIC_STAGE: Final[Mapping[str, str]] = {
    **dict.fromkeys(KINDS, "consideration"),
    **dict.fromkeys(("page_view", "custom", "view_promotion", "dismiss_promotion", "email_open", "leave"), "awareness"),
    **dict.fromkeys(("add_to_wishlist", "add_to_cart", "review_view", "store_visit", "chat_open"), "evaluation"),
    **dict.fromkeys(("remove_from_cart", "view_cart", "return_policy_view"), "hesitation"),
    **dict.fromkeys(("form_error", "payment_error", "rage_click", "chat_message"), "hesitation"),
    **dict.fromkeys(("begin_checkout", "add_shipping_info", "add_payment_info"), "purchase"),
    **dict.fromkeys(("purchase", "refund"), "loyalty"),
}
"""The stage that most tools read off the last event alone: the baseline to beat."""


@dataclass(frozen=True, slots=True)
class StageModel:
    """Scores a vector into the six stages. weights: of the stages when one is named, float64 (6,), above 0."""

    scorer: Predictor
    calibration: Calibration
    weights: Floats = field(default_factory=lambda: np.ones(len(STAGES)))

    def __post_init__(self) -> None:
        if not self.scorer.outputs == self.calibration.outputs == len(STAGES):
            raise InvalidModel(f"stage: {self.scorer.outputs} outputs instead of {len(STAGES)}")
        if self.weights.shape != (len(STAGES),) or not bool(np.all(np.isfinite(self.weights) & (self.weights > 0))):
            raise InvalidModel(f"stage: weights must be {len(STAGES)} finite numbers above 0")

    def named(self, probabilities: Floats) -> Ints:
        """Which stage is named, its place in STAGES. Shape (..., 6) -> (...)."""
        return np.asarray((probabilities * self.weights).argmax(axis=-1), np.int64)

    def probabilities(self, vector: Vector) -> Floats:
        """Shape (N,) -> (6,), summing to 1, in the order of STAGES."""
        return self.calibration.apply(self.scorer.predict(vector))

    def probabilities_batch(self, matrix: Vector) -> Floats:
        """Shape (n, N) -> (n, 6)."""
        return self.calibration.apply(self.scorer.predict_batch(matrix))
