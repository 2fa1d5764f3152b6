"""A shop's log and catalog out of the lake.

* NoLog   no such lake, shop or event; says what there is
"""

from pathlib import Path
from typing import Final

from features.catalog import EMPTY_CATALOG, Catalog
from features.lake_catalog import read_catalog
from features.lakefile import read_events, shops
from training.lake import Log, load_log
from training.moments import iso

DAY_MS: Final = 24 * 3_600_000
"""How far past a window the log is read, so that the window's sessions are seen to their end."""


class NoLog(ValueError):
    """The lake has no such log."""


def a_lake(lake: Path) -> None:
    """Raises NoLog where there is no folder."""
    if lake.is_file():
        raise NoLog(f"{lake} is a file; the lake is a folder. Import it first: tact import {lake.name} --lake LAKE")
    if not lake.is_dir():
        raise NoLog(f"{lake} is not there. Look at --lake or TACT_LAKE, or make it: tact import FILE --lake {lake}")


def the_shop(lake: Path, shop: str) -> str:
    """The named shop, or the lake's only one. Raises NoLog."""
    a_lake(lake)
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
        times = read_events(lake, shop, columns=("ts_ms",)).column("ts_ms").to_numpy()
        reach = f"; its events go from {iso(int(times.min()))} to {iso(int(times.max()))}" if len(times) else ""
        raise NoLog(f"shop {shop!r} has no events before the given time in {lake}{reach}")
    return log


def catalog_of(lake: Path, shop: str) -> Catalog:
    """What the shop told of its products, as the recorder copied it to the lake; empty if it told nothing."""
    products = list(read_catalog(lake, shop))
    return Catalog.of(products) if products else EMPTY_CATALOG
