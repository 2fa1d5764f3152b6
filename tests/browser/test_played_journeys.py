"""The scripted journeys of the shop's menu, played as a person plays them: each ends with the right kind of message,
and on the way nothing is decided that the policy forbids."""

from collections.abc import Callable
from pathlib import Path

import pytest

from models.policy import load_policy
from service.web.journeys import JOURNEYS, Journey
from tact.demo import Example
from tests.browser.conftest import Demo, Shopper, steady
from tests.browser.quality import barriers
from tests.browser.watching import Watch

pytestmark = pytest.mark.browser

Make = Callable[..., Shopper]
FAST = "try { localStorage.setItem('shop.pace', '150') } catch { }"
POLICY = load_policy(steady(Example.find().policy.read_text()), "demo.yaml")
PLAYED_MS = 90_000
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def test_the_menu_has_the_five_that_are_promised() -> None:
    assert list(JOURNEYS) == ["undecided", "bargain", "gift", "business", "returner"]


@pytest.mark.parametrize("journey", JOURNEYS.values(), ids=list(JOURNEYS))
def test_a_journey_ends_with_the_right_message_and_meets_none_that_is_forbidden(
    journey: Journey, shopper: Make, demo: Demo
) -> None:
    someone = shopper(**(PHONE if journey.id == "gift" else {}), as_new=True)
    someone.context.add_init_script(FAST)
    page, watch = someone.page, Watch.on(someone.page)
    page.goto(f"{demo.url}/shop")
    page.locator(".menu summary").click()
    page.locator(f'form[action="/shop/play/{journey.id}"] button').click()
    page.wait_for_selector("html[data-journey=done]", state="attached", timeout=PLAYED_MS)
    assert page.evaluate("document.documentElement.dataset.met") in journey.kinds
    assert barriers(page) == []
    visitor_id = page.evaluate("tact.visitor")
    assert visitor_id.startswith(f"journey-{journey.id}-")
    assert watch.said()
    assert watch.forbidden(POLICY, demo, visitor_id) == []
    assert someone.wrong == []


def test_a_message_that_the_policy_forbids_would_be_noticed(shopper: Make, demo: Demo) -> None:
    """The watch itself: an answer with the wrong stage, kind and place, twice."""
    watch = Watch()
    chosen = {"action": "loyalty_invite", "kind": "loyalty", "reason": ""}
    someone = shopper()
    someone.go("/shop/p/duin-2")
    made = someone.page.evaluate("tact.last.answer")
    watch.answers.append(
        {**made, "stage": {"name": "purchase"}, "placements": {"checkout.help": chosen, "pdp.trust": chosen}}
    )
    wrong = "; ".join(watch.forbidden(POLICY, demo, someone.visitor_id))
    for said in ("no place at checkout.help", "in stage purchase", "without consent to marketing", "2 times on a page"):
        assert said in wrong


def test_a_journey_can_be_stopped(shopper: Make, demo: Demo) -> None:
    someone = shopper(as_new=True)
    someone.page.goto(f"{demo.url}/shop")
    someone.page.locator(".menu summary").click()
    someone.page.locator('form[action="/shop/play/gift"] button').click()
    someone.page.get_by_role("button", name="Stop").click()
    someone.page.wait_for_timeout(3500)
    assert someone.page.locator(".journey").count() == 0
    assert someone.page.evaluate("sessionStorage.getItem('shop.journey')") is None
    assert "instagram" in someone.page.url


def test_every_address_of_a_journey_is_one_of_the_shop_s() -> None:
    steps = [step for journey in JOURNEYS.values() for step in journey.steps if step.do == "go"]
    assert all(step.at.startswith("/shop") for step in steps)
    ids = {product.item_id for product in Example.find().products()}
    assert {Path(step.at).name for step in steps if "/shop/p/" in step.at} <= ids
