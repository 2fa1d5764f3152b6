"""The console's messages: what each met with, by stage and over time. Counted with polars.

What a message added over silence is another question (training/console_lift.py): it reads every receipt.
"""

from typing import Any, Final

import polars as pl

from features.events import SESSION_GAP_MS
from features.lakefile import DAY_MS, read_decisions, read_events
from models.policy_terms import Action, Policy
from models.stage import STAGES
from training.console_queries import HOUR_MS, Asked, Json, Unanswerable

OUTCOMES: Final = {"view_promotion": "shown", "select_promotion": "clicked", "dismiss_promotion": "dismissed"}
MET: Final = ("decided", "shown", "clicked", "dismissed", "converted")
_HOURLY_MS: Final = 3 * DAY_MS
_EVENTS: Final = ("visitor_id", "event_id", "ts_ms", "event", "line", "decision_id", "action")


def messages(asked: Asked) -> Json:
    """Every action of the policy, and those that are no more in it but were chosen in the period (`period`).

    actions: each with `reach` (visitors who saw it), MET in all, by stage and by step of time. `converted` counts
    showings that an order of the same visitor followed within the policy's window: attributed, not added.
    Raises Unanswerable.
    """
    policy, since_ms = asked.live_policy(), asked.since_ms
    asked.progress("reading decisions", 0.0)
    decided = _decided(asked, since_ms)
    if decided.is_empty():
        raise Unanswerable("no decision in this period has reached the lake yet")
    asked.progress("reading events", 0.3)
    events = _events(asked, since_ms)
    asked.progress("counting", 0.7)
    met = _with_stage(_outcomes(events, policy.attribution.window_s), decided)
    steps = steps_of(decided, met)
    counted = _counted(decided, met, steps)
    reach = dict(met.filter(pl.col("met") == "shown").group_by("action").agg(pl.col("visitor_id").n_unique()).rows())
    known = {action.id: action for action in policy.actions}
    names = [*known, *sorted(set(counted["action"].to_list()) - known.keys())]
    tallies = _tallies(counted, len(steps))
    return {
        "period": asked.params.get("period", "all"),
        "until_ms": steps.stop,
        "since_ms": steps.start,
        "steps": list(steps),
        "step_ms": steps.step,
        "window_s": policy.attribution.window_s,
        "decisions": decided["decision_id"].n_unique(),
        "silent": int(decided.filter(pl.col("silent"))["decision_id"].n_unique()),
        "visitors": decided["visitor_id"].n_unique(),
        "actions": [
            _told(name, known.get(name), policy, reach.get(name, 0), tallies.get(name, {}), len(steps))
            for name in names
        ],
    }


def _decided(asked: Asked, since_ms: int | None) -> pl.DataFrame:
    """A row for each placement that got an action, one with "" for a decision that chose none."""
    columns = ("decision_id", "visitor_id", "ts_ms", "stage", "silent", "actions")
    table = read_decisions(asked.lake, asked.shop, since_ms, None, columns)
    found = pl.DataFrame(pl.from_arrow(table)).with_columns(pl.col("visitor_id", "stage").cast(pl.String))
    found = found.explode("actions", empty_as_null=True, keep_nulls=True)
    action = pl.col("actions").cast(pl.String).str.replace("^[^=]*=", "").fill_null("")
    return found.with_columns(action=action).drop("actions")


def _events(asked: Asked, since_ms: int | None) -> pl.DataFrame:
    table = read_events(asked.lake, asked.shop, since_ms, None, _EVENTS)
    texts = pl.col("visitor_id", "event", "decision_id", "action").cast(pl.String)
    return pl.DataFrame(pl.from_arrow(table)).filter(pl.col("line") == 0).with_columns(texts)


def _outcomes(events: pl.DataFrame, window_s: int) -> pl.DataFrame:
    """(visitor_id, decision_id, action, ts_ms, met): each outcome once for a decision and action, and orders after."""
    told = events.filter(pl.col("event").is_in(list(OUTCOMES)) & (pl.col("action") != ""))
    told = told.with_columns(met=pl.col("event").replace_strict(OUTCOMES, return_dtype=pl.String))
    told = told.unique(["decision_id", "visitor_id", "action", "met"], keep="first", maintain_order=True)
    columns = ["visitor_id", "decision_id", "action", "ts_ms", "met"]
    shown = told.filter(pl.col("met") == "shown").select(columns)
    return pl.concat([told.select(columns), _converted(shown, events, window_s)])


def _converted(shown: pl.DataFrame, events: pl.DataFrame, window_s: int) -> pl.DataFrame:
    """Showings that an order followed: within the window, or without one (0) in the same session."""
    orders = (
        events.filter(pl.col("event") == "purchase").select("visitor_id", "ts_ms", ordered_ms="ts_ms").sort("ts_ms")
    )
    if orders.is_empty() or shown.is_empty():
        return shown.clear()
    after = shown.sort("ts_ms").join_asof(
        orders, on="ts_ms", by="visitor_id", strategy="forward", check_sortedness=False
    )
    after = after.filter(pl.col("ordered_ms").is_not_null())
    if window_s:
        after = after.filter(pl.col("ordered_ms") - pl.col("ts_ms") <= 1000 * window_s)
    else:
        starts = _session_starts(events)
        now = after.join_asof(starts, on="ts_ms", by="visitor_id", strategy="backward", check_sortedness=False)
        then = after.select("visitor_id", ts_ms="ordered_ms").with_row_index().sort("ts_ms")
        then = then.join_asof(starts, on="ts_ms", by="visitor_id", strategy="backward", check_sortedness=False).sort(
            "index"
        )
        after = after.filter(now["session_ms"] == then["session_ms"])
    return after.drop("ordered_ms").with_columns(met=pl.lit("converted"))


def _session_starts(events: pl.DataFrame) -> pl.DataFrame:
    """(visitor_id, ts_ms, session_ms): where a visitor's sessions begin."""
    in_time = events.select("visitor_id", "ts_ms").sort("visitor_id", "ts_ms")
    gap = pl.col("ts_ms").diff().over("visitor_id")
    return in_time.filter(gap.is_null() | (gap > SESSION_GAP_MS)).with_columns(session_ms=pl.col("ts_ms")).sort("ts_ms")


def _with_stage(met: pl.DataFrame, decided: pl.DataFrame) -> pl.DataFrame:
    """The outcomes with the stage of their decision, "" where that is not in the period."""
    stages = decided.select("decision_id", "stage").unique("decision_id")
    return met.join(stages, on="decision_id", how="left").with_columns(pl.col("stage").fill_null(""))


def steps_of(*frames: pl.DataFrame) -> range:
    """The beginnings of the hours, or of the days of a longer time, that hold every `ts_ms`; stop is the last of it."""
    times = [frame["ts_ms"].to_numpy() for frame in frames if len(frame)]
    first, last = min(int(one.min()) for one in times), max(int(one.max()) for one in times)
    step_ms = HOUR_MS if last - first < _HOURLY_MS else DAY_MS
    return range(first // step_ms * step_ms, last + 1, step_ms)


def _counted(decided: pl.DataFrame, met: pl.DataFrame, steps: range) -> pl.DataFrame:
    """(action, stage, step, met, len)."""
    columns = ("action", "stage", "ts_ms", "met")
    chosen = decided.filter(pl.col("action") != "").with_columns(met=pl.lit("decided"))
    step = (pl.col("ts_ms") - steps.start) // steps.step
    both = pl.concat([chosen.select(columns), met.select(columns)])
    return both.with_columns(step=step).group_by("action", "stage", "step", "met").len()


def _tallies(counted: pl.DataFrame, steps: int) -> dict[str, Json]:
    """By action: counts in all, by stage, and by step."""
    found: dict[str, Any] = {}
    for action, stage, step, met, count in counted.rows():
        one = found.setdefault(action, {"all": dict.fromkeys(MET, 0), "stages": {}, "by_step": {}})
        one["all"][met] += count
        one["stages"].setdefault(stage, dict.fromkeys(MET, 0))[met] += count
        one["by_step"].setdefault(met, [0] * steps)[step] += count
    return found


def _told(name: str, action: Action | None, policy: Policy, reach: int, tally: Json, steps: int) -> Json:
    stages = tally.get("stages", {})
    by_step = tally.get("by_step", {})
    content = next(iter(action.content.values())) if action is not None and action.content else None
    return {
        "id": name,
        "kind": action.kind if action is not None else None,
        "placements": list(action.placements) if action is not None else [],
        "title": (content.title or content.text) if content is not None else "",
        "apprentice": action is not None and (action.apprentice or policy.apprentice),
        "reach": reach,
        **tally.get("all", dict.fromkeys(MET, 0)),
        "stages": {stage: stages[stage] for stage in (*STAGES, "") if stage in stages},
        "by_step": {met: by_step.get(met, [0] * steps) for met in ("shown", "clicked", "converted")},
    }
