"""Product facts as arrays: what a shop tells of its products, joined with what visitors did with them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt

from features.fold_state import positions
from features.products import KEPT, ById, Product, Told, packed, told_of
from features.record import Records
from features.stats import RATES, ItemStats
from features.table import HashIndex, Keys, find

FACTS: Final = ("price", "category", "category_price", *RATES)
"""Columns of the facts table. category: its 16-bit bucket; category_price: mean price of the category's products.
The rest is what item statistics know (features/stats_count.py)."""

PRICE, CATEGORY, CATEGORY_PRICE, ITEM_VIEWS = range(4)
FACT: Final[Any] = positions("FACT", FACTS)
"""Columns by name, as compiled code reads them."""

__all__ = ["EMPTY_CATALOG", "FACT", "FACTS", "Catalog", "Facts", "Product", "facts_as_of", "no_facts"]

FactTable = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts of each record's item. table: float32 (m, len(FACTS)), row 0 all NaN; rows: int32 (n,) into it."""

    table: FactTable
    rows: npt.NDArray[np.int32]


def no_facts(records: Records) -> Facts:
    """Facts where nothing is known of any item."""
    return Facts(np.full((1, len(FACTS)), np.nan, np.float32), np.zeros(records.size, np.int32))


def facts_as_of(records: Records, rates: npt.NDArray[np.float32], catalog: "Catalog") -> Facts:
    """Facts for a log in which each record knows of its item only what was known before it.

    rates: float32 (n, len(RATES)) as from ItemStats.known_before_each, in the records' order.
    """
    static = catalog.facts(records)
    table = np.empty((records.size + 1, len(FACTS)), np.float32)
    table[0] = np.nan
    np.take(static.table, static.rows, axis=0, out=table[1:], mode="clip")  # without a second copy
    table[1:, ITEM_VIEWS:] = rates
    rows = np.arange(1, records.size + 1, dtype=np.int32)
    rows[records["item"] == 0] = 0
    return Facts(table, rows)


@dataclass(frozen=True, slots=True)
class Catalog:
    """Products by id, and the facts of every item known from the catalog or from events.

    products: by id; over KEPT of them are packed and made when asked for. listed: the same in order; product i has the
    facts in row i + 1. hashes: uint64 (n,), of their ids. table: float32 (m, len(FACTS)), m > n: after the products
    come the items that only events know, and in the last row stands the item that nobody knows.
    """

    products: Mapping[str, Product]
    listed: Sequence[Product]
    hashes: Keys
    table: FactTable
    index: HashIndex

    @classmethod
    def of(cls, products: Iterable[Product], stats: ItemStats | None = None) -> "Catalog":
        """A catalog of the products, joined with item statistics where given. Of an id given twice the last stays."""
        each = iter(products)
        by_id = {product.item_id: product for product in islice(each, KEPT)}
        rest = next(each, None)
        if rest is None:
            listed: Sequence[Product] = tuple(by_id.values())
            catalog = cls._of(by_id, listed, told_of(listed))
        else:
            many, told = packed(chain(by_id.values(), (rest,), each))
            catalog = cls._of(ById(many, told.hashes), many, told)
        return catalog if stats is None else catalog.with_stats(stats)

    @classmethod
    def _of(cls, products: Mapping[str, Product], listed: Sequence[Product], told: Told) -> "Catalog":
        table = np.full((len(listed) + 2, len(FACTS)), np.nan, np.float32)
        table[1:-1, :ITEM_VIEWS] = _product_facts(told)
        return cls(products, listed, told.hashes, table, HashIndex.of(_with_none(told.hashes)))

    def with_stats(self, stats: ItemStats) -> "Catalog":
        """This catalog joined with fresher item statistics; what the shop told of its products is kept as it is."""
        n, seen = len(self.listed), stats.items[1:]
        at = self.index.find(seen)
        keys = _with_none(np.concatenate([self.hashes, seen[(at < 0) | (at > n)]]))
        index = HashIndex.of(keys)
        rates = stats.rates()
        table = np.full((keys.size + 1, len(FACTS)), np.nan, np.float32)
        table[: n + 1, :ITEM_VIEWS] = self.table[: n + 1, :ITEM_VIEWS]
        table[1:, ITEM_VIEWS:] = rates[0]  # one nobody touched yet, or nobody knows: as training has it
        table[index.find(seen), ITEM_VIEWS:] = rates[1:]
        return Catalog(self.products, self.listed, self.hashes, table, index)

    def product(self, item_id: str) -> Product | None:
        return self.products.get(item_id)

    def item_of(self, item_hash: int) -> str:
        """The id of the product with this hash, "" if the catalog has none."""
        at = int(self.index.find(np.array([item_hash], np.uint64))[0])
        return self.listed[at - 1].item_id if 0 < at <= len(self.listed) else ""

    def facts(self, records: Records) -> Facts:
        """The facts of each record's item; row 0 where there is none, the last where nobody knows it."""
        rows = np.empty(records.size, np.int32)
        _rows_of(self.index.slots, self.index.rows, records["item"], len(self.table) - 1, rows)
        return Facts(self.table, rows)


@numba.njit(cache=True, nogil=True)
def _rows_of(slots, rows, items, unknown, out):  # type: ignore[no-untyped-def]
    """The facts' row of each item into out: 0 where there is none, `unknown` where nobody knows it."""
    for i in range(items.size):
        out[i] = 0
        if items[i] != 0:
            row = find(slots, rows, items[i])
            out[i] = row if row >= 0 else unknown


def _with_none(hashes: Keys) -> Keys:
    """The keys of the facts' rows: row 0 stands for no item."""
    return np.concatenate([np.zeros(1, np.uint64), hashes])


def _product_facts(told: Told) -> FactTable:
    """Price, category and its mean price. float32 (n, 3)."""
    price, bucket = told.price, told.category.astype(np.int64)
    known = np.isfinite(price)
    total = np.bincount(bucket[known], price[known], 1 << 16)
    count = np.bincount(bucket[known], minlength=1 << 16)
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    category = np.where(bucket > 0, bucket, np.nan)
    return np.column_stack([price, category, np.where(bucket > 0, mean[bucket], np.nan)]).astype(np.float32)


EMPTY_CATALOG: Final = Catalog(
    {},
    (),
    np.empty(0, np.uint64),
    np.full((1, len(FACTS)), np.nan, np.float32),
    HashIndex(np.zeros(2, np.uint64), np.zeros(2, np.int32)),
)
