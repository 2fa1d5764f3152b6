"""A log as the learner would have met it: who looked at what, what they had looked at before, minute by minute."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from features.events import CODE, TAIL_EVENTS, TOUCHES
from features.record import Records
from models.recommend import Asked
from models.session_index import SessionIndex

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

TOUCH_CODES: Final = tuple(CODE[kind] for kind in TOUCHES)
STEP_MS: Final = 60_000
"""What happened in a step is predicted from what was learned before it: the learner publishes that often."""


@dataclass(frozen=True)
class Touches:
    """Products that visitors came to, in time order. item: uint64 (n,); ids: their names, by hash; kind: uint8 (n,);
    visitor, session, ts_ms: int64 (n,); price: float32 (n,); category: int32 (n,). place: int64 (n,), where each
    stands visitor by visitor; first: int64 (n,), where its visitor begins there; begin: where its session does."""

    item: npt.NDArray[np.uint64]
    ids: Mapping[int, str]
    kind: npt.NDArray[np.uint8]
    visitor: Ints
    session: Ints
    ts_ms: Ints
    price: npt.NDArray[np.float32]
    category: npt.NDArray[np.int32]
    place: Ints
    first: Ints
    begin: Ints
    by_visitor: Ints

    @classmethod
    def of(
        cls, records: Records, visitor: Ints, session: Ints, ids: Mapping[int, str], kept: Flags | None = None
    ) -> "Touches":
        """The touches of a log. records: EVENT (n,), visitor by visitor in time order. kept: bool (n,), default all."""
        mine = np.isin(records["kind"], TOUCH_CODES) & (records["item"] != 0)
        rows = np.flatnonzero(mine if kept is None else mine & kept)
        place = np.argsort(records["ts_ms"][rows], kind="stable")
        by_visitor = np.empty(len(place), np.int64)
        by_visitor[place] = np.arange(len(place))
        first, begin = _starts(visitor[rows])[place], _starts(session[rows])[place]
        at = rows[place]
        columns = (records["item"][at], ids, records["kind"][at], visitor[at], session[at])
        facts = (records["ts_ms"][at].astype(np.int64), records["price"][at].astype(np.float32))
        return cls(*columns, *facts, records["category"][at].astype(np.int32), place, first, begin, by_visitor)

    def __len__(self) -> int:
        return len(self.item)

    def asked(self, at: int) -> Asked:
        """The visitor's question just before a touch: their earlier ones, as of the last of them."""
        place = int(self.place[at])
        since = max(int(self.first[at]), place - TAIL_EVENTS)
        tail = self.by_visitor[since:place]
        times = self.ts_ms[tail]
        begin = max(int(self.begin[at]), since) - since
        now_ms = int(times[-1]) if len(times) else int(self.ts_ms[at])
        return Asked(self.item[tail], times, begin, now_ms)

    def teach(self, index: SessionIndex, since: int, until: int) -> None:
        """Learns the touches of a range."""
        part = slice(since, max(since, until))
        facts = (self.price[part], self.category[part])
        index.learn_columns(self.item[part], self.ids, self.visitor[part], self.ts_ms[part], *facts)


def _starts(group: Ints) -> Ints:
    """Where each row's group begins, of groups that stand together. Shape (n,)."""
    begins = np.flatnonzero(np.diff(group, prepend=-1))
    return np.repeat(begins, np.diff(np.append(begins, len(group))))


class Lesson:
    """Teaches an index touches in the order of time, each once."""

    def __init__(self, index: SessionIndex, touches: Touches) -> None:
        self.index, self.touches = index, touches
        self._done = 0

    def learn_until(self, until_ms: int) -> bool:
        """Teaches what happened before; whether there was anything."""
        return self._learn(int(np.searchsorted(self.touches.ts_ms, until_ms)))

    def learn_all(self) -> SessionIndex:
        """The index that knows all touches."""
        self._learn(len(self.touches))
        return self.index

    def _learn(self, until: int) -> bool:
        since, self._done = self._done, max(self._done, until)
        self.touches.teach(self.index, since, self._done)
        return since < self._done


def as_it_happened(lesson: Lesson, wanted: Ints, step_ms: int = STEP_MS) -> Iterator[tuple[int, SessionIndex]]:
    """Each wanted touch (positions, ascending) with the index as it was before the touch's step began.

    lesson: at its beginning; it is left where the last step begins.
    """
    for at in wanted.tolist():
        lesson.learn_until(int(lesson.touches.ts_ms[at]) // step_ms * step_ms)
        yield at, lesson.index
