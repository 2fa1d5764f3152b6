"""Business levers on recommended products: the shop may prefer margin and what it has too much of, within bounds.

    score x (1 + min(MAX_LIFT, margin x m + overstock x o))

m: the margin as a share of the price, 0 to 1. o: how far the stock is above the median of the products suggested
beside it, as a share of that median, 0 to 1. What is unknown counts 0. So a product passes only those whose score is
less than 1 + MAX_LIFT times its own: of a clearly better one it never takes the place.
"""

from collections.abc import Iterable, Sequence
from statistics import median

from features.catalog import Product
from models.inputs import Suggestion
from models.policy_terms import MAX_LIFT, Levers

NO_LEVERS = Levers()


def pulled(suggestions: Iterable[Suggestion], levers: Levers) -> Iterable[Suggestion]:
    """The suggestions in the order that the levers give; ties stay as they are."""
    if levers == NO_LEVERS:
        return suggestions
    listed = list(suggestions)
    usual = usual_stock([s.product for s in listed])
    return sorted(listed, key=lambda s: -_lifted(s.score, lift(s.product, levers, usual)))


def _lifted(score: float, by: float) -> float:
    return score + abs(score) * by  # upwards also where a score is below 0


def lift(product: Product, levers: Levers, usual: float) -> float:
    """By which share a product's score rises, 0 to MAX_LIFT. usual: from usual_stock."""
    return min(MAX_LIFT, levers.margin * _margin(product) + levers.overstock * _overstock(product, usual))


def usual_stock(products: Sequence[Product]) -> float:
    """The median stock of those in stock; 0 if no stock is known."""
    stocks = [product.stock for product in products if product.stock > 0]
    return float(median(stocks)) if stocks else 0.0


def _margin(product: Product) -> float:
    if not product.price or product.margin is None:
        return 0.0
    return min(1.0, max(0.0, product.margin / product.price))


def _overstock(product: Product, usual: float) -> float:
    return min(1.0, max(0.0, product.stock / usual - 1)) if usual else 0.0
