"""How long visitors stay on each type of page before they go on: what `show_after_s: auto` is told from."""

import numpy as np

from features.events import KINDS, PROMOTION_KINDS
from models.timing import Timing
from training.split import Window
from training.table import Log

_OURS = [KINDS.index(name) for name in PROMOTION_KINDS]


def fit_timing(log: Log, window: Window) -> Timing | None:
    """From the steps of the window's sessions; None for too few. What a message met with is no step of a visitor."""
    records = log.records
    step = (records["line"] == 0) & ~np.isin(records["kind"], _OURS)
    step &= (records["ts_ms"] >= window.since_ms) & (records["ts_ms"] < window.until_ms)
    times, sessions, pages = records["ts_ms"][step], log.session[step], records["page"][step]
    same = sessions[1:] == sessions[:-1]
    gone_on = np.diff(times)[same] / 1000.0
    return Timing.of(gone_on.astype(np.float64), pages[:-1][same])
