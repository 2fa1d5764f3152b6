"""A lake of any size with simulated visitors, written by the lake's own writer; a day at a time, so memory is a day's.

    .venv/bin/python -m load_tests.simulated_log LAKE --events 10000000 [--days 30] [--items 50000] [--seed 1]

Made up, for measuring cost and nothing else: popularity of products follows a power law and drifts by the day, a third
of the sessions are of visitors who came before, keen visitors look longer and buy more often. The same arguments give
the same rows.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from features.lakefile import DAY_MS, EVENTS, write_events

START_MS: Final = 1_735_689_600_000  # 2025-01-01
EVENTS_A_SESSION: Final = 5.0
KEEN: Final = 0.25
RETURNING: Final = 0.35
KINDS: Final = np.array(["page_view", "view_item", "view_item_list", "add_to_cart", "view_cart", "purchase"], object)
PAGES: Final = np.array(["home", "product", "list", "product", "cart", "thank_you"], object)

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Size:
    """What to make. events: about so many, over so many days."""

    events: int
    days: int = 30
    items: int = 50_000
    seed: int = 1
    shop: str = "sim"

    @property
    def visitors_a_day(self) -> int:
        """Sessions that begin in a day."""
        return max(1, round(self.events / self.days / EVENTS_A_SESSION))


def day_table(size: Size, day: int) -> pa.Table:
    """The events of one day, of schema EVENTS, by time."""
    rng = np.random.default_rng([size.seed, day])
    sessions = size.visitors_a_day
    keen = rng.random(sessions) < KEEN
    lengths = 1 + rng.geometric(np.where(keen, 1 / 8.0, 1 / 3.0)) - (rng.random(sessions) < 0.3)
    lengths = np.minimum(lengths, 200)
    of = np.repeat(np.arange(sessions), lengths)
    place = np.arange(len(of)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    pause_ms = (rng.lognormal(3.3, 1.0, len(of)) * 1000).astype(np.int64)
    begin_ms = rng.integers(0, DAY_MS - 3_600_000, sessions)
    since = np.cumsum(pause_ms) - np.repeat(np.cumsum(pause_ms)[np.cumsum(lengths) - lengths], lengths)
    ts_ms = START_MS + day * DAY_MS + np.minimum(begin_ms[of] + since, DAY_MS - 1)
    kind = _kinds(rng, keen[of], place)
    order = np.argsort(ts_ms, kind="stable")
    return _table(
        size, day, ts_ms[order], _visitors(rng, size, day)[of][order], kind[order], _items(rng, size, day, of)[order]
    )


def _kinds(rng: np.random.Generator, keen: npt.NDArray[np.bool_], place: Ints) -> Ints:
    """A kind for each event: who is keen carts and buys more, later in the session more often."""
    late = np.minimum(place / 6.0, 1.0)
    draw = rng.random(len(place))
    buy = np.where(keen, 0.05, 0.004) * late
    cart = buy + np.where(keen, 0.10, 0.02)
    kind = np.select([draw < buy, draw < cart, draw < cart + 0.03], [5, 3, 4], default=1)
    other = (kind == 1) & (rng.random(len(place)) < 0.2)
    return np.where(other, np.where(place == 0, 0, 2), kind).astype(np.int64)


def _visitors(rng: np.random.Generator, size: Size, day: int) -> Ints:
    """A visitor for each session of a day: new ones, and some who came on an earlier day."""
    sessions = size.visitors_a_day
    new = day * sessions + np.arange(sessions)
    known = rng.integers(0, max(1, day * sessions), sessions)
    return np.where((rng.random(sessions) < RETURNING) & (day > 0), known, new).astype(np.int64)


def _items(rng: np.random.Generator, size: Size, day: int, of: Ints) -> Ints:
    """A product for each event: near the session's own taste, popular ones more, fashion moving by the day."""
    taste = rng.random(size.visitors_a_day) ** 3
    near = np.clip(taste[of] + rng.normal(0, 0.01, len(of)), 0, 1)
    return ((near * (size.items - 1)).astype(np.int64) + day * size.items // 200) % size.items


def _table(size: Size, day: int, ts_ms: Ints, visitor: Ints, kind: Ints, item: Ints) -> pa.Table:
    n = len(ts_ms)
    about = np.isin(kind, (1, 3, 5))
    price = np.where(about, 5.0 + item % 97, np.nan)
    columns: dict[str, Any] = {
        "shop": _same(size.shop, n),
        "visitor_id": _named("v", visitor),
        "event_id": _named(f"e{day}-", np.arange(n)),
        "ts_ms": ts_ms,
        "event": KINDS[kind],
        "item_id": pc.if_else(pa.array(about), _named("i", item), ""),
        "category": pc.if_else(pa.array(about), _named("c", item % 200), ""),
        "price": pa.array(price, from_pandas=True),
        "quantity": np.ones(n, np.int32),
        "line": np.zeros(n, np.int32),
        "page_type": PAGES[kind],
        "device": np.where(visitor % 3 == 0, "desktop", "mobile").astype(object),
        "received_ms": ts_ms,
    }
    empty = {"value": pa.nulls(n, pa.float64())}
    return pa.table(
        [pa.array(columns[f.name], f.type) if f.name in columns else empty.get(f.name, _same("", n)) for f in EVENTS],
        schema=EVENTS,
    )


def _named(prefix: str, numbers: Ints) -> pa.Array:
    return pc.binary_join_element_wise(prefix, pc.cast(pa.array(numbers), pa.string()), "")


def _same(text: str, n: int) -> pa.Array:
    return pa.array(np.full(n, text, object), pa.string())


def write(lake: Path, size: Size) -> int:
    """Writes the lake, a file a day. Returns how many events it holds."""
    written = 0
    for day in range(size.days):
        table = day_table(size, day)
        write_events(lake, table, "sim")
        written += len(table)
    return written


def main() -> None:
    """Write a lake and say how long it took."""
    reading = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reading.add_argument("lake", type=Path)
    reading.add_argument("--events", type=int, default=1_000_000)
    reading.add_argument("--days", type=int, default=30)
    reading.add_argument("--items", type=int, default=50_000)
    reading.add_argument("--seed", type=int, default=1)
    reading.add_argument("--shop", default="sim")
    told = reading.parse_args()
    began_s = time.monotonic()
    size = Size(told.events, told.days, told.items, told.seed, told.shop)
    events = write(told.lake, size)
    print(f"{events:,} events in {told.lake}, {time.monotonic() - began_s:.1f} s")


if __name__ == "__main__":
    main()
