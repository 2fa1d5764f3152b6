"""The pictures of docs/img/shop, made anew: `python -m tests.browser.pictures [NAME …]`. It needs chromium.

Each view of the shop on a desktop (1280 × 900) and a phone (390 × 844), light, and dark where that says something more.
"""

import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from tact.verb_demo import call
from tests.browser.conftest import ANSWERED, ARGUMENTS, REMEMBER, ROOT, Demo, running_demo

OUT = ROOT / "docs" / "img" / "shop"
MOST_BYTES = 120_000
SETTLED_MS = 900
LOOKS = {
    "desktop-light": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "desktop-dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "phone-light": {
        "viewport": {"width": 390, "height": 844},
        "color_scheme": "light",
        "is_mobile": True,
        "has_touch": True,
    },
    "phone-dark": {
        "viewport": {"width": 390, "height": 844},
        "color_scheme": "dark",
        "is_mobile": True,
        "has_touch": True,
    },
}
Take = Callable[[Page, Demo], None]


def go(path: str) -> Take:
    """A view that is an address."""

    def take(page: Page, demo: Demo) -> None:
        page.goto(demo.url + path)
        page.wait_for_selector(ANSWERED, state="attached")

    return take


def after(*paths: str) -> Take:
    """A view with a way that led to it."""

    def take(page: Page, demo: Demo) -> None:
        for path in paths:
            go(path)(page, demo)

    return take


def with_cart(path: str) -> Take:
    """A view of a visitor with two things in the cart."""

    def take(page: Page, demo: Demo) -> None:
        for item_id in ("duin-2", "glim"):
            page.goto(f"{demo.url}/shop/p/{item_id}")
            page.get_by_role("button", name="Put in the cart").click()
            page.wait_for_url("**/shop/cart")
        go(path)(page, demo)

    return take


def pay(card: str) -> Take:
    """After the card was given."""

    def take(page: Page, demo: Demo) -> None:
        with_cart("/shop/checkout/pay")(page, demo)
        page.get_by_role("textbox", name="Card number", exact=True).fill(card)
        with page.expect_navigation():
            page.locator("form.form button").click()
        page.wait_for_timeout(4500)

    return take


def with_drawer(page: Page, demo: Demo) -> None:
    """A product, looked at among others, with the drawer open."""
    after("/shop/c/tents", "/shop/p/duin-3", "/shop/p/duin-1", "/shop/p/duin-2")(page, demo)
    page.get_by_role("button", name="What Tact sees").click()
    page.wait_for_selector("#sees details")
    page.locator("#sees details summary").first.click()


def menu(page: Page, demo: Demo) -> None:
    """The journeys there are."""
    go("/shop")(page, demo)
    page.locator(".menu summary").click()


def journey(page: Page, demo: Demo) -> None:
    """The end of the one who cannot decide."""
    page.add_init_script("localStorage.setItem('shop.pace', '200')")
    menu(page, demo)
    page.locator('form[action="/shop/play/undecided"] button').click()
    page.wait_for_selector("html[data-journey=done]", state="attached", timeout=60_000)


def preview(page: Page, demo: Demo) -> None:
    """A signed preview with its overlay."""
    body = {"action": "return_guarantee", "placement": "pdp.trust", "url": f"{demo.url}/shop/p/duin-2"}
    made = call(f"{demo.url}/v1/preview", demo.secret_key, json.dumps(body).encode())
    page.goto(made["url"])
    page.wait_for_selector(".tact-debug")
    if page.viewport_size and page.viewport_size["width"] > 1000:
        page.locator(".tact-debug details details summary").click()


BOTH = ("desktop-light", "phone-light")
ALL = ("desktop-light", "desktop-dark", "phone-light", "phone-dark")
VIEWS: dict[str, tuple[Take, tuple[str, ...]]] = {
    "home": (go("/shop"), ALL),
    "category": (go("/shop/c/backpacks"), BOTH),
    "search": (go("/shop/search?q=lamp"), BOTH),
    "search-nothing": (go("/shop/search?q=surfboard"), BOTH),
    "product": (with_drawer, ALL),
    "cart": (with_cart("/shop/cart"), ALL),
    "checkout": (with_cart("/shop/checkout"), BOTH),
    "declined": (pay("4000 0000 0000 0002"), ("desktop-light", "phone-dark")),
    "thanks": (pay("4242 4242 4242 4242"), BOTH),
    "account": (go("/shop/account"), BOTH),
    "stores": (after("/shop/p/klif-mid", "/shop/p/dons", "/shop/p/storm-2", "/shop/stores"), BOTH),
    "delivery": (go("/shop/delivery"), BOTH),
    "returns": (go("/shop/returns"), BOTH),
    "compare": (after("/shop/p/duin-1", "/shop/p/duin-2", "/shop/p/duin-3", "/shop/compare"), BOTH),
    "menu": (menu, BOTH),
    "journey": (journey, BOTH),
    "preview": (preview, ("desktop-light", "phone-light")),
}


def pack(path: Path) -> None:
    """A palette of 192 colours: a third of the bytes, and nobody sees the difference in flat colours."""
    Image.open(path).convert("RGB").quantize(192, dither=Image.Dither.NONE).save(path, optimize=True)


@contextmanager
def looking(browser: Browser, looks: str) -> Iterator[Page]:
    """A new visitor's page."""
    context = browser.new_context(**LOOKS[looks])  # type: ignore[arg-type]
    context.add_init_script(REMEMBER)
    yield context.new_page()
    context.close()


def main(names: list[str]) -> None:
    """Take the pictures, all or those named."""
    OUT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home, running_demo(Path(home)) as demo, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(ARGUMENTS))
        for name in names or list(VIEWS):
            take, shapes = VIEWS[name]
            for looks in shapes:
                with looking(browser, looks) as page:
                    take(page, demo)
                    page.wait_for_timeout(SETTLED_MS)
                    path = OUT / f"{name}-{looks}.png"
                    page.screenshot(path=path)
                    pack(path)
                    size = path.stat().st_size
                    print(f"{path.name}: {size:,} bytes{' TOO LARGE' if size > MOST_BYTES else ''}")
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1:])
