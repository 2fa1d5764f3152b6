"""The demo shop's pages: what each one shows and tells the browser client, rendered by its template."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from features.catalog import Product
from service.web.front import CATEGORIES, Front, category_name
from service.web.journeys import JOURNEYS
from service.web.shopping import Cart, best, event_item, event_items, search
from service.web.texts import TEXTS

HERE: Final = Path(__file__).parent
BEST: Final = 8
MORE: Final = 4
SORTS: Final = {"rating": "Rating", "price": "Price"}
"""How a category can be sorted, and what that is called."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What every page of one request needs. placements: those the live policy has; a page asks for no other.

    sees: whether the drawer "What Tact sees" is open.
    """

    front: Front
    products: Mapping[str, Product]
    placements: frozenset[str]
    cart: Cart
    recent: tuple[str, ...] = ()
    sees: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """A template with its values, and what the browser client is told: the page's type, events, product …"""

    template: str
    title: str
    page_type: str
    told: dict[str, Any] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)


def environment() -> Environment:
    """The templates: everything escaped, an unknown name is an error."""
    templates = Environment(
        loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    templates.filters["money"] = money
    templates.filters["category"] = category_name
    return templates


def money(amount: float | None) -> str:
    """Euros, as the shop writes them."""
    return "" if amount is None else f"€{amount:,.2f}"


def render(templates: Environment, shown: Shown, page: Page) -> str:
    """The page's HTML."""
    told = {"page_type": page.page_type, "locale": "en", "cart_item_ids": shown.cart.item_ids} | page.told
    told.setdefault("query", "")
    told.setdefault("category", "")
    return templates.get_template(page.template).render(
        front=shown.front,
        cart=shown.cart,
        placements=shown.placements,
        journeys=JOURNEYS.values(),
        sees=shown.sees,
        categories=CATEGORIES,
        title=page.title,
        page=told,
        **page.values,
    )


def home(shown: Shown) -> Page:
    """The first page."""
    products = [product for product in best(shown.products.values()) if product.stock != 0]
    return Page("home.html", "Outdoor gear", "home", _event("page_view"), {"products": products[:BEST]})


def listing(shown: Shown, category: str, sort: str = "") -> Page | None:
    """A category in an order of SORTS; None if the shop has none of that name."""
    products = best(p for p in shown.products.values() if p.category == category)
    if not products:
        return None
    if sort == "price":
        products = sorted(products, key=lambda p: p.price or 0.0)
    told = {"category": category} | _event("view_item_list", category=category, quantity=len(products))
    line = CATEGORIES.get(category, ("", ""))[1]
    values = {"products": products, "line": line, "sorts": SORTS, "sort": sort if sort in SORTS else "rating"}
    return Page("list.html", category_name(category), "list", told, values)


def found(shown: Shown, query: str) -> Page:
    """The result of a search."""
    products = search(shown.products.values(), query, CATEGORIES)
    told = {"query": query} | _event("page_view")
    if query:
        events = [{"event": "search", "query": query, "quantity": len(products)}]
        events += [] if products else [{"event": "zero_results", "query": query, "quantity": 0}]
        told["events"] = events
    return Page("search.html", "Search", "search", told, {"products": products})


def product_page(shown: Shown, item_id: str) -> Page | None:
    """A product; None if there is none."""
    product = shown.products.get(item_id)
    if product is None:
        return None
    others = [p for p in best(shown.products.values()) if p.category == product.category and p is not product]
    item = event_item(product)
    values = {
        "product": product,
        "products": others[:MORE],
        "add_event": {"event": "add_to_cart", "items": [item]},
        "review_event": {"event": "review_view", "items": [item]},
    }
    told = {"item_id": item_id, "category": product.category} | _event("view_item", items=[item])
    return Page("product.html", product.title, "product", told, values)


def cart_page(shown: Shown) -> Page:
    """The cart."""
    cart = shown.cart
    removals = [{"event": "remove_from_cart", "items": [event_item(line.product, line.units)]} for line in cart.lines]
    told = _event("view_cart", items=event_items(cart), value=cart.goods)
    items = [event_item(line.product) for line in cart.lines]
    return Page("cart.html", "Your cart", "cart", told, {"remove_events": removals, "items": items})


def checkout(shown: Shown, step: str, form: Mapping[str, str], errors: Mapping[str, str]) -> Page:
    """A step of the checkout, "address" or "pay"; what is wrong with the form is said at its fields and reported."""
    paying = step == "pay"
    about = {"items": event_items(shown.cart), "value": shown.cart.goods}
    told = _event("add_shipping_info" if paying else "begin_checkout", **about)
    if errors:
        told = _event("payment_error" if paying else "form_error", name=next(iter(errors)))
    form = {name: form.get(name, "") for name in ("name", "email", "postcode")} | {"card": ""}
    pay_event = {"event": "add_payment_info", **about} if paying else None
    values = {"step": step, "form": form, "errors": errors, "pay_event": pay_event}
    return Page("checkout.html", "Payment" if paying else "Where to?", "checkout", told, values)


def thanks(shown: Shown, order_id: str, order: Cart) -> Page:
    """After the order. Its event has the order's id, so that a reload is no second order."""
    told = _event("page_view")
    if order.lines:
        about = {"items": event_items(order), "value": order.total, "order_id": order_id}
        told = _event("purchase", event_id=f"purchase-{order_id}", **about)
    return Page("thanks.html", "Thank you", "thank_you", told, {"order_id": order_id, "order": order})


def stores(shown: Shown) -> Page:
    """Where the stores are, and what lies in them of what was looked at, else of what most people like."""
    recent = [shown.products[one] for one in shown.recent]
    values = {"products": recent or best(shown.products.values())[:BEST], "seen": bool(recent)}
    return Page("stores.html", "Stores", "store", _event("page_view"), values)


def account(shown: Shown, order: Cart) -> Page:
    """The customer's own page."""
    return Page("account.html", "Account", "account", _event("page_view"), {"order": order})


def text_page(shown: Shown, name: str) -> Page | None:
    """A page of text; None if there is none of that name."""
    text = TEXTS.get(name)
    if text is None:
        return None
    best_now = best(shown.products.values())[:MORE] if text.products == "best" else []
    recent = [shown.products[one] for one in shown.recent] if text.products == "recent" else []
    values = {"name": name, "text": text, "products": best_now, "compared": recent}
    return Page("page.html", text.title, text.page_type, _event(text.event), values)


def _event(event: str, **fields: Any) -> dict[str, Any]:
    return {"events": [{"event": event, **fields}]}


Make = Callable[[Shown], Page | None]
