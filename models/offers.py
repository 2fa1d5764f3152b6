"""Which products a recommend action would show: its source, less what the visitor has, holds, sees or cannot get."""

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np

from features.catalog import Product
from features.events import CODE
from features.record import Records, hash64
from models.inputs import Inputs, Suggestion
from models.policy_terms import Recommend
from models.recommend import BECAUSE_POPULAR

_VIEW, _CART, _REMOVE, _BUY = (CODE[name] for name in ("view_item", "add_to_cart", "remove_from_cart", "purchase"))


def offers(recommend: Recommend, inputs: Inputs, tail: Records) -> tuple[Suggestion, ...]:
    """At most `recommend.count` products, best first, each once."""
    unwanted = tuple(_EXCLUDE[name](inputs, tail) for name in recommend.exclude)
    found: dict[str, Suggestion] = {}
    for suggestion in _source(recommend, inputs, tail):
        if len(found) == recommend.count:
            break
        product = suggestion.product
        if product.item_id in found or product.item_id in inputs.context.exclude:
            continue
        if not any(is_unwanted(product) for is_unwanted in unwanted):
            found[product.item_id] = suggestion
    return tuple(found.values())


def _source(recommend: Recommend, inputs: Inputs, tail: Records) -> Iterator[Suggestion]:
    if recommend.source == "recently_viewed":
        products = {hash64(product.item_id): product for product in inputs.recent}
        viewed = tail["item"][tail["kind"] == _VIEW][::-1].tolist()
        yield from (Suggestion(products[item], 1.0) for item in dict.fromkeys(viewed) if item in products)
    elif recommend.source == "popular":
        yield from (s for s in inputs.recommended if s.because == BECAUSE_POPULAR)
    else:
        yield from inputs.recommended


Unwanted = Callable[[Product], bool]


def _bought(inputs: Inputs, tail: Records) -> Unwanted:
    return _is_one_of(frozenset(tail["item"][tail["kind"] == _BUY].tolist()))


def _in_cart(inputs: Inputs, tail: Records) -> Unwanted:
    held = _is_one_of(cart_of(tail))
    return lambda product: product.item_id in inputs.context.cart_item_ids or held(product)


def _out_of_stock(inputs: Inputs, tail: Records) -> Unwanted:
    return lambda product: product.stock == 0


def _current(inputs: Inputs, tail: Records) -> Unwanted:
    return lambda product: product.item_id == inputs.context.item_id


_EXCLUDE: Final[dict[str, Callable[[Inputs, Records], Unwanted]]] = {
    "bought": _bought,
    "cart": _in_cart,
    "out_of_stock": _out_of_stock,
    "current": _current,
}


def _is_one_of(hashes: frozenset[int]) -> Unwanted:
    """Whether a product's hash is among a few; hashes nothing where there are none."""
    if not hashes:
        return lambda product: False
    return lambda product: hash64(product.item_id) in hashes


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
