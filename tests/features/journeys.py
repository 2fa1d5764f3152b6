"""Small journeys for the tests of features: events by name and minute."""

from typing import Any

import numpy as np

from features.catalog import Catalog, Facts, no_facts
from features.events import Row
from features.fold import fold
from features.record import Records, pack
from features.schema import INDEX
from features.tail import ordered

NOON = 1_763_812_800_000
"""2025-11-22 12:00 UTC, a Saturday."""
MINUTE = 60_000


def row(event: str, minute: float = 0.0, **fields: Any) -> Row:
    """An event so many minutes after noon; its id tells it from all others unless given."""
    ts_ms = NOON + int(minute * MINUTE)
    fields.setdefault("event_id", f"{event}@{ts_ms}/{sorted(fields.items())}")
    return Row(shop="demo", visitor_id="v", ts_ms=ts_ms, event=event, **fields)


def tail(*rows: Row) -> Records:
    return ordered(pack(rows))


class Read:
    """The features of a tail by name."""

    def __init__(self, *rows: Row, at: float | None = None, catalog: Catalog | None = None) -> None:
        records = tail(*rows)
        now_ms = NOON + int(at * MINUTE) if at is not None else int(records["ts_ms"][-1])
        facts: Facts = catalog.facts(records) if catalog else no_facts(records)
        self.vector = fold(records, now_ms, facts)

    def __getitem__(self, name: str) -> float:
        return float(self.vector[INDEX[name]])

    def unknown(self, name: str) -> bool:
        return bool(np.isnan(self[name]))
