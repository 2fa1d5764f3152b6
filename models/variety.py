"""Variety in a row of products: at most so many of a category, and no near-duplicates beside each other."""

import re
from functools import lru_cache
from typing import Final

from features.catalog import Product

SAME_PRICE: Final = 0.01
"""Prices that differ by no more than this share are the same."""

_SIZE: Final = re.compile(r"\S*\d\S*|x{0,3}s|m|x{0,3}l")
"""Words that name a size or a number: what variants of one product differ in."""


class Variety:
    """A row being filled. most_per_category: 0 is no limit. near_duplicates: whether they may stand in it."""

    def __init__(self, most_per_category: int, near_duplicates: bool) -> None:
        self._most, self._near_duplicates = most_per_category, near_duplicates
        self._ids: set[str] = set()
        self._in_category: dict[str, int] = {}
        self._names: dict[tuple[str, str], list[float | None]] = {}

    def takes(self, product: Product) -> bool:
        """Whether the product goes into the row; if so it is in it from now on."""
        held = self._in_category.get(product.category, 0)
        if product.item_id in self._ids or (product.category and self._most and held >= self._most):
            return False
        if not self._near_duplicates and self._is_near_duplicate(product):
            return False
        self._ids.add(product.item_id)
        self._in_category[product.category] = held + 1
        return True

    def _is_near_duplicate(self, product: Product) -> bool:
        """Remembers what is not."""
        name = plain_name(product.title)
        if not name:
            return False
        prices = self._names.setdefault((product.category, name), [])
        if any(_same_price(product.price, price) for price in prices):
            return True
        prices.append(product.price)
        return False


@lru_cache(maxsize=1 << 14)
def plain_name(title: str) -> str:
    """A title without what variants differ in: case, numbers and sizes; of one that is all numbers, the title."""
    words = title.casefold().split()
    return " ".join(word for word in words if not _SIZE.fullmatch(word)) or " ".join(words)


def _same_price(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return abs(one - other) <= SAME_PRICE * max(abs(one), abs(other))
