"""EFFECTS: the numbers of a moment that a message's effect may depend on, as the policy's draws have them.

The first six are the stage's probabilities, so an effect by stage is mixed over the stages. The others are 0 for an
ordinary moment: what a draw says of them shifts the effect as a visitor is wearier, nearer to buying or to leaving.
"""

import math
from typing import Final

import numba
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
    buy, leave = _leaning(float(intent[BUY]), _ORDINARY_BUY), _leaning(float(intent[LEAVE]), _ORDINARY_LEAVE)
    return np.array((*stage.tolist(), wearier_of(weariness), buy, leave))


def wearier_of(weariness: float) -> float:
    """How much wearier than ordinary a visitor is, from 0 to 2."""
    return min(math.log2(weariness) / 3.0, 2.0) if weariness > 1.0 else 0.0


def _leaning(probability: float, ordinary: float) -> float:
    """How far a probability is from the ordinary one, in log odds, from -1 to 1. ordinary: its log odds."""
    if math.isnan(probability):
        return 0.0
    p = min(max(probability, 1e-6), 1 - 1e-6)
    return min(max((math.log(p / (1 - p)) - ordinary) / _SPREAD, -1.0), 1.0)


_ORDINARY_BUY: Final = math.log(0.05 / (1 - 0.05))
_ORDINARY_LEAVE: Final = math.log(0.5 / (1 - 0.5))
_leaning_compiled = numba.njit(cache=True)(_leaning)


@numba.njit(cache=True, nogil=True)
def effects_into(stage, intent, wearier, out):  # type: ignore[no-untyped-def]
    """effects_of, for compiled code. wearier: wearier_of(weariness)."""
    out[: stage.size] = stage
    out[stage.size] = wearier
    out[stage.size + 1] = _leaning_compiled(intent[BUY], _ORDINARY_BUY)
    out[stage.size + 2] = _leaning_compiled(intent[LEAVE], _ORDINARY_LEAVE)
