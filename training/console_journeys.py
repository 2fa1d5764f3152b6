"""The console's questions about journeys and personas. The log is read once and kept: a filter answers from memory.

A kept log is read anew when the lake has changed, at the soonest KEEP_S seconds or KEEP_TIMES as long as reading took
after it was read: while visitors keep coming, the map is that old at the most.
"""

import time
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, Final

import numpy as np

from features.lakefile import rows_by_day
from models.persona import Personas
from models.persona_files import live_if_read
from models.persona_traits import traits_of_log
from training.console_queries import Asked, Json, Unanswerable
from training.journey_lift import by_stage, scored
from training.journey_paths import samples
from training.journey_report import Assigned, NoSuchValue, Which, chosen, report
from training.journey_sessions import AT_THE_TIME, HINDSIGHT, Journeys, journeys
from training.journey_words import MOMENT_WORDS, NEXT_WORDS, OUTCOME_WORDS, place_words
from training.lake import Log, load_log
from training.persona_find import Found, TooFewVisitors, find

KEEP_S: Final = 30.0
KEEP_TIMES: Final = 20.0
MOST_LOGS: Final = 2
PATHS: Final = 8


@dataclass
class Kept:
    """A shop's log in memory, and what was made of it. found: personas; failed: why there are none."""

    log: Log
    state: tuple[tuple[int, int], ...]
    until: float
    by: dict[str, Journeys] = field(default_factory=dict)
    found: Found | None = None
    failed: str = ""
    assigned: dict[str, Assigned] = field(default_factory=dict)


_kept: dict[tuple[Path, str], Kept] = {}
_lock: Final = Lock()


def _log(asked: Asked) -> Kept:
    """The shop's log, from memory where it is fresh enough. Raises Unanswerable."""
    key = (asked.lake, asked.shop)
    with _lock:
        state = tuple(rows_by_day(asked.lake, asked.shop))
        kept = _kept.get(key)
        if kept is not None and (kept.state == state or time.monotonic() < kept.until):
            return kept
        if not state:
            raise Unanswerable("no event of this shop is in the lake yet: events arrive there within seconds")
        asked.progress("reading the log", 0.0)
        began = time.monotonic()
        log = load_log(asked.lake, asked.shop)
        took_s = time.monotonic() - began
        _kept.pop(key, None)
        while len(_kept) >= MOST_LOGS:
            _kept.pop(next(iter(_kept)))
        made = _kept[key] = Kept(log, state, time.monotonic() + max(KEEP_S, KEEP_TIMES * took_s))
        return made


def _journeys(asked: Asked, kept: Kept) -> Journeys:
    by = asked.params.get("stages") or HINDSIGHT
    if by not in (HINDSIGHT, AT_THE_TIME):
        raise Unanswerable(f"stages {by!r} are none of {HINDSIGHT}, {AT_THE_TIME}")
    if by not in kept.by:
        asked.progress("journeys", 0.5)
        kept.by[by] = journeys(kept.log, scored(asked.lake, kept.log) if by == AT_THE_TIME else None)
    return kept.by[by]


def _which(asked: Asked) -> Which:
    given = asked.params
    channel, device, persona = (given.get(name, "") for name in ("channel", "device", "persona"))
    return Which(channel, device, persona, asked.since_ms)


def _assigned(asked: Asked, kept: Kept) -> Assigned | None:
    """Each visitor's persona: of those in use, else of those found, else none; looked for only where it is asked."""
    in_use = live_if_read(asked.lake, asked.shop)
    if in_use is None:
        if asked.params.get("persona"):
            _find(asked, kept)
        return None if kept.found is None else Assigned(kept.found.personas.names, kept.found.codes)
    if in_use.id not in kept.assigned:
        kept.assigned = {in_use.id: Assigned(in_use.names, _codes(in_use, kept.log))}
    return kept.assigned[in_use.id]


def _codes(personas: Personas, log: Log) -> Any:
    bounds = np.searchsorted(log.visitor, np.arange(len(log.visitors) + 1)).astype(np.int64)
    return personas.codes(*traits_of_log(log.records, bounds, personas.utc_offset_h))


def journey_map(asked: Asked) -> Json:
    """The whole map: docs/journeys.md. Parameters: period, channel, device, persona, stages."""
    kept = _log(asked)
    found = _journeys(asked, kept)
    try:
        told = report(found, _which(asked), _assigned(asked, kept))
    except NoSuchValue as bad:
        raise Unanswerable(str(bad)) from None
    return _with_words(told)


def _with_words(told: Json) -> Json:
    """Every row with its name for people, as `label`."""
    for node in told["nodes"]:
        node["label"] = OUTCOME_WORDS.get(node["name"], node["name"]) if node["kind"] == "outcome" else node["name"]
    for row in told["outcomes"]:
        row["label"] = OUTCOME_WORDS[row["outcome"]]
    for row in told["moments"]:
        row["label"] = MOMENT_WORDS[row["moment"]]
        row["next"] = [{"label": NEXT_WORDS[name], "sessions": n} for name, n in row["next"].items()]
    for row in (*told["places"], *told["products"], *told["dead_ends"]):
        row["label"] = place_words(row["id"])
    return told


def journey_paths(asked: Asked) -> Json:
    """Sample paths through a node (`source`) or a flow (`source` and `target`), for the same choice of sessions."""
    kept = _log(asked)
    found = _journeys(asked, kept)
    try:
        sessions = chosen(found, _which(asked), _assigned(asked, kept))
    except NoSuchValue as bad:
        raise Unanswerable(str(bad)) from None
    given = asked.params
    told = samples(found, sessions, given.get("source", ""), given.get("target", ""), PATHS)
    for path in told["paths"]:
        path["outcome"] = OUTCOME_WORDS[path["outcome"]]
        for step in path["steps"]:
            on_a_page = step["event"] == "page_view" and step["page"]
            step["label"] = place_words(f"page:{step['page']}" if on_a_page else f"kind:{step['event']}")
    return told


def journey_lift(asked: Asked) -> Json:
    """What messages add by stage, all channels and devices together: a visitor's arm is not a session's."""
    asked.progress("reading decisions", 0.0)

    def progress(share: float) -> None:
        asked.progress("reading events", share)

    return {"stages": by_stage(asked.lake, asked.shop, asked.since_ms, progress=progress)}


def personas(asked: Asked) -> Json:
    """The personas of the whole log, those in use keeping their names: docs/personas.md."""
    kept = _log(asked)
    found = _find(asked, kept)
    if found is None:
        raise Unanswerable(kept.failed)
    in_use = live_if_read(asked.lake, asked.shop)
    used = None if in_use is None else {"id": in_use.id, "names": list(in_use.names)}
    return {"id": found.personas.id, "in_use": used, "utc_offset_h": found.personas.utc_offset_h, **found.personas.told}


def _find(asked: Asked, kept: Kept) -> Found | None:
    if kept.found is None and not kept.failed:
        before = live_if_read(asked.lake, asked.shop)
        try:
            offset = 0.0 if before is None else before.utc_offset_h
            kept.found = find(kept.log, before=before, utc_offset_h=offset, progress=asked.progress)
        except TooFewVisitors as few:
            kept.failed = str(few)
    return kept.found
