"""One visitor in two tabs, and the way back: nothing is said twice, a no holds everywhere, a page counts once."""

from collections import Counter
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import ANSWERED, Demo, Shopper

pytestmark = pytest.mark.browser

Make = Callable[..., Shopper]
DECLINED = "4000 0000 0000 0002"
PROMPT_MS = 4_500
"""A stream looks every second, and the prompt after an error waits for two."""


def opened(someone: Shopper, path: str) -> Page:
    """Another tab of the same visitor."""
    page = someone.context.new_page()
    page.on("console", lambda said: someone.wrong.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: someone.wrong.append(str(error)))
    page.goto(someone.url + path)
    page.wait_for_selector(ANSWERED, state="attached")
    return page


def kinds(demo: Demo, visitor_id: str) -> Counter[str]:
    """How often the visitor did what; a record that stands twice counts once."""
    each = {tuple(sorted((name, str(value)) for name, value in one.items())) for one in demo.tail(visitor_id)}
    return Counter(dict(one)["kind"] for one in each)


def test_both_tabs_are_one_visitor_and_a_prompt_is_shown_in_one_of_them(shopper: Make, demo: Demo) -> None:
    someone = shopper()
    someone.put_in_cart("bui")
    someone.give_address()
    other = opened(someone, "/shop/checkout/pay")
    assert other.evaluate("tact.visitor") == someone.page.evaluate("tact.visitor") == someone.visitor_id
    someone.pay(DECLINED)
    prompts = [page.locator(someone.message("global.chat")) for page in (someone.page, other)]
    expect(prompts[0].or_(someone.page.locator("html.never"))).to_have_count(1, timeout=60_000)
    someone.page.wait_for_timeout(PROMPT_MS)
    assert sum(prompt.count() for prompt in prompts) == 1


def test_a_no_in_one_tab_holds_in_the_other(shopper: Make, demo: Demo) -> None:
    someone = shopper()
    someone.put_in_cart("bui")
    someone.give_address()
    other = opened(someone, "/shop/checkout/pay")
    someone.page.bring_to_front()
    someone.pay(DECLINED)
    shown = someone.page.locator(someone.message("global.chat"))
    expect(shown).to_be_visible(timeout=60_000)
    shown.get_by_role("button", name="Dismiss").click()
    demo.wait_for(someone.visitor_id, "dismiss_promotion")
    someone.page.close()
    other.bring_to_front()
    elsewhere = other.locator(someone.message("global.chat"))
    other.wait_for_timeout(PROMPT_MS)
    expect(elsewhere).to_have_count(0)  # nor where it was open all the while
    other.reload()
    other.wait_for_selector(ANSWERED, state="attached")
    other.wait_for_timeout(PROMPT_MS)
    expect(elsewhere).to_have_count(0)


def test_the_way_back_from_a_product_fills_the_list_again_and_counts_each_page_once(shopper: Make, demo: Demo) -> None:
    someone = shopper()
    someone.go("/shop/c/tents")
    someone.page.locator('a[href="/shop/p/duin-2"]').first.click()
    someone.page.wait_for_url("**/shop/p/duin-2")
    someone.page.locator(someone.message("pdp.recommend")).wait_for()
    someone.page.go_back()
    someone.page.wait_for_url("**/shop/c/tents")
    someone.page.wait_for_selector(ANSWERED, state="attached")
    someone.page.go_forward()
    someone.page.wait_for_url("**/shop/p/duin-2")
    someone.page.wait_for_selector(ANSWERED, state="attached")
    expect(someone.page.locator(someone.message("pdp.recommend"))).to_be_visible()
    someone.page.wait_for_timeout(1_500)
    found = kinds(demo, someone.visitor_id)
    assert (found["view_item_list"], found["view_item"]) == (2, 2)  # each once, and once again on the way back
    assert someone.wrong == []
