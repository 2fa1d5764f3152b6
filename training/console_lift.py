"""The console's lift of messages: what each added over silence, from every receipt of the lake."""

import math
from typing import Final

from features.lakefile import DAY_MS, rows_by_day
from training.attribution import Earned
from training.console_queries import Asked, Json, Unanswerable
from training.learn_policy import ENOUGH, Effect, effects
from training.lift_follow import follow

_ALWAYS: Final = 1 << 62
MOST_MORE: Final = 10_000_000
"""More showings than these are not worth waiting for."""


def message_lift(asked: Asked) -> Json:
    """By action: `added` a showing with its interval, whether that is told from 0, showings still needed, and by stage.

    In units of the policy's reward (`unit`). Raises Unanswerable.
    """
    policy, total = asked.live_policy(), max(1, _decisions(asked))

    def progress(decisions: int) -> None:
        asked.progress("following messages", min(0.99, decisions / total))

    followed = follow(asked.lake, asked.shop, policy, _begin(asked), progress, asked.folder)
    found = followed.end(_ALWAYS)
    if not followed.following.counts["decisions"]:
        raise Unanswerable("no decision in this period has reached the lake yet")
    stages: dict[str, list[Effect]] = {}
    for effect in effects(found.lessons, policy):
        stages.setdefault(effect.action, []).append(effect)
    return {
        "unit": "orders" if policy.reward is None else policy.currency,
        "enough": ENOUGH,
        "attributed_orders": found.attributed,
        "credit": policy.attribution.credit,
        "actions": {row.action: _told(row, stages.get(row.action, [])) for row in found.earned()},
    }


def _begin(asked: Asked) -> int | None:
    """A long period begins with a day: what was followed of it holds until midnight, not for an hour."""
    since_ms = asked.since_ms
    if since_ms is None or asked.now_ms - since_ms < 2 * DAY_MS:
        return since_ms
    return since_ms // DAY_MS * DAY_MS


def more_showings(value: float, low: float, high: float, shown: int) -> int | None:
    """About how many more showings tell an effect of this size from 0; 0 if it is told, None if too many.

    An interval narrows as the root of the showings.
    """
    if low > 0 or high < 0:
        return 0
    if not value:
        return None
    needed = shown * (((high - low) / 2 / abs(value)) ** 2 - 1)
    return None if not needed < MOST_MORE else max(1, math.ceil(needed))


def _decisions(asked: Asked) -> int:
    return sum(
        rows for day_ms, rows in rows_by_day(asked.lake, asked.shop, decisions=True) if day_ms >= (asked.since_ms or 0)
    )


def _told(row: Earned, stages: list[Effect]) -> Json:
    added = row.added
    told: Json = {
        "shown": row.shown,
        "orders": dict(row.orders),
        "revenue": dict(row.revenue),
        "added": None,
        "more": None,
    }
    if added is not None and row.shown:
        value, low, high = (part / row.shown for part in (added.value, added.low, added.high))
        told |= {
            "added": {"value": value, "low": low, "high": high},
            "more": more_showings(value, low, high, row.shown),
        }
    elif row.shown < ENOUGH:
        told["more"] = ENOUGH - row.shown
    return told | {"stages": [effect.as_dict() for effect in stages]}
