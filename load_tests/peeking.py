"""How often the lift test cries wolf when it is looked at every day, and how soon it sees a true lift.

    python -m load_tests.peeking [--shops 1000] [--power-shops 200] [--days 28] [--lift 0.3] [--only NAME] [--json FILE]

Made-up shops without any difference between two arms (A/A), looked at after each of the days: the share in which a look
ever says "better" or "worse". Beside it a z-test of a fixed sample size on the same data, unadjusted and with the
same standard error, looked at as often. Then the same shops with a true lift: how many it finds, and on which day.
Shares are printed with 95 % intervals (Wilson 1927).

A shop: visitors come evenly over the days. A third were there before, and of them those who bought before buy more.
Buyers buy on the day they come (60 %) or some days after; orders are lognormal, one in fifty has a Pareto tail; one
order in twenty is sent back days later. The look of a day sees what had happened by then. The plan is for half of the
shop's visitors, so that the sequence is tightest amid the looks: the hardest case for it.
"""

import argparse
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from training.cuped import covariates
from training.lift import BETTER, NONE_YET, OUTCOMES, WORSE, Asked, Visitors, lifts
from training.sequential import Plan

ARMS = ("full", "holdout")
Z = 1.959963984540054
NEVER = 1 << 30


@dataclass(frozen=True)
class Shop:
    """A kind of shop. rate: share of visitors who buy; holdout: share of visitors in it; lift: of the rate, in full."""

    name: str
    visitors: int
    rate: float
    holdout: float
    lift: float = 0.0


SHOPS = tuple(
    Shop(f"{visitors // 1000}k visitors, {rate:.0%} buy, holdout {holdout:.0%}", visitors, rate, holdout)
    for visitors, rate in ((20_000, 0.02), (30_000, 0.05), (50_000, 0.01))
    for holdout in (0.05, 0.5)
)


@dataclass(frozen=True)
class Made:
    """A shop's visitors by the day they come: day (n,); bought_day, back_day: NEVER if not; money: of the order."""

    arm: npt.NDArray[np.intp]
    day: npt.NDArray[np.int64]
    columns: npt.NDArray[np.float64]
    bought_day: npt.NDArray[np.int64]
    back_day: npt.NDArray[np.int64]
    money: npt.NDArray[np.float64]

    def as_of(self, day: int) -> Visitors:
        """What a look at the end of a day sees."""
        here = int(np.searchsorted(self.day, day, side="right"))
        bought = self.bought_day[:here] <= day
        revenue = np.where(bought & (self.back_day[:here] > day), self.money[:here], 0.0)
        return Visitors(self.arm[:here], self.columns[:here], bought, revenue)


def made(shop: Shop, days: int, rng: np.random.Generator) -> Made:
    """One shop of a kind."""
    n = shop.visitors
    arm = (rng.random(n) < shop.holdout).astype(np.intp)
    known = rng.random(n) < 1 / 3
    events = np.where(known, 1 + rng.negative_binomial(1, 0.1, n), 0)
    orders = np.where(known & (rng.random(n) < 0.2), 1 + rng.poisson(0.3, n), 0)
    likes = (0.7 + 0.9 * known + 2.5 * (orders > 0)) / 1.17
    buys = rng.random(n) < shop.rate * likes * np.where(arm == 0, 1 + shop.lift, 1.0)
    money = 40.0 * rng.lognormal(0.0, 1.0, n) * np.where(rng.random(n) < 0.02, 1 + rng.pareto(1.8, n), 1.0)
    day = np.sort(rng.integers(0, days, n))
    bought_day = np.where(buys, day + np.where(rng.random(n) < 0.6, 0, rng.geometric(0.2, n)), NEVER)
    back_day = np.where(rng.random(n) < 0.05, bought_day + 2 + rng.geometric(0.2, n), NEVER)
    before = np.column_stack([events, events // 2, orders, 50.0 * orders])
    return Made(arm, day, covariates(before.astype(np.float64)), bought_day, back_day, money)


def first_days(shop: Made, days: int, asked: Asked) -> dict[str, int]:
    """For each outcome, ours and "z OUTCOME", the first day a look tells the arms apart; NEVER if none does.

    "start": the first day there is a result.
    """
    found: dict[str, int] = {}
    for day in range(days):
        for outcome, (one,) in lifts(shop.as_of(day), asked).items():
            if one.verdict != NONE_YET:
                found.setdefault("start", day)
            if one.verdict in (BETTER, WORSE):
                found.setdefault(outcome, day)
            if one.plain.se > 0 and abs(one.plain.estimate) > Z * one.plain.se:
                found.setdefault(f"z {outcome}", day)
    return found


def wilson(hits: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share."""
    share, square = hits / of, Z * Z / of
    reach = Z * math.sqrt(share * (1 - share) / of + square / (4 * of))
    return (share + square / 2 - reach) / (1 + square), (share + square / 2 + reach) / (1 + square)


def run(shop: Shop, shops: int, days: int, seed: int) -> dict[str, Any]:
    """Shares of shops in which each outcome was ever told apart, and of any of them."""
    asked = Asked(ARMS, plan=Plan(visitors=shop.visitors // 2))
    found = [first_days(made(shop, days, np.random.default_rng([seed, n])), days, asked) for n in range(shops)]
    names = [*OUTCOMES, *(f"z {outcome}" for outcome in OUTCOMES)]
    hits = {name: sum(name in one for one in found) for name in names}
    hits["any"] = sum(any(name in one for name in OUTCOMES) for one in found)
    hits["start"] = sum("start" in one for one in found)
    days_to = sorted(one.get("conversion", NEVER) for one in found)
    half = days_to[(len(days_to) - 1) // 2]
    shares = {name: {"share": count / shops, "ci": wilson(count, shops)} for name, count in hits.items()}
    return {
        "shop": shop.name,
        "lift": shop.lift,
        "shops": shops,
        "median_day": half + 1 if half < NEVER else None,
    } | shares


def rows(kinds: Sequence[Shop], arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Each kind of shop without and then with a lift, told as it is done."""
    for lift in (0.0, arguments.lift):
        shops = arguments.power_shops if lift else arguments.shops
        if not shops:
            continue
        print(f"true lift {lift:.0%}: ever told apart in {arguments.days} daily looks, {shops} shops each")
        for kind in kinds:
            one = run(replace(kind, lift=lift), shops, arguments.days, 1000 * SHOPS.index(kind) + (lift > 0))
            print(f"  {kind.name}: {told(one)}", flush=True)
            yield one


def told(one: dict[str, Any]) -> str:
    """A line of figures."""
    parts = []
    for name in ("start", *OUTCOMES, "any", "z conversion", "z revenue"):
        low, high = one[name]["ci"]
        parts.append(f"{name} {100 * one[name]['share']:.1f} [{100 * low:.1f}, {100 * high:.1f}]")
    return "; ".join(parts) + f"; median day {one['median_day'] or '–'}"


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(prog="python -m load_tests.peeking")
    parser.add_argument("--shops", type=int, default=1000)
    parser.add_argument("--power-shops", type=int, default=200)
    parser.add_argument("--days", type=int, default=28)
    parser.add_argument("--lift", type=float, default=0.3)
    parser.add_argument("--only", default="", help="kinds of shop whose name holds this")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found = list(rows([kind for kind in SHOPS if arguments.only in kind.name], arguments))
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
