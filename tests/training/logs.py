"""Small logs for the tests of training/: journeys written out by hand, and a made-up shop with something to learn."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from features.events import Row
from features.lakefile import write_events
from training.lake import Log, load_log

START_MS = 1_700_000_000_000
MINUTE, HOUR, DAY = 60, 3600, 86_400


@dataclass(frozen=True)
class Did:
    """One event of a journey. at: seconds after START_MS."""

    at: float
    event: str
    item: str = ""
    page: str = ""
    price: float = field(default=float("nan"))


def rows_of(visitor: str, journey: Iterable[Did], shop: str = "s") -> list[Row]:
    return [
        Row(
            shop=shop,
            visitor_id=visitor,
            event_id=f"{visitor}-{n}",
            ts_ms=START_MS + round(did.at * 1000),
            event=did.event,
            item_id=did.item,
            page_type=did.page,
            price=did.price,
        )
        for n, did in enumerate(journey)
    ]


def log_of(folder: Path, *journeys: list[Did]) -> Log:
    """A log of one visitor per journey, through a real lake; a last visitor a day later lets every session end."""
    rows = [row for n, journey in enumerate(journeys) for row in rows_of(f"v{n}", journey)]
    last = max(row.ts_ms for row in rows)
    witness = replace(rows_of("z", [Did(0, "page_view")])[0], ts_ms=last + DAY * 1000)
    write_events(folder, [*rows, witness], "test")
    return load_log(folder, "s")


def shop_rows(visitors: int, seed: int = 1, shop: str = "s", days: int = 10) -> list[Row]:
    """A made-up shop: who looks at the even items twice often carts and buys; a few hit errors; the rest wander off."""
    rng = np.random.default_rng(seed)
    rows: list[Row] = []
    for n in range(visitors):
        at, journey = float(rng.uniform(0, days * DAY)), []
        keen = rng.random() < 0.3
        for _ in range(int(rng.integers(1, 7)) + 2 * keen):
            item = f"i{int(rng.integers(0, 20)) * 2 if keen else int(rng.integers(0, 40))}"
            journey.append(Did(at, "view_item", item, "product", 10.0 + int(item[1:])))
            at += float(rng.exponential(40 if keen else 90))
        if keen and rng.random() < 0.6:
            journey.append(Did(at, "add_to_cart", item, "product", 10.0))
            at += float(rng.exponential(60))
            if rng.random() < 0.2:
                journey.append(Did(at, "form_error", page="checkout"))
                at += 20
            if rng.random() < 0.6:
                journey.append(Did(at, "purchase", item, "thank_you", 10.0))
        rows += rows_of(f"{shop}-{n}", journey, shop)
    return rows


def shop_lake(folder: Path, visitors: int = 1500, seed: int = 1, shop: str = "s", days: int = 10) -> Path:
    """A lake of the made-up shop."""
    write_events(folder, shop_rows(visitors, seed, shop, days), "test")
    return folder
