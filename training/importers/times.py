"""Times of any usual kind to Unix milliseconds: numbers since 1970 in s, ms, µs or ns, ISO 8601, dates of other orders.

A time without a zone is taken as UTC.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from training.importers.errors import Unclear

EARLIEST_MS: Final = 631_152_000_000
"""1990-01-01: an earlier event of a webshop is a mistake of its clock."""

_PER_SECOND: Final = {"s": 1, "ms": 1_000, "µs": 1_000_000, "ns": 1_000_000_000}
_DIRECT: Final = (
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.fZ",
    "%Y-%m-%d %H:%M:%S%.f UTC",
    "%Y-%m-%dT%H:%M:%S%.f",
)
"""Forms read in one pass; every other one is brought into shape first."""
_ORDERS: Final = {"year": ("%Y-%m-%d",), "day": ("%d-%m-%Y",), "month": ("%m-%d-%Y",)}
_CLOCKS: Final = (" %H:%M:%S%.f", " %I:%M:%S%.f %p")
_ZONE: Final = r"(:\d{2}(?:[.,]\d+)?)\s*([+-])(\d{2}):?(\d{2})?$"
_NUMBER: Final = r"(?i)^[+-]?[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?$"
_ENDS_LIKE_DATE: Final = re.compile(r"\s*(\d{1,2})([./-])(\d{1,2})[./-]\d{4}\b")


@dataclass(frozen=True, slots=True)
class TimeForm:
    """How a log writes its times. unit: s, ms, µs, ns, compact (20150601120000), text, or a strptime format.

    order: what comes first in a date: year, day or month. direct: the form that most of the texts have, "" if none.
    """

    unit: str
    order: str = "year"
    direct: str = ""
    zone: bool = False

    @property
    def described(self) -> str:
        """The form in words."""
        if self.unit in _PER_SECOND:
            return f"{self.unit} since 1970"
        zone = "with their zone" if self.zone else "UTC"
        if self.unit not in ("text", "compact"):
            return f"{self.unit}, {zone}"
        form = {"year": "ISO 8601", "day": "day first", "month": "month first"}[self.order]
        return f"{'digits, year first' if self.unit == 'compact' else form}, {zone}"


def time_form(values: pl.Series, named: str = "") -> TimeForm:
    """The form of a sample of times. named: a unit or a strptime format from the command line.

    Raises Unclear where the values are no times, or dates such as 3/4/2015 could be read in two ways.
    """
    stripped = values.drop_nulls().str.strip_chars()
    texts = stripped.filter(stripped != "")
    if not len(texts):
        raise Unclear("The time column is empty.", "Name the right one: --map time=COLUMN")
    if named in ("day-first", "month-first"):
        return TimeForm("text", named.removesuffix("-first"))
    if named:
        return _named(named, texts)
    numbers = texts.filter(texts.str.contains(_NUMBER)).cast(pl.Float64, strict=False).drop_nulls()
    if len(numbers) > len(texts) / 2:
        return _numeric(texts.to_list(), numbers.sort()[len(numbers) // 2])
    return _textual(texts)


def _named(named: str, texts: pl.Series) -> TimeForm:
    """The form that was said, which must read at least one of the texts."""
    form = TimeForm({"us": "µs", "iso": "text"}.get(named, named))
    hint = "--time-format s, ms, us, ns, iso, day-first, month-first, or a form such as '%d %b %Y %H:%M'"
    try:
        read = unix_ms(texts, form)
    except pl.exceptions.PolarsError as error:
        raise Unclear(f"--time-format {named!r} is no form: {str(error).splitlines()[0]}", hint) from error
    if read.null_count() == len(texts):
        raise Unclear(f"--time-format {named!r} reads none of the times; the first is {texts[0]!r}.", hint)
    return form


def looks_like_time(values: pl.Series) -> bool:
    """Whether most of a sample can be read as plausible times."""
    try:
        form = time_form(values)
    except Unclear:
        return False
    read = unix_ms(values, form)
    return bool((read.is_not_null() & (read >= EARLIEST_MS) & (read < 4_102_444_800_000)).sum() > 0.8 * len(values))


def unix_ms(texts: pl.Series, form: TimeForm) -> pl.Series:
    """Times as Unix milliseconds, Int64; null where a text is no time of this form."""
    if form.unit in _PER_SECOND:
        return _scaled(texts, _PER_SECOND[form.unit])
    if form.unit == "compact":
        padded = texts.str.strip_chars().str.pad_end(14, "0")
        return _ms(padded.str.to_datetime("%Y%m%d%H%M%S", strict=False))
    if form.unit != "text":
        return _ms(_parsed(texts.str.strip_chars(), form.unit))
    found = _ms(_parsed(texts, form.direct)) if form.direct else pl.Series([None] * len(texts), dtype=pl.Int64)
    left = (found.is_null() & texts.is_not_null()).arg_true()
    return found.scatter(left, _shaped(texts.gather(left), form.order)) if len(left) else found


def _numeric(texts: Sequence[str], middle: float) -> TimeForm:
    if all(re.fullmatch(r"(19|20)\d\d(0[1-9]|1[0-2])([0-2]\d|3[01])(\d{6})?", text) for text in texts):
        return TimeForm("compact")
    for unit, limit in (("s", 1e11), ("ms", 1e14), ("µs", 1e17), ("ns", 1e20)):
        if 1e8 <= abs(middle) < limit:  # 1e8 s is 1973, 1e11 ms as well: no log of a webshop is older
            return TimeForm(unit)
    raise Unclear(
        f"{texts[0]!r} is no time: a number since 1970 has 10 digits or more.",
        "Name the right column (--map time=COLUMN), or add a date column to it (--map time=DATE+OFFSET_MS).",
    )


def _textual(texts: pl.Series) -> TimeForm:
    zone = bool(texts.str.contains(_ZONE).any() or texts.str.contains(r"(Z|UTC|GMT)$").any())
    direct, read = _best_direct(texts)
    form = TimeForm("text", _order(texts), direct, zone)
    if read < len(texts) and unix_ms(texts, form).null_count() > len(texts) / 2:
        raise Unclear(f"{texts[0]!r} is no time in a known form.", "Say its form: --time-format '%d %b %Y %H:%M'")
    return form


def _best_direct(texts: pl.Series) -> tuple[str, int]:
    """The direct form that reads most of the texts and how many, "" and 0 where none reads any."""
    best, read = "", 0
    for form in _DIRECT:
        count = len(texts) - _parsed(texts, form).null_count()
        if count > read:
            best, read = form, count
        if read == len(texts):
            break
    return best, read


def _order(texts: pl.Series) -> str:
    """What comes first in the dates of a sample."""
    likely = texts.filter(texts.str.contains(r"^\s*\d{1,2}[./-]")).to_list()
    dates = [match for text in likely if (match := _ENDS_LIKE_DATE.match(text))]
    if len(dates) < len(texts) / 2:
        return "year"
    first, second = max(int(date[1]) for date in dates), max(int(date[3]) for date in dates)
    if first > 12 or all(date[2] == "." for date in dates):
        return "day"
    if second > 12:
        return "month"
    hint = "Say it: --time-format day-first, or month-first"
    raise Unclear(f"Day or month first? {dates[0][0].strip()} can be read both ways.", hint)


def _scaled(texts: pl.Series, per_second: int) -> pl.Series:
    stripped = texts.str.strip_chars()
    whole = stripped.cast(pl.Int64, strict=False)
    found = whole * (1000 // per_second) if per_second <= 1000 else whole // (per_second // 1000)
    left = (whole.is_null() & texts.is_not_null()).arg_true()
    if not len(left):
        return found
    number = stripped.gather(left).cast(pl.Float64, strict=False) * (1000 / per_second)
    safe = pl.select(
        pl.when(number.is_finite() & (number.abs() < 1e17)).then(number.round()).cast(pl.Int64)
    ).to_series()
    return found.scatter(left, safe)


def _shaped(texts: pl.Series, order: str) -> pl.Series:
    """Times after bringing them into one shape: dashes, a blank, seconds, the zone taken off and subtracted."""
    text = texts.str.strip_chars().str.replace(r"^(\d{1,4})[-/.](\d{1,2})[-/.](\d{1,4})", "$1-$2-$3")
    text = text.str.replace(r"^([\d-]+)[T_](\d)", "$1 $2").str.replace(r"\s*(Z|UTC|GMT)$", "")
    zone = text.str.extract_groups(_ZONE)
    offset = _offset_ms(zone)
    text = text.str.replace(_ZONE, "$1").str.replace(r"(\d),(\d+)$", "$1.$2")
    text = text.str.replace(r"^([\d-]+)$", "$1 00:00:00").str.replace(r" (\d{1,2}:\d{2})( [AaPp][Mm])?$", " $1:00$2")
    found = pl.Series([None] * len(text), dtype=pl.Int64)
    for date in _ORDERS[order] if order == "year" else (*_ORDERS[order], *_ORDERS["year"]):
        for clock in _CLOCKS:
            found = found.zip_with(found.is_not_null(), _ms(_parsed(text, date + clock)))
    return found - offset


def _offset_ms(zone: pl.Series) -> pl.Series:
    parts = zone.struct.unnest()
    sign, hours, minutes = (parts.to_series(i) for i in (1, 2, 3))
    size = hours.cast(pl.Int64).fill_null(0) * 3_600_000 + minutes.cast(pl.Int64).fill_null(0) * 60_000
    return size.zip_with(sign.eq_missing("+"), -size)


def _parsed(texts: pl.Series, form: str) -> pl.Series:
    if re.search(r"%-?[HIkl]", form) and not re.search(r"%(-?M|[RTXcr+])", form):  # polars wants minutes with hours
        texts, form = texts + " 00", form + " %M"
    return texts.str.to_datetime(form, strict=False, time_unit="us", time_zone="UTC" if "%z" in form else None)


def _ms(times: pl.Series) -> pl.Series:
    return times.dt.epoch("us") // 1000
