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
    def of(cls, records: Records, visitor: Ints, session: Ints, ids: Mapping[int, str]) -> "Touches":
        """The touches of a log. records: EVENT (n,), visitor by visitor in time order."""
        mine = np.isin(records["kind"], TOUCH_CODES) & (records["item"] != 0)
        taken, visitor, session = records[mine], visitor[mine], session[mine]
        place = np.argsort(taken["ts_ms"], kind="stable")
        by_visitor = np.empty(len(place), np.int64)
        by_visitor[place] = np.arange(len(place))
        first, begin = _starts(visitor), _starts(session)
        at = taken[place]
        columns = (at["item"], ids, at["kind"], visitor[place], session[place], at["ts_ms"].astype(np.int64))
        facts = (at["price"].astype(np.float32), at["category"].astype(np.int32))
        return cls(*columns, *facts, place, first[place], begin[place], by_visitor)

    def __len__(self) -> int:
        return len(self.item)

    def asked(self, at: int, context: npt.NDArray[np.float32] | None = None) -> Asked:
        """The visitor's question just before a touch: their earlier ones, as of the last of them."""
        place = int(self.place[at])
        since = max(int(self.first[at]), place - TAIL_EVENTS)
        tail = self.by_visitor[since:place]
        times = self.ts_ms[tail]
        begin = max(int(self.begin[at]), since) - since
        now_ms = int(times[-1]) if len(times) else int(self.ts_ms[at])
        return Asked(self.item[tail], times, begin, now_ms, context)

    def teach(self, index: SessionIndex, since: int, until: int) -> None:
        """Learns the touches of a range."""
        if since < until:
            part = slice(since, until)
            items = [self.ids[item] for item in self.item[part].tolist()]
            visitors, times = self.visitor[part].tolist(), self.ts_ms[part].tolist()
            index.learn(items, visitors, times, self.price[part].tolist(), self.category[part].tolist())


def _starts(group: Ints) -> Ints:
    """Where each row's group begins, of groups that stand together. Shape (n,)."""
    begins = np.flatnonzero(np.diff(group, prepend=-1))
    return np.repeat(begins, np.diff(np.append(begins, len(group))))


def as_it_happened(
    touches: Touches, wanted: Ints, index: SessionIndex, step_ms: int = STEP_MS
) -> Iterator[tuple[int, SessionIndex]]:
    """Each wanted touch (positions, ascending) with the index as it was before the touch's step began."""
    learned = 0
    for at in wanted.tolist():
        step = int(touches.ts_ms[at]) // step_ms * step_ms
        until = int(np.searchsorted(touches.ts_ms, step))
        touches.teach(index, learned, until)
        learned = until
        yield at, index
