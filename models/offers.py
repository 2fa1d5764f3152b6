"""Which products a recommend action would show: its sources, less what must not stand there, in the shop's order."""

from collections.abc import Callable, Iterable
from typing import Final

import numpy as np

from features.catalog import Product
from features.events import CODE
from features.record import Records, hash64
from features.tail import session_begin
from models.inputs import Inputs, Suggestion
from models.levers import pulled
from models.policy_terms import FILLED, Recommend
from models.variety import Variety

_VIEW, _CART, _REMOVE, _BUY = (CODE[name] for name in ("view_item", "add_to_cart", "remove_from_cart", "purchase"))
_LOOKS: Final = np.isin(np.arange(256), [CODE[name] for name in ("view_item", "select_item", "review_view")])
"""Whether a kind of event is a look at a product, by its code."""

RETURNS: Final = frozenset({"own", "earlier"})
"""Where a suggestion comes from if the visitor looked at it before: in this session, in an earlier one."""
FOLLOWING: Final = frozenset({"together", "next", "alike", "category"})
"""Where it comes from if it follows from a product that the visitor looked at."""

Unwanted = Callable[[Product], bool]


def offers(recommend: Recommend, inputs: Inputs, tail: Records) -> tuple[Suggestion, ...]:
    """At most `recommend.count` products, each once: source after source, best first in each."""
    unwanted = [_EXCLUDE[name](inputs, tail) for name in recommend.exclude]
    unwanted += [_on_the_page(inputs), _outside_price_band(recommend, inputs, tail)]
    variety = Variety(recommend.max_per_category, recommend.near_duplicates)
    found: list[Suggestion] = []
    for source in recommend.in_turn:
        closed = [*unwanted, _viewed(inputs, tail)] if source in FILLED and not recommend.returns else unwanted
        for suggestion in _ordered(source, recommend, inputs, tail):  # the fewest are looked at: hashing takes time
            if len(found) == recommend.count:
                return tuple(found)
            product = suggestion.product
            if not any(is_unwanted(product) for is_unwanted in closed) and variety.takes(product):
                found.append(suggestion)
    return tuple(found)


def _ordered(source: str, recommend: Recommend, inputs: Inputs, tail: Records) -> Iterable[Suggestion]:
    """A source's suggestions; the levers move them, but for those in the order of time."""
    if source == "recently_viewed":
        return _recently_viewed(inputs, tail)
    if source == "new":
        return inputs.arrivals
    found = inputs.popular if source == "popular" else _ranked(source, recommend, inputs)
    return pulled(found, recommend.levers)


def _recently_viewed(inputs: Inputs, tail: Records) -> Iterable[Suggestion]:
    products = {hash64(product.item_id): product for product in inputs.recent}
    viewed = tail["item"][tail["kind"] == _VIEW][::-1].tolist()
    return (Suggestion(products[item], 1.0, "", "own") for item in dict.fromkeys(viewed) if item in products)


def _ranked(source: str, recommend: Recommend, inputs: Inputs) -> Iterable[Suggestion]:
    """What the recommender found: all of it, or what follows from a product; with returns or without."""
    found = inputs.returning if recommend.returns else inputs.recommended
    if source == "similar":
        return (s for s in found if s.source in FOLLOWING)
    return found if recommend.returns else (s for s in found if s.source not in RETURNS)


def _bought(inputs: Inputs, tail: Records) -> Unwanted:
    return _is_one_of(frozenset(tail["item"][tail["kind"] == _BUY].tolist()))


def _in_cart(inputs: Inputs, tail: Records) -> Unwanted:
    held = _is_one_of(cart_of(tail))
    return lambda product: product.item_id in inputs.context.cart_item_ids or held(product)


def _out_of_stock(inputs: Inputs, tail: Records) -> Unwanted:
    return lambda product: product.stock == 0


def _current(inputs: Inputs, tail: Records) -> Unwanted:
    return lambda product: product.item_id == inputs.context.item_id


def _viewed(inputs: Inputs, tail: Records) -> Unwanted:
    return _is_one_of(viewed_in_session(tail, inputs.now_ms))


_EXCLUDE: Final[dict[str, Callable[[Inputs, Records], Unwanted]]] = {
    "bought": _bought,
    "cart": _in_cart,
    "out_of_stock": _out_of_stock,
    "current": _current,
    "viewed": _viewed,
}


def _on_the_page(inputs: Inputs) -> Unwanted:
    """What the page asks to be left out."""
    return lambda product: product.item_id in inputs.context.exclude


def _outside_price_band(recommend: Recommend, inputs: Inputs, tail: Records) -> Unwanted:
    """Priced beyond the band around the page's product, else the last one looked at; an unknown price is no reason."""
    band, around = recommend.price_band, _price_in_question(inputs, tail)
    if band is None or around is None:
        return lambda product: False
    low, high = band.low * around, band.high * around
    return lambda product: product.price is not None and not low <= product.price <= high


def _price_in_question(inputs: Inputs, tail: Records) -> float | None:
    """The price of the page's product, else the last price looked at; None if there is none."""
    if inputs.product is not None and inputs.product.price:
        return inputs.product.price
    prices = tail["price"][_LOOKS[tail["kind"]] & (tail["price"] > 0)]
    return float(prices[-1]) if prices.size else None


def _is_one_of(hashes: frozenset[int]) -> Unwanted:
    """Whether a product's hash is among a few; hashes nothing where there are none."""
    if not hashes:
        return lambda product: False
    return lambda product: hash64(product.item_id) in hashes


def viewed_in_session(tail: Records, now_ms: int) -> frozenset[int]:
    """Hashes of the products looked at in the session that now belongs to."""
    begin = session_begin(tail, now_ms)
    return frozenset(tail["item"][begin:][_LOOKS[tail["kind"][begin:]]].tolist()) - {0}


def cart_of(tail: Records) -> frozenset[int]:
    """Hashes of the products in the cart: put in and not taken out since the last purchase."""
    kinds = tail["kind"]
    bought = np.flatnonzero(kinds == _BUY)
    begin = int(bought[-1]) + 1 if bought.size else 0
    units: dict[int, int] = {}
    places = begin + np.flatnonzero((kinds[begin:] == _CART) | (kinds[begin:] == _REMOVE))
    columns = (tail[name][places].tolist() for name in ("kind", "item", "quantity"))
    for kind, item, quantity in zip(*columns, strict=True):
        units[item] = max(0, units.get(item, 0) + (quantity if kind == _CART else -quantity))
    return frozenset(item for item, held in units.items() if held)
