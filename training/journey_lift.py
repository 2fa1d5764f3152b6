"""What the messages add at each stage: visitors from their first decision in it, against the holdout's.

The same measure, interval and words as `tact lift` (training/lift.py), a visitor counted once in every stage reached.
Who reaches a later stage may itself be an effect of earlier messages; then the arms in it are not alike. The sample
ratio within the stage tells when they visibly are not, and the lift is then not to be read.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa

from features.lakefile import read_decisions, read_events, rows_by_day
from models.stage import STAGES
from training.journey_sessions import Scored
from training.lake import Log
from training.lift import Asked, Lift, describe, lifts
from training.lift_checks import Ratio, ratio
from training.lift_journal import Entrants, Journal
from training.lift_read import DECISIONS, EVENTS, arm_in, parts

ARMS: Final = ("full", "holdout")
_COLUMNS: Final = ("visitor_id", "event", "ts_ms", "line", "price", "quantity", "value", "order_id")
_NO_POLICY: Final = "none"
_MOST_ACTIONS: Final = 6


@dataclass
class Reached:
    """Who was decided for in each stage. entrants: by stage. arms: by code. actions: how often each was chosen."""

    entrants: dict[str, Entrants] = field(default_factory=dict)
    arms: tuple[str, ...] = ARMS
    actions: dict[str, Counter[str]] = field(default_factory=dict)
    decisions: Counter[str] = field(default_factory=Counter)
    overall: Counter[int] = field(default_factory=Counter)
    unread: int = 0


def reached(lake: Path, shop: str, since_ms: int | None = None, until_ms: int | None = None) -> Reached:
    """Reads the decisions of a span; those without a policy or a stage (degraded) are passed over."""
    found, codes = Reached(), {name: code for code, name in enumerate(ARMS)}
    arm_of: dict[str, int] = {}
    rows: dict[str, list[tuple[str, int, int]]] = {name: [] for name in STAGES}
    seen: dict[str, set[str]] = {name: set() for name in STAGES}
    for low, high in _spans(lake, shop, since_ms, until_ms):
        table = read_decisions(lake, shop, low, high, ("visitor_id", "ts_ms", "policy", "stage", "actions", "receipt"))
        _count(table, found)
        for visitor, ts_ms, stage, receipt in _firsts(table):
            if visitor in seen[stage]:
                continue
            if visitor not in arm_of:
                try:
                    arm_of[visitor] = codes.setdefault(arm_in(receipt), len(codes))
                except msgspec.MsgspecError:
                    found.unread += 1
                    continue
                found.overall[arm_of[visitor]] += 1
            seen[stage].add(visitor)
            rows[stage].append((visitor, ts_ms, arm_of[visitor]))
    found.arms = tuple(codes)
    found.entrants = {stage: _entrants(some, found.arms) for stage, some in rows.items() if some}
    return found


def _spans(lake: Path, shop: str, since_ms: int | None, until_ms: int | None) -> Iterator[tuple[int, int]]:
    for low, high in parts(rows_by_day(lake, shop, decisions=True), DECISIONS, until_ms):
        if since_ms is None or high > since_ms:
            yield (low if since_ms is None else max(low, since_ms)), high


def _firsts(table: pa.Table) -> Iterator[tuple[str, int, str, bytes]]:
    """The first decision of each visitor and stage in a part, by time."""
    if not len(table):
        return
    visitor, stage, policy = (table.column(name).combine_chunks() for name in ("visitor_id", "stage", "policy"))
    known = np.isin(np.array(stage.dictionary.to_pylist(), object), STAGES)[stage.indices.to_numpy()]
    ruled = (np.array(policy.dictionary.to_pylist(), object) != _NO_POLICY)[policy.indices.to_numpy()]
    some = np.flatnonzero(known & ruled)
    key = visitor.indices.to_numpy()[some].astype(np.int64) * 1000 + stage.indices.to_numpy()[some]
    at = some[np.sort(np.unique(key, return_index=True)[1])]
    taken = table.take(pa.array(at))
    names = ("visitor_id", "ts_ms", "stage", "receipt")
    yield from zip(*(taken.column(name).to_pylist() for name in names), strict=True)


def _count(table: pa.Table, found: Reached) -> None:
    for stage, actions in zip(table.column("stage").to_pylist(), table.column("actions").to_pylist(), strict=True):
        if stage in STAGES:
            found.decisions[stage] += 1
            found.actions.setdefault(stage, Counter()).update(one.split("=", 1)[-1] for one in actions or ())


def _entrants(rows: list[tuple[str, int, int]], arms: tuple[str, ...]) -> Entrants:
    place = {visitor: at for at, (visitor, _, _) in enumerate(rows)}
    first_ms = np.array([ts_ms for _, ts_ms, _ in rows], np.int64)
    return Entrants(place, first_ms, np.array([arm for _, _, arm in rows], np.intp), arms)


def by_stage(
    lake: Path,
    shop: str,
    since_ms: int | None = None,
    until_ms: int | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> dict[str, Any]:
    """Each stage's lift as plain JSON values, {} where there are no decisions. What was bought counts to until_ms.
    progress: told the share of the events that is read, once the decisions are."""
    found = reached(lake, shop, since_ms, until_ms)
    journals = {stage: Journal.of(who) for stage, who in found.entrants.items()}
    spans = list(parts(rows_by_day(lake, shop), EVENTS, until_ms)) if journals else []
    for at, (low, high) in enumerate(spans):
        progress(at / len(spans))
        table = read_events(lake, shop, low, high, _COLUMNS)
        for journal in journals.values():
            journal.add(table)
    return {stage: _told(stage, journals[stage], found) for stage in STAGES if stage in journals}


def _told(stage: str, journal: Journal, found: Reached) -> dict[str, Any]:
    who = journal.entrants
    asked = Asked(found.arms)
    rows = lifts(journal.visitors(slice(0, len(who.first_ms)), None), asked).get("conversion", [])
    lift = next((one for one in rows if one.arm == ARMS[0]), None)
    people = np.bincount(who.arm, minlength=len(found.arms)).tolist()
    check = _ratio(people, found)
    bought = np.bincount(who.arm[journal.bought], minlength=len(found.arms)).tolist()
    return {
        "decisions": found.decisions[stage],
        "visitors": {arm: n for arm, n in zip(found.arms, people, strict=True) if n},
        "buyers": {arm: n for arm, n, of in zip(found.arms, bought, people, strict=True) if of},
        "actions": [{"action": name, "chosen": n} for name, n in _most(found.actions[stage])],
        "lift": None if lift is None else describe(lift),
        "ratio": None if check is None else check.as_dict(),
        "words": _words(lift, check),
    }


def _most(actions: Counter[str]) -> list[tuple[str, int]]:
    return sorted(actions.items(), key=lambda one: (-one[1], one[0]))[:_MOST_ACTIONS]


def _ratio(people: list[int], found: Reached) -> Ratio | None:
    """Arms in the stage against arms among all who were decided for."""
    total = sum(found.overall.values())
    if len([n for n in found.overall.values() if n]) < 2:
        return None
    shares = {arm: found.overall[code] / total for code, arm in enumerate(found.arms) if found.overall[code]}
    return ratio(found.arms, people, shares)


def _words(lift: Lift | None, check: Ratio | None) -> str:
    if lift is None:
        return "nobody of the holdout, or nobody else, was met in this stage: nothing to compare"
    if check is not None and check.alarm:
        return "the arms are not alike in this stage: messages may have changed who reaches it; do not read this"
    return lift.words


def scored(lake: Path, log: Log) -> Scored:
    """The stages that decisions named for the log's visitors; degraded ones name none."""
    code = {name: at for at, name in enumerate(log.visitors)}
    table = read_decisions(lake, log.shop, columns=("visitor_id", "ts_ms", "stage"))
    if not len(table):
        return Scored(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int8))
    visitor, stage = (table.column(name).combine_chunks() for name in ("visitor_id", "stage"))
    who = np.array([code.get(name, -1) for name in visitor.dictionary.to_pylist()], np.int64)[
        visitor.indices.to_numpy()
    ]
    names = {name: at for at, name in enumerate(STAGES)}
    which = np.array([names.get(name, -1) for name in stage.dictionary.to_pylist()], np.int8)[stage.indices.to_numpy()]
    known = (who >= 0) & (which >= 0)
    return Scored(who[known], table.column("ts_ms").to_numpy()[known], which[known])
