"""A lake with arms and a known lift, for the tests of the lift: visitors who look, are decided for, and may buy."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from features.events import Row
from features.lakefile import DAY_MS, DecisionRow, write_decisions, write_events
from features.record import hash64

START_MS = 1_760_000_000_000 // DAY_MS * DAY_MS
MINUTE_MS = 60_000
SHARES = {"full": 0.8, "holdout": 0.2}

ArmOf = Callable[[str], str]


def by_hash(shares: dict[str, float], salt: str = "arm") -> ArmOf:
    """An assignment by shares."""

    def arm_of(visitor: str) -> str:
        left = hash64(f"{visitor}|{salt}") / 2**64
        for arm, share in shares.items():
            if left < share:
                return arm
            left -= share
        return next(iter(shares))

    return arm_of


def receipt(arm: str, field: bool = True) -> bytes:
    """The fields of a receipt that the lift reads, beside one it does not. field: whether it names its arm."""
    reason = "holdout" if arm == "holdout" else "won"
    named = {"arm": arm} if field else {}
    return msgspec.json.encode({"version": 1, "chosen": [{"placement": "top", "reason": reason}], **named})


def decided(visitor: str, ts_ms: int, arm: str, policy: str = "p1", field: bool = True, shop: str = "s") -> DecisionRow:
    data = receipt(arm, field)
    return DecisionRow(shop, f"D{visitor}-{ts_ms}", visitor, ts_ms, False, "b", policy, "", True, (), data)


@dataclass(frozen=True)
class Made:
    """rate: chance to buy in the holdout; lift: relative, of the other arms; before: chance to have been there before
    and bought, which then trebles the rate."""

    visitors: int = 6000
    days: int = 6
    rate: float = 0.1
    lift: float = 0.0
    before: float = 0.2
    seed: int = 1
    field: bool = True


def event(visitor: str, n: int, ts_ms: int, kind: str, value: float = float("nan"), shop: str = "s") -> Row:
    return Row(shop=shop, visitor_id=visitor, event_id=f"{visitor}-{n}", ts_ms=ts_ms, event=kind, value=value)


def lift_lake(folder: Path, made: Made, arm_of: ArmOf | None = None) -> Path:
    """The lake of a made-up shop; the time before is one day, then `days` days with decisions."""
    rng, arm_of = np.random.default_rng(made.seed), arm_of or by_hash(SHARES)
    rows: list[Row] = []
    decisions: list[DecisionRow] = []
    for n in range(made.visitors):
        visitor = f"v{made.seed}-{n}"
        arm, at = arm_of(visitor), START_MS + DAY_MS + int(rng.integers(0, made.days * DAY_MS - 10 * MINUTE_MS))
        known = rng.random() < made.before
        if known:
            rows += [event(visitor, k, START_MS + n + k, "view_item") for k in range(3)]
            rows.append(event(visitor, 9, START_MS + n + 20, "purchase", 50.0))
        rows.append(event(visitor, 10, at, "page_view"))
        decisions.append(decided(visitor, at, arm, field=made.field))
        rate = made.rate * (3 if known else 1) * (1 if arm == "holdout" else 1 + made.lift)
        if rng.random() < rate:
            rows.append(event(visitor, 11, at + 5 * MINUTE_MS, "purchase", round(40 * rng.lognormal(0, 0.5), 2)))
    write_events(folder, rows, "a")
    write_decisions(folder, decisions, "a")
    return folder
