"""Pages for people: the browser client and the demo shop. No key is needed; they bring the shop's publishable one.

Every page has the strictest content policy that still shows it: nothing inline, nothing from elsewhere.
"""

import hashlib
import secrets
from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qs, quote

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from service.body import chunks_of
from service.core import Service
from service.errors import Problem
from service.web import pages
from service.web.front import Front, NoShop, read_front
from service.web.pages import HERE, Page, Shown
from service.web.picture import picture
from service.web.shopping import address_errors, cookie_of, parse_cart, payment_errors

CSP: Final = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
HEADERS: Final = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "referrer-policy": "strict-origin-when-cross-origin",
}
CART, ORDER, SEEN = "shop_cart", "shop_order", "shop_seen"
RECENT: Final = 4
CART_S: Final = 30 * 86_400
MAX_FORM: Final = 8192
STATIC: Final = {
    "/tact.js": ("tact.js", "text/javascript"),
    "/tact.css": ("tact.css", "text/css"),
    "/shop/static/shop.js": ("shop.js", "text/javascript"),
    "/shop/static/shop.css": ("shop.css", "text/css"),
    "/shop/static/icon.svg": ("icon.svg", "image/svg+xml"),
}
"""Address to file and type."""


def router(service: Service) -> APIRouter:
    """The browser client and the demo shop; no part of the API's description."""
    paths = APIRouter(include_in_schema=False)
    _add_static(paths)
    _add_shop(paths, ShopPages(service))
    return paths


class ShopPages:
    """Answers with pages of the demo shop, from what is live in this process."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._templates = pages.environment()

    def shown(self, request: Request) -> Shown:
        """What the request's page is made from. Raises NoShop."""
        front = self.front()
        live = self._service.watcher.get(front.shop)
        products = live.catalog.products
        cart = parse_cart(request.cookies.get(CART, ""), products)
        seen = request.cookies.get(SEEN, "").split("|")[:RECENT]
        recent = tuple(one for one in dict.fromkeys(seen) if one in products)
        return Shown(front, products, frozenset(live.policy.at), cart, recent)

    def front(self) -> Front:
        """Which shop it is. Raises NoShop."""
        return read_front(self._service.settings.home)

    def answer(self, request: Request, make: pages.Make) -> Response:
        """A page, or a friendly one that says what is missing."""
        try:
            shown = self.shown(request)
        except NoShop as error:
            return self.missing("No demo shop here", f"{error}.", shop=False)
        if not shown.products:
            return self.missing("One moment", "The catalog is still on its way.", shop=True, status=503)
        page = make(shown)
        if page is None:
            return self.missing("Not here", "This page does not exist, or no longer.", shop=True)
        return _html(pages.render(self._templates, shown, page), 200)

    def missing(self, title: str, text: str, shop: bool, status: int = 404) -> Response:
        """A page without its content."""
        return _html(self._templates.get_template("missing.html").render(title=title, text=text, shop=shop), status)


def _add_static(paths: APIRouter) -> None:
    for address, (name, media_type) in STATIC.items():
        body = (HERE / "static" / name).read_bytes()
        paths.add_api_route(address, _file(body, media_type), methods=["GET"])


def _add_shop(paths: APIRouter, shop: ShopPages) -> None:
    _add_browsing(paths, shop)
    _add_cart(paths, shop)
    _add_checkout(paths, shop)

    @paths.get("/shop/{name}")
    def text(request: Request, name: str) -> Response:
        return shop.answer(request, lambda shown: pages.text_page(shown, name))


def _add_browsing(paths: APIRouter, shop: ShopPages) -> None:
    @paths.get("/")
    def root() -> Response:
        return RedirectResponse("/shop")

    @paths.get("/shop")
    def home(request: Request) -> Response:
        return shop.answer(request, pages.home)

    @paths.get("/shop/c/{category}")
    def listing(request: Request, category: str) -> Response:
        return shop.answer(request, lambda shown: pages.listing(shown, category))

    @paths.get("/shop/p/{item_id}")
    def product(request: Request, item_id: str) -> Response:
        answer = shop.answer(request, lambda shown: pages.product_page(shown, item_id))
        if answer.status_code == 200:
            before = [one for one in request.cookies.get(SEEN, "").split("|") if one and one != item_id]
            _keep(answer, SEEN, "|".join([item_id, *before][:RECENT]))
        return answer

    @paths.get("/shop/search")
    def search(request: Request, q: str = "") -> Response:
        return shop.answer(request, lambda shown: pages.found(shown, q.strip()[:100]))

    @paths.get("/shop/img/{item_id}.svg")
    def image(request: Request, item_id: str) -> Response:
        try:
            product = shop.shown(request).products.get(item_id)
        except NoShop:
            product = None
        if product is None:
            return Response(status_code=404, headers=HEADERS)
        headers = HEADERS | {"cache-control": "public, max-age=86400"}
        return Response(picture(item_id, product.category), headers=headers, media_type="image/svg+xml")


def _add_cart(paths: APIRouter, shop: ShopPages) -> None:
    @paths.get("/shop/cart")
    def cart(request: Request) -> Response:
        return shop.answer(request, pages.cart_page)

    @paths.post("/shop/cart")
    async def change(request: Request) -> Response:
        form = await _form(request)
        try:
            shown = shop.shown(request)
        except NoShop:
            return shop.missing("No demo shop here", "Nothing can be put in a cart.", shop=False)
        item_id = form.get("item_id", "")
        held = {line.product.item_id: line.units for line in shown.cart.lines}.get(item_id, 0)
        units = held + 1 if "add" in form else _count(form.get("units", ""))
        answer = RedirectResponse("/shop/cart", 303, HEADERS)
        if item_id in shown.products:
            _keep(answer, CART, cookie_of(shown.cart, item_id, units))
        return answer


def _add_checkout(paths: APIRouter, shop: ShopPages) -> None:
    @paths.get("/shop/checkout")
    def address(request: Request) -> Response:
        return shop.answer(request, lambda shown: pages.checkout(shown, "address", {}, {}))

    @paths.post("/shop/checkout")
    async def check_address(request: Request) -> Response:
        form = await _form(request)
        errors = address_errors(form)
        if not errors:
            return RedirectResponse("/shop/checkout/pay", 303, HEADERS)
        return shop.answer(request, lambda shown: pages.checkout(shown, "address", form, errors))

    @paths.get("/shop/checkout/pay")
    def pay(request: Request) -> Response:
        return shop.answer(request, lambda shown: pages.checkout(shown, "pay", {}, {}))

    @paths.post("/shop/checkout/pay")
    async def check_payment(request: Request) -> Response:
        form = await _form(request)
        errors = payment_errors(form)
        if errors:
            return shop.answer(request, lambda shown: pages.checkout(shown, "pay", form, errors))
        answer = RedirectResponse(f"/shop/thanks/{secrets.token_hex(4)}", 303, HEADERS)
        _keep(answer, ORDER, request.cookies.get(CART, ""))
        answer.delete_cookie(CART, path="/shop")
        return answer

    @paths.get("/shop/thanks/{order_id}")
    def thanks(request: Request, order_id: str) -> Response:
        def make(shown: Shown) -> Page:
            return pages.thanks(shown, order_id[:32], parse_cart(request.cookies.get(ORDER, ""), shown.products))

        return shop.answer(request, make)


async def _form(request: Request) -> dict[str, str]:
    """The fields of a small form. Raises Problem body_too_large."""
    body = b""
    async for chunk in chunks_of(request):
        body += chunk
        if len(body) > MAX_FORM:
            raise Problem("body_too_large", f"A form has at most {MAX_FORM:,} bytes.")
    return {name: values[0] for name, values in parse_qs(body.decode(errors="replace")).items()}


def _count(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 4 else 0


def _keep(answer: Response, name: str, value: str) -> None:
    answer.set_cookie(name, quote(value, safe=":|._-"), max_age=CART_S, path="/shop", httponly=True, samesite="lax")


def _html(text: str, status: int) -> Response:
    return Response(text, status, HEADERS | {"cache-control": "no-store"}, media_type="text/html")


def _file(body: bytes, media_type: str) -> Callable[[Request], Response]:
    """An endpoint that answers with a file read at start; browsers ask again with its tag."""
    tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
    headers = HEADERS | {"etag": tag, "cache-control": "no-cache"}

    def endpoint(request: Request) -> Response:
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(body, headers=headers, media_type=media_type)

    return endpoint
