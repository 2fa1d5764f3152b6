"""Whether a moment lies in a schedule, in the schedule's own time zone."""

from datetime import datetime, tzinfo
from functools import lru_cache
from typing import Final

from models.policy_terms import WEEKDAYS, Schedule

_DAY_MS: Final = 86_400_000
EARLIEST_MS: Final = -62_135_596_800_000 + _DAY_MS
LATEST_MS: Final = 253_402_300_799_999 - _DAY_MS
"""The years 1 and 9999 less a day: every zone has a wall-clock time then."""


def local_time(now_ms: int, zone: tzinfo) -> datetime:
    """The wall-clock time of a Unix time in ms; beyond the years a date can have, the nearest of them."""
    return datetime.fromtimestamp(min(max(now_ms, EARLIEST_MS), LATEST_MS) / 1000, zone)


@lru_cache(maxsize=256)
def _local_second(now_s: int, zone: tzinfo) -> datetime:
    """The same to the second, remembered: the decisions of a second share it."""
    return local_time(now_s * 1000, zone)


def outside(schedule: Schedule, now_ms: int) -> str:
    """Why a moment is outside a schedule; "" if it is inside."""
    if schedule.from_ms is not None and now_ms < schedule.from_ms:
        return f"begins {_date(schedule.from_ms, schedule.timezone)}"
    if schedule.to_ms is not None and now_ms >= schedule.to_ms:
        return f"ended {_date(schedule.to_ms, schedule.timezone)}"
    if not (schedule.weekdays or schedule.hours):
        return ""
    at = _local_second(now_ms // 1000, schedule.timezone)
    if schedule.weekdays and at.weekday() not in schedule.weekdays:
        return f"not on {WEEKDAYS[at.weekday()]}"
    if schedule.hours and not _within(at.hour * 60 + at.minute, *schedule.hours):
        return f"not at {at:%H:%M}"
    return ""


def _date(ts_ms: int, zone: tzinfo) -> str:
    return f"{local_time(ts_ms, zone):%Y-%m-%d %H:%M}"


def _within(minute: int, begin: int, end: int) -> bool:
    """Whether a minute of the day lies in [begin, end), which may span midnight."""
    return begin <= minute < end if begin < end else minute >= begin or minute < end
