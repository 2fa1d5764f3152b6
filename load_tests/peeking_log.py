"""How often the lift test cries wolf on a real log: its visitors and orders, with arms by many hashes.

    python -m load_tests.peeking_log --lake L --shop S --since 2015-06-02 [--holdout .05] [--hashes 500] [--every 1]

Whoever is seen from --since on counts from then, as if first decided for; what they did before is the time before. No
arm did anything, so that whatever is told apart at any look is an error. Looks are every so many days.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from features.lakefile import DAY_MS, read_events, rows_by_day
from features.record import hash64
from load_tests.peeking import Z, wilson
from training.lift import BETTER, OUTCOMES, WORSE, Asked, Visitors, lifts
from training.lift_journal import Entrants
from training.lift_read import looks
from training.moments import parse_moment
from training.sequential import Plan

ARMS = ("full", "holdout")


def seen_since(lake: Path, shop: str, since_ms: int) -> Entrants:
    """Everybody with an event at or after since_ms, from that event on."""
    found = Entrants(arms=ARMS)
    first_ms: list[int] = []
    for start_ms, _ in rows_by_day(lake, shop):
        if start_ms + DAY_MS <= since_ms:
            continue
        table = read_events(lake, shop, max(start_ms, since_ms), start_ms + DAY_MS, ("visitor_id", "ts_ms"))
        for visitor, ts_ms in zip(*(table.column(name).to_pylist() for name in table.column_names), strict=True):
            if found.place.setdefault(visitor, len(first_ms)) == len(first_ms):
                first_ms.append(ts_ms)
    found.first_ms, found.arm = np.array(first_ms, np.int64), np.zeros(len(first_ms), np.intp)
    return found


def snapshots(lake: Path, shop: str, who: Entrants, every: int) -> Iterator[Visitors]:
    """Every so manieth look, all in one arm."""
    for number, look in enumerate(looks(lake, shop, who)):
        if (number + 1) % every == 0:
            now = look.journal.visitors(look.rows, None)
            yield Visitors(now.arm, now.columns, now.bought.copy(), now.revenue.copy(), now.valued)


def told_apart(views: list[Visitors], arm: npt.NDArray[np.intp], asked: Asked) -> set[str]:
    """Outcomes that any look tells apart, ours and "z OUTCOME"."""
    found = set()
    for view in views:
        now = Visitors(arm[: len(view)], view.columns, view.bought, view.revenue, view.valued)
        for outcome, (one,) in lifts(now, asked).items():
            found |= {outcome, "any"} if one.verdict in (BETTER, WORSE) else set()
            found |= {f"z {outcome}"} if abs(one.plain.estimate) > Z * one.plain.se else set()
    return found


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(prog="python -m load_tests.peeking_log")
    parser.add_argument("--lake", type=Path, required=True)
    parser.add_argument("--shop", required=True)
    parser.add_argument("--since", type=parse_moment, required=True)
    parser.add_argument("--holdout", type=float, default=0.05)
    parser.add_argument("--hashes", type=int, default=500)
    parser.add_argument("--every", type=int, default=1)
    print(told(parser.parse_args()))


def told(given: Any) -> str:
    """Shares of hashes, with 95 % intervals."""
    who = seen_since(given.lake, given.shop, given.since)
    views = list(snapshots(given.lake, given.shop, who, given.every))
    asked = Asked(ARMS, plan=Plan(visitors=max(1, len(who.first_ms) // 2)))
    hits: dict[str, int] = {}
    for number in range(given.hashes):
        draws = (hash64(f"{visitor}|{number}") / 2**64 < given.holdout for visitor in who.place)
        for name in told_apart(views, np.fromiter(draws, np.intp, len(who.place)), asked):
            hits[name] = hits.get(name, 0) + 1
    head = f"{given.shop}: {len(who.first_ms):,} visitors, {len(views)} looks, holdout {given.holdout:.0%}, "
    shown = [name for outcome in OUTCOMES for name in (outcome, f"z {outcome}")]
    return head + f"{given.hashes} hashes: " + "; ".join(_share(name, hits, given.hashes) for name in [*shown, "any"])


def _share(name: str, hits: dict[str, int], of: int) -> str:
    low, high = wilson(hits.get(name, 0), of)
    return f"{name} {100 * hits.get(name, 0) / of:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


if __name__ == "__main__":
    main()
