"""The lake's copy of each shop's catalog, so that training knows of a product what serving knows.

LAKE/catalog/shop=S.ndjson holds one product a line; it is replaced as a whole, durably.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from msgspec.structs import asdict

from features.catalog import Product


def write_catalog(root: str | Path, shop: str, products: Iterable[Product]) -> Path:
    """Replaces the lake's catalog of a shop. Returns its file."""
    path = catalog_file(root, shop)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with aside.open("w", encoding="utf-8") as file:
        for product in products:
            file.write(json.dumps(asdict(product), ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
    return path


def read_catalog(root: str | Path, shop: str) -> list[Product]:
    """The products of a shop; none if the lake has no catalog of it."""
    try:
        lines = catalog_file(root, shop).read_text(encoding="utf-8").split("\n")
    except FileNotFoundError:
        return []
    return [_product(json.loads(line)) for line in lines if line]


def _product(fields: dict[str, Any]) -> Product:
    return Product(**fields | {"tags": tuple(fields["tags"])})


def catalog_file(root: str | Path, shop: str) -> Path:
    """Where the lake keeps a shop's catalog."""
    return Path(root) / "catalog" / f"shop={quote(shop, safe='')}.ndjson"
