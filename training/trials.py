"""Trials of the lake: decisions and what followed them, through the same models/credit.py that the learner uses.

Events come in the order in which the service took them, as the learner met them; where that is not known (an import),
or is a day off, by their own time. The lake is read in spans of time of some PIECE_EVENTS rows: memory holds one span
and the open trials (models/credit.py has their bound), however long the log. The same lake gives the same trials.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, groupby, pairwise
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.lake_catalog import read_catalog
from features.lakefile import DAY_MS, read_decisions, read_events, rows_by_day
from features.record import hash64
from models.credit import Credit, Told
from models.policy_terms import Policy
from models.trial import Trial, read_trials

PIECE_EVENTS: Final = 100_000
PIECE_DECISIONS: Final = 10_000
STEP_MS: Final = 30_000
"""How often, by the log's clock, trials are asked whether they have ended; a hundredth of a window that is longer."""
_COLUMNS: Final = (
    *("visitor_id", "event_id", "ts_ms", "event", "item_id", "quantity", "order_id", "decision_id", "action"),
    *("price", "value", "received_ms"),
)


class Line(NamedTuple):
    """What credit needs of an event's line; text is "" and numbers None where unknown."""

    visitor_id: str
    event_id: str
    ts_ms: int
    event: str
    item_id: str
    quantity: int
    order_id: str
    decision_id: str
    action: str
    price: float | None
    value: float | None
    received_ms: int

    @property
    def arrived_ms(self) -> int:
        """When the service took it, if that is told and believable; else when it happened."""
        told = self.received_ms > 0 and abs(self.received_ms - self.ts_ms) < DAY_MS
        return self.received_ms if told else self.ts_ms


Wanted = Callable[[str], bool]
"""Whether a visitor's decisions and events are asked for."""
Heed = Callable[[list[Line], Credit], None]
"""Told of each event before its lines count, and of what is open."""
Moment = tuple[int, bytes | list[Line]]
"""When something came (Unix ms), and what: a decision's receipt, or an event with all its lines."""


def rows_of(table: pa.Table, wanted: Wanted | None) -> npt.NDArray[np.bool_]:
    """Which rows are of a wanted visitor, each visitor asked about once. table: with a dictionary `visitor_id`."""
    if wanted is None or not len(table):
        return np.ones(len(table), bool)
    visitors = table.column("visitor_id").combine_chunks()
    inside = np.array([wanted(name) for name in visitors.dictionary.to_pylist()], bool)
    return np.asarray(inside[visitors.indices.to_numpy()])


def moments(
    lake: Path, shop: str, since_ms: int | None = None, until_ms: int | None = None, wanted: Wanted | None = None
) -> Iterator[Moment]:
    """Decisions with since_ms <= time < until_ms and all events from since_ms, in the order they came.

    An event comes before a decision of the same millisecond: it was sent with the question.
    """
    for begin, end in _spans(lake, shop, since_ms or 0):
        yield from _moments_of(lake, shop, (begin, end), until_ms, wanted)


def moments_by_day(lake: Path, shop: str, since_ms: int | None = None) -> Iterator[tuple[int, Iterator[Moment]]]:
    """(a day's beginning in Unix ms, its moments), by time: all together what `moments` gives."""
    for day_ms, spans in groupby(_spans(lake, shop, since_ms or 0), key=lambda span: span[0] // DAY_MS * DAY_MS):
        yield day_ms, chain.from_iterable(_moments_of(lake, shop, span, None, None) for span in spans)


def _moments_of(
    lake: Path, shop: str, span: tuple[int, int], until_ms: int | None, wanted: Wanted | None
) -> Iterator[Moment]:
    begin, end = span
    found: list[tuple[int, int, str, bytes | list[Line]]] = []
    table = read_events(lake, shop, begin, end, _COLUMNS)
    table = table.filter(rows_of(table, wanted))
    rows = map(Line._make, zip(*(table.column(name).to_pylist() for name in _COLUMNS), strict=True))
    for event_id, lines in groupby(rows, key=lambda line: line.event_id):
        event = list(lines)
        found.append((event[0].arrived_ms, 0, event_id, event))
    last = end if until_ms is None else min(end, until_ms)
    decisions = read_decisions(lake, shop, begin, last, ("visitor_id", "ts_ms", "decision_id", "receipt"))
    decisions = decisions.filter(rows_of(decisions, wanted))
    columns = (decisions.column(name).to_pylist() for name in ("ts_ms", "decision_id", "receipt"))
    found += [(ts_ms, 1, name, receipt) for ts_ms, name, receipt in zip(*columns, strict=True)]
    found.sort(key=lambda one: one[:3])
    yield from ((at, what) for at, _, _, what in found)


def receipts(lake: Path, shop: str, since_ms: int, until_ms: int, one_in: int = 1) -> Iterator[bytes]:
    """The receipts of decisions with since_ms <= time < until_ms, in time. one_in: of so many visitors only one."""
    for begin, end in _spans(lake, shop, since_ms):
        if begin < until_ms:
            table = read_decisions(lake, shop, begin, min(end, until_ms), ("visitor_id", "receipt"))
            part = rows_of(table, None if one_in == 1 else lambda name: hash64(f"{name}|part") % one_in == 0)
            yield from table.column("receipt").filter(part).to_pylist()


def newest_ms(lake: Path, shop: str) -> int | None:
    """When the lake's newest decision was made; None if it has none."""
    days = [day_ms for day_ms, rows in rows_by_day(lake, shop, decisions=True) if rows]
    times = read_decisions(lake, shop, days[-1], columns=("ts_ms",)).column("ts_ms").to_numpy() if days else ()
    return int(max(times)) if len(times) else None


def _spans(lake: Path, shop: str, since_ms: int) -> Iterator[tuple[int, int]]:
    """Spans of time, ascending, that hold all rows asked for. A busy day is several."""
    pieces: Counter[int] = Counter()
    for decisions, most in ((False, PIECE_EVENTS), (True, PIECE_DECISIONS)):
        for day_ms, rows in rows_by_day(lake, shop, decisions):
            pieces[day_ms] = max(pieces[day_ms], -(-rows // most), 1)
    for day_ms, count in sorted(pieces.items()):
        edges = np.linspace(day_ms, day_ms + DAY_MS, count + 1).astype(np.int64).tolist()
        for begin, end in pairwise(edges):
            if since_ms < end:
                yield max(begin, since_ms), end


@dataclass
class LakeTrials:
    """The trials of decisions with since_ms <= time < until_ms whose windows have ended, each with its reward.

    policy: whose reward and window count. now_ms: up to when the lake is complete; its last event, if that is later.
    heed: called with each event before its lines count, and the Credit. wanted: None for all visitors.
    counts: after the iteration; what outcomes were told as (models/credit.py's Told), `decisions`, `unreadable`
    receipts, trials `ended`, `open`, `dropped`.
    """

    lake: Path
    shop: str
    policy: Policy
    since_ms: int | None = None
    until_ms: int | None = None
    now_ms: int = 0
    heed: Heed | None = None
    wanted: Wanted | None = None
    counts: Counter[str] = field(default_factory=Counter)

    def __iter__(self) -> Iterator[Trial]:
        following = Following(credit_of(self.lake, self.shop, self.policy), self.until_ms)
        self.counts = following.counts
        for at_ms, what in moments(self.lake, self.shop, self.since_ms, self.until_ms, self.wanted):
            if following.over(at_ms):
                break
            yield from following.take(at_ms, what, self.heed)
        yield from following.end(self.now_ms)


Margins = dict[str, float | None]
"""By product; None or NaN where unknown."""


def margins_of(lake: Path, shop: str) -> Margins:
    """The catalog's."""
    return {product.item_id: product.margin for product in read_catalog(lake, shop)}


def credit_of(lake: Path, shop: str, policy: Policy, margins: Margins | None = None) -> Credit:
    """Nothing open yet; with the policy's terms and the catalog's margins, or those given."""
    found = margins_of(lake, shop) if margins is None else margins
    return Credit(policy.reward, policy.attribution.window_s, found.get)


@dataclass
class Following:
    """How far moments were followed. counts: as LakeTrials tells them; until_ms: its own."""

    credit: Credit
    until_ms: int | None = None
    counts: Counter[str] = field(
        default_factory=lambda: Counter(
            {told.value: 0 for told in Told} | {"decisions": 0, "unreadable": 0, "ended": 0}
        )
    )
    clock_ms: int = 0
    asked_ms: int = 0

    def over(self, at_ms: int) -> bool:
        """Whether nothing more counts for the decisions asked for."""
        return self.until_ms is not None and at_ms >= self.until_ms and not len(self.credit)

    def take(self, at_ms: int, what: bytes | list[Line], heed: Heed | None) -> list[Trial]:
        """Takes a moment; the trials that had ended by then."""
        ended = []
        self.clock_ms = max(self.clock_ms, at_ms)
        if self.clock_ms - self.asked_ms >= max(STEP_MS, self.credit.window_ms // 100):
            self.asked_ms = self.clock_ms
            ended = self._ended(self.credit.settle(self.clock_ms))
        if isinstance(what, bytes):
            self._decided(what)
            return ended
        if heed is not None:
            heed(what, self.credit)
        self._told(self.credit.happened(what), at_ms)
        return ended

    def end(self, now_ms: int) -> list[Trial]:
        """The trials that have ended by now_ms, or by the last moment; the rest is counted as open."""
        ended = self._ended(self.credit.settle(max(self.clock_ms, now_ms)))
        self.counts.update({"dropped": self.credit.counts["dropped"], "open": len(self.credit)})
        return ended

    def copy(self) -> "Following":
        """One that goes its own way from here."""
        credit = Credit(self.credit.reward, 0, self.credit.margin_of)
        credit.window_ms = self.credit.window_ms
        credit.take_bytes(self.credit.to_bytes())
        return Following(credit, self.until_ms, self.counts.copy(), self.clock_ms, self.asked_ms)

    def _decided(self, receipt: bytes) -> None:
        self.counts["decisions"] += 1
        try:
            self.credit.decided(read_trials(receipt))
        except msgspec.MsgspecError:
            self.counts["unreadable"] += 1

    def _told(self, told: Told, at_ms: int) -> None:
        """After until_ms, outcomes of decisions that were not asked for are nobody's loss."""
        if self.until_ms is None or at_ms < self.until_ms or told is Told.COUNTED:
            self.counts[told.value] += 1

    def _ended(self, trials: list[Trial]) -> list[Trial]:
        self.counts["ended"] += len(trials)
        return trials


def in_batches(trials: Iterable[Trial], size: int = 5_000) -> Iterator[list[Trial]]:
    """Lists of so many at most."""
    batch: list[Trial] = []
    for trial in trials:
        batch.append(trial)
        if len(batch) >= size:
            yield batch
            batch = []
    if batch:
        yield batch


@dataclass
class Rewards:
    """What followed decisions, for training/receipts_logged.py; NaN where the window is open."""

    own: dict[tuple[str, str], float] = field(default_factory=dict)
    page: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, trials: Iterable[Trial]) -> "Rewards":
        found = cls()
        for trial in trials:
            found.own[trial.decision_id, trial.placement] = trial.own
            found.page[trial.decision_id] = trial.of_page
        return found

    def of_placement(self, decision_id: str, placement: str) -> float:
        return self.own.get((decision_id, placement), float("nan"))

    def of_page(self, decision_id: str) -> float:
        return self.page.get(decision_id, float("nan"))
