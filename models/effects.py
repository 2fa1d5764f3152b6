"""EFFECTS: the numbers of a moment that a message's effect may depend on, as the policy's draws have them.

The first six are the stage's probabilities, so an effect by stage is mixed over the stages. The others are 0 for an
ordinary moment: what a draw says of them shifts the effect as a visitor is wearier, nearer to buying or to leaving.
"""

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from models.intent import BUY, LEAVE
from models.stage import STAGES

Floats = npt.NDArray[np.float64]

EFFECTS: Final = (*STAGES, "weariness", "buy", "leave")
N_EFFECTS: Final = len(EFFECTS)
_SPREAD: Final = 3.0


def effects_of(stage: Floats, intent: Floats, weariness: float = 1.0) -> Floats:
    """The moment's numbers, float64 (N_EFFECTS,). stage: (6,). intent: (4,); unknown ones count as ordinary."""
    wearier = min(math.log2(weariness) / 3.0, 2.0) if weariness > 1.0 else 0.0
    buy, leave = (_leaning(float(intent[which]), _ORDINARY[which]) for which in (BUY, LEAVE))
    return np.array((*stage.tolist(), wearier, buy, leave))


def _log_odds(probability: float) -> float:
    p = min(max(probability, 1e-6), 1 - 1e-6)
    return math.log(p / (1 - p))


def _leaning(probability: float, ordinary: float) -> float:
    """How far a probability is from the ordinary one, in log odds, from -1 to 1. ordinary: its log odds."""
    if math.isnan(probability):
        return 0.0
    return min(max((_log_odds(probability) - ordinary) / _SPREAD, -1.0), 1.0)


_ORDINARY: Final = {BUY: _log_odds(0.05), LEAVE: _log_odds(0.5)}
