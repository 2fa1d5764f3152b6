"""A bundle that knows how its training was spread, and receipts of decisions made with it."""

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np

from features.schema import FINGERPRINT, N_FEATURES
from models import bundle as bundles
from models.bundle import Bundle, Parts
from models.drift import NAMES, Bins, Reference
from models.leave_level import NO_LINE, Line, levelled
from tests.models.bundles import parts

NOW_MS = 1_700_000_000_000


def vectors(rows: int, seed: int) -> Any:
    matrix = np.random.default_rng(seed).normal(size=(rows, N_FEATURES)).astype(np.float32)
    matrix[np.random.default_rng(seed).random(matrix.shape) < 0.1] = np.nan
    return matrix


def parts_with_reference() -> Parts:
    """Parts of a bundle trained on vectors(4000, 1), each of its own session."""
    plain = bundles.decode(*bundles.encode(parts()))
    matrix = vectors(4000, 1)
    stage, intent = plain.stage.probabilities_batch(matrix), plain.intent.probabilities_batch(matrix)
    rows = np.concatenate([matrix, stage, intent], axis=1).astype(np.float32)
    bins = Bins.of(NAMES, list(rows.T))
    counts = bins.empty()
    bins.add(counts, rows)
    reference = Reference(bins, counts, np.full(len(NAMES), len(rows)))
    return replace(parts(), arrays={"reference": reference.to_arrays()})


def receipt(bundle: Bundle, vector: Any, visitor: str, ts_ms: int = NOW_MS, leave_line: Line = NO_LINE) -> bytes:
    """The part of a receipt that is read for drift, and something that is not."""
    scores = bundle.score(vector)
    intent = levelled(scores.intent, vector, leave_line)
    return msgspec.json.encode(
        {
            "version": 1,
            "visitor_id": visitor,
            "ts_ms": ts_ms,
            "bundle": bundle.id,
            "features": FINGERPRINT,
            "vector": vector.tobytes(),
            "scores": {"stage": scores.stage.tolist(), "intent": intent.tolist()},
            "inputs": {"tail": None, "leave_line": leave_line},
            "something": {"else": 1},
        }
    )
