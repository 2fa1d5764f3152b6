"""The example shop's products as simulated visitors meet them."""

from collections.abc import Iterable
from dataclasses import dataclass

from features.catalog import Product


@dataclass(frozen=True, slots=True)
class Shelf:
    """The shop's products by category, and each product's place in its category's price range, 0..1."""

    products: dict[str, Product]
    by_category: dict[str, list[Product]]
    dearness: dict[str, float]

    @classmethod
    def of(cls, products: Iterable[Product]) -> "Shelf":
        """Raises ValueError without products."""
        by_category: dict[str, list[Product]] = {}
        by_id = {product.item_id: product for product in sorted(products, key=lambda p: p.item_id)}
        for product in by_id.values():
            by_category.setdefault(product.category, []).append(product)
        if not by_category:
            raise ValueError("a shop without products has no visitors to simulate")
        dearness: dict[str, float] = {}
        for listed in by_category.values():
            prices = [p.price or 0.0 for p in listed]
            span = (max(prices) - min(prices)) or 1.0
            dearness |= {p.item_id: ((p.price or 0.0) - min(prices)) / span for p in listed}
        return cls(by_id, by_category, dearness)
