"""The picture of a shop's journeys: channels -> stages -> outcomes as flows with counts, and where sessions drop off.

Every session runs through exactly once: from its channel (left out where the shop tells none) to its first stage, to
the next one as often as the stage changes, and after its last drawn stage to its outcome. So what flows into a place
flows out of it, and each column's sessions sum to all.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.events import CHANNELS
from models.stage import STAGES
from training.journey_sessions import COLUMNS, OUTCOMES, STOPPED, Sessions
from training.wilson import wilson

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

FEWEST: Final = 30
"""Under so many sessions a share is told with its count only, and nothing is said about it."""


@dataclass(frozen=True, slots=True)
class Node:
    """A place in the picture. id: "channel:email", "stage:2:evaluation" (second column) or "outcome:bought".

    stopped: sessions whose last drawn stage it is and that ended without a purchase or an after-sale visit.
    """

    id: str
    kind: str
    name: str
    column: int
    sessions: int
    stopped: int

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values; the share that stops here only where there are sessions enough."""
        told = {"id": self.id, "kind": self.kind, "name": self.name, "column": self.column, "sessions": self.sessions}
        if self.kind != "stage":
            return told
        enough = self.sessions >= FEWEST
        return told | {
            "stopped": self.stopped,
            "stopped_share": self.stopped / self.sessions if enough else None,
            "stopped_ci": list(wilson(self.stopped, self.sessions)) if enough else None,
        }


@dataclass(frozen=True, slots=True)
class Link:
    """A flow between two nodes."""

    source: str
    target: str
    sessions: int


@dataclass(frozen=True, slots=True)
class Picture:
    """Nodes column by column, links by size. cut: sessions with more changes of stage than are drawn."""

    nodes: tuple[Node, ...]
    links: tuple[Link, ...]
    cut: int


def picture(sessions: Sessions) -> Picture:
    """The flows of these sessions."""
    hops = _hops(sessions)
    counts: dict[tuple[str, str], int] = {}
    for source, target, names, _ in hops:
        for code, count in zip(*np.unique(source * 1000 + target, return_counts=True), strict=True):
            key = names[0][int(code) // 1000], names[1][int(code) % 1000]
            counts[key] = counts.get(key, 0) + int(count)
    links = [Link(source, target, n) for (source, target), n in counts.items()]
    links.sort(key=lambda link: (-link.sessions, link.source, link.target))
    return Picture(_nodes(links), tuple(links), int((sessions.changes > COLUMNS).sum()))


_CHANNEL_IDS: Final = tuple(f"channel:{name or 'unknown'}" for name in CHANNELS)
_OUTCOME_IDS: Final = tuple(f"outcome:{name}" for name in OUTCOMES)


def _stage_ids(column: int) -> tuple[str, ...]:
    return tuple(f"stage:{column}:{name}" for name in STAGES)


_Hop = tuple[Ints, Ints, tuple[tuple[str, ...], tuple[str, ...]], Ints]
"""Codes of source and target, what they are codes of, and which sessions these are."""


def _hops(sessions: Sessions) -> list[_Hop]:
    """All flows, column by column."""
    path, everybody = sessions.path.astype(np.int64), np.arange(len(sessions))
    outcome = sessions.outcome.astype(np.int64)
    hops: list[_Hop] = []
    if bool(np.any(sessions.channel)):
        hops.append((sessions.channel.astype(np.int64), path[:, 0], (_CHANNEL_IDS, _stage_ids(1)), everybody))
    for column in range(1, COLUMNS + 1):
        here = path[:, column - 1]
        goes_on = path[:, column] >= 0 if column < COLUMNS else np.zeros(len(sessions), bool)
        ends = np.flatnonzero((here >= 0) & ~goes_on)
        on = np.flatnonzero(goes_on)
        if column < COLUMNS:
            hops.append((here[on], path[on, column], (_stage_ids(column), _stage_ids(column + 1)), on))
        hops.append((here[ends], outcome[ends], (_stage_ids(column), _OUTCOME_IDS), ends))
    return hops


def _nodes(links: list[Link]) -> tuple[Node, ...]:
    into: dict[str, int] = {}
    out: dict[str, int] = {}
    stopped: dict[str, int] = {}
    without = {_OUTCOME_IDS[code] for code in STOPPED}
    for link in links:
        out[link.source] = out.get(link.source, 0) + link.sessions
        into[link.target] = into.get(link.target, 0) + link.sessions
        if link.target in without:
            stopped[link.source] = stopped.get(link.source, 0) + link.sessions
    order = [*_CHANNEL_IDS, *(one for c in range(1, COLUMNS + 1) for one in _stage_ids(c)), *_OUTCOME_IDS]
    found = [one for one in order if one in into or one in out]
    return tuple(_node(one, max(into.get(one, 0), out.get(one, 0)), stopped.get(one, 0)) for one in found)


def _node(name: str, sessions: int, stopped: int) -> Node:
    kind, *rest = name.split(":")
    column = int(rest[0]) if kind == "stage" else 0 if kind == "channel" else COLUMNS + 1
    return Node(name, kind, rest[-1], column, sessions, stopped)


def through(sessions: Sessions, source: str, target: str = "") -> Flags:
    """Which sessions run through a node, or through the link of two. Shape (m,). Unknown names: none."""
    found = np.zeros(len(sessions), bool)
    for sources, targets, (from_, to), who in _hops(sessions):
        if target:
            hit = (sources == _code(from_, source)) & (targets == _code(to, target))
        else:
            hit = (sources == _code(from_, source)) | (targets == _code(to, source))
        found[who[hit]] = True
    return found


def _code(names: tuple[str, ...], name: str) -> int:
    return names.index(name) if name in names else -1
