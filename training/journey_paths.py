"""Paths of sample visitors as people read them: what each did, when, and in which stage they were.

Visitors are shown under an alias: the first digits of a hash of their id. What they searched for is left out, as people
type names and addresses into search fields.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.events import CHANNELS, DEVICES, KINDS, PAGE_TYPES, PROMOTION_KINDS, SEARCH_KINDS
from features.record import hash64
from models.stage import STAGES
from training.journey_map import through
from training.journey_sessions import OUTCOMES, Journeys, Sessions
from training.moments import iso

Ints = npt.NDArray[np.int64]

MOST_STEPS: Final = 40
"""Steps of a path that are shown; the rest is counted."""

_NO_ITEM: Final = frozenset((*PROMOTION_KINDS, *SEARCH_KINDS))


def alias(visitor_id: str) -> str:
    """Eight digits of a hash: says which paths are one visitor's, and nothing else."""
    return f"{hash64(visitor_id):016x}"[:8]


def samples(found: Journeys, sessions: Sessions, source: str, target: str = "", most: int = 8) -> dict[str, Any]:
    """Paths of some sessions through a node, or through the link of two: always the same ones, chosen by a hash.

    Returns how many there are and `most` of them, each of another visitor.
    """
    rows = np.flatnonzero(through(sessions, source, target))
    keys = [hash64(f"{found.log.visitors[v]}|{t}") for v, t in _named(sessions, rows)] if len(rows) < 5_000 else None
    order = rows[np.argsort(np.array(keys, np.uint64))] if keys is not None else rows[_spread(sessions, rows)]
    _, first = np.unique(sessions.visitor[order], return_index=True)
    chosen = order[np.sort(first)][:most]
    return {"sessions": len(rows), "paths": [_path(found, sessions, int(row)) for row in chosen]}


def _named(sessions: Sessions, rows: Ints) -> list[tuple[int, int]]:
    return list(zip(sessions.visitor[rows].tolist(), sessions.start_ms[rows].tolist(), strict=True))


def _spread(sessions: Sessions, rows: Ints) -> Ints:
    """An order by a cheap mix of visitor and time, for very many sessions."""
    mixed = (sessions.visitor[rows] * 2654435761 + sessions.start_ms[rows] * 40503) % 4294967291
    return np.argsort(mixed, kind="stable")


def _path(found: Journeys, sessions: Sessions, row: int) -> dict[str, Any]:
    """One session as plain values. at_s: seconds since its first step."""
    first, end = int(sessions.first[row]), int(sessions.end[row])
    shown = range(first, min(end, first + MOST_STEPS))
    start_ms = int(sessions.start_ms[row])
    return {
        "visitor": alias(found.log.visitors[int(sessions.visitor[row])]),
        "start": iso(start_ms),
        "channel": CHANNELS[sessions.channel[row]],
        "device": DEVICES[sessions.device[row]],
        "outcome": OUTCOMES[sessions.outcome[row]],
        "came_back": bool(sessions.returned[row]),
        "steps": [_step(found, at, start_ms) for at in shown],
        "more_steps": max(0, end - first - MOST_STEPS),
    }


def _step(found: Journeys, at: int, start_ms: int) -> dict[str, Any]:
    record = found.log.records[found.steps.row[at]]
    kind = KINDS[record["kind"]]
    item = "" if kind in _NO_ITEM else found.log.item_ids.get(int(record["item"]), "")
    return {
        "at_s": round((int(record["ts_ms"]) - start_ms) / 1000, 1),
        "event": kind,
        "page": PAGE_TYPES[record["page"]],
        "item": item,
        "stage": STAGES[found.steps.stage[at]],
    }
