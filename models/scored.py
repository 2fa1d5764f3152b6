"""The few fields of a receipt that watching drift needs: read without the rest, which is most of it."""

import msgspec
import numpy as np
import numpy.typing as npt

from features.schema import FINGERPRINT, N_FEATURES
from models.drift import SCORES
from models.leave_level import NO_LINE, Line
from models.receipt import KeptScores
from models.receipt_form import part_reader

Row = npt.NDArray[np.float32]


class _Inputs(msgspec.Struct, frozen=True):
    leave_line: Line = NO_LINE


class Scored(msgspec.Struct, frozen=True):
    """As in models.receipt.Receipt."""

    visitor_id: str
    ts_ms: int
    bundle: str
    features: str
    vector: bytes | None
    scores: KeptScores | None
    inputs: _Inputs = _Inputs()

    def row(self) -> Row | None:
        """The vector followed by stage and intents, as models.drift.NAMES; None where degraded or of other features."""
        if self.vector is None or self.scores is None or self.features != FINGERPRINT:
            return None
        scores = (*self.scores.stage, *self.scores.intent)
        if len(self.vector) != 4 * N_FEATURES or len(scores) != len(SCORES):
            return None
        return np.concatenate([np.frombuffer(self.vector, "<f4"), np.array(scores, np.float32)])


_read = part_reader(Scored)


def read_scored(receipt: bytes) -> Scored:
    """The fields of a receipt's bytes. Raises msgspec.MsgspecError for what is no receipt."""
    return _read(receipt)
