"""A shop's log out of the lake, in the very order of its visitors' tails.

* NoLog   no such lake, shop or event; says what there is
"""

from dataclasses import replace
from pathlib import Path
from typing import Final

from features.lakefile import shops
from features.tail import order, session_starts
from training.lake import Log, load_log

DAY_MS: Final = 24 * 3_600_000
"""How far past a window the log is read, so that the window's sessions are seen to their end."""


class NoLog(ValueError):
    """The lake has no such log."""


def the_shop(lake: Path, shop: str) -> str:
    """The named shop, or the lake's only one. Raises NoLog."""
    if lake.is_file():
        raise NoLog(f"{lake} is a file; the lake is a folder. Import it first: tact import {lake.name} --lake LAKE")
    found = shops(lake)
    if not found:
        raise NoLog(f"{lake} holds no events. Import some first: tact import FILE --lake {lake}")
    if shop and shop not in found:
        raise NoLog(f"{lake} holds no shop {shop!r}; it has {_listed(found)}")
    if not shop and len(found) > 1:
        raise NoLog(f"{lake} holds {len(found)} shops: name one with --shop: {_listed(found)}")
    return shop or found[0]


def _listed(names: list[str]) -> str:
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def open_log(lake: Path, shop: str, until_ms: int | None = None) -> Log:
    """A shop's events from the first to until_ms (excluded), visitor by visitor. Raises NoLog."""
    log = load_log(lake, shop, None, until_ms)
    if not len(log):
        raise NoLog(f"shop {shop!r} has no events before the given time in {lake}")
    return in_tail_order(log)


def in_tail_order(log: Log) -> Log:
    """The log in the order of features.tail.order, each event once, so that replay sees what a tail would show."""
    at = order(log.records, log.visitor)
    records, visitor = log.records[at], log.visitor[at]
    session = session_starts(records["ts_ms"], visitor).cumsum() - 1
    return replace(log, records=records, visitor=visitor, session=session)
