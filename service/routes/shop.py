"""The demo shop's pages. No key is needed; they bring the shop's publishable one.

A cart, the last order and what was looked at live in cookies; nothing typed is kept.
"""

import asyncio
import secrets
from typing import Final
from urllib.parse import parse_qs, quote

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from service import explain
from service.body import chunks_of, json_response
from service.core import Service
from service.errors import Problem, StoreUnavailable
from service.routes.decisions import find_receipt
from service.routes.web import HEADERS, html_page
from service.web import pages
from service.web.front import Front, NoShop, read_front
from service.web.journeys import JOURNEYS
from service.web.pages import Page, Shown
from service.web.picture import picture
from service.web.shopping import address_errors, cookie_of, parse_cart, payment_errors

CART, ORDER, SEEN, SEES = "shop_cart", "shop_order", "shop_seen", "shop_sees"
RECENT: Final = 4
CART_S: Final = 30 * 86_400
MAX_FORM: Final = 8192


def router(service: Service) -> APIRouter:
    """The shop; no part of the API's description."""
    paths = APIRouter(include_in_schema=False)
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
        return Shown(front, products, frozenset(live.policy.at), cart, recent, request.cookies.get(SEES) == "1")

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
        return html_page(pages.render(self._templates, shown, page), 200)

    def play(self, journey_id: str) -> Response:
        """The page from which a journey begins as a new visitor."""
        journey = JOURNEYS.get(journey_id)
        try:
            front = self.front()
        except NoShop as error:
            return self.missing("No demo shop here", f"{error}.", shop=False)
        if journey is None:
            return self.missing("Not here", "There is no such journey.", shop=True)
        told = msgspec.to_builtins(journey)
        return html_page(self._templates.get_template("play.html").render(front=front, journey=journey, told=told), 200)

    async def why(self, decision_id: str) -> Response:
        """What was considered in each placement of a decision of the demo shop, and what stood against it."""
        try:
            receipt = await find_receipt(self._service, self.front().shop, decision_id)
        except (NoShop, Problem, StoreUnavailable):
            return json_response(b"{}", 202)  # not written yet: an error would only fill consoles
        told = msgspec.json.decode(await asyncio.to_thread(explain.why, self._service.watcher, receipt, ""))
        placements = {name: placement["candidates"] for name, placement in told["placements"].items()}
        return json_response(msgspec.json.encode(placements))

    def missing(self, title: str, text: str, shop: bool, status: int = 404) -> Response:
        """A page without its content."""
        return html_page(self._templates.get_template("missing.html").render(title=title, text=text, shop=shop), status)


def _add_shop(paths: APIRouter, shop: ShopPages) -> None:
    _add_browsing(paths, shop)
    _add_cart(paths, shop)
    _add_checkout(paths, shop)
    _add_demonstration(paths, shop)

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
    def listing(request: Request, category: str, sort: str = "") -> Response:
        return shop.answer(request, lambda shown: pages.listing(shown, category, sort))

    @paths.get("/shop/stores")
    def stores(request: Request) -> Response:
        return shop.answer(request, pages.stores)

    @paths.get("/shop/account")
    def account(request: Request) -> Response:
        ordered = request.cookies.get(ORDER, "")
        return shop.answer(request, lambda shown: pages.account(shown, parse_cart(ordered, shown.products)))

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


def _add_demonstration(paths: APIRouter, shop: ShopPages) -> None:
    """What a real shop has not: journeys that play themselves, and why a decision came out as it did."""

    @paths.post("/shop/play/{journey_id}")
    def play(request: Request, journey_id: str) -> Response:
        answer = shop.play(journey_id)
        for name in (CART, ORDER, SEEN):
            answer.delete_cookie(name, path="/shop")
        return answer

    @paths.get("/shop/why/{decision_id}")
    async def why(request: Request, decision_id: str) -> Response:
        return await shop.why(decision_id)


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
