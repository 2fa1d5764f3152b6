"""What the demo shop does besides showing pages: cart, search, checks of forms. Pure; nothing typed is kept."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from features.catalog import Product

MAX_LINES: Final = 30
MAX_UNITS: Final = 20
FREE_FROM: Final = 50.0
SHIPPING: Final = 4.95
DECLINED_CARD: Final = "4000000000000002"
"""The test card whose payment fails, as payment providers have one."""

_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_POSTCODE: Final = re.compile(r"\d{4} ?[A-Za-z]{0,2}")


@dataclass(frozen=True, slots=True)
class Line:
    """A product and how many of it."""

    product: Product
    units: int

    @property
    def price(self) -> float:
        return round((self.product.price or 0.0) * self.units, 2)


@dataclass(frozen=True, slots=True)
class Cart:
    """What a visitor is about to buy."""

    lines: tuple[Line, ...]

    @property
    def units(self) -> int:
        return sum(line.units for line in self.lines)

    @property
    def goods(self) -> float:
        return round(sum(line.price for line in self.lines), 2)

    @property
    def shipping(self) -> float:
        return 0.0 if self.goods >= FREE_FROM or not self.lines else SHIPPING

    @property
    def total(self) -> float:
        return round(self.goods + self.shipping, 2)

    @property
    def item_ids(self) -> list[str]:
        return [line.product.item_id for line in self.lines]


def parse_cart(cookie: str, products: Mapping[str, Product]) -> Cart:
    """A cart from its cookie "id:units|id:units"; what cannot be read or is no longer sold is left out."""
    units: dict[str, int] = {}
    for part in cookie.split("|")[:MAX_LINES]:
        item_id, _, number = part.partition(":")
        if _ID.fullmatch(item_id) and number.isdecimal() and item_id in products:
            units[item_id] = max(0, min(int(number[:4]), MAX_UNITS))
    return Cart(tuple(Line(products[item_id], n) for item_id, n in units.items() if n))


def cookie_of(cart: Cart, item_id: str = "", units: int = 0) -> str:
    """The cart's cookie, with one product's units set (0 takes it out)."""
    held = {line.product.item_id: line.units for line in cart.lines}
    if item_id:
        held[item_id] = max(0, min(units, MAX_UNITS))
    return "|".join(f"{one}:{n}" for one, n in held.items() if n)


def search(products: Iterable[Product], query: str, names: Mapping[str, tuple[str, str]]) -> list[Product]:
    """Products of which every word of the query begins a word of title, category or tags; best rated first."""
    asked = _words(query)
    if not asked:
        return []
    found = []
    for product in products:
        known = _words(
            " ".join((product.title, product.category, names.get(product.category, ("",))[0], *product.tags))
        )
        if all(any(word.startswith(stem(one)) for word in known) for one in asked):
            found.append(product)
    return best(found)


def best(products: Iterable[Product]) -> list[Product]:
    """The best rated by the most people first."""
    return sorted(products, key=lambda p: (-(p.rating or 0.0) * (p.reviews or 0) ** 0.5, p.item_id))


def stem(word: str) -> str:
    """The word without a plural s."""
    return word[:-1] if len(word) > 3 and word.endswith("s") else word


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", text.lower())


def event_items(cart: Cart) -> list[dict[str, Any]]:
    """GA4's items of a cart."""
    return [event_item(line.product, line.units) for line in cart.lines]


def event_item(product: Product, units: int = 1) -> dict[str, Any]:
    """GA4's item of a product."""
    item: dict[str, Any] = {"item_id": product.item_id, "item_category": product.category, "quantity": units}
    return item if product.price is None else item | {"price": product.price}


def address_errors(form: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with an address, by field."""
    errors = {}
    if not form.get("name", "").strip():
        errors["name"] = "Please tell us whom the parcel is for."
    if "@" not in form.get("email", ""):
        errors["email"] = "An e-mail address has an @ in it."
    if not _POSTCODE.fullmatch(form.get("postcode", "").strip()):
        errors["postcode"] = "A postcode looks like 3511 AB or 9000."
    return errors


def payment_errors(form: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with a payment, by field."""
    card = re.sub(r"\D", "", form.get("card", ""))
    if card == DECLINED_CARD:
        return {"card": "Your bank declined the payment. Nothing was charged. Try another card or pay later."}
    return {} if len(card) == 16 else {"card": "A card number has 16 digits."}
