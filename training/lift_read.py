"""The lake as the lift reads it: who was first decided for when and in which arm, and what each did, day by day.

Two passes over columns, in parts of a day. In memory stay some 200 bytes a visitor with a decision, 100 an order with
an id, and one part; never a visitor's events, and nothing of visitors without a decision.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.lakefile import DAY_MS, read_decisions, read_events, rows_by_day
from features.record import hash64
from training.cuped import covariates
from training.lift import BEFORE, Visitors

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

DECISIONS: Final = 20_000
"""Decisions read at a time: a receipt holds its visitor's whole tail."""

EVENTS: Final = 500_000
"""Rows of events read at a time."""

_COLUMNS: Final = ("visitor_id", "event", "ts_ms", "line", "price", "quantity", "value", "order_id")
_NO_POLICY: Final = "none"
"""The policy's version in receipts of a shop without one: nobody had an arm yet."""


class _Reason(msgspec.Struct, frozen=True):
    reason: str = ""


class _Armed(msgspec.Struct, frozen=True):
    """The few fields of a receipt that tell the arm."""

    arm: str = ""
    chosen: tuple[_Reason, ...] = ()


_armed = msgspec.json.Decoder(_Armed)


def arm_in(receipt: bytes) -> str:
    """The arm a receipt names; of one from before there were arms, "holdout" or "full". Raises msgspec.MsgspecError."""
    read = _armed.decode(receipt)
    return read.arm or ("holdout" if any(one.reason == "holdout" for one in read.chosen) else "full")


@dataclass
class Entrants:
    """Visitors by their first decision. place: of each id in first_ms (ascending) and arm (code in `arms`), both (n,).

    moved: visitors who were in a second arm later; they stay in their first. unread: receipts that tell no arm.
    policies: versions met from since_ms on, in that order.
    """

    place: dict[str, int] = field(default_factory=dict)
    first_ms: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    arm: npt.NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, np.intp))
    arms: tuple[str, ...] = ()
    moved: set[str] = field(default_factory=set)
    unread: int = 0
    policies: list[str] = field(default_factory=list)


def entrants(
    lake: Path,
    shop: str,
    since_ms: int | None = None,
    until_ms: int | None = None,
    arms: tuple[str, ...] = (),
    arm_of: Callable[[str], str] | None = None,
) -> Entrants:
    """Everybody with a decision before until_ms, also those from before since_ms.

    arms: names to begin the codes with; others follow as they are met. arm_of: a visitor's arm by id; without it each
    receipt says. Decisions made without a policy are passed over.
    """
    found, codes = Entrants(), {name: code for code, name in enumerate(arms)}
    first_ms: list[int] = []
    arm_codes: list[int] = []
    for low, high in parts(rows_by_day(lake, shop, decisions=True), DECISIONS, until_ms):
        table = read_decisions(lake, shop, low, high, ("visitor_id", "ts_ms", "policy", "receipt"))
        met = found.policies if since_ms is None or high > since_ms else []
        for visitor, ts_ms, receipt in _firsts(table, met):
            try:
                arm = arm_of(visitor) if arm_of is not None else arm_in(receipt)
            except msgspec.MsgspecError:
                found.unread += 1
                continue
            code = codes.setdefault(arm, len(codes))
            at = found.place.setdefault(visitor, len(first_ms))
            if at == len(first_ms):
                first_ms.append(ts_ms)
                arm_codes.append(code)
            elif arm_codes[at] != code:
                found.moved.add(visitor)
    found.first_ms, found.arm = np.array(first_ms, np.int64), np.array(arm_codes, np.intp)
    found.arms = tuple(codes)
    return found


def _firsts(table: pa.Table, policies: list[str]) -> Iterator[tuple[str, int, bytes]]:
    """Each visitor's first decision under a policy in a part, by time. Adds to policies what is new."""
    policy = np.array(table.column("policy").to_pylist(), object)
    under = np.flatnonzero(policy != _NO_POLICY) if len(policy) else np.zeros(0, np.int64)
    if not len(under):
        return
    policies += [name for name in dict.fromkeys(policy[under]) if name not in policies]
    visitors = table.column("visitor_id").combine_chunks()
    _, at = np.unique(visitors.indices.to_numpy()[under], return_index=True)
    rows = pa.array(under[np.sort(at)])
    chosen = table.take(rows)
    yield from zip(
        *(chosen.column(name).to_pylist() for name in ("visitor_id", "ts_ms", "receipt")),
        strict=True,
    )


def parts(days: list[tuple[int, int]], rows: int, until_ms: int | None = None) -> Iterator[tuple[int, int]]:
    """Spans of time that hold about so many rows each, by time; none goes over midnight."""
    for start_ms, count in days:
        pieces = max(1, -(-count // rows))
        edges = [start_ms + DAY_MS * piece // pieces for piece in range(pieces + 1)]
        for low, high in pairwise(edges):
            if until_ms is None or low < until_ms:
                yield low, high if until_ms is None else min(high, until_ms)


@dataclass
class Journal:
    """What every entrant did so far. before: (n, len(BEFORE)) until the first decision; events: before and since, (n,).

    orders: money of each order with an id (NaN unknown) and whether it was before. unvalued: orders without money.
    """

    entrants: Entrants
    before: Floats
    bought: Flags
    revenue: Floats
    events: Ints
    orders: dict[int, tuple[float, bool]] = field(default_factory=dict)
    purchases: int = 0
    unvalued: int = 0
    repeated: int = 0
    undecided: int = 0

    @classmethod
    def of(cls, entrants: Entrants) -> "Journal":
        n = len(entrants.first_ms)
        return cls(entrants, np.zeros((n, len(BEFORE))), np.zeros(n, bool), np.zeros(n), np.zeros(n, np.int64))

    def add(self, table: pa.Table) -> None:
        """Takes in a part of the log, sorted by (ts_ms, event_id, line); parts come by time."""
        who = self._who(table.column("visitor_id"))
        first = table.column("line").to_numpy() == 0
        self.undecided += int(np.sum(first & (who < 0)))
        rows = np.flatnonzero(who >= 0)
        if not len(rows):
            return
        table, who, first = table.take(pa.array(rows)), who[rows], first[rows]
        before = table.column("ts_ms").to_numpy() < self.entrants.first_ms[who]
        kinds = table.column("event").combine_chunks()
        kind = np.array(kinds.dictionary.to_pylist(), object)[kinds.indices.to_numpy()]
        n = len(self.events)
        self.events += np.bincount(who[first], minlength=n)
        self.before[:, 0] += np.bincount(who[first & before], minlength=n)
        self.before[:, 1] += np.bincount(who[first & before & (kind == "view_item")], minlength=n)
        self._orders(table, who, before, kind)

    def _who(self, column: pa.ChunkedArray) -> Ints:
        """The place of each row's visitor, -1 for one without a decision."""
        if not len(column):
            return np.zeros(0, np.int64)
        whole, place = column.combine_chunks(), self.entrants.place
        of = np.array([place.get(name, -1) for name in whole.dictionary.to_pylist()], np.int64)
        return np.asarray(of[whole.indices.to_numpy()])

    def _orders(self, table: pa.Table, who: Ints, before: Flags, kind: npt.NDArray[Any]) -> None:
        rows = np.flatnonzero((kind == "purchase") | (kind == "refund"))
        if not len(rows):
            return
        part = table.take(pa.array(rows))
        starts, money = _money(part)
        orders = part.column("order_id").take(pa.array(starts)).to_pylist()
        at = rows[starts]
        for one in zip(who[at].tolist(), before[at].tolist(), kind[at].tolist(), money.tolist(), orders, strict=True):
            self._take_in(*one)

    def _take_in(self, who: int, before: bool, kind: str, money: float, order: str) -> None:
        """One purchase or refund. An order told twice counts once; money of a refund comes off where its order went."""
        key = hash64(order) if order else None
        known = self.orders.get(key) if key is not None else None
        if kind == "refund":
            if known is not None and known[1] != before:
                return  # of an order from before the first decision: nothing that an arm did
            amount = abs(money) if money == money else known[0] if known is not None else 0.0
            self._book(who, before, -(amount if amount == amount else 0.0))
            return
        if known is not None:
            self.repeated += 1
            return
        if key is not None:
            self.orders[key] = (money, before)
        self.purchases += not before
        self.unvalued += not before and money != money
        if before:
            self.before[who, 2] += 1
        else:
            self.bought[who] = True
        self._book(who, before, money if money == money else 0.0)

    def _book(self, who: int, before: bool, money: float) -> None:
        if before:
            self.before[who, 3] += money
        else:
            self.revenue[who] += money

    def visitors(self, rows: slice, most_events: int | None) -> Visitors:
        """Those entrants as of now, without such as have more than most_events events so far."""
        keep = slice(None) if most_events is None else self.events[rows] <= most_events
        return Visitors(
            self.entrants.arm[rows][keep],
            covariates(self.before[rows][keep]),
            self.bought[rows][keep],
            self.revenue[rows][keep],
            self.unvalued < self.purchases or not self.purchases,
        )


def _money(part: pa.Table) -> tuple[Ints, Floats]:
    """(rows at which an event begins, its money): the event's value, else price x quantity over its lines, else NaN."""
    begins = part.column("line").to_numpy() == 0
    begins[0] = True
    starts = np.flatnonzero(begins)
    lines = np.asarray(part.column("price").to_numpy(), np.float64) * part.column("quantity").to_numpy()
    known = np.add.reduceat((lines == lines).astype(np.int64), starts)
    total = np.add.reduceat(np.nan_to_num(lines), starts)
    value = np.asarray(part.column("value").to_numpy(), np.float64)[starts]
    return starts, np.where(value == value, value, np.where(known > 0, total, np.nan))


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at the end of a day sees. end_ms: the day's end, or until. rows: of the entrants it counts."""

    end_ms: int
    rows: slice
    journal: Journal


def looks(
    lake: Path, shop: str, who: Entrants, since_ms: int | None = None, until_ms: int | None = None
) -> Iterator[Look]:
    """The looks by day, from the first day on which a visitor entered at or after since_ms. The journal is one and
    the same, filled further by the next look."""
    journal = Journal.of(who)
    events, decided = rows_by_day(lake, shop), rows_by_day(lake, shop, decisions=True)
    counts = dict(events)
    days = sorted({start for start, _ in [*events, *decided] if until_ms is None or start < until_ms})
    begin = int(np.searchsorted(who.first_ms, since_ms)) if since_ms is not None else 0
    for start_ms in days:
        for low, high in parts([(start_ms, counts.get(start_ms, 0))], EVENTS, until_ms):
            journal.add(read_events(lake, shop, low, high, _COLUMNS))
        end_ms = start_ms + DAY_MS if until_ms is None else min(start_ms + DAY_MS, until_ms)
        end = int(np.searchsorted(who.first_ms, end_ms))
        if end > begin:
            yield Look(end_ms, slice(begin, end), journal)
