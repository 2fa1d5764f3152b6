"""What visitors of each persona do, in figures: when they come, what they look at, how they buy. Pure."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.events import CODE
from models.persona_traits import HOUR_MS, NAMES
from training.lake import Log
from training.wilson import wilson

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_DAY_MS: Final = 24 * HOUR_MS
_OFFICE: Final = (8, 18)
_FEWEST_BUYERS: Final = 30
"""Under so many buyers nothing is told of how they buy but their number."""

_LOGS: Final = {"visits": (1.0, 0.0), "pages": (1.0, 0.0), "pace": (1.0, 0.0), "price": (1.0, 0.0),
                "units": (1.0, 0.0), "span": (1.0, -1.0), "products": (1.0, -1.0), "carts": (1.0, -1.0)}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Orders:
    """One row an order (a purchase event). visitor: code; ts_ms; money: NaN unknown; units: most of one line;
    visit: 1 for the visitor's first session; since_first_ms: from the visitor's first record."""

    visitor: Ints
    ts_ms: Ints
    money: Floats
    units: Ints
    first_visit: npt.NDArray[np.bool_]
    since_first_ms: Ints


def orders_of(log: Log) -> Orders:
    """The orders of a log."""
    records = log.records
    rows = np.flatnonzero(records["kind"] == CODE["purchase"])
    begins = rows[np.flatnonzero((records["line"][rows] == 0) | (np.diff(rows, prepend=-2) != 1))]
    if not len(begins):
        none = np.zeros(0, np.int64)
        return Orders(none, none, np.zeros(0), none, np.zeros(0, bool), none)
    order = np.searchsorted(begins, rows, side="right") - 1
    price = records["price"][rows].astype(np.float64) * np.maximum(1, records["quantity"][rows])
    known = np.bincount(order, np.isfinite(price)) > 0
    money = np.where(known, np.bincount(order, np.nan_to_num(price)), np.nan)
    units = np.zeros(len(begins), np.int64)
    np.maximum.at(units, order, records["quantity"][rows].astype(np.int64))
    first = np.searchsorted(log.visitor, np.arange(len(log.visitors)))
    visitor = log.visitor[begins]
    start = first[visitor]
    ts_ms = records["ts_ms"][begins]
    return Orders(visitor, ts_ms, money, units, log.session[begins] == log.session[start],
                  ts_ms - records["ts_ms"][start])  # fmt: skip


@dataclass(frozen=True, slots=True)
class Known:
    """All that profiles are made from. codes: each visitor's persona, -1 none; values: their traits, (v, N_TRAITS)."""

    log: Log
    codes: Ints
    values: Floats
    orders: Orders
    utc_offset_h: float


def profile(known: Known, persona: int | None) -> dict[str, Any]:
    """Figures of one persona, or of everybody who has one (None). Plain JSON values; null where unknown."""
    inside = known.codes >= 0 if persona is None else known.codes == persona
    people, everybody = int(inside.sum()), int((known.codes >= 0).sum())
    own = inside[known.log.visitor]
    local = known.log.records["ts_ms"][own] + round(known.utc_offset_h * HOUR_MS)
    return {
        "visitors": people,
        "share": people / everybody if everybody else None,
        "traits": _typical(known.values[inside]),
        "hours": _shares(local // HOUR_MS % 24, 24),
        "weekdays": _shares((local // _DAY_MS + 3) % 7, 7),
        **_buying(known, inside, people),
    }


def _typical(values: Floats) -> dict[str, float | None]:
    """The mean of each trait; of logarithms the geometric mean, in the unit itself."""
    told: dict[str, float | None] = {}
    for at, trait in enumerate(NAMES):
        seen = values[:, at][np.isfinite(values[:, at])]
        mean = float(seen.mean()) if len(seen) else None
        if mean is not None and trait in _LOGS:
            mean = float(np.exp(mean)) + _LOGS[trait][1]
        told[trait] = None if mean is None else round(mean, 4)
    return told


def _shares(codes: Ints, count: int) -> list[float]:
    total = max(1, len(codes))
    return [round(int(n) / total, 4) for n in np.bincount(codes, minlength=count)]


def _buying(known: Known, inside: npt.NDArray[np.bool_], people: int) -> dict[str, Any]:
    orders = known.orders
    own = np.flatnonzero(inside[orders.visitor])
    buyers, first = np.unique(orders.visitor[own], return_index=True)
    n = len(buyers)
    told: dict[str, Any] = {
        "buyers": n,
        "orders": len(own),
        "bought_share": n / people if people else None,
        "bought_ci": list(wilson(n, people)),
    }
    if n < _FEWEST_BUYERS:
        return told | {"how": None}
    hour = (orders.ts_ms[own] + round(known.utc_offset_h * HOUR_MS)) // HOUR_MS
    day = (hour // 24 + 3) % 7
    office = (day < 5) & (hour % 24 >= _OFFICE[0]) & (hour % 24 < _OFFICE[1])
    money = orders.money[own][np.isfinite(orders.money[own])]
    firsts = own[first]
    several = orders.units[own] >= 3
    return told | {
        "how": {
            "orders_each": len(own) / n,
            "in_first_visit": float(orders.first_visit[firsts].mean()),
            "days_to_order": float(np.median(orders.since_first_ms[firsts])) / _DAY_MS,
            "in_office_hours": float(office.mean()),
            "in_the_evening": float((hour % 24 >= 18).mean()),
            "several_units": float(several.mean()),
            "order_value": float(np.median(money)) if len(money) else None,
        }
    }


def business_like(figures: dict[str, Any], everybody: dict[str, Any]) -> bool:
    """Whether a persona's buyers order as businesses do: mostly in office hours, and several units twice as often as
    all do. A description of orders, not of people."""
    own, all_ = figures.get("how"), everybody.get("how")
    if own is None or all_ is None:
        return False
    return bool(own["in_office_hours"] >= 0.5 and own["several_units"] >= max(0.1, 2 * all_["several_units"]))
