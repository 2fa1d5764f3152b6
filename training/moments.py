"""Times as people write them, and as Unix milliseconds."""

import re
from datetime import UTC, datetime

_SECONDS_BELOW = 100_000_000_000
"""A number below this is seconds (until the year 5138), from it on milliseconds (since 1973)."""

_LATEST_MS = 253_402_300_799_000


def parse_moment(text: str) -> int:
    """Unix milliseconds of an ISO date or time (UTC unless it says otherwise), or of epoch seconds or milliseconds.

    Eight digits that are a day of 1990 to 2099 are that day: 20140714. Raises ValueError with what would be understood.
    """
    if re.fullmatch(r"(199\d|20\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])", text.strip()):
        return _iso_ms(text)
    try:
        number = float(text)
    except ValueError:
        return _iso_ms(text)
    ms = number * 1000 if abs(number) < _SECONDS_BELOW else number
    if not 0 <= ms <= _LATEST_MS:
        raise ValueError(f"{text!r} lies outside the years 1970 to 9999")
    return round(ms)


def _iso_ms(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        hint = "like 2014-08-01, 2015-06-04T06:00, 2015-06-04T06:00Z or 1433397600"
        raise ValueError(f"{text!r} is no date or time {hint}") from error
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def iso(ms: int) -> str:
    """UTC, to the millisecond: 2015-06-04T06:00:00.000Z."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
