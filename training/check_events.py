"""A shop's log as the data checks read it: columns of the lake as arrays, and what several checks count."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.events import SESSION_GAP_MS
from features.lakefile import read_events
from training.moments import iso

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
COLUMNS: Final = (
    *("event_id", "ts_ms", "line", "event", "visitor_id", "user_id", "item_id", "category"),
    *("price", "quantity", "value", "received_ms"),
)
_SHOWN: Final = ("event_id", "visitor_id", "ts_ms", "event", "item_id", "category", "price", "quantity", "value")


@dataclass(frozen=True)
class Events:
    """A shop's events by time. table: the lake's columns COLUMNS, (n,); now_ms: when it is looked at."""

    shop: str
    table: pa.Table
    now_ms: int

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def numbers(self, name: str) -> Floats:
        """A column of numbers, NaN where unknown. Shape (n,)."""
        return np.asarray(self.table.column(name).to_numpy(), np.float64)

    def codes(self, name: str) -> Codes:
        """A text column as places in `texts`. Shape (n,)."""
        column = self.table.column(name)
        return np.asarray(column.combine_chunks().indices.to_numpy(), np.int32) if len(self) else np.zeros(0, np.int32)

    def texts(self, name: str) -> list[str]:
        """The different texts of a column."""
        return list(self.table.column(name).combine_chunks().dictionary.to_pylist()) if len(self) else []

    def known(self, name: str) -> Flags:
        """Whether a text is there. Shape (n,)."""
        return np.array([text != "" for text in self.texts(name)], bool)[self.codes(name)]

    @cached_property
    def ts_ms(self) -> Ints:
        """Unix time, ascending. Shape (n,)."""
        return np.asarray(self.table.column("ts_ms").to_numpy(), np.int64)

    @cached_property
    def first(self) -> Flags:
        """Lines that stand for their event: every event once. Shape (n,)."""
        return np.asarray(self.table.column("line").to_numpy() == 0)

    @cached_property
    def kind(self) -> Codes:
        """Places in `kinds`. Shape (n,)."""
        return self.codes("event")

    @cached_property
    def kinds(self) -> list[str]:
        """The kinds there are."""
        return self.texts("event")

    @cached_property
    def visitor(self) -> Codes:
        """A number for each visitor. Shape (n,)."""
        return self.codes("visitor_id")

    @cached_property
    def item(self) -> Codes:
        """A number for each item id. Shape (n,)."""
        return self.codes("item_id")

    def of(self, *kinds: str) -> Flags:
        """Lines of these kinds. Shape (n,)."""
        return np.isin(np.array(self.kinds, object), kinds)[self.kind] if len(self) else np.zeros(0, bool)

    @cached_property
    def by_visitor(self) -> Ints:
        """Rows of `first`, visitor by visitor in time order. Shape (m,)."""
        rows = np.flatnonzero(self.first)
        return rows[np.argsort(self.visitor[rows], kind="stable")]

    @cached_property
    def session(self) -> Ints:
        """The session's number of each row of by_visitor, ascending. Shape (m,)."""
        visitor, ts_ms = self.visitor[self.by_visitor], self.ts_ms[self.by_visitor]
        new = np.ones(len(visitor), bool)
        new[1:] = (visitor[1:] != visitor[:-1]) | (ts_ms[1:] - ts_ms[:-1] > SESSION_GAP_MS)
        return np.cumsum(new) - 1

    @cached_property
    def starts(self) -> Ints:
        """Where each session begins in by_visitor, and last their length. Shape (sessions + 1,)."""
        return np.append(np.flatnonzero(np.diff(self.session, prepend=-1)), len(self.session))

    @property
    def sessions(self) -> int:
        """How many."""
        return len(self.starts) - 1

    @cached_property
    def core(self) -> tuple[int, int]:
        """From when to when nearly all events are: stray times far outside do not stretch the log. Unix ms."""
        low, high = (int(at) for at in np.quantile(self.ts_ms, [0.005, 0.995]))
        slack = max(2 * DAY_MS, (high - low) // 4)
        near = self.ts_ms[(self.ts_ms >= low - slack) & (self.ts_ms <= high + slack)]
        return int(near[0]), int(near[-1])

    @cached_property
    def in_core(self) -> Flags:
        """Lines that stand for their event, of a time within the core. Shape (n,)."""
        return self.first & (self.ts_ms >= self.core[0]) & (self.ts_ms <= self.core[1])

    @cached_property
    def begun(self) -> "Hours":
        """Sessions begun an hour over the core: events come in bursts of one visitor, sessions do not."""
        begins = self.by_visitor[self.starts[:-1]]
        return Hours.of(np.sort(self.ts_ms[begins[self.in_core[begins]]]))

    def example(self, *rows: int) -> dict[str, Any]:
        """Rows as they were seen: what is known of each, the time as people write it."""
        seen = [_row(self.table, int(row)) for row in rows[:2]]
        return seen[0] if len(seen) == 1 else {"first": seen[0], "second": seen[1]}


def _row(table: pa.Table, at: int) -> dict[str, Any]:
    values = {name: table.column(name)[at].as_py() for name in _SHOWN}
    values["ts_ms"] = iso(values["ts_ms"]) if 0 <= values["ts_ms"] < 253_402_300_800_000 else values["ts_ms"]
    return {("time" if name == "ts_ms" else name): value for name, value in values.items() if value not in ("", None)}


@dataclass(frozen=True, slots=True)
class Hours:
    """What began in each hour. begin_ms: of the first; count, usual: (h,), usual for that hour of day or week."""

    begin_ms: int
    count: Ints
    usual: Floats

    @classmethod
    def of(cls, ts_ms: Ints) -> "Hours":
        """From times, ascending. What is usual is the median over days, over weeks from three on."""
        begin = int(ts_ms[0]) // HOUR_MS * HOUR_MS
        count = np.bincount((ts_ms - begin) // HOUR_MS)
        cycle = 168 if len(count) >= 3 * 168 else 24
        place = np.arange(len(count)) % cycle
        usual = np.array(
            [np.median(count[1:-1][place[1:-1] == p]) if len(count) > 2 * cycle else 0.0 for p in range(cycle)]
        )
        return cls(begin, count.astype(np.int64), usual[place])

    def expected(self, since_ms: Ints, until_ms: Ints) -> Floats:
        """How many are usual between two moments. Shapes (k,)."""
        edges = self.begin_ms + HOUR_MS * np.arange(len(self.count) + 1, dtype=np.float64)
        total = np.concatenate([[0.0], np.cumsum(self.usual)])
        return np.asarray(np.interp(until_ms, edges, total) - np.interp(since_ms, edges, total))


def load(lake: str | Path, shop: str, since_ms: int | None, until_ms: int | None, now_ms: int) -> Events:
    """A shop's events of a window out of the lake; no rows where there are none."""
    return Events(shop, read_events(lake, shop, since_ms, until_ms, COLUMNS), now_ms)


def run_starts(*columns: Sequence[Any] | npt.NDArray[Any]) -> Flags:
    """Where a run of equal rows begins. columns: each (n,). Shape (n,)."""
    arrays = [np.asarray(column) for column in columns]
    new = np.ones(len(arrays[0]), bool)
    if len(new):
        new[1:] = np.logical_or.reduce([column[1:] != column[:-1] for column in arrays])
    return new
