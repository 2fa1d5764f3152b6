"""A shopper's way through the demo shop in a real browser, with what the engine says on the way."""

import time
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import ANSWERED, Demo, Shopper

pytestmark = pytest.mark.browser

Make = Callable[..., Shopper]
OTHERS = ("duin-1", "duin-3", "wad-4", "wad-6", "kim-22", "kim-30", "glim")
WATCH_SHIFTS = (
    "window.shifted = 0;"
    "new PerformanceObserver((list) => { for (const entry of list.getEntries()) shifted += entry.value; })"
    ".observe({type: 'layout-shift', buffered: true})"
)


def test_a_product_page_shows_a_message_and_recommendations_decided_by_the_engine(shopper: Make, demo: Demo) -> None:
    someone = shopper()
    someone.go("/shop/p/duin-2")
    row = someone.page.locator(someone.message("pdp.recommend"))
    expect(row.locator("a.tact-item").first).to_be_visible()
    assert row.locator("a.tact-item").count() >= 3
    assert "/shop/p/duin-2" not in [link.get_attribute("href") for link in row.locator("a.tact-item").all()]
    said = someone.page.locator(someone.message("pdp.trust"))
    for item_id in OTHERS:  # silence may win the first draws
        if said.count() == 0:
            someone.go(f"/shop/p/{item_id}")
    expect(said).to_be_visible()
    someone.page.get_by_role("button", name="What Tact sees").click()
    seen = someone.page.locator("#sees")
    expect(seen).to_contain_text("Stage:")
    expect(seen).to_contain_text("pdp.trust")
    assert someone.wrong == []


def test_a_message_that_was_seen_and_clicked_is_in_the_visitors_tail(shopper: Make, demo: Demo) -> None:
    someone = shopper()
    someone.go("/shop/p/duin-2")
    said = someone.page.locator(someone.message("pdp.recommend")).get_by_role("link").first
    said.scroll_into_view_if_needed()
    expect(said).to_be_visible()
    demo.wait_for(someone.visitor_id, "view_item", "view_promotion")
    said.click()
    demo.wait_for(someone.visitor_id, "select_promotion")


def test_a_cart_is_met_with_reassurance(shopper: Make) -> None:
    someone = shopper()
    someone.put_in_cart("klif-mid")
    said = someone.page.locator(someone.message("cart.reassure"))
    expect(said).to_be_visible()
    assert "tact-badge" in str(said.get_attribute("class")) or "tact-hint" in str(said.get_attribute("class"))


def test_a_prompt_after_a_payment_error_is_dismissed_once_and_for_all(shopper: Make, demo: Demo) -> None:
    someone = shopper()
    someone.put_in_cart("bui")
    someone.give_address()
    someone.pay("4000 0000 0000 0002")
    expect(someone.page.get_by_text("Your bank declined the payment")).to_be_visible()
    expect(someone.page.locator(someone.message("checkout.help"))).to_contain_text("nothing was charged")
    prompt = someone.page.locator(someone.message("global.chat"))
    expect(prompt).to_be_visible(timeout=60_000)
    prompt.get_by_role("button", name="Dismiss").click()
    expect(prompt).to_have_count(0)
    demo.wait_for(someone.visitor_id, "dismiss_promotion")
    someone.page.evaluate("sessionStorage.clear()")  # the engine remembers, not only this tab
    someone.pay("4000 0000 0000 0002")
    someone.page.wait_for_timeout(4500)  # a stream looks every second, and this prompt waits two
    expect(prompt).to_have_count(0)


def test_a_doubt_over_the_cart_is_offered_a_person(shopper: Make, demo: Demo) -> None:
    someone = shopper()
    now_ms = int(time.time() * 1000)
    past = [
        (5, "view_item", "product"),
        (4, "view_item", "product"),
        (4, "add_to_cart", "product"),
        (3, "view_cart", "cart"),
    ]
    about = {
        "visitor_id": someone.visitor_id,
        "items": [{"item_id": "dons", "price": 219.0, "item_category": "jackets"}],
    }
    demo.send(
        [
            {**about, "event": event, "event_id": f"past-{n}", "ts": now_ms - minutes * 60_000, "page_type": page}
            for n, (minutes, event, page) in enumerate(past)
        ]
    )
    someone.go("/shop/returns")
    prompt = someone.page.locator(someone.message("global.chat"))
    expect(prompt).to_contain_text("In two minds?", timeout=60_000)
    prompt.get_by_role("button", name="Start a chat").click()
    expect(someone.page.get_by_role("region", name="Chat")).to_be_visible()
    someone.page.get_by_label("Your message").fill("Do they run small?")
    someone.page.keyboard.press("Enter")
    demo.wait_for(someone.visitor_id, "select_promotion", "chat_open", "chat_message")
    assert someone.wrong == []


def test_an_order_ends_in_thanks_and_is_one_purchase_also_when_the_page_is_loaded_again(
    shopper: Make, demo: Demo
) -> None:
    someone = shopper()
    someone.put_in_cart("vonk")
    someone.give_address()
    someone.pay("4242 4242 4242 4242")
    expect(someone.page.get_by_role("heading", name="Thank you!")).to_be_visible()
    demo.wait_for(someone.visitor_id, "purchase")
    someone.page.reload()
    someone.page.wait_for_selector(ANSWERED, state="attached")
    someone.page.wait_for_timeout(300)
    purchases = {record["event"] for record in demo.tail(someone.visitor_id) if record["kind"] == "purchase"}
    assert len(purchases) == 1
    someone.go("/shop/cart")
    expect(someone.page.get_by_text("It is empty so far.")).to_be_visible()
    assert someone.wrong == []


def test_a_shop_whose_tact_is_blocked_still_sells(shopper: Make) -> None:
    someone = shopper()
    someone.page.route("**/v1/**", lambda route: route.abort())
    someone.put_in_cart("glim")
    assert someone.page.locator(".tact-message").count() == 0
    someone.give_address()
    someone.pay("4242 4242 4242 4242")
    expect(someone.page.get_by_role("heading", name="Thank you!")).to_be_visible()
    assert [said for said in someone.wrong if "Failed to load resource" not in said] == []


def test_a_slow_tact_shows_nothing_and_holds_nothing_up(shopper: Make) -> None:
    someone = shopper()
    someone.page.route("**/v1/decisions", lambda route: None)  # never answered
    someone.page.goto(f"{someone.url}/shop/p/duin-2")
    expect(someone.page.get_by_role("heading", name="Duin 2 trekking tent")).to_be_visible()
    someone.page.wait_for_timeout(2000)
    assert someone.page.locator(".tact-message").count() == 0
    someone.put_in_cart("glim")
    someone.give_address()
    someone.pay("4242 4242 4242 4242")
    expect(someone.page.get_by_role("heading", name="Thank you!")).to_be_visible()
    assert someone.wrong == []


def test_messages_move_nothing_that_was_there(shopper: Make) -> None:
    someone = shopper()
    someone.context.add_init_script(WATCH_SHIFTS)
    someone.go("/shop/p/duin-2")
    expect(someone.page.locator(someone.message("pdp.trust"))).to_be_visible()
    assert someone.page.evaluate("shifted") < 0.01


def test_where_a_visitor_came_from_is_told(shopper: Make, demo: Demo) -> None:
    someone = shopper()
    someone.go("/shop/c/tents?utm_source=trailblog&utm_medium=affiliate")
    someone.go("/shop/p/duin-1")
    assert someone.page.evaluate("JSON.parse(sessionStorage.getItem('tact.source')).channel") == "partner"
