"""A large catalog keeps its products packed; nobody can tell but by its memory."""

from collections.abc import Iterator

import numpy as np
import pytest

from features import products
from features.catalog import Catalog, Product
from features.products import KEPT, Packed, packed
from service.shop_live import AT_HAND, arrivals

N = KEPT + 500
FULL = Product(
    "full", "Tïtle", "/u", "/i", "c", 9.5, -1.25, 3, {"north": 2, "süd": 0}, ("a", "b"), 4.5, 12, 1_700_000_000_000
)


def made(n: int) -> Iterator[Product]:
    yield FULL
    for i in range(1, n):
        price = None if i % 7 == 0 else i / 4
        yield Product(f"p{i}", f"Product {i}", category=f"c{i % 9}", price=price, added_ms=(i * 7919) % 5000)


@pytest.fixture(scope="module")
def large() -> Catalog:
    return Catalog.of(made(N))


def test_a_product_of_a_large_catalog_is_what_the_shop_told(large: Catalog) -> None:
    assert isinstance(large.listed, Packed)
    assert list(large.listed) == list(made(N)) == [large.products[i] for i in large.products]
    assert large.product("full") == FULL and large.product("nobody") is None and large.product("") is None
    assert large.products.get("nobody", FULL) is FULL and "nobody" not in large.products and "p3" in large.products
    assert len(large.products) == len(large.listed) == N
    assert large.listed[-1] == large.listed[N - 1] and large.listed[2:4] == tuple(made(4))[2:]
    with pytest.raises(IndexError):
        large.listed[N]
    with pytest.raises(KeyError):
        large.products["nobody"]


def test_a_large_catalogs_facts_and_arrivals_are_those_of_its_objects(
    large: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("features.catalog.KEPT", N)
    small = Catalog.of(made(N))
    assert isinstance(small.listed, tuple)
    np.testing.assert_array_equal(small.table, large.table)
    np.testing.assert_array_equal(small.hashes, large.hashes)
    assert arrivals(large.listed) == arrivals(small.listed) and len(arrivals(large.listed)) == AT_HAND


def test_of_an_id_given_twice_the_last_stays_in_the_firsts_place() -> None:
    again = Product("p1", "other", price=1.0)
    catalog = Catalog.of([*made(N), again])
    assert len(catalog.listed) == N and catalog.listed[1] == again == catalog.product("p1")
    assert catalog.table[2, 0] == 1.0


def test_what_was_asked_for_is_kept_and_not_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "KEPT", 5)
    listed, told = packed(made(50))
    by_id = products.ById(listed, told.hashes)
    assert by_id["p9"] is by_id["p9"]
    for i in range(1, 50):
        assert by_id[f"p{i}"].title == f"Product {i}"
        assert len(by_id._kept) <= 5
