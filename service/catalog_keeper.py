"""Copies each shop's catalog from Redis to the lake when it has changed: training then knows what serving knows."""

from pathlib import Path
from typing import Any

import msgspec
import structlog

from features.lake_catalog import write_catalog
from service import stream
from service.catalog_store import CHUNK, joined, stock_key
from service.keys import InvalidKeys, Keys

_log = structlog.get_logger("tact.recorder")


class CatalogKeeper:
    """What was copied so far, by shop. The shops are those that have keys."""

    def __init__(self, lake: Path, keys_file: Path) -> None:
        self._lake, self._keys_file = lake, keys_file
        self._copied: dict[str, int] = {}

    def step(self, client: Any) -> int:
        """Copies every catalog that changed; returns how many. client: redis.Redis, bytes out. Raises OSError."""
        try:
            shops = Keys.load(self._keys_file).shops
        except InvalidKeys as error:
            _log.warning("catalogs_not_copied", error=str(error))
            return 0
        return sum(self._copy(client, shop) for shop in sorted(shops))

    def _copy(self, client: Any, shop: str) -> bool:
        version = int(client.get(stream.version_key(shop)) or 0)
        if version == self._copied.get(shop, 0):
            return False
        items = dict(client.hscan_iter(stream.items_key(shop), count=CHUNK))
        stock = dict(client.hscan_iter(stock_key(shop), count=CHUNK))
        self._copied[shop] = version  # also of one that nobody can read: it is tried again when it changes
        try:
            products = list(joined(items, stock))
        except (msgspec.MsgspecError, ValueError) as error:
            _log.warning("catalog_not_copied", shop=shop, error=str(error))
            return False
        write_catalog(self._lake, shop, products)
        return True
