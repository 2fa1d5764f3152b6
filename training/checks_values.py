"""Data checks of purchases, products and money."""

from typing import Final

import numpy as np
import polars as pl

from training.check_events import Events, Ints
from training.check_finding import ERROR, WARNING, Finding, percent
from training.moments import iso

EXPECTED: Final = 40
"""Purchases that should have come, by their own rate, before their absence counts."""

BARE_SHARE: Final = 0.05
MISSING_SHARE: Final = 0.01
UNIT_RATIO: Final = 20.0
PRODUCTS: Final = ("view_item", "select_item", "add_to_cart", "remove_from_cart", "add_to_wishlist")


def purchases(events: Events) -> Finding:
    """A log of carts and no purchase, or one whose purchases stop before it does."""
    bought, carts = np.flatnonzero(events.of("purchase") & events.first), events.of("add_to_cart") & events.first
    everything = int(events.first.sum())
    if not len(bought):
        return _none(events, int(carts.sum()), everything)
    rows = np.flatnonzero(events.in_core)
    after = len(rows) - int(np.searchsorted(rows, bought[-1]))
    before = len(rows) - after
    missed = after * len(bought) / max(before, 1)
    if missed >= EXPECTED:
        last = iso(int(events.ts_ms[bought[-1]]))
        told = f"no purchase after {last}, though {after:,} events follow; about {missed:,.0f} are missing"
        advice = (
            "End the window where purchases end (--until): else the last visitors are learned as people who do not buy."
        )
        return Finding.bad(ERROR, after, everything, told, advice, events.example(bought[-1]))
    return Finding.ok(
        f"{len(bought):,} purchases ({percent(len(bought) / everything)} of the events)", len(bought), everything
    )


def _none(events: Events, carts: int, everything: int) -> Finding:
    row = np.flatnonzero(events.of("add_to_cart") & events.first)
    if carts >= EXPECTED:
        advice = "Import or send purchases: the intent to buy cannot be learned, and every cart looks abandoned."
        return Finding.bad(
            ERROR, carts, everything, f"{carts:,} carts and not one purchase", advice, events.example(row[0])
        )
    advice = "The intent to buy cannot be learned; it stays a constant. Import or send purchases if there are any."
    return Finding.bad(WARNING, 0, everything, "no purchases", advice)


def bare_purchases(events: Events) -> Finding:
    """Purchases that say not what or not for how much."""
    lines = np.flatnonzero(events.of("purchase"))
    if not len(lines):
        return Finding.ok("no purchases")
    item = events.known("item_id")[lines]
    price, value = events.numbers("price")[lines], events.numbers("value")[lines]
    money = (price > 0) | (value > 0)
    told = (
        f"of {len(lines):,} lines of purchases {int((~item).sum()):,} name no product, {int((~money).sum()):,} no money"
    )
    bare = np.flatnonzero(~item | ~money)
    if len(bare) < BARE_SHARE * len(lines):
        return Finding.ok(told, len(bare), len(lines))
    advice = (
        "Send items[] with id and price, and value: without them nothing is known of what sells and what it is worth."
    )
    return Finding.bad(WARNING, len(bare), len(lines), told, advice, events.example(lines[bare[0]]))


def missing_items(events: Events) -> Finding:
    """Product events that do not say which product."""
    rows = np.flatnonzero(events.of(*PRODUCTS))
    bare = rows[~events.known("item_id")[rows]]
    told = f"{len(bare):,} of {len(rows):,} product events name no product"
    if len(bare) <= MISSING_SHARE * len(rows):
        return Finding.ok(told, len(bare), len(rows))
    advice = "Send the product's id with each: recommendations and item statistics are learned from it."
    return Finding.bad(WARNING, len(bare), len(rows), told, advice, events.example(bare[0]))


def item_spellings(events: Events) -> Finding:
    """Ids that are one product under several spellings."""
    ids = events.texts("item_id")
    counts = np.bincount(events.item, minlength=len(ids))
    frame = pl.DataFrame({"id": ids, "rows": counts}, schema={"id": pl.String, "rows": pl.Int64})
    frame = frame.filter((pl.col("id") != "") & (pl.col("rows") > 0))
    plain = pl.col("id").str.strip_chars().str.to_lowercase().str.replace(r"\.0+$", "").str.replace(r"^0+(\d)", "$1")
    several = (
        frame.with_columns(plain.alias("plain")).sort("id").group_by("plain", maintain_order=True).agg("id", "rows")
    )
    several = several.filter(pl.col("id").list.len() > 1)
    held = int(several["rows"].list.sum().sum() or 0) if len(several) else 0
    told = f"{len(several):,} products are spelled in several ways"
    if not len(several) or held < 0.001 * len(events):
        return Finding.ok(told, held, len(events))
    worst = several.sort(pl.col("rows").list.sum(), "plain", descending=[True, False]).row(0, named=True)
    example = {"spellings": worst["id"][:4], "rows of each": worst["rows"][:4]}
    advice = "Send every id in one form: each spelling is learned as a product of its own."
    return Finding.bad(WARNING, held, len(events), told, advice, example)


def missing_categories(events: Events) -> Finding:
    """Product views whose category is unknown."""
    rows = np.flatnonzero(events.of("view_item"))
    bare = rows[~events.known("category")[rows]]
    told = f"{len(bare):,} of {len(rows):,} product views have no category"
    if len(bare) <= 0.05 * len(rows):
        return Finding.ok(told, len(bare), len(rows))
    how = "no event has one" if len(bare) == len(rows) else _first_known(events, rows)
    advice = "Send item_category with each view, or the catalog (PUT /v1/catalog/items): else its features are unknown."
    return Finding.bad(WARNING, len(bare), len(rows), f"{told} ({how})", advice, events.example(bare[0]))


def _first_known(events: Events, rows: Ints) -> str:
    known = rows[events.known("category")[rows]]
    return f"the first that has one is of {iso(int(events.ts_ms[known[0]]))}"


def odd_prices(events: Events) -> Finding:
    """Money of zero or less."""
    price, value = events.numbers("price"), events.numbers("value")
    known = np.isfinite(price) | (np.isfinite(value) & events.first)
    odd = np.flatnonzero((price <= 0) | ((value <= 0) & events.first & events.of("purchase")))
    told = f"{len(odd):,} of {int(known.sum()):,} lines with money have a price or value of zero or less"
    if len(odd) <= MISSING_SHARE * known.sum():
        return Finding.ok(told, len(odd), int(known.sum()))
    advice = "Leave an unknown price out instead of sending 0; send refunds as refund events."
    return Finding.bad(WARNING, len(odd), int(known.sum()), told, advice, events.example(odd[0]))


def price_units(events: Events) -> Finding:
    """Products that cost twenty times more on one line than on another."""
    price = events.numbers("price")
    rows = np.flatnonzero((price > 0) & events.known("item_id"))
    if not len(rows):
        return Finding.ok("no prices")
    n = len(events.texts("item_id"))
    low, high = np.full(n, np.inf), np.zeros(n)
    np.minimum.at(low, events.item[rows], price[rows])
    np.maximum.at(high, events.item[rows], price[rows])
    odd = high >= UNIT_RATIO * low
    products, held = int((high > 0).sum()), rows[odd[events.item[rows]]]
    told = f"{int(odd.sum()):,} of {products:,} products have prices {UNIT_RATIO:.0f} times apart"
    if odd.sum() <= MISSING_SHARE * products:
        return Finding.ok(told, len(held), len(rows))
    worst = rows[events.item[rows] == int(np.argmax(np.where(odd, high / low, 0)))]
    example = events.example(worst[price[worst].argmin()], worst[price[worst].argmax()])
    advice = "Send one currency and one unit (euros, not cents), before or after tax, but the same for all."
    return Finding.bad(WARNING, len(held), len(rows), told, advice, example)
