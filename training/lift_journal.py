"""What visitors with a decision did before and since, filled from the log part by part: the lift's only state."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.record import hash64
from training.cuped import covariates
from training.lift import BEFORE, Visitors

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


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
