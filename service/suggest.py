"""Candidate products for a decision: what others looked at together with what this visitor did, then the popular."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from features.catalog import Product
from features.events import CODE
from features.record import Records, hash64
from models.inputs import Suggestion
from models.recommend import RECENT_ITEMS, recommend
from service.bundle_watcher import Live

SIMILAR: Final = 40
"""More than a page shows: stock, cart, purchases and the page's own exclusions are filtered later."""

_KINDS: Final = ("view_item", "select_item", "add_to_cart", "add_to_wishlist", "purchase", "review_view")
_ABOUT_ITEMS: Final = np.isin(np.arange(256), [CODE[name] for name in _KINDS])
"""Whether a kind's item is one the visitor took an interest in, by its code."""


def recent_items(tail: Records) -> list[int]:
    """Hashes of the latest items, newest first, each once, at most RECENT_ITEMS."""
    items = tail["item"][_ABOUT_ITEMS[tail["kind"]]][::-1].tolist()
    latest = dict.fromkeys(items)
    latest.pop(0, None)
    return list(latest)[:RECENT_ITEMS]


def suggestions(live: Live, recent: Sequence[int], item_id: str) -> tuple[Suggestion, ...]:
    """Best first: neighbours of the page's item and of the visitor's latest, then popular products."""
    if not live.indexes:
        return ()
    current = hash64(item_id)
    asked = [current, *(item for item in recent if item != current)] if item_id else recent
    return tuple(
        Suggestion(live.product(found.item_id), found.score, found.because, "together" if found.because else "popular")
        for found in recommend(live.indexes, asked, SIMILAR)
    )


def recent_products(live: Live, recent: Sequence[int]) -> tuple[Product, ...]:
    """The products of the latest items, newest first; items that nobody knows by name are left out."""
    return tuple(live.product(item_id) for item in recent if (item_id := live.item_of(item)))
