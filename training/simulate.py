"""A shop with simulated visitors: made-up event streams for the demo, never to be shown as anything else.

Each visitor has a persona and a taste; what they look at, want, put in the cart and buy follows from both, step by
step. Pauses, errors, searches without a result, returns to the policy page and later visits are part of it. The same
arguments give the same rows.
"""

import hashlib
import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from features.catalog import Product
from features.events import Row
from training.simulate_personas import GOES_WITH, MISSPELT, PERSONAS, REFERRER_OF, Persona
from training.simulate_shelf import Shelf

DAY_MS: Final = 86_400_000
HOUR_MS: Final = 3_600_000
HOURS: Final = (1, 1, 1, 1, 1, 1, 2, 4, 5, 5, 5, 5, 6, 5, 5, 5, 5, 6, 8, 10, 10, 8, 5, 2)
"""How busy each hour of the day is."""

CARTS: Final = 0.26
"""How much of wanting becomes a cart on one look."""

SERIOUS: Final = 0.16
"""Least chance that a visit is meant: most visits only look, whoever makes them."""

BOUNCES: Final = 0.25
LEAVES_AFTER_ERROR: Final = 0.45
COMES_BACK_FOR_CART: Final = 0.55


def simulate(
    catalog: Iterable[Product], visitors: int, seed: int, start_ms: int, days: float, shop: str = "demo"
) -> list[Row]:
    """What `visitors` simulated visitors did from start_ms (Unix, ms) on, for `days` days, in time order.

    Visitor ids are "sim-SEED-NUMBER". Later visits that fall behind the last day are left out.
    Raises ValueError where there are no products.
    """
    shelf = Shelf.of(catalog)
    rows = [row for n in range(visitors) for row in journey(shelf, n, seed, start_ms, days, shop)]
    return sorted(rows, key=lambda row: (row.ts_ms, row.event_id, row.line))


def journey(shelf: Shelf, number: int, seed: int, start_ms: int, days: float, shop: str = "demo") -> list[Row]:
    """The rows of one visitor, in time order."""
    rng = random.Random(f"{seed}/{number}")
    persona = rng.choices(PERSONAS, [p.share for p in PERSONAS])[0]
    visitor = Visitor(shelf, persona, rng, f"sim-{seed}-{number:05d}", shop)
    end_ms = start_ms + int(days * DAY_MS)
    visitor.now_ms = _first_moment(rng, persona, start_ms, days)
    for _ in range(1 + _poisson(rng, persona.sessions - 1)):
        if visitor.now_ms >= end_ms:
            break
        visitor.session()
        visitor.go_away()
    return [row for row in visitor.rows if row.ts_ms < end_ms]


@dataclass
class Visitor:
    """One visitor on the way: what they want, have in the cart and know, and the rows of what they did."""

    shelf: Shelf
    persona: Persona
    rng: random.Random
    visitor_id: str
    shop: str
    now_ms: int = 0
    rows: list[Row] = field(default_factory=list)
    wanted: dict[str, float] = field(default_factory=dict)
    cart: dict[str, int] = field(default_factory=dict)
    bought: dict[str, int] = field(default_factory=dict)
    orders: int = 0
    user_id: str = ""
    channel: str = ""
    landed: bool = False
    serious: bool = False
    looked_at: set[str] = field(default_factory=set)
    refund_due: str = ""

    def __post_init__(self) -> None:
        categories = list(self.shelf.by_category)
        self.taste = self.rng.choice(categories)
        self.mood = self.rng.gauss(0.0, 0.6)
        self.device = "mobile" if self.rng.random() < self.persona.mobile else "desktop"

    # one visit

    def session(self) -> None:
        """Everything from landing to leaving."""
        ways = self.persona.channels
        self.channel = self.rng.choices(list(ways), list(ways.values()))[0]
        self.landed, self.looked_at = False, set()
        self.serious = self.chance(SERIOUS + 0.6 * self.persona.reads + (0.3 if self.cart else 0.0))
        if self.channel == "email":
            self.do("email_click", "", referrer="mail")
        if self.orders and not self.cart and self.chance(0.5):
            self.after_sale()
            return
        self.land()
        if not self.cart and self.chance(BOUNCES):
            return
        for _ in range(_poisson(self.rng, self.persona.looks)):
            self.look()
            if self.cart and self.chance(0.30):
                break
        if self.cart:
            self.settle()

    def land(self) -> None:
        """The first page: home for who knows the shop, a list or a product for who was sent."""
        if self.cart:
            self.do("view_cart", "cart", items=self.cart)
        elif self.channel in ("direct", "email"):
            self.do("page_view", "home")
        elif self.chance(0.5):
            self.see_list(self.taste)
        else:
            self.view(self.pick())

    def look(self) -> None:
        """One step of looking round: back to something wanted, a search, a list, another product."""
        if self.serious and self.wanted and self.chance(0.15 + 0.4 * self.persona.reads):
            self.view(self.product(max(self.wanted, key=lambda item: (self.wanted[item], item))))
        elif self.chance(self.persona.searches):
            self.search()
        elif self.chance(0.3):
            self.see_list(self.taste)
        else:
            self.view(self.pick())

    def view(self, product: Product) -> None:
        """Look at a product; it may become wanted, be read about, doubted, put in the cart."""
        self.do("view_item", "product", items={product.item_id: 1}, single=True)
        item = product.item_id
        self.looked_at.add(item)
        likes = self.persona.wants * self.fit(product) * math.exp(self.mood) * (2.2 if self.serious else 0.3)
        self.wanted[item] = self.wanted.get(item, 0.0) + likes * self.rng.random()
        if self.serious and self.chance(2.0 * self.persona.reads):
            self.do("review_view", "product", items={item: 1}, single=True)
            self.wanted[item] += 0.10 * ((product.rating or 4.0) - 4.1)
        if self.serious and self.chance(0.12 * self.persona.hesitates + 0.02):
            self.do("page_view", "delivery")
        if item not in self.cart and product.stock != 0 and self.chance(min(0.5, CARTS * self.wanted[item])):
            self.cart[item] = self.persona.units if self.chance(0.4) else 1
            self.do("add_to_cart", "product", items={item: self.cart[item]}, single=True)

    def fit(self, product: Product) -> float:
        """How well a product matches taste and purse, 0..1.5."""
        category = 1.0 if product.category == self.taste else 0.6
        purse = 1.0 - abs(self.shelf.dearness[product.item_id] - self.persona.price)
        return category * (0.3 + purse) * (1.15 if (product.reviews or 0) > 120 else 1.0)

    def pick(self) -> Product:
        """The next product to look at: a new one, of the category of the moment or of one that goes with it."""
        goes = [c for c in GOES_WITH.get(self.taste, ()) if c in self.shelf.by_category]
        category = self.rng.choice(goes) if goes and self.chance(0.25) else self.taste
        listed = self.shelf.by_category[category]
        listed = [p for p in listed if p.item_id not in self.looked_at] or listed
        return self.rng.choices(listed, [self.fit(p) ** 2 + 0.05 for p in listed])[0]

    def see_list(self, category: str) -> None:
        """A category's page."""
        self.do("view_item_list", "list", category=category, quantity=len(self.shelf.by_category[category]))

    def search(self) -> None:
        """Ask for something; now and then nothing is found, and some try again."""
        if self.chance(0.22):
            query = self.rng.choice(MISSPELT)
            self.do("search", "search", query=query, quantity=0)
            self.do("zero_results", "search", query=query, quantity=0, dwell=0.0)
            if self.chance(0.5):
                self.look()
            return
        found = self.shelf.by_category[self.taste]
        query = self.taste.replace("-", " ")
        self.do("search", "search", query=query, quantity=len(found))
        self.view(self.pick())

    # the cart and the way to pay

    def settle(self) -> None:
        """From the cart to the order, through doubts and errors, or out of the shop."""
        self.do("view_cart", "cart", items=self.cart)
        resolve = self.persona.settles * math.exp(0.5 * self.mood)
        if self.chance(self.persona.hesitates):
            resolve *= self.doubt()
        if len(self.cart) > 1 and self.chance(0.2):
            self.drop()
        if self.cart and self.chance(min(0.95, resolve)):
            self.check_out()

    def doubt(self) -> float:
        """The pause before buying: policy pages, a question, idle minutes. Returns what is left of resolve."""
        left = 0.55
        if self.chance(0.45):
            self.do("return_policy_view", "returns")
            left += 0.20
        if self.chance(0.35):
            self.do("page_view", "delivery")
            left += 0.10
        if self.chance(4 * self.persona.chats):
            self.do("chat_open", "cart")
            self.do("chat_message", "cart")
            left += 0.25
        self.pass_time(60 + self.rng.expovariate(1 / 150))
        if self.chance(0.6):
            self.do("view_cart", "cart", items=self.cart)
        return min(1.0, left)

    def drop(self) -> None:
        """Take the least wanted product out again."""
        item = min(self.cart, key=lambda one: (self.wanted.get(one, 0.0), one))
        self.do("remove_from_cart", "cart", items={item: self.cart.pop(item)}, single=True)

    def check_out(self) -> None:
        """The steps of the checkout; each may fail, and not everybody tries again."""
        self.do("begin_checkout", "checkout", items=self.cart)
        if not self.user_id and self.chance(0.35):
            self.user_id = f"u-{self.visitor_id}"
            self.do("sign_up" if self.chance(0.5) else "login", "checkout")
        if self.fails("form_error", 0.10) or self.chance(0.08):
            return
        self.do("add_shipping_info", "checkout", items=self.cart)
        if self.chance(0.06):
            return
        self.do("add_payment_info", "checkout", items=self.cart)
        if self.fails("payment_error", 0.09):
            return
        self.orders += 1
        order_id = f"o-{self.visitor_id}-{self.orders}"
        self.do("purchase", "thank_you", items=self.cart, order_id=order_id)
        self.bought |= self.cart
        if self.chance(self.persona.refunds):
            self.refund_due = self.rng.choice(sorted(self.cart))
        self.cart, self.wanted = {}, {}

    def fails(self, error: str, share: float) -> bool:
        """An error on the way to pay. True if the visitor gives up; help asked for counts as another chance."""
        while self.chance(share):
            self.do(error, "checkout", name="card" if error == "payment_error" else "postcode")
            asked = self.chance(2 * self.persona.chats)
            if asked:
                self.do("chat_open", "checkout")
            if self.chance(LEAVES_AFTER_ERROR * (0.5 if asked else 1.0)):
                return True
        return False

    def after_sale(self) -> None:
        """A visit to follow an order or send something back."""
        self.do("page_view", "account")
        if self.refund_due:
            self.do("return_policy_view", "returns")
            self.do("refund", "account", items={self.refund_due: 1}, single=True)
            self.refund_due = ""
        elif self.chance(0.2):
            self.do("store_visit", "")

    def go_away(self) -> None:
        """The time until the next visit: sooner for a cart left behind."""
        if self.cart and self.chance(COMES_BACK_FOR_CART):
            self.pass_time(self.rng.uniform(1, 40) * 3600)
            return
        if self.chance(0.5):
            self.cart = {}
        self.taste = self.taste if self.chance(0.7) else self.rng.choice(sorted(self.shelf.by_category))
        self.pass_time(self.rng.uniform(0.4, 8.0) * 24 * 3600)

    # rows

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def product(self, item_id: str) -> Product:
        return self.shelf.products[item_id]

    def pass_time(self, seconds: float) -> None:
        self.now_ms += int(seconds * 1000)

    def do(
        self,
        event: str,
        page_type: str,
        items: dict[str, int] | None = None,
        single: bool = False,
        dwell: float | None = None,
        **fields: Any,
    ) -> None:
        """One event, after the time spent on the page before. single: the event is about its first item alone."""
        if self.landed:
            self.pass_time(self.persona.pace_s * self.rng.lognormvariate(0, 0.8) if dwell is None else dwell)
        if items and not single:
            fields["value"] = round(sum((self.product(i).price or 0.0) * n for i, n in items.items()), 2)
        fields.setdefault("referrer", "internal" if self.landed else REFERRER_OF[self.channel])
        self.landed = True
        row = Row(
            shop=self.shop,
            visitor_id=self.visitor_id,
            event_id=hashlib.sha256(f"{self.visitor_id}/{self.now_ms}/{len(self.rows)}".encode()).hexdigest()[:24],
            ts_ms=self.now_ms,
            received_ms=self.now_ms,
            event=event,
            page_type=page_type,
            user_id=self.user_id,
            channel=self.channel,
            device=self.device,
            locale="en",
            **fields,
        )
        self.rows += self.lines(row, items or {})

    def lines(self, row: Row, items: dict[str, int]) -> Sequence[Row]:
        """The rows of one event: one for each product, or one about none."""
        found = [(self.product(item), quantity) for item, quantity in items.items()]
        return [
            replace(row, line=n, item_id=p.item_id, category=p.category, price=p.price or math.nan, quantity=quantity)
            for n, (p, quantity) in enumerate(found)
        ] or [row]


def _first_moment(rng: random.Random, persona: Persona, start_ms: int, days: float) -> int:
    """When a visitor first comes: any day, busier in the evening; business buyers in working hours."""
    weights = [6 if 8 <= hour < 17 else 0 for hour in range(24)] if persona.office else HOURS
    if days < 1:
        return start_ms + int(rng.random() * days * DAY_MS)
    hour = rng.choices(range(24), weights)[0]
    day_ms = (start_ms // DAY_MS + int(rng.random() * days)) * DAY_MS
    return max(start_ms, day_ms + hour * HOUR_MS + int(rng.random() * HOUR_MS))


def _poisson(rng: random.Random, mean: float) -> int:
    """A count with this mean (Knuth's product of uniforms; means here are small)."""
    limit, product, count = math.exp(-mean), rng.random(), 0
    while product > limit:
        product *= rng.random()
        count += 1
    return count
