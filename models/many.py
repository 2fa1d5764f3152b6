"""Many decisions at once, the same to the bit as one after another (tests/models/test_many.py).

The vectors of a batch are one matrix, scored tree after tree for all of its rows (models/forest_rows.py); what is left
is done for each in turn, with code and data still in the caches. For what has many decisions to make and nobody who
waits for the first: replays of receipts. Requests are not gathered: each would wait for the slowest of its batch.
"""

from collections.abc import Sequence
from typing import Final, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from features.catalog import no_facts
from features.fold import fold_into
from features.schema import N_FEATURES
from features.tail import as_read, tail_of
from models.arbitration import Draws
from models.bundle import Scores
from models.chosen import Decision
from models.decision import Known, Scoring, at_its_level, decide
from models.inputs import Inputs
from models.policy_terms import Policy

Matrix = npt.NDArray[np.float32]

BATCH: Final = 64
"""So many at once: more rows do not make a tree cheaper, and leave the caches."""


@runtime_checkable
class ScoringRows(Scoring, Protocol):
    """A bundle that scores many vectors at once."""

    def score_rows(self, matrix: Matrix) -> list[Scores]: ...


def decide_many(inputs: Sequence[Inputs], bundle: Scoring | None, policy: Policy, draws: Draws) -> list[Decision]:
    """As models.decision.decide of each. Raises UnknownPlacement."""
    made: list[Decision] = []
    for first in range(0, len(inputs), BATCH):
        batch = inputs[first : first + BATCH]
        made += map(_one, batch, _known_of(batch, bundle), (bundle,) * BATCH, (policy,) * BATCH, (draws,) * BATCH)
    return made


def _one(inputs: Inputs, known: Known | None, bundle: Scoring | None, policy: Policy, draws: Draws) -> Decision:
    return decide(inputs, bundle, policy, draws, known)


def _known_of(batch: Sequence[Inputs], bundle: Scoring | None) -> list[Known | None]:
    """The vectors and scores of a batch; None where decisions are made without."""
    if not isinstance(bundle, ScoringRows):
        return [None] * len(batch)
    tails = [as_read(tail_of(one.tail or b"")) for one in batch]
    matrix = np.empty((len(batch), N_FEATURES), np.float32)
    for one, tail, row in zip(batch, tails, matrix, strict=True):
        fold_into(tail, one.now_ms, one.facts or no_facts(tail), row)
    return list(map(Known, tails, matrix, map(at_its_level, batch, bundle.score_rows(matrix), matrix)))
