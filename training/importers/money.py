"""Prices and quantities in text, with decimal points or commas, currency signs and thousands."""

import polars as pl

MAX_MONEY = 1e12
MAX_QUANTITY = 1_000_000


def decimal_mark(values: pl.Series) -> str:
    """ "," if a sample of prices is written like 12,50 or 1.234,50, else "."."""
    comma = values.str.contains(r"(^|\D)(\d{1,3}(\.\d{3})+|\d+),\d{1,2}(\D|$)").sum()
    point = values.str.contains(r"\.(\d{1,2}|\d{4,})(\D|$)").sum()
    return "," if comma > point else "."


def money(texts: pl.Series, decimal: str) -> tuple[pl.Series, pl.Series]:
    """Amounts, Float64, null where unknown; and whether a text was there but is no amount from 0 to 1e12."""
    number = _number(texts, decimal)
    good = number.is_finite() & (number >= 0) & (number <= MAX_MONEY)
    good = good.fill_null(value=False)
    return number.set(~good, None), texts.is_not_null() & ~good


def units(texts: pl.Series, decimal: str) -> tuple[pl.Series, pl.Series]:
    """Quantities, Int32, 1 where unknown or 0; and whether a text was there but is no quantity."""
    number = _number(texts, decimal)
    good = (number.is_finite() & (number >= 0) & (number <= MAX_QUANTITY)).fill_null(value=False)
    whole = number.set(~good, None).round().cast(pl.Int32).fill_null(1)
    return whole.clip(lower_bound=1), texts.is_not_null() & ~good


def _number(texts: pl.Series, decimal: str) -> pl.Series:
    if decimal == ".":
        found = texts.cast(pl.Float64, strict=False)
        left = (found.is_null() & texts.is_not_null()).arg_true()
        return found.scatter(left, _worded(texts.gather(left), ",", ".")) if len(left) else found
    return _worded(texts, ".", ",")


def _worded(texts: pl.Series, thousands: str, decimal: str) -> pl.Series:
    """Amounts such as "€ 1.234,50" without sign and thousands."""
    bare = texts.str.replace_all(r"[\s\u{a0}'’]|\p{Sc}|[A-Z]{3}", "").str.replace_all(thousands, "", literal=True)
    return bare.str.replace(decimal, ".", literal=True).cast(pl.Float64, strict=False)
