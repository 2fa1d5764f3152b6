"""The recorder's copy of a catalog: what serving knows of a product, training knows too."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import redis
import redis.asyncio

from features.lake_catalog import read_catalog
from service import keys, stream
from service.catalog_keeper import CatalogKeeper
from service.catalog_store import CatalogStore

LINES = (
    b'{"item_id": "a", "title": "Tent \xc3\xa9\xe2\x80\xa8", "price": 99.5, "tags": ["x"], "stores": {"Gent": 2}}',
    b'{"item_id": "b", "added": "2026-01-01"}',
)
STOCK = (b'{"item_id": "a", "stock": 7}', b'{"item_id": "a", "store": "Gent", "stock": 0}')


async def lines(of: tuple[bytes, ...]) -> AsyncIterator[bytes]:
    for line in of:
        yield line


@pytest.fixture
def keeper(tmp_path: Path) -> CatalogKeeper:
    keys.create(tmp_path / "keys.json", "demo", "secret")
    return CatalogKeeper(tmp_path / "lake", tmp_path / "keys.json")


def upload(url: str) -> None:
    async def both() -> None:
        async with redis.asyncio.Redis.from_url(url) as client:
            store = CatalogStore(client)
            assert (await store.put_items("demo", lines(LINES), 0)).accepted == 2
            assert (await store.put_stock("demo", lines(STOCK))).accepted == 2

    asyncio.run(both())


def test_the_lake_has_the_catalog_as_it_was_uploaded_with_its_latest_stock(keeper, valkey, redis_url, tmp_path):
    upload(redis_url)
    assert keeper.step(valkey) == 1
    tent, other = sorted(read_catalog(tmp_path / "lake", "demo"), key=lambda product: product.item_id)
    assert (tent.title, tent.price, tent.stock, tent.stores, tent.tags) == (
        "Tent é\u2028",
        99.5,
        7,
        {"Gent": 0},
        ("x",),
    )
    assert (other.price, other.stock, other.added_ms) == (None, -1, 1_767_225_600_000)


def test_a_catalog_is_copied_once_until_it_changes(keeper, valkey, redis_url):
    assert keeper.step(valkey) == 0
    upload(redis_url)
    assert (keeper.step(valkey), keeper.step(valkey)) == (1, 0)
    valkey.incr(stream.version_key("demo"))
    assert keeper.step(valkey) == 1


def test_a_product_nobody_can_read_leaves_the_copy_as_it_was(keeper, valkey, redis_url, tmp_path):
    upload(redis_url)
    keeper.step(valkey)
    valkey.hset(stream.items_key("demo"), "bad", b"\xc1")
    valkey.incr(stream.version_key("demo"))
    assert keeper.step(valkey) == 0
    assert len(read_catalog(tmp_path / "lake", "demo")) == 2


def test_a_lake_without_a_catalog_has_no_products(tmp_path):
    assert read_catalog(tmp_path, "nobody") == []
