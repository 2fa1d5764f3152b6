"""The stage of a visitor's journey, as six calibrated probabilities. What each means: docs/labels.md."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from features.events import KINDS
from models.calibration import Calibration
from models.scorer import InvalidModel, Predictor

Floats = npt.NDArray[np.float64]
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
    """Scores a vector into the six stages."""

    scorer: Predictor
    calibration: Calibration

    def __post_init__(self) -> None:
        if not self.scorer.outputs == self.calibration.outputs == len(STAGES):
            raise InvalidModel(f"stage: {self.scorer.outputs} outputs instead of {len(STAGES)}")

    def probabilities(self, vector: Vector) -> Floats:
        """Shape (N,) -> (6,), summing to 1, in the order of STAGES."""
        return self.calibration.apply(self.scorer.predict(vector))

    def probabilities_batch(self, matrix: Vector) -> Floats:
        """Shape (n, N) -> (n, 6)."""
        return self.calibration.apply(self.scorer.predict_batch(matrix))
