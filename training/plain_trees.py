"""The baseline that a data person makes in an afternoon: LightGBM as it comes, on 25 simple features.

Counts, times and the statistics of the last product, on the same rows as ours and with statistics as fresh as ours
(frozen ones do worse); LightGBM's own defaults, early stopping on the same later slice, then grown anew on the whole
window as ours are; no calibration.
"""

from dataclasses import dataclass
from typing import Any, Final

import lightgbm as lgb
import numpy as np
import numpy.typing as npt

from features.schema import INDEX
from training.boosting import REGROWN, THREADS
from training.split import Split
from training.table import Table

Matrix = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int8]
Flags = npt.NDArray[np.bool_]

PLAIN: Final = (
    "event_kind",
    "session_events",
    "session_views",
    "session_carts",
    "session_purchases",
    "session_distinct_items",
    "session_distinct_categories",
    "session_returns",
    "session_max_item_views",
    "session_age_s",
    "visitor_events",
    "visitor_views",
    "visitor_carts",
    "visitor_purchases",
    "visitor_sessions",
    "visitor_since_session_s",
    "time_gap_last_s",
    "time_gap_mean_s",
    "time_hour",
    "time_weekday",
    "item_session_views",
    "item_price",
    "item_views",
    "item_cart_rate",
    "item_buy_rate",
)
_COLUMNS: Final = [INDEX[name] for name in PLAIN]
MAX_ROUNDS: Final = 1000
PATIENCE: Final = 30
ROUNDS_WITHOUT_HOLD: Final = 100


@dataclass(frozen=True, slots=True)
class Said:
    """Probabilities, (m, outputs). held: of the later slice's labelled rows, by the trees that never saw them."""

    held: Floats
    test: Floats


def plain_trees(table: Table, target: Codes, split: Split, test: Matrix, outputs: int) -> Said | None:
    """What they say of the held and the test vectors; None where the split's earlier rows have one label only.

    target: int8 (n,), negative where there is no label. outputs: 1 for yes or no.
    """
    fit, hold = split.fit & (target >= 0), split.hold & (target >= 0)
    if len(np.unique(target[fit])) < 2:
        return None
    early, rounds = _early(table, target, fit, hold, outputs)
    final = lgb.train(_parameters(outputs), _dataset(table, target, fit | hold), round(rounds * REGROWN))
    return Said(_predicted(early, table.matrix[hold], outputs), _predicted(final, test, outputs))


def _early(table: Table, target: Codes, fit: Flags, hold: Flags, outputs: int) -> tuple[lgb.Booster, int]:
    """Trees of the fit rows, and the rounds that were best for the held ones."""
    train = _dataset(table, target, fit)
    if not hold.any():
        return lgb.train(_parameters(outputs), train, ROUNDS_WITHOUT_HOLD), ROUNDS_WITHOUT_HOLD
    later = _dataset(table, target, hold, train)
    stop = lgb.early_stopping(PATIENCE, verbose=False)
    model = lgb.train(_parameters(outputs), train, MAX_ROUNDS, [later], callbacks=[stop])
    return model, model.best_iteration or MAX_ROUNDS


def _predicted(model: lgb.Booster, matrix: Matrix, outputs: int) -> Floats:
    if not len(matrix):
        return np.empty((0, outputs))
    return np.asarray(model.predict(matrix[:, _COLUMNS], num_threads=THREADS), np.float64).reshape(-1, outputs)


def _parameters(outputs: int) -> dict[str, Any]:
    """LightGBM's defaults; only that they repeat is added."""
    objective = {"objective": "binary"} if outputs == 1 else {"objective": "multiclass", "num_class": outputs}
    repeats = {"seed": 1, "deterministic": True, "force_row_wise": True, "num_threads": THREADS}
    return {**objective, **repeats, "verbose": -1}


def _dataset(table: Table, target: Codes, rows: Flags, reference: Any = None) -> lgb.Dataset:
    return lgb.Dataset(table.matrix[rows][:, _COLUMNS], target[rows].astype(np.float32), reference=reference)
