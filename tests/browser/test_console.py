"""The operators' console in a real browser: the way in, and each view with a demo's own data at both widths."""

import json
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tact.demo import Example
from tact.demo_visitors import Door, drive, visits
from tact.verb_demo import call
from tests.browser.conftest import Demo

pytestmark = pytest.mark.browser

AXE = next(iter(sorted((Path(__file__).parent / "vendor").glob("axe-core-*.min.js"))), None)
WATCH = "document.addEventListener('securitypolicyviolation', (e) => console.error('CSP ' + e.violatedDirective));"
VIEWS = {
    "messages": "Messages",
    "messages/similar_products": "Others also looked at",
    "policy": "Policy",
    "policy/tests": "Policy",
    "policy/what-if": "Policy",
    "policy/history": "Policy",
    "experiments": "Experiments",
    "decisions": "Decisions",
    "models": "Models",
    "health": "Health",
}
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
FAST_MS = 200

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def visited(demo: Demo) -> Demo:
    """The demo with some visitors' decisions, which have reached the lake."""
    now_ms = time.time_ns() // 1_000_000
    sent = visits(Example.find().products(), 30, 7, now_ms)
    with ThreadPoolExecutor(1) as aside:  # playwright has an event loop in this thread
        aside.submit(drive, Door(demo.url, demo.secret_key), sent, 7).result()
    give_up = time.monotonic() + 60
    while not list(Path(demo.lake).glob("decisions/shop=demo/*/part-*.parquet")):
        assert time.monotonic() < give_up
        time.sleep(0.2)
    time.sleep(3)  # the recorder writes every two seconds: what is still on its way
    return demo


@pytest.fixture
def console(browser: Browser, visited: Demo) -> Iterator[Open]:
    """Opens a view, logged in; `wrong` of the page is what the browser complained about."""
    contexts = []

    def make(path: str, log_in: bool = True, **options: Any) -> Page:
        context = browser.new_context(**{"viewport": WIDE, **options})
        contexts.append(context)
        context.set_default_timeout(60_000)
        context.add_init_script(WATCH)
        if log_in:
            headers = {"origin": visited.url}
            body = {"key": visited.secret_key}
            assert context.request.post(f"{visited.url}/console/api/login", data=body, headers=headers).status == 204
        page = context.new_page()
        page.wrong = []  # type: ignore[attr-defined]
        page.on("console", lambda said: page.wrong.append(said.text) if said.type == "error" else None)  # type: ignore[attr-defined]
        page.on("pageerror", lambda error: page.wrong.append(str(error)))  # type: ignore[attr-defined]
        page.goto(f"{visited.url}/console/{path}")
        return page

    yield make
    for context in contexts:
        context.close()


def wrong(page: Page) -> list[str]:
    found: list[str] = page.wrong  # type: ignore[attr-defined]
    return found


def test_the_demo_s_link_logs_in_once_and_leaves_no_token_in_the_address(console: Open, visited: Demo) -> None:
    from service.console_access import make_link

    home = Path(visited.lake).parent
    token = make_link(home, visited.shop, visited.secret_key[:7])
    page = console(f"login#{token}", log_in=False)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.get_by_role("navigation", name="Views")).to_be_visible()
    assert token not in page.url
    again = console(f"login#{token}", log_in=False)
    expect(again.get_by_role("alert")).to_contain_text("used before")
    assert [said for said in wrong(again) if "401" not in said] == []


def test_a_key_opens_the_console_and_a_wrong_or_publishable_one_says_why(console: Open, visited: Demo) -> None:
    page = console("messages", log_in=False)
    field = page.get_by_label("Secret key")
    field.fill(visited.publishable_key)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("secret one")
    field.fill(visited.secret_key)
    field.press("Enter")
    expect(page.get_by_role("heading", level=1, name="Messages")).to_be_visible()
    assert page.url.endswith("/console/messages")  # the address that was asked for
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Secret key")).to_be_visible()


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_view_shows_itself_without_a_complaint_and_within_the_screen(
    console: Open, size: dict[str, int], scheme: str
) -> None:
    for path, heading in VIEWS.items():
        page = console(path, viewport=size, color_scheme=scheme)
        expect(page.get_by_role("heading", level=1, name=heading)).to_be_visible()
        expect(page.get_by_text("Loading …")).to_have_count(0)
        page.wait_for_timeout(300)
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], path
        assert wrong(page) == [], path
        page.context.close()


@pytest.mark.skipif(AXE is None, reason="axe-core is not vendored")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_view_has_a_serious_barrier(console: Open, scheme: str) -> None:
    assert AXE is not None
    for path in ("login", *VIEWS):
        page = console(path, log_in=path != "login", color_scheme=scheme)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        page.wait_for_timeout(500)
        page.evaluate(AXE.read_text())
        found = page.evaluate("axe.run().then((told) => told.violations)")
        serious = [one for one in found if one["impact"] in ("serious", "critical")]
        assert not serious, (path, [(one["id"], [node["html"][:160] for node in one["nodes"][:4]]) for one in serious])
        page.context.close()


def test_the_page_is_there_within_the_time_it_may_take(console: Open) -> None:
    page = console("health")
    took = []
    for _ in range(5):
        page.reload()
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        took.append(page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"))
    print(f"first contentful paint, ms: {sorted(round(one) for one in took)}")
    assert min(took) < 5 * FAST_MS  # a busy machine; the figure itself is measured by hand and told in docs/console.md


def test_a_page_is_a_sheet_and_two_scripts_and_charts_come_after_it(console: Open) -> None:
    """What a browser has to ask for before it can draw; what only later looks need is asked for later."""
    for path in ("messages", "health"):
        page = console(path)
        expect(page.locator(".stat").first).to_be_visible()
        asked = page.evaluate(ASKED)
        assert sorted(asked) == sorted(
            {"shell.css", "shell.js", f"view-{path}.js", "icon.svg"} | set(asked) & {"uplot.js"}
        )
    page.locator(".chart canvas").first.wait_for()  # half a minute after the start there are samples
    assert "uplot.js" in page.evaluate(ASKED)


ASKED = """[...new Set(performance.getEntriesByType('resource')
  .filter((one) => one.name.includes('/static/')).map((one) => one.name.split('/').pop()))]"""


def test_figures_are_written_as_the_browser_s_own_formats_have_them(console: Open) -> None:
    """Those take longer to make than a page to draw (service/web/static/console/kit.js)."""
    page = console("health")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    shell = page.locator("script[type=module]").first.get_attribute("src")
    told = page.evaluate(FIGURES, shell)
    assert len(told) > 500
    assert [(ours, theirs) for ours, theirs in told if ours != theirs] == []


FIGURES = """async (shell) => {
  const { m_kit: { fmt } } = await import(shell);
  const day = { day: 'numeric', month: 'short' }, hour = { hour: '2-digit', minute: '2-digit' };
  const times = { time: { ...day, ...hour, second: '2-digit' }, minute: { ...day, ...hour },
    day: { ...day, year: 'numeric' }, date: day, hour, clock: { ...hour, second: '2-digit' } };
  const number = (value, places) => new Intl.NumberFormat('en-GB',
    { minimumFractionDigits: places, maximumFractionDigits: places }).format(value).replace('-', '−');
  const found = [];
  for (const value of [0, 1, 0.5, 2.5, 12.345, 999.95, 1000, 1234.5, 99999.999, 1e6, 1234567.891, 9.87e9, 1e-3, 0.125])
    for (const sign of [1, -1]) for (const places of [0, 1, 2, 4]) {
      if (sign < 0 && !/[1-9]/.test(value.toFixed(places))) continue;
      found.push([fmt.dec(sign * value, places), number(sign * value, places)]);
    }
  for (let at = 0; at < 100; at += 1) for (const [name, parts] of Object.entries(times)) {
    const ms = 1.6e12 + at * 9.37e8;
    found.push([fmt[name](ms), new Intl.DateTimeFormat('en-GB', parts).format(ms)]);
  }
  return found;
}"""


def test_messages_count_what_visitors_met_with(console: Open) -> None:
    page = console("messages")
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name="Others also looked at"))
    expect(row).to_be_visible()
    assert int(row.locator('td[data-label="Shown"]').inner_text().split()[0].replace(",", "")) > 0
    row.get_by_role("link").click()
    expect(page).to_have_url(f"{page.url.split('/console')[0]}/console/messages/similar_products")
    expect(page.get_by_role("table", name="By stage")).to_contain_text("Consideration")
    page.go_back()
    expect(page.get_by_role("heading", level=1, name="Messages")).to_be_visible()


def test_the_stop_button_stops_and_starts_again(console: Open, visited: Demo) -> None:
    page = console("messages/similar_products")
    page.get_by_role("button", name="Stop it").click()
    page.get_by_role("dialog").get_by_label("Why").fill("a test")
    page.get_by_role("dialog").get_by_role("button", name="Stop it").click()
    expect(page.get_by_text("stopped", exact=True)).to_be_visible()
    switches = call(f"{visited.url}/v1/switches", visited.secret_key, None, "GET")
    assert switches == {"action:similar_products": "stopped"}
    page.get_by_role("button", name="Follow the file again").click()
    page.get_by_role("dialog").get_by_role("button", name="Do it").click()
    expect(page.get_by_text("live", exact=True)).to_be_visible()
    assert call(f"{visited.url}/v1/switches", visited.secret_key, None, "GET") == {}


def decide(demo: Demo, visitor_id: str) -> str:
    consent = ["analytics", "personalization", "marketing"]
    context = {"page_type": "product", "item_id": "duin-2", "locale": "en", "consent": consent}
    asked = {"visitor_id": visitor_id, "placements": ["pdp.trust", "pdp.recommend"], "context": context}
    told = call(f"{demo.url}/v1/decisions", demo.secret_key, json.dumps(asked).encode())
    return str(told["decision_id"])


def test_a_decision_appears_in_the_tail_and_is_told_as_a_story_with_replay_and_why_not(
    console: Open, visited: Demo
) -> None:
    page = console("decisions")
    expect(page.get_by_text("live", exact=True)).to_be_visible()
    decide(visited, "browser-story")
    page.get_by_role("link", name="browser-story").wait_for()
    page.get_by_role("row").filter(has_text="browser-story").locator("th a").click()
    for part in ("Who, and on which page", "What the models saw", "What was considered, and what blocked each"):
        expect(page.get_by_role("heading", name=part)).to_be_visible()
    expect(page.get_by_text("Duin 2 trekking tent").first).to_be_visible()
    page.get_by_role("button", name="Replay").click()
    expect(page.get_by_text("identical, to the byte")).to_be_visible()
    page.get_by_label("Why not").select_option("similar_products")
    expect(page.locator(".verdict")).to_contain_text("pdp.recommend")
    assert "not=similar_products" in page.url
    page.reload()
    expect(page.locator(".verdict")).to_contain_text("pdp.recommend")  # the address holds all of it
    assert wrong(page) == []


def test_a_newcomer_sees_decisions_of_the_log_where_the_stream_holds_none(console: Open, visited: Demo) -> None:
    """What the learner has taken up is trimmed from the stream, soon after the last visitor left."""
    page = console("decisions")
    page.context.route("**/api/decisions/tail*", lambda route: route.fulfill(json=NOTHING_NEW))
    page.context.route("**/console/decisions", lambda route: route.fulfill(body=without_ahead(route.fetch().text())))
    page.reload()
    expect(page.get_by_text("from the log")).to_be_visible()
    rows = page.locator("tbody tr")
    assert rows.count() >= 20
    rows.first.locator("th a").click()
    expect(page.get_by_role("heading", name="Who, and on which page")).to_be_visible()


NOTHING_NEW = {"decisions": [], "cursor": "", "now_ms": 0}


def without_ahead(html: str) -> str:
    """The page without its first answers, with its session."""
    return re.sub(r'"answers":\[.*\]\}(?=</script>)', '"answers":[]}', html, flags=re.DOTALL)


def test_a_visitor_s_decisions_are_found_by_id(console: Open, visited: Demo) -> None:
    page = console("decisions")
    page.get_by_label("Find").fill("sim-00000-nobody")
    page.get_by_label("Find").press("Enter")
    expect(page.get_by_text("No decision matches")).to_be_visible()
    identifier = decide(visited, "browser-found")
    page.get_by_label("Find").fill(identifier)
    page.get_by_label("Find").press("Enter")
    expect(page.get_by_role("link", name="browser-found")).to_be_visible()


def test_health_says_that_all_is_well_and_what_is_live(console: Open) -> None:
    page = console("health")
    expect(page.get_by_text("What is live")).to_be_visible()
    expect(page.locator(".stat").filter(has_text="Redis memory")).to_contain_text("MiB")
    expect(page.get_by_text("Redis does not answer")).to_have_count(0)


def test_the_policy_editor_says_what_is_wrong_where_and_completes_names(console: Open) -> None:
    page = console("policy")
    editor = page.get_by_label("The policy file")
    expect(page.get_by_text("fit to serve", exact=True)).to_be_visible()
    text = editor.input_value()
    editor.fill(text.replace("kind: badge", "kind: bagde", 1))
    expect(page.get_by_text("not fit to serve")).to_be_visible()
    expect(page.locator(".problems")).to_contain_text("did you mean 'badge'")
    assert page.get_by_role("button", name="Approve and make live").is_disabled()
    expect(page.get_by_role("table", name="Differences")).to_contain_text("+     kind: bagde")
    page.get_by_role("button", name="Throw it away").click()
    expect(page.get_by_text("as it is live")).to_be_visible()
    editor.evaluate("(area) => { area.setSelectionRange(area.value.length, area.value.length); }")
    editor.press_sequentially("\n    when: session.vie")
    expect(page.get_by_role("option").first).to_contain_text("session.views")
    editor.press("Tab")
    assert editor.input_value().endswith("when: session.views")
    page.get_by_role("button", name="Throw it away").click()


def test_models_show_the_live_bundle_s_card_and_its_history(console: Open) -> None:
    page = console("models")
    expect(page.get_by_role("table", name="Figures of the bundle")).to_contain_text("Leave")
    expect(page.get_by_role("table", name="History")).to_contain_text("Publish")


def test_experiments_say_what_is_missing_where_there_is_nothing_to_compare(console: Open) -> None:
    page = console("experiments")
    expect(page.get_by_text("Nothing to compare yet")).to_be_visible(timeout=60_000)
    expect(page.locator(".empty")).to_contain_text("holdout")
