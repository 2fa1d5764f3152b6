"""The lake as the lift reads it: who was first decided for when and in which arm, and what each did, day by day.

Two passes over columns, in parts of a day. In memory stay some 200 bytes a visitor with a decision, 100 an order with
an id, and one part; never a visitor's events, and nothing of visitors without a decision.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import pyarrow as pa

from features.lakefile import DAY_MS, read_decisions, read_events, rows_by_day
from models.receipt_form import part_reader
from training.lift_journal import Entrants, Journal

DECISIONS: Final = 20_000
"""Decisions read at a time: a receipt holds its visitor's whole tail."""

EVENTS: Final = 500_000
"""Rows of events read at a time."""

_COLUMNS: Final = ("visitor_id", "event", "ts_ms", "line", "price", "quantity", "value", "order_id")
_NO_POLICY: Final = "none"
"""The policy's version in receipts of a shop without one: nobody had an arm yet."""


class _Reason(msgspec.Struct, frozen=True):
    reason: str = ""


class _Armed(msgspec.Struct, frozen=True):
    """The few fields of a receipt that tell the arm."""

    arm: str = ""
    chosen: tuple[_Reason, ...] = ()


_armed = part_reader(_Armed)


def arm_in(receipt: bytes) -> str:
    """The arm a receipt names; of one from before there were arms, "holdout" or "full". Raises msgspec.MsgspecError."""
    read = _armed(receipt)
    return read.arm or ("holdout" if any(one.reason == "holdout" for one in read.chosen) else "full")


def entrants(
    lake: Path,
    shop: str,
    since_ms: int | None = None,
    until_ms: int | None = None,
    arms: tuple[str, ...] = (),
    arm_of: Callable[[str], str] | None = None,
) -> Entrants:
    """Everybody with a decision before until_ms, also those from before since_ms.

    arms: names to begin the codes with; others follow as they are met. arm_of: a visitor's arm by id; without it each
    receipt says. Decisions made without a policy are passed over.
    """
    found, codes = Entrants(), {name: code for code, name in enumerate(arms)}
    first_ms: list[int] = []
    arm_codes: list[int] = []
    for low, high in parts(rows_by_day(lake, shop, decisions=True), DECISIONS, until_ms):
        table = read_decisions(lake, shop, low, high, ("visitor_id", "ts_ms", "policy", "receipt"))
        met = found.policies if since_ms is None or high > since_ms else []
        for visitor, ts_ms, receipt in _firsts(table, met):
            try:
                arm = arm_of(visitor) if arm_of is not None else arm_in(receipt)
            except msgspec.MsgspecError:
                found.unread += 1
                continue
            code = codes.setdefault(arm, len(codes))
            at = found.place.setdefault(visitor, len(first_ms))
            if at == len(first_ms):
                first_ms.append(ts_ms)
                arm_codes.append(code)
            elif arm_codes[at] != code:
                found.moved.add(visitor)
    found.first_ms, found.arm = np.array(first_ms, np.int64), np.array(arm_codes, np.intp)
    found.arms = tuple(codes)
    return found


def _firsts(table: pa.Table, policies: list[str]) -> Iterator[tuple[str, int, bytes]]:
    """Each visitor's first decision under a policy in a part, by time. Adds to policies what is new."""
    policy = np.array(table.column("policy").to_pylist(), object)
    under = np.flatnonzero(policy != _NO_POLICY) if len(policy) else np.zeros(0, np.int64)
    if not len(under):
        return
    policies += [name for name in dict.fromkeys(policy[under]) if name not in policies]
    visitors = table.column("visitor_id").combine_chunks()
    _, at = np.unique(visitors.indices.to_numpy()[under], return_index=True)
    rows = pa.array(under[np.sort(at)])
    chosen = table.take(rows)
    yield from zip(
        *(chosen.column(name).to_pylist() for name in ("visitor_id", "ts_ms", "receipt")),
        strict=True,
    )


def parts(days: list[tuple[int, int]], rows: int, until_ms: int | None = None) -> Iterator[tuple[int, int]]:
    """Spans of time that hold about so many rows each, by time; none goes over midnight."""
    for start_ms, count in days:
        pieces = max(1, -(-count // rows))
        edges = [start_ms + DAY_MS * piece // pieces for piece in range(pieces + 1)]
        for low, high in pairwise(edges):
            if until_ms is None or low < until_ms:
                yield low, high if until_ms is None else min(high, until_ms)


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at the end of a day sees. end_ms: the day's end, or until. rows: of the entrants it counts."""

    end_ms: int
    rows: slice
    journal: Journal


def looks(
    lake: Path, shop: str, who: Entrants, since_ms: int | None = None, until_ms: int | None = None
) -> Iterator[Look]:
    """The looks by day, from the first day on which a visitor entered at or after since_ms. The journal is one and
    the same, filled further by the next look."""
    journal = Journal.of(who)
    events, decided = rows_by_day(lake, shop), rows_by_day(lake, shop, decisions=True)
    counts = dict(events)
    days = sorted({start for start, _ in [*events, *decided] if until_ms is None or start < until_ms})
    begin = int(np.searchsorted(who.first_ms, since_ms)) if since_ms is not None else 0
    for start_ms in days:
        for low, high in parts([(start_ms, counts.get(start_ms, 0))], EVENTS, until_ms):
            journal.add(read_events(lake, shop, low, high, _COLUMNS))
        end_ms = start_ms + DAY_MS if until_ms is None else min(start_ms + DAY_MS, until_ms)
        end = int(np.searchsorted(who.first_ms, end_ms))
        if end > begin:
            yield Look(end_ms, slice(begin, end), journal)
