"""The demo shop without a browser: cart, search, forms, channel-free HTML, and the size of the client."""

import gzip
import json
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from msgspec import structs

from features.catalog import Product
from service.errors import CATALOGUE
from service.routes.web import STRIPPED
from service.web import pages
from service.web.drawings import ITEMS
from service.web.front import CATEGORIES, Front, NoShop, StoreInfo, read_front, write_front
from service.web.pages import HERE, Shown
from service.web.picture import picture
from service.web.shopping import (
    DECLINED_CARD,
    MAX_UNITS,
    address_errors,
    cookie_of,
    parse_cart,
    payment_errors,
    search,
)
from service.web.strip import strip
from tact.demo import Example
from tests.service.shop import Running

TENT = Product(
    "duin-2", "Duin 2 trekking tent", category="tents", price=249.0, stock=5, tags=("2 persons",), rating=4.4
)
LAMP = Product("glim", "Glim tent lantern", category="lamps", price=39.95, stock=0, tags=("250 lm",), rating=4.0)
PRODUCTS = {product.item_id: product for product in (TENT, LAMP)}
TEMPLATES = pages.environment()


def shown(cart: str = "") -> Shown:
    front = Front("demo", "Noordzee Outdoor", "pk_0123")
    return Shown(front, PRODUCTS, frozenset({"pdp.trust"}), parse_cart(cart, PRODUCTS))


def test_a_cart_survives_its_cookie() -> None:
    cart = parse_cart("duin-2:2|glim:1", PRODUCTS)
    assert (cart.units, cart.goods) == (3, 537.95)
    assert cookie_of(cart) == "duin-2:2|glim:1"
    assert cookie_of(cart, "glim", 0) == "duin-2:2"
    assert cookie_of(cart, "glim", 999) == f"duin-2:2|glim:{MAX_UNITS}"


@pytest.mark.parametrize("cookie", ["", "|", "gone:1", "duin-2:x", "duin-2:-1", "duin-2:0", "../etc:1", "a" * 9000])
def test_a_damaged_cart_is_an_empty_one(cookie: str) -> None:
    assert parse_cart(cookie, PRODUCTS).lines == ()


def test_delivery_is_free_from_fifty_euros() -> None:
    assert parse_cart("glim:1", PRODUCTS).total == 44.90
    assert parse_cart("glim:2", PRODUCTS).total == 79.90


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("tents", ["duin-2", "glim"]),
        ("TREK", ["duin-2"]),
        ("tent 250", ["glim"]),
        ("surfboard", []),
        ("  ", []),
        ("lamps", ["glim"]),
    ],
)
def test_every_word_of_a_search_has_to_be_found(query: str, expected: list[str]) -> None:
    assert sorted(p.item_id for p in search(PRODUCTS.values(), query, CATEGORIES)) == expected


def test_forms_say_what_is_wrong_where() -> None:
    assert set(address_errors({})) == {"name", "email", "postcode"}
    assert address_errors({"name": "A", "email": "a@b.nl", "postcode": "3511 AB"}) == {}
    assert "declined" in payment_errors({"card": DECLINED_CARD})["card"]
    assert payment_errors({"card": "4242 4242 4242 4242"}) == {}
    assert "16" in payment_errors({"card": "1"})["card"]


def test_a_search_without_a_result_reports_both_events() -> None:
    page = pages.found(shown(), "surfboard")
    assert [event["event"] for event in page.told["events"]] == ["search", "zero_results"]


def test_what_a_visitor_typed_cannot_become_markup() -> None:
    html = pages.render(TEMPLATES, shown(), pages.found(shown(), "\"'><script>alert(1)</script>"))
    assert "<script>alert" not in html
    told = re.search(r"data-page='([^']*)'", html)
    assert told is not None
    assert json.loads(told[1])["query"] == "\"'><script>alert(1)</script>"


def test_a_page_asks_only_for_placements_that_the_policy_has() -> None:
    page = pages.product_page(shown(), "duin-2")
    assert page is not None
    assert re.findall(r'data-tact="([^"]+)"', pages.render(TEMPLATES, shown(), page)) == ["pdp.trust"]


def test_what_is_sold_out_cannot_be_put_in_the_cart() -> None:
    page = pages.product_page(shown(), "glim")
    assert page is not None
    assert "Put in the cart" not in pages.render(TEMPLATES, shown(), page)


def test_no_page_has_inline_style_or_script() -> None:
    for path in [*(HERE / "templates").glob("*.html"), *(HERE / "static").glob("*.svg")]:
        text = path.read_text()
        inline = r"\sstyle=|<style|\son[a-z]+=|<script(?![^>]*(?:\ssrc=|/json))|javascript:"
        assert not re.search(inline, text), path.name
    client = (HERE / "static" / "tact.js").read_text()
    assert not re.search(r"\beval\(|new Function|innerHTML|\.style\b|document\.write", client)


def test_the_client_stays_within_its_five_kilobytes(live: Running, capsys: pytest.CaptureFixture[str]) -> None:
    """As it is sent: GET /tact.js without its comments, packed."""
    with live.anyone.stream("GET", "/tact.js", headers={"accept-encoding": "gzip"}) as answer:
        sent = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == "gzip"
    with capsys.disabled():
        print(f"\n/tact.js: {len(sent):,} bytes gzip of {5 * 1024:,}")
    assert len(sent) <= 5 * 1024
    assert "data-tact" in gzip.decompress(sent).decode()


def test_stripping_takes_comments_and_indentation_and_nothing_else() -> None:
    source = """/* a
 * comment */
const a = "// no comment"; // one beside code stays
  // a line of its own
  const b = /\\/\\*x/; const c = `/* no */`;

/* short */
"""
    assert (
        strip(source)
        == 'const a = "// no comment"; // one beside code stays\nconst b = /\\/\\*x/; const c = `/* no */`;\n'
    )


@pytest.mark.parametrize("name", sorted(STRIPPED))
def test_no_text_of_a_stripped_script_spans_lines(name: str) -> None:
    """What stripping relies on: a quote that opens on a line closes on it, templates included."""
    for line in strip((HERE / "static" / name).read_text()).splitlines():
        without_pattern = re.sub(r"/(?:\\.|\[[^]]*\]|[^/\s])+/[a-z]*", "", line)
        assert without_pattern.count("`") % 2 == 0, line


def test_every_product_of_the_example_has_a_picture_of_well_formed_svg() -> None:
    products = Example.find().products()
    assert len(products) >= 60
    for product in products:
        ElementTree.fromstring(picture(product.item_id, product.category))
    assert set(ITEMS) <= {product.item_id for product in products}
    assert len({picture(product.item_id, product.category) for product in products}) == len(products)


def test_stores_show_what_lies_in_them() -> None:
    lamp = structs.replace(LAMP, stores={"Gent": 3})
    front = Front("demo", "Noordzee Outdoor", "pk_0123", (StoreInfo("Gent", "Veldstraat 41", "Mon-Sat"),))
    there = Shown(front, {"glim": lamp}, frozenset(), parse_cart("", {}), ("glim",))
    html = pages.render(TEMPLATES, there, pages.stores(there))
    assert re.search(r'<td class="number in">3</td>', html)
    assert "What you looked at" in html


def test_a_category_can_be_sorted_by_price_and_an_unknown_order_is_the_first() -> None:
    more = {
        one: structs.replace(TENT, item_id=one, price=price) for one, price in (("a", 30.0), ("b", 10.0), ("c", 20.0))
    }
    there = replace(shown(), products=more)
    page, odd = pages.listing(there, "tents", "price"), pages.listing(there, "tents", "colour")
    assert page is not None
    assert odd is not None
    assert [product.price for product in page.values["products"]] == [10.0, 20.0, 30.0]
    assert odd.values["sort"] == "rating"


def test_a_journey_s_page_brings_its_steps_and_no_client(live: Running) -> None:
    write_front(live.shop.settings.home, Front("acme", "Noordzee Outdoor", live.shop.publishable))
    answer = live.anyone.post("/shop/play/gift")
    told = re.search(r"data-journey='([^']*)'", answer.text)
    assert told is not None
    assert json.loads(told[1])["steps"][0]["do"] == "go"
    assert "/tact.js" not in answer.text
    assert "shop_cart" in str(answer.headers.get_list("set-cookie"))
    assert live.anyone.post("/shop/play/nobody").status_code == 404


def test_the_drawer_is_told_what_was_considered_in_a_decision_of_its_shop_only(live: Running) -> None:
    write_front(live.shop.settings.home, Front("acme", "Noordzee Outdoor", live.shop.publishable))
    decided = live.decide()
    live.wait(lambda: live.anyone.get(f"/shop/why/{decided['decision_id']}").status_code == 200)
    told = live.anyone.get(f"/shop/why/{decided['decision_id']}").json()
    assert [one["action"] for one in told["product.badge"]] == ["returns"]
    assert live.anyone.get("/shop/why/nothing").status_code == 202


def test_a_category_without_a_drawing_gets_a_parcel() -> None:
    assert picture("x", "unheard-of").startswith("<svg")
    assert picture("x", "unheard-of") != picture("x", "tents")


def test_the_shop_is_told_by_a_file_and_a_damaged_one_is_no_shop(tmp_path: Path) -> None:
    with pytest.raises(NoShop, match="tact demo"):
        read_front(tmp_path)
    front = Front("demo", "Noordzee Outdoor", "pk_0123")
    path = write_front(tmp_path, front)
    assert read_front(tmp_path) == front
    path.write_text("{")
    with pytest.raises(NoShop, match=r"shop\.json"):
        read_front(tmp_path)


def test_a_problem_s_type_leads_to_its_line(live: Running) -> None:
    problem = live.anyone.post("/v1/decisions").json()
    page, _, fragment = problem["type"].partition("#")
    answer = live.anyone.get(page)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert re.findall(r'<tr id="(\w+)">', answer.text) == list(CATALOGUE)
    assert fragment in CATALOGUE


def test_the_page_of_calls_lists_every_one(live: Running) -> None:
    page = live.anyone.get("/docs").text
    described = live.anyone.get("/openapi.json").json()["paths"]
    calls = [f"<code>{method.upper()} {path}</code>" for path, item in described.items() for method in item]
    assert calls
    assert [call for call in calls if call not in page] == []
    assert 'href="/openapi.json"' in page


@pytest.mark.parametrize("path", ["/docs", "/docs/errors", "/docs/style.css"])
def test_a_page_of_the_documentation_needs_no_other_host(live: Running, path: str) -> None:
    answer = live.anyone.get(path)
    assert answer.status_code == 200
    assert "style-src 'self'" in answer.headers["content-security-policy"]
    assert not re.search(r"https?:|//[a-z]|\sstyle=|<style|<script", answer.text)
