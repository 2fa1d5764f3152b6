"""/tact.js on pages of other shops: strict content policies, consent, single-page applications, other trackers."""

import json
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tact.verb_demo import call
from tests.browser.conftest import ANSWERED, Demo, Shopper
from tests.browser.quality import barriers

pytestmark = pytest.mark.browser

Make = Callable[..., Shopper]
CSP = "default-src 'none'; script-src 'nonce-n0nce'; style-src 'self'; img-src 'self'; connect-src 'self'"
PRODUCT = {"page_type": "product", "item_id": "duin-2", "locale": "en"}
SLOT = '<div class="tact-slot tact-line" data-tact="pdp.trust"></div>'
SURE = {
    "action": "sure",
    "kind": "hint",
    "content": {"title": "Sure", "text": "Take your time.", "cta": "How", "url": "/shop"},
}


def shop_page(
    someone: Shopper, demo: Demo, body: str = SLOT, page: Any = None, tag: str = "", before: str = ""
) -> Page:
    """A page of a shop with the strictest content policy, at the demo's own address."""
    told = json.dumps(PRODUCT if page is None else page)
    html = (
        f'<!doctype html><html lang="en"><title>Lab</title><link rel="stylesheet" href="/tact.css"><body>'
        f"<script nonce=n0nce>{before}</script>"
        f"<script nonce=n0nce async src=/tact.js data-key={demo.publishable_key} data-page='{told}' {tag}></script>"
        f"{body}"
    )

    def answer(route: Route) -> None:
        route.fulfill(content_type="text/html", body=html, headers={"content-security-policy": CSP})

    someone.page.route("**/lab*", answer)
    someone.page.goto(f"{demo.url}/lab")
    return someone.page


def always(someone: Shopper, chosen: dict[str, Any], placement: str = "pdp.trust", **more: Any) -> list[dict[str, Any]]:
    """Answers every decision with this message; what was asked is in the list."""
    asked: list[dict[str, Any]] = []
    full = {"show_after_s": 0, "expires_at": "2100-01-01T00:00:00.000Z", "reason": "", **chosen}

    def answer(route: Route) -> None:
        asked.append(json.loads(route.request.post_data or "{}"))
        silent = {one: {"action": None, "reason": "silence"} for one in asked[-1]["placements"]}
        body = {"decision_id": "d-1", "stage": None, "intent": None, "placements": {**silent, placement: full}, **more}
        route.fulfill(json=body)

    someone.page.route("**/v1/decisions", answer)
    return asked


def sent(someone: Shopper) -> list[dict[str, Any]]:
    """The events that the page sends from now on."""
    events: list[dict[str, Any]] = []

    def take(route: Route) -> None:
        events.extend(json.loads(route.request.post_data or "{}")["events"])
        route.fulfill(status=202, json={"accepted": 1})

    someone.page.route("**/v1/events*", take)
    return events


def until(page: Page, holds: Callable[[], bool], what: str) -> None:
    for _ in range(100):
        if holds():
            return
        page.wait_for_timeout(50)
    raise AssertionError(what)


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["event"] for event in events]


def test_a_strict_policy_with_a_nonce_is_kept_also_by_what_is_loaded_later(shopper: Make, demo: Demo) -> None:
    someone = shopper()
    always(someone, SURE)
    page = shop_page(someone, demo, tag="data-listen=ga4")
    expect(page.locator(".tact-hint")).to_contain_text("Take your time.")
    assert page.locator("script[src*='tact-adapters']").count() == 1
    assert someone.wrong == []


def test_ga4_e_commerce_events_arrive_with_one_attribute(shopper: Make, demo: Demo) -> None:
    """Those pushed before the client came ride with the page's question; fields Tact does not take are left out."""
    someone = shopper()
    before = """
      window.dataLayer = [];
      function gtag() { dataLayer.push(arguments); }
      gtag('js', new Date());
      gtag('event', 'view_item', {send_to: 'G-1', value: 249, items: [{item_id: 'duin-2', price: '249.00', foo: 1}]});
    """
    page = shop_page(someone, demo, page={**PRODUCT, "events": []}, tag="data-listen=ga4", before=before)
    page.wait_for_selector(ANSWERED, state="attached")
    demo.wait_for(someone.visitor_id, "view_item")
    added = "{currency: 'EUR', items: [{item_id: 'duin-2', quantity: '2'}]}"
    page.evaluate(f"dataLayer.push({{event: 'add_to_cart', ecommerce: {added}}})")
    page.evaluate("dataLayer.push({event: 'gtm.click'})")
    demo.wait_for(someone.visitor_id, "add_to_cart")
    assert "custom" not in demo.did(someone.visitor_id)
    assert someone.wrong == []


def test_segment_calls_arrive_with_their_names_translated(shopper: Make, demo: Demo) -> None:
    someone = shopper()
    events = sent(someone)
    before = """
      window.heard = {};
      window.analytics = [['track', 'Product Viewed', {product_id: 'duin-2', price: 249}]];
      analytics.on = (name, listener) => { heard[name] = listener; };
    """
    page = shop_page(someone, demo, body="", page={"events": []}, tag="data-listen=segment", before=before)
    until(page, lambda: kinds(events) == ["view_item"], "the call from before")
    order = "{order_id: 'o-1', revenue: 498, products: [{product_id: 'duin-2', quantity: 2}]}"
    page.evaluate(f"heard.track('Order Completed', {order})")
    until(page, lambda: len(events) == 2, "the order")
    assert (events[1]["event"], events[1]["transaction_id"], events[1]["value"]) == ("purchase", "o-1", 498)
    assert events[1]["items"] == [{"item_id": "duin-2", "quantity": 2}]
    assert events[1]["event_id"] == "purchase-o-1"


def test_consent_mode_signals_are_the_visitor_s_consent(shopper: Make, demo: Demo) -> None:
    someone = shopper(as_new=True)
    before = """
      window.dataLayer = [];
      function gtag() { dataLayer.push(arguments); }
      gtag('consent', 'default', {analytics_storage: 'denied', ad_storage: 'denied'});
    """
    asked = always(someone, SURE)
    page = shop_page(someone, demo, tag="data-listen=ga4", before=before)
    page.wait_for_selector(ANSWERED, state="attached")
    assert asked[0]["context"]["consent"] == []
    page.evaluate("gtag('consent', 'update', {analytics_storage: 'granted', personalization_storage: 'granted'})")
    assert page.evaluate("tact.purposes") == ["analytics", "personalization"]
    assert page.evaluate("localStorage.getItem('tact.visitor')") == page.evaluate("tact.visitor")
    page.evaluate("gtag('consent', 'update', {analytics_storage: 'denied', personalization_storage: 'denied'})")
    assert page.evaluate("localStorage.getItem('tact.visitor')") is None


def test_without_consent_a_page_is_answered_from_itself_and_nothing_is_kept_anywhere(shopper: Make, demo: Demo) -> None:
    someone = shopper(as_new=True)
    page = shop_page(someone, demo, tag='data-consent=""')
    page.wait_for_selector(ANSWERED, state="attached")
    assert page.evaluate("tact.last.answer.stage") is not None
    page.evaluate("tact.track({event: 'add_to_cart', items: [{item_id: 'duin-2'}]})")
    page.wait_for_timeout(500)
    assert page.evaluate("Object.keys(localStorage).concat(Object.keys(sessionStorage))") == []
    assert demo.tail(page.evaluate("tact.visitor")) == []
    page.evaluate("tact.consent(['analytics'])")
    demo.wait_for(page.evaluate("tact.visitor"), "page_view")
    assert someone.wrong == []


def test_the_shop_works_for_who_grants_nothing(shopper: Make, demo: Demo) -> None:
    someone = shopper()
    someone.context.add_init_script("try { localStorage.setItem('tact.consent', '[]') } catch { }")
    someone.put_in_cart("glim")
    someone.give_address()
    someone.pay("4242 4242 4242 4242")
    expect(someone.page.get_by_role("heading", name="Thank you!")).to_be_visible()
    assert demo.tail(someone.visitor_id) == []
    assert someone.wrong == []


def test_a_browser_that_closes_its_storage_shops_all_the_same(shopper: Make) -> None:
    someone = shopper(as_new=True)
    someone.context.add_init_script(
        "for (const name of ['localStorage', 'sessionStorage'])"
        " Object.defineProperty(window, name, {get() { throw new DOMException('closed', 'SecurityError'); }});"
    )
    someone.go("/shop/p/duin-2")
    expect(someone.page.locator(someone.message("pdp.recommend"))).to_be_visible()
    assert someone.wrong == []


def test_a_no_is_said_once(shopper: Make, demo: Demo) -> None:
    """By the keyboard; the focus stays where the message was; the same page, the next page and a new answer heed it."""
    someone = shopper()
    always(someone, SURE)
    events = sent(someone)
    page = shop_page(someone, demo)
    said = page.locator(".tact-hint")
    said.get_by_role("link", name="How").focus()
    page.keyboard.press("Tab")
    expect(said.get_by_role("button", name="Dismiss: Sure")).to_be_focused()
    page.keyboard.press("Escape")
    expect(said).to_have_count(0)
    assert page.evaluate("document.activeElement.dataset.tact") == "pdp.trust"
    until(page, lambda: "dismiss_promotion" in kinds(events), "the dismissal")
    page.evaluate("tact.decide()")
    page.reload()
    page.wait_for_selector(ANSWERED, state="attached")
    page.wait_for_timeout(300)
    assert said.count() == 0
    (dismissal,) = [event for event in events if event["event"] == "dismiss_promotion"]
    assert (dismissal["action"], dismissal["placement"], dismissal["decision_id"]) == ("sure", "pdp.trust", "d-1")


def test_shown_is_what_was_half_in_view_for_a_second(shopper: Make, demo: Demo) -> None:
    someone = shopper()
    always(someone, SURE)
    events = sent(someone)
    below = "".join("<p>and on</p>" for _ in range(80))
    page = shop_page(someone, demo, body=below + SLOT)
    page.wait_for_selector(".tact-hint", state="attached")
    page.wait_for_timeout(1300)
    assert kinds(events) == []
    page.locator(".tact-hint").scroll_into_view_if_needed()
    page.wait_for_timeout(400)
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_timeout(1300)
    assert kinds(events) == []
    page.locator(".tact-hint").scroll_into_view_if_needed()
    until(page, lambda: kinds(events) == ["view_promotion"], "the view")


def test_a_dialog_waits_for_the_pointer_to_leave_and_gives_the_focus_back(shopper: Make, demo: Demo) -> None:
    someone = shopper()
    asked = always(someone, SURE, "cart.reassure")
    events = sent(someone)
    body = (
        '<button id=pay>Pay</button><dialog class="tact-slot" data-tact="cart.reassure" data-tact-when="exit"></dialog>'
    )
    page = shop_page(someone, demo, body=body, page={"page_type": "cart", "cart_item_ids": ["duin-2"]})
    page.locator("#pay").focus()
    page.wait_for_timeout(300)
    assert asked == []
    page.evaluate("document.dispatchEvent(new MouseEvent('mouseout', {clientY: -1, relatedTarget: null}))")
    expect(page.get_by_role("dialog", name="Sure")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert page.evaluate("document.activeElement.id") == "pay"
    page.evaluate("document.dispatchEvent(new MouseEvent('mouseout', {clientY: -1, relatedTarget: null}))")
    page.wait_for_timeout(300)
    assert len(asked) == 1
    until(page, lambda: "dismiss_promotion" in kinds(events), "the dismissal")


def test_a_pause_with_something_in_the_cart_asks_once_more(shopper: Make, demo: Demo) -> None:
    someone = shopper()
    asked = always(someone, {"action": None, "reason": "silence"})
    page = shop_page(someone, demo, page={"page_type": "cart", "cart_item_ids": ["duin-2"]}, tag="data-idle-s=0.3")
    until(page, lambda: len(asked) == 2, "the second question")
    assert asked[1]["events"] == []
    page.wait_for_timeout(800)
    assert len(asked) == 2


def test_a_single_page_application_says_which_page_it_is(shopper: Make, demo: Demo) -> None:
    someone = shopper()
    asked = always(someone, SURE)
    page = shop_page(
        someone, demo, tag="data-listen=history", body=SLOT + '<main data-tact-page=\'{"page_type": "home"}\'></main>'
    )
    expect(page.locator(".tact-hint")).to_be_visible()
    page.evaluate(
        "tact.page({page_type: 'product', item_id: 'duin-3', events: [{event: 'view_item', item_id: 'duin-3'}]})"
    )
    until(page, lambda: len(asked) == 2, "the second page")
    assert asked[1]["context"]["item_id"] == "duin-3"
    assert kinds(asked[1]["events"]) == ["view_item"]
    expect(page.locator(".tact-hint")).to_have_count(1)
    page.evaluate("history.pushState({}, '', '/lab?next')")
    until(page, lambda: len(asked) == 3, "the third page")
    assert asked[2]["context"]["page_type"] == "home"
    assert asked[2]["context"]["referrer"] == "internal"


def test_a_late_answer_to_the_page_before_is_not_shown(shopper: Make, demo: Demo) -> None:
    someone = shopper()
    held: list[Route] = []
    someone.page.route("**/v1/decisions", lambda route: held.append(route))
    page = shop_page(someone, demo)
    until(page, lambda: len(held) == 1, "the question")
    page.evaluate("tact.page({page_type: 'home'})")
    until(page, lambda: len(held) == 2, "the next question")
    full = {**SURE, "show_after_s": 0, "expires_at": "2100-01-01T00:00:00.000Z", "reason": ""}
    held[0].fulfill(json={"decision_id": "late", "stage": None, "intent": None, "placements": {"pdp.trust": full}})
    page.wait_for_timeout(300)
    assert page.locator(".tact-hint").count() == 0


def test_a_shop_s_own_renderer_gets_the_decision(shopper: Make, demo: Demo) -> None:
    someone = shopper()
    always(someone, SURE)
    events = sent(someone)
    before = """
      (window.tact ||= []).render = (chosen, slot, report, dismiss) => {
        const own = document.createElement('p');
        own.id = 'own';
        own.textContent = chosen.content.title + '!';
        own.onclick = () => { report('select_promotion'); dismiss(); };
        return own;
      };
    """
    page = shop_page(someone, demo, before=before)
    page.locator("#own").click()
    until(page, lambda: kinds(events) == ["select_promotion", "dismiss_promotion"], "what the renderer told")
    assert page.locator("#own").count() == 0


def test_places_the_policy_has_not_cost_one_more_question_and_keep_no_other_silent(shopper: Make, demo: Demo) -> None:
    someone = shopper()
    asked: list[list[str]] = []
    unknown = ["pdp.nonsense", "pdp.none", "pdp.no"]

    def answer(route: Route) -> None:
        asked.append(json.loads(route.request.post_data or "{}")["placements"])
        route.continue_()

    someone.page.route("**/v1/decisions", answer)
    slots = [f'<div class="tact-slot tact-line" data-tact="{name}"></div>' for name in unknown]
    page = shop_page(someone, demo, slots[0] + slots[1] + SLOT + slots[2])
    page.wait_for_selector(ANSWERED, state="attached")
    assert asked == [[*unknown[:2], "pdp.trust", unknown[2]], ["pdp.trust"]]
    demo.wait_for(someone.visitor_id, "page_view")
    page.evaluate("tact.decide()")
    page.wait_for_timeout(300)
    assert not {*unknown} & {name for names in asked[1:] for name in names}


def test_a_refusal_that_names_other_places_is_not_asked_again(shopper: Make, demo: Demo) -> None:
    someone = shopper()
    asked: list[Any] = []
    told = sent(someone)

    def refuse(route: Route) -> None:
        asked.append(route.request.post_data)
        route.fulfill(status=422, json={"code": "unknown_placement", "unknown": ["elsewhere"]})

    someone.page.route("**/v1/decisions", refuse)
    page = shop_page(someone, demo)
    until(page, lambda: kinds(told) == ["page_view"], "the page view")
    assert len(asked) == 1


def test_more_places_than_one_question_takes_are_asked_for_as_far_as_it_goes(shopper: Make, demo: Demo) -> None:
    someone = shopper()
    asked = always(someone, SURE, "place.3")
    page = shop_page(someone, demo, "".join(f'<p data-tact="place.{n}"></p>' for n in range(50)))
    expect(page.locator(".tact-message")).to_have_count(1)
    assert [len(one["placements"]) for one in asked] == [20]


def test_what_happened_is_told_also_where_the_answer_is_a_refusal(shopper: Make, demo: Demo) -> None:
    someone = shopper()
    told = sent(someone)
    someone.page.route("**/v1/decisions", lambda route: route.fulfill(status=503, json={"code": "store_unavailable"}))
    page = shop_page(someone, demo)
    until(page, lambda: bool(told), "the page view")
    assert [one["event"] for one in told] == ["page_view"]


def test_the_next_page_of_an_application_is_not_left_behind_a_dialog(shopper: Make, demo: Demo) -> None:
    someone = shopper()
    always(someone, {**SURE, "kind": "dialog"}, "exit.offer")
    slot = '<dialog class="tact-slot" data-tact="exit.offer" data-tact-when="idle"></dialog>'
    page = shop_page(someone, demo, slot, tag="data-idle-s=1")
    expect(page.locator("dialog[open] .tact-message")).to_have_count(1)
    page.evaluate("tact.page({page_type: 'home'})")
    expect(page.locator("dialog[open]")).to_have_count(0)


@pytest.mark.parametrize("returned", ["'text'", "Promise.resolve()", "{}", "undefined"])
def test_a_renderer_that_returns_no_element_gets_the_default_looks(shopper: Make, demo: Demo, returned: str) -> None:
    someone = shopper()
    always(someone, SURE)
    page = shop_page(someone, demo, before=f"(window.tact ||= []).render = () => ({returned})")
    expect(page.locator("[data-tact]")).to_have_text("SureTake your time.How×")


def test_a_word_without_end_stays_in_its_message(shopper: Make, demo: Demo) -> None:
    someone = shopper()
    always(someone, {**SURE, "content": {"title": "W" * 500, "text": "Donaudampfschifffahrt" * 40}})
    page = shop_page(someone, demo, tag=f"data-api={demo.url}/")
    expect(page.locator(".tact-message")).to_have_count(1)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_renderer_that_fails_leaves_the_page_as_it_was(shopper: Make, demo: Demo) -> None:
    someone = shopper()
    always(someone, SURE)
    page = shop_page(someone, demo, before="(window.tact ||= []).render = () => { throw new Error('broken'); };")
    page.wait_for_selector(ANSWERED, state="attached")
    assert page.locator("[data-tact] *").count() == 0
    assert someone.wrong == []


def test_a_bar_and_a_prompt_are_read_out_and_speak_the_page_s_language(shopper: Make, demo: Demo) -> None:
    someone = shopper()
    always(someone, {**SURE, "kind": "bar", "content": {"text": "Gratis bezorgd."}})
    page = shop_page(someone, demo, page={**PRODUCT, "locale": "nl-BE"})
    expect(page.get_by_role("status")).to_contain_text("Gratis bezorgd.")
    expect(page.get_by_role("button", name="Sluiten: Gratis bezorgd.")).to_be_visible()


def test_calls_from_before_the_script_are_made_when_it_comes(shopper: Make, demo: Demo) -> None:
    someone = shopper()
    asked = always(someone, SURE)
    before = "(window.tact ||= []).push(['consent', ['analytics']], ['track', {event: 'login'}]);"
    page = shop_page(someone, demo, before=before)
    until(page, lambda: len(asked) == 1, "the question")
    assert asked[0]["context"]["consent"] == ["analytics"]
    assert "login" in kinds(asked[0]["events"])


def test_a_call_from_before_that_there_is_not_is_told_and_stops_nothing(shopper: Make, demo: Demo) -> None:
    someone = shopper()
    asked = always(someone, SURE)
    before = "(window.tact ||= []).push(['no_such'], null, ['visitor'], ['consent', ['analytics']]);"
    page = shop_page(someone, demo, before=before)
    expect(page.locator(".tact-hint")).to_be_visible()
    assert asked[0]["context"]["consent"] == ["analytics"]
    assert len(someone.wrong) == 3
    page.evaluate("tact.push(['track', {event: 'login'}], ['no_such'])")
    assert page.evaluate("typeof tact.visitor") == "string"


def test_without_consent_every_page_of_an_application_has_an_id_of_its_own(shopper: Make, demo: Demo) -> None:
    """Until the visitor grants something: from then on the id is kept."""
    someone = shopper(as_new=True)
    asked = always(someone, SURE)
    page = shop_page(someone, demo, tag='data-consent=""')
    for count in (2, 3):
        page.evaluate("tact.page({page_type: 'home'})")
        until(page, lambda count=count: len(asked) == count, "the next page")  # type: ignore[misc]
    page.evaluate("tact.consent(['analytics'])")  # asks again for the places that are still empty, if any are
    page.evaluate("tact.page({page_type: 'cart'})")
    until(page, lambda: asked[-1]["context"]["page_type"] == "cart", "the page after")
    who = [one["visitor_id"] for one in asked]
    assert len({*who[:3]}) == 3
    assert {*who[2:]} == {page.evaluate("tact.visitor")}


@pytest.mark.parametrize(("slept_s", "shown"), [(31, 1), (7200, 0)])
def test_a_message_that_was_due_while_the_machine_slept_is_left_out(
    shopper: Make, demo: Demo, slept_s: int, shown: int
) -> None:
    someone = shopper()
    soon = datetime.now(UTC) + timedelta(minutes=10)
    always(someone, {**SURE, "show_after_s": 30, "expires_at": soon.isoformat()})
    someone.page.clock.install()
    page = shop_page(someone, demo)
    page.wait_for_selector(ANSWERED, state="attached")
    page.clock.fast_forward(slept_s * 1000)
    page.wait_for_timeout(300)
    assert page.locator(".tact-hint").count() == shown


def test_a_wrong_clock_and_strange_addresses_do_no_harm(shopper: Make, demo: Demo) -> None:
    someone = shopper()
    item = {
        "item_id": "x",
        "title": "<b>X</b>",
        "url": "javascript:alert(1)",
        "image": "data:,x",
        "price": 3,
        "reason": "",
    }
    past = {"expires_at": "2001-01-01T00:00:00.000Z"}
    always(someone, {**SURE, "kind": "recommend", "items": [item], **past})
    page = shop_page(someone, demo)
    link = page.locator("a.tact-item")
    expect(link).to_contain_text("<b>X</b>")
    assert link.get_attribute("href") is None
    assert page.locator(".tact-item img").count() == 0


def preview(demo: Demo, action: str, placement: str, path: str, **more: Any) -> str:
    body = {"action": action, "placement": placement, "url": demo.url + path, **more}
    return str(call(f"{demo.url}/v1/preview", demo.secret_key, json.dumps(body).encode())["url"])


def test_a_signed_link_shows_a_message_to_its_holder_only_and_counts_for_nothing(shopper: Make, demo: Demo) -> None:
    someone, other = shopper(), shopper()
    before = _decided(demo)
    someone.page.goto(preview(demo, "care_tips", "home.hero", "/shop"))
    message = someone.page.locator(someone.message("home.hero"))
    expect(message).to_contain_text("Make it last")
    panel = someone.page.get_by_role("complementary", name="Preview")
    expect(panel).to_contain_text("care_tips")
    expect(panel).to_contain_text("stage:")
    assert barriers(someone.page) == []
    someone.page.wait_for_timeout(1300)
    assert demo.tail(someone.visitor_id) == []
    assert _decided(demo) == before
    other.go("/shop")
    assert other.page.locator(".tact-care, .tact-debug").count() == 0
    assert someone.wrong == []


def test_a_chat_prompt_and_products_can_be_previewed(shopper: Make, demo: Demo) -> None:
    someone = shopper()
    someone.page.goto(preview(demo, "chat_in_doubt", "global.chat", "/shop/returns"))
    expect(someone.page.locator(someone.message("global.chat"))).to_contain_text("In two minds?")
    someone.page.goto(preview(demo, "cart_complements", "cart.recommend", "/shop/cart"))
    expect(someone.page.locator(someone.message("cart.recommend"))).to_be_visible()
    assert someone.wrong == []


@pytest.mark.parametrize("spoil", ["forged", "expired"])
def test_a_token_that_is_not_good_gives_the_page_as_anyone_gets_it(shopper: Make, demo: Demo, spoil: str) -> None:
    someone = shopper()
    good = preview(demo, "care_tips", "home.hero", "/shop", expires_in_s=1)
    if spoil == "expired":
        someone.page.wait_for_timeout(2100)
    before = _counted(demo, spoil)
    someone.page.goto(good if spoil == "expired" else good.replace("tact_preview=", "tact_preview=Zm9v"))
    someone.page.wait_for_selector(ANSWERED, state="attached")
    assert someone.page.locator(".tact-debug").count() == 0
    demo.wait_for(someone.visitor_id, "page_view")
    assert _counted(demo, spoil) == before + 1
    assert someone.wrong == []


def _metric(demo: Demo, start: str) -> float:
    text = urllib.request.urlopen(f"{demo.url}/metrics").read().decode()
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(start))


def _counted(demo: Demo, result: str) -> float:
    return _metric(demo, f'tact_previews_total{{result="{result}"}}')


def _decided(demo: Demo) -> float:
    return _metric(demo, "tact_decisions_total")
