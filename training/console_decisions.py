"""The console's search over the lake's decisions: by visitor, action, stage, silence; the latest first."""

from typing import Any, Final

import polars as pl

from features.lakefile import DAY_MS, read_decisions, rows_by_day
from training.console_queries import Asked, Json, Unanswerable

MOST: Final = 200
_COLUMNS: Final = ("decision_id", "visitor_id", "ts_ms", "degraded", "stage", "silent", "actions")


def decisions(asked: Asked) -> Json:
    """The latest decisions, `most` or MOST, that match `visitor`, `action`, `stage`, `which` (silent, degraded, shown);
    from the latest day backwards until there are enough. Raises Unanswerable."""
    most = _most(asked.params.get("most", ""))
    days = [day_ms for day_ms, rows in rows_by_day(asked.lake, asked.shop, decisions=True) if rows]
    if not days:
        raise Unanswerable("no decision has reached the lake yet")
    found: list[dict[str, Any]] = []
    looked = 0
    for day_ms in reversed(days):
        if len(found) >= most or (asked.since_ms is not None and day_ms + DAY_MS <= asked.since_ms):
            break
        since_ms, visitor = max(day_ms, asked.since_ms or 0), asked.params.get("visitor") or None
        table = read_decisions(asked.lake, asked.shop, since_ms, day_ms + DAY_MS, _COLUMNS, visitor_id=visitor)
        matching = _matching(pl.DataFrame(pl.from_arrow(table)), asked).tail(most - len(found))
        found += matching.reverse().to_dicts()
        looked += 1
        asked.progress("reading days", looked / len(days))
    return {"decisions": found, "most": most, "days_read": looked, "days": len(days)}


def _most(text: str) -> int:
    if text and not (text.isascii() and text.isdigit()):
        raise Unanswerable(f"`most` is {text[:20]!r}; it has to be a whole number")
    return min(MOST, int(text)) if text else MOST


def _matching(table: pl.DataFrame, asked: Asked) -> pl.DataFrame:
    action, stage, which = (asked.params.get(name, "") for name in ("action", "stage", "which"))
    if stage:
        table = table.filter(pl.col("stage").cast(pl.String) == stage)
    if action:
        ends = pl.element().cast(pl.String).str.ends_with(f"={action}")
        table = table.filter(pl.col("actions").list.eval(ends).list.any())
    if which in ("silent", "degraded"):
        table = table.filter(pl.col(which))
    return table.filter(~pl.col("silent")) if which == "shown" else table
