"""The tail of a log that training leaves, so that `tact publish` has sessions that neither bundle learned from."""

from typing import Final

import numpy as np

from training.lake import Log
from training.table import session_starts_ms

ENOUGH: Final = 300
"""Sessions to leave: training/gate.py compares from 200 on."""
MOST: Final = 0.2
"""Of the sessions at most so many are left."""


def held_from(log: Log, cut_ms: int, until_ms: int) -> int:
    """Where training should end, Unix ms: at cut_ms, earlier where fewer than ENOUGH sessions begin after it.

    Never more than MOST of the sessions are left; a log of a few sessions is learned whole, to until_ms.
    """
    _, first = np.unique(log.session, return_index=True)
    starts = np.sort(session_starts_ms(log)[first])
    most = int(len(starts) * MOST)
    if not most:
        return until_ms
    wanted = max(int(np.sum(starts >= cut_ms)), ENOUGH)
    return int(starts[-min(wanted, most)])
