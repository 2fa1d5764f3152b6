"""The recommender's figures, frozen at the end of training, beside popularity and the session's own items."""

from typing import Any

import numpy as np
import numpy.typing as npt

from features.record import Records
from models.recommend import ItemIndex
from training.figures import number
from training.metrics_binary import draws, interval
from training.metrics_recommend import CUTS, Ranks, Targets, figures, own_items, popularity_of, ranks, tact_of, targets
from training.table import MAX_PREFIX, Progress

RECOMMENDERS = ("tact", "cosine", "popularity", "own_items")
"""tact: item-item with the session's own items; cosine: without them."""


def evaluate_items(
    records: Records,
    session: npt.NDArray[np.int64],
    index: ItemIndex,
    seed: int,
    progress: Progress,
    max_prefix: int = MAX_PREFIX,
) -> dict[str, Any]:
    """By recommender: hr and mrr at 5, 10 and 20 with intervals, the same with `_seen`; null with a reason if empty.

    records: EVENT (n,) of the sessions that began in the test window, visitor by visitor in time order; session: int64
    (n,). max_prefix: views of a session that count, at most.
    """
    rows = targets(records, session, index, max_prefix)
    if not len(rows) or not len(index):
        why = "no test session views two products" if len(index) else "training saw no product"
        empty = {f"{name}{cut}{part}": None for name in ("hr", "mrr") for cut in CUTS for part in ("", "_ci", "_seen")}
        none = {name: {**empty, "reason": why} for name in RECOMMENDERS}
        return none | {"n": len(rows), "sessions": len(np.unique(rows.session)), "seen_share": None}
    found = {}
    _, group = np.unique(rows.session, return_inverse=True)
    weights = draws(int(group.max()) + 1, seed)[:, group]
    recommenders = {
        "tact": tact_of(index, returns=True),
        "cosine": tact_of(index, returns=False),
        "popularity": popularity_of(index),
        "own_items": own_items,
    }
    for done, (name, recommender) in enumerate(recommenders.items()):
        progress("testing recommendations", done / len(recommenders))
        found[name] = _one(ranks(recommender, rows), rows, weights)
    progress("testing recommendations", 1.0)
    seen = number(float(rows.seen.mean()))
    return {**found, "n": len(rows), "sessions": int(group.max()) + 1, "seen_share": seen}


def _one(places: Ranks, rows: Targets, weights: npt.NDArray[np.float64]) -> dict[str, Any]:
    plain = figures(places)
    runs = [figures(places, weight=weight) for weight in weights]
    out: dict[str, Any] = {}
    for name, value in plain.items():
        limits = interval(np.array([run[name] for run in runs]))
        out[name] = number(value)
        out[f"{name}_ci"] = None if limits is None else [number(limit) for limit in limits]
    seen = figures(places, rows.seen)
    out |= {f"{name}_seen": number(seen[name]) if seen else None for name in plain}
    return out if seen else out | {"reason": "training saw none of the targets"}
