"""What became of leaving: each scored moment waits KNOWN_AFTER_MS by the shop's clock, then its truth is learned from.

Bounded: WAITING moments, of each visitor SCORED. What comes beyond is not looked at, whatever became of it.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

import msgspec

from features.events import SESSION_GAP_MS
from models.leave_level import KNOWN_AFTER_MS, LEAVE_MS, LEAVE_STEPS, LeaveLevel
from service.truth import NO_STEP, SCORED

WAITING: Final = 50_000


@dataclass(slots=True)
class _Moment:
    """A scored moment. step, said: as LeaveLevel.learn takes them. after: steps since, the last at last_ms."""

    visitor_id: str
    ts_ms: int
    step: int
    said: float
    last_ms: int
    after: int = 0
    forgotten: bool = False

    def left(self) -> bool:
        return self.after <= LEAVE_STEPS and self.last_ms - self.ts_ms <= LEAVE_MS


class KeptLevel(msgspec.Struct, frozen=True):
    """What a checkpoint keeps of the level of leaving: whose it is, and its sums (LeaveLevel.sums)."""

    bundle: str
    sums: tuple[tuple[float, ...], ...]

    @classmethod
    def of(cls, bundle: str, level: LeaveLevel) -> "KeptLevel":
        return cls(bundle, tuple(map(tuple, level.sums)))

    @property
    def level(self) -> LeaveLevel:
        """As it was. Raises ValueError where there are more or fewer sums."""
        level = LeaveLevel()
        if tuple(map(len, self.sums)) != tuple(map(len, level.sums)):
            raise ValueError(f"level of leaving: {len(self.sums)} sums of another form")
        return LeaveLevel(*map(list, self.sums))


@dataclass(slots=True)
class LeaveWatch:
    """Of one shop and one bundle. level: what was learned so far."""

    level: LeaveLevel = field(default_factory=LeaveLevel)
    _waiting: deque[_Moment] = field(default_factory=deque)
    _of: dict[str, deque[_Moment]] = field(default_factory=dict)

    def scored(self, visitor_id: str, ts_ms: int, step: int, said: float) -> None:
        """A decision was made. said: by the bundle, not moved."""
        of_visitor = self._of.get(visitor_id, ())
        if len(self._waiting) >= WAITING or len(of_visitor) >= SCORED:
            return
        moment = _Moment(visitor_id, ts_ms, step, said, ts_ms)
        self._waiting.append(moment)
        self._of.setdefault(visitor_id, deque()).append(moment)

    def happened(self, visitor_id: str, ts_ms: int, kind: str) -> None:
        """An event of any visitor."""
        if kind in NO_STEP:
            return
        for moment in self._of.get(visitor_id, ()):
            if moment.ts_ms < ts_ms <= moment.last_ms + SESSION_GAP_MS:
                moment.after += 1
                moment.last_ms = max(moment.last_ms, ts_ms)

    def until(self, now_ms: int) -> None:
        """Learns from the moments whose truth is known by the shop's clock."""
        while self._waiting and self._waiting[0].ts_ms + KNOWN_AFTER_MS < now_ms:
            moment = self._waiting.popleft()
            if not moment.forgotten:
                self._take_out(moment)
                self.level.learn(moment.step, moment.said, moment.left())

    def _take_out(self, moment: _Moment) -> None:
        """From its visitor's: they wait in the order they came, so it is the first."""
        of_visitor = self._of[moment.visitor_id]
        of_visitor.popleft()
        if not of_visitor:
            del self._of[moment.visitor_id]

    def forget(self, visitor_id: str) -> None:
        """Drops what waits of a visitor; sums over visitors stay."""
        for moment in self._of.pop(visitor_id, ()):
            moment.forgotten = True
