"""The console's calibration: what models said at each decision, beside what the visitor then did in that session."""

from typing import Final

import msgspec
import numpy as np
import polars as pl

from features.events import SESSION_GAP_MS
from features.lakefile import DAY_MS, read_decisions, read_events, rows_by_day
from models.intent import INTENTS
from models.receipt import KeptScores
from models.receipt_form import part_reader
from training.console_queries import Asked, Json, Unanswerable

BINS: Final = 10
LEAST: Final = 200
MOST: Final = 10_000
_COLUMNS: Final = ("visitor_id", "ts_ms", "bundle", "receipt")
TRUE_BY: Final = {"buy": "purchase", "cart": "add_to_cart"}
"""Intents that come true by an event later in the session."""
_Z: Final = 1.96


class _Said(msgspec.Struct):
    scores: KeptScores | None = None
    bundle: str = ""


_read = part_reader(_Said)


def calibration(asked: Asked) -> Json:
    """For `buy` and `cart`, and each tenth of the decisions by what was said: `said`, `happened`, its interval, `n`.

    Of the latest MOST decisions of the live bundle's visitors with ended sessions. Messages change what visitors do,
    and the holdout is small: read it as a check of the whole. Raises Unanswerable.
    """
    decided = _latest(asked)
    if decided.is_empty():
        raise Unanswerable("no decision in this period has reached the lake yet")
    bundle = asked.params.get("bundle") or decided["bundle"][-1]
    decided = decided.filter(pl.col("bundle") == bundle)
    asked.progress("reading receipts", 0.3)
    scores = [_read(receipt).scores for receipt in decided["receipt"].to_list()]
    decided = decided.drop("receipt").with_columns(
        pl.Series(name, [one.intent[place] if one else None for one in scores], pl.Float64)
        for place, name in enumerate(INTENTS)
        if name in TRUE_BY
    )
    asked.progress("reading what followed", 0.6)
    return {"bundle": bundle, "decisions": len(decided), "intents": _by_intent(asked, decided)}


def _latest(asked: Asked) -> pl.DataFrame:
    """The latest MOST decisions, read day by day backwards: memory holds a day's receipts and those."""
    parts: list[pl.DataFrame] = []
    for day_ms, rows in reversed(rows_by_day(asked.lake, asked.shop, decisions=True)):
        if not rows or sum(map(len, parts)) >= MOST or day_ms + DAY_MS <= (asked.since_ms or 0):
            continue
        since_ms = max(day_ms, asked.since_ms or 0)
        table = read_decisions(asked.lake, asked.shop, since_ms, day_ms + DAY_MS, _COLUMNS)
        part = pl.DataFrame(pl.from_arrow(table.slice(max(0, len(table) - MOST))))
        parts.insert(0, part.with_columns(pl.col("visitor_id", "bundle").cast(pl.String)))
    return pl.concat(parts).tail(MOST) if parts else pl.DataFrame()


def _by_intent(asked: Asked, decided: pl.DataFrame) -> Json:
    columns = ("visitor_id", "ts_ms", "event")
    begin = int(decided["ts_ms"].min()) if len(decided) else 0  # type: ignore[arg-type]  # an integer
    events = pl.DataFrame(pl.from_arrow(read_events(asked.lake, asked.shop, begin, None, columns)))
    events = events.with_columns(pl.col("visitor_id", "event").cast(pl.String)).sort("visitor_id", "ts_ms")
    gap = pl.col("ts_ms").diff().over("visitor_id")
    events = events.with_columns(session=(gap.is_null() | (gap > SESSION_GAP_MS)).cum_sum())
    last_ms = int(events["ts_ms"].max() or 0)  # type: ignore[arg-type]  # an integer
    ends = events.group_by("session").agg(end_ms=pl.col("ts_ms").max())
    events = events.sort("ts_ms")
    ended = decided.sort("ts_ms").join_asof(
        events.select("visitor_id", "ts_ms", "session"), on="ts_ms", by="visitor_id", check_sortedness=False
    )
    ended = ended.join(ends, on="session").filter(pl.col("end_ms") < last_ms - SESSION_GAP_MS)
    found = {}
    for name, kind in TRUE_BY.items():
        came = events.filter(pl.col("event") == kind).group_by("session").agg(came_ms=pl.col("ts_ms").max())
        judged = ended.join(came, on="session", how="left").filter(pl.col(name).is_not_null())
        true = (judged["came_ms"] > judged["ts_ms"]).fill_null(value=False)
        found[name] = bins(judged[name].to_numpy(), true.to_numpy().astype(np.float64))
    return found


def bins(
    said: "np.ndarray[tuple[int], np.dtype[np.float64]]", came: "np.ndarray[tuple[int], np.dtype[np.float64]]"
) -> Json:
    """Tenths by what was said, the lowest first; none below LEAST. The interval is Wilson's, 95 %."""
    told: Json = {"n": len(said), "said": None, "happened": None, "bins": []}
    if len(said) < LEAST:
        return told
    told |= {"said": float(said.mean()), "happened": float(came.mean())}
    for part in np.array_split(np.argsort(said, kind="stable"), BINS):
        n, share = len(part), float(came[part].mean())
        middle = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
        half = _Z * float(np.sqrt(share * (1 - share) / n + _Z**2 / (4 * n * n))) / (1 + _Z**2 / n)
        ends = {"low": max(0.0, middle - half), "high": min(1.0, middle + half)}
        told["bins"].append({"n": n, "said": float(said[part].mean()), "happened": share, **ends})
    return told
