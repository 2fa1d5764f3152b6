"""What became of scored moments: the intents said while a visitor was there, beside what they then did.

A truth is known when the session is over (30 minutes without an event, by the shop's own clock), never before. Labels
are those of training/labels.py, over the events that came after the moment. Bounded: the OPEN latest visitors, SCORED
moments of each session, the last KEPT truths of each intent. Nothing of it is written anywhere.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from features.events import PROMOTION_KINDS, SESSION_GAP_MS
from models.intent import INTENTS
from models.leave_level import LEAVE_MS, LEAVE_STEPS

OPEN: Final = 20_000
SCORED: Final = 50
STEPS: Final = 500
KEPT: Final = 20_000
MIN_EACH: Final = 30
"""With fewer of the rarer outcome there is no AUC."""

JUDGED: Final = tuple(name for name in ("buy", "cart", "leave") if name in INTENTS)
NO_STEP: Final = frozenset({*PROMOTION_KINDS, "leave"})


@dataclass(frozen=True, slots=True)
class Said:
    """A scored moment. intents: in the order of INTENTS. bought, carted: whether the session had that already."""

    ts_ms: int
    intents: tuple[float, ...]
    bought: bool
    carted: bool


@dataclass(slots=True)
class _Session:
    last_ms: int
    said: list[Said] = field(default_factory=list)
    steps: list[tuple[int, str]] = field(default_factory=list)


def outcome(intent: str, said: Said, steps: list[tuple[int, str]]) -> bool | None:
    """Whether an intent came true. steps: (ts_ms, kind) of the session's other steps; None where it says nothing."""
    rest = [(ts_ms, kind) for ts_ms, kind in steps if ts_ms > said.ts_ms]
    if intent == "leave":
        last_ms = max((ts_ms for ts_ms, _ in rest), default=said.ts_ms)
        return len(rest) <= LEAVE_STEPS and last_ms - said.ts_ms <= LEAVE_MS
    if said.bought if intent == "buy" else said.carted:
        return None  # what follows knows the answer
    wanted = "purchase" if intent == "buy" else "add_to_cart"
    return any(kind == wanted for _, kind in rest)


@dataclass(frozen=True, slots=True)
class Judged:
    """An intent over the last truths. auc: None with too few of either. ratio: said on average against what was."""

    intent: str
    rows: int
    positives: int
    auc: float | None
    ratio: float | None


class Truth:
    """Truths of one shop."""

    def __init__(self) -> None:
        self._open: dict[str, _Session] = {}
        self._known: dict[str, deque[tuple[float, bool]]] = {name: deque(maxlen=KEPT) for name in JUDGED}

    def scored(self, visitor_id: str, said: Said) -> None:
        """A decision was made; the truth will tell."""
        session = self._open.get(visitor_id)
        if session is not None and said.ts_ms - session.last_ms > SESSION_GAP_MS:
            self._close(self._open.pop(visitor_id))
            session = None
        if session is None:
            if len(self._open) >= OPEN:
                del self._open[next(iter(self._open))]
            session = self._open[visitor_id] = _Session(said.ts_ms)
        session.last_ms = max(session.last_ms, said.ts_ms)
        if len(session.said) < SCORED:
            session.said.append(said)

    def happened(self, visitor_id: str, ts_ms: int, kind: str) -> None:
        """An event of any visitor; only those with a scored moment matter."""
        session = self._open.get(visitor_id)
        if session is None or kind in NO_STEP:
            return
        if ts_ms - session.last_ms > SESSION_GAP_MS:
            self._close(self._open.pop(visitor_id))
            return
        session.last_ms = max(session.last_ms, ts_ms)
        if len(session.steps) < STEPS:
            session.steps.append((ts_ms, kind))

    def forget(self, visitor_id: str) -> None:
        """Drops a visitor's session."""
        self._open.pop(visitor_id, None)

    def until(self, now_ms: int) -> None:
        """Closes the sessions that are over by the shop's clock."""
        over = [v for v, session in self._open.items() if session.last_ms + SESSION_GAP_MS < now_ms]
        for visitor_id in over:
            self._close(self._open.pop(visitor_id))

    def _close(self, session: _Session) -> None:
        for said in session.said:
            for name, known in self._known.items():
                was = outcome(name, said, session.steps)
                if was is not None:
                    known.append((said.intents[INTENTS.index(name)], was))

    def judged(self) -> Iterator[Judged]:
        """Each intent over the truths that are known."""
        for name, known in self._known.items():
            said, was = np.array([s for s, _ in known]), np.array([w for _, w in known], bool)
            positives = int(was.sum())
            enough = min(positives, len(known) - positives) >= MIN_EACH
            ratio = float(said.mean() / was.mean()) if positives >= MIN_EACH else None
            yield Judged(name, len(known), positives, auc(said, was) if enough else None, ratio)


def auc(said: npt.NDArray[np.float64], was: npt.NDArray[np.bool_]) -> float:
    """The share of pairs in the right order, ties half (Mann-Whitney). Both outcomes must be there."""
    _, place, counts = np.unique(said, return_inverse=True, return_counts=True)
    rank = (np.cumsum(counts) - (counts - 1) / 2)[place]
    positives = int(was.sum())
    return float((rank[was].sum() - positives * (positives + 1) / 2) / (positives * (len(was) - positives)))
