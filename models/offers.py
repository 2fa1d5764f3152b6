"""Which products a recommend action would show: its sources, less what must not stand there, in the shop's order."""

from collections.abc import Callable, Iterable
from typing import Final

from features.catalog import Product
from features.events import CODE
from features.record import Records, hash64_again
from models.inputs import Inputs, Suggestion
from models.levers import pulled
from models.policy_terms import FILLED, Recommend
from models.touched import LOOKS, Held, held
from models.variety import Variety

_VIEW: Final = CODE["view_item"]
RETURNS: Final = frozenset({"own", "earlier"})
"""Where a suggestion comes from if the visitor looked at it before: in this session, in an earlier one."""
FOLLOWING: Final = frozenset({"together", "next", "alike", "category"})
"""Where it comes from if it follows from a product that the visitor looked at."""

Unwanted = Callable[[Product], bool]
"""None in its place: nothing is unwanted."""


def offers(recommend: Recommend, inputs: Inputs, tail: Records) -> tuple[Suggestion, ...]:
    """At most `recommend.count` products, each once: source after source, best first in each."""
    has = held(tail, inputs.now_ms)
    asked = [_EXCLUDE[name](inputs, has) for name in recommend.exclude]
    asked += [_on_the_page(inputs), _outside_price_band(recommend, inputs, tail)]
    unwanted = [is_unwanted for is_unwanted in asked if is_unwanted is not None]
    viewed = None if recommend.returns else _viewed(inputs, has)
    variety = Variety(recommend.max_per_category, recommend.near_duplicates)
    found: list[Suggestion] = []
    for source in recommend.in_turn:
        closed = [*unwanted, viewed] if viewed is not None and source in FILLED else unwanted
        for suggestion in _ordered(source, recommend, inputs, tail):  # the fewest are looked at: hashing takes time
            if len(found) == recommend.count:
                return tuple(found)
            product = suggestion.product
            for is_unwanted in closed:
                if is_unwanted(product):
                    break
            else:
                if variety.takes(product):
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
    products = {hash64_again(product.item_id): product for product in inputs.recent}
    viewed = tail["item"][tail["kind"] == _VIEW][::-1].tolist()
    return (Suggestion(products[item], 1.0, "", "own") for item in dict.fromkeys(viewed) if item in products)


def _ranked(source: str, recommend: Recommend, inputs: Inputs) -> Iterable[Suggestion]:
    """What the recommender found: all of it, or what follows from a product; with returns or without."""
    found = inputs.returning if recommend.returns else inputs.recommended
    if source == "similar":
        return (s for s in found if s.source in FOLLOWING)
    return found if recommend.returns else (s for s in found if s.source not in RETURNS)


def _bought(inputs: Inputs, has: Held) -> Unwanted | None:
    return _is_one_of(has.bought)


def _in_cart(inputs: Inputs, has: Held) -> Unwanted | None:
    told, held_too = inputs.context.cart_item_ids, _is_one_of(has.cart)
    if not told:
        return held_too
    return lambda product: product.item_id in told or (held_too is not None and held_too(product))


def _out_of_stock(inputs: Inputs, has: Held) -> Unwanted | None:
    return lambda product: product.stock == 0


def _current(inputs: Inputs, has: Held) -> Unwanted | None:
    current = inputs.context.item_id
    return lambda product: product.item_id == current


def _viewed(inputs: Inputs, has: Held) -> Unwanted | None:
    return _is_one_of(has.viewed)


_EXCLUDE: Final[dict[str, Callable[[Inputs, Held], Unwanted | None]]] = {
    "bought": _bought,
    "cart": _in_cart,
    "out_of_stock": _out_of_stock,
    "current": _current,
    "viewed": _viewed,
}


def _on_the_page(inputs: Inputs) -> Unwanted | None:
    """What the page asks to be left out."""
    left_out = inputs.context.exclude
    return (lambda product: product.item_id in left_out) if left_out else None


def _outside_price_band(recommend: Recommend, inputs: Inputs, tail: Records) -> Unwanted | None:
    """Priced beyond the band around the page's product, else the last one looked at; an unknown price is no reason."""
    band = recommend.price_band
    around = None if band is None else _price_in_question(inputs, tail)
    if band is None or around is None:
        return None
    low, high = band.low * around, band.high * around
    return lambda product: product.price is not None and not low <= product.price <= high


def _price_in_question(inputs: Inputs, tail: Records) -> float | None:
    """The price of the page's product, else the last price looked at; None if there is none."""
    if inputs.product is not None and inputs.product.price:
        return inputs.product.price
    prices = tail["price"][LOOKS[tail["kind"]] & (tail["price"] > 0)]
    return float(prices[-1]) if prices.size else None


def _is_one_of(hashes: frozenset[int]) -> Unwanted | None:
    """Whether a product's hash is among a few; None where there are none, so that none is hashed."""
    return (lambda product: hash64_again(product.item_id) in hashes) if hashes else None
