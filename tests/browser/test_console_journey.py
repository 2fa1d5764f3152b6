"""The journey map and the personas in a real browser, on simulated weeks: what stands there, and where it leads.

The figures themselves are proven in tests/training; here it is the page that must show them.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from features.lakefile import write_events
from tact.demo import Example
from tests.browser.console_page import console_of
from tests.training.logs import Did, rows_of
from training.simulate import simulate

START_MS = 1_760_000_000_000
WAIT_MS = 90_000

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def url(chromium_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("console")
    rows = simulate(Example.find().products(), 700, 11, START_MS, 20.0, shop="s")
    write_events(home / "lake", rows, "month")
    with console_of(home, home / "lake", "s") as address:
        yield address


@pytest.fixture
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page; at the end nothing may have been complained about in the browser's console."""
    options: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}, **getattr(request, "param", {})}
    context = browser.new_context(**options)
    context.set_default_timeout(WAIT_MS)
    context.add_init_script(
        "document.addEventListener('securitypolicyviolation', (e) => console.error('CSP ' + e.violatedDirective));"
    )
    made, wrong = context.new_page(), []
    made.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    made.on("pageerror", lambda error: wrong.append(str(error)))
    yield made
    context.close()
    assert wrong == []


def number(text: str) -> int:
    return int(re.sub(r"\D", "", text))


def the_map(page: Page, url: str, params: str = "") -> None:
    page.goto(f"{url}/console/journey{params}")
    page.wait_for_selector(".sankey svg .node")


def sessions(page: Page) -> int:
    return number(page.locator(".stat", has_text="Sessions").first.locator("dd").first.inner_text())


def test_all_sessions_flow_from_channels_to_outcomes(page: Page, url: str) -> None:
    the_map(page, url)
    labels = page.locator(".sankey .node").evaluate_all(
        "all => all.map((one) => [one.className.baseVal, one.getAttribute('aria-label')])"
    )
    told = [(kind, number(label.split(":")[1].split("sessions")[0])) for kind, label in labels]
    total = sessions(page)
    assert sum(n for kind, n in told if "channel" in kind) == total
    assert sum(n for kind, n in told if re.search("good|lost|calm", kind)) == total
    expect(page.get_by_text("Stages in hindsight")).to_be_visible()


def test_a_flow_leads_to_sample_visitors_by_an_address_that_can_be_shared(page: Page, url: str) -> None:
    the_map(page, url)
    page.locator(".flow.good").first.dispatch_event("click")
    page.wait_for_selector(".path")
    assert "from=" in page.url and "to=outcome" in page.url
    outcomes = page.locator(".path footer .pill").all_inner_texts()
    assert outcomes and set(outcomes) == {"bought"}
    assert not re.search(r"sim-\d", page.locator(".paths").inner_text())  # an alias, not the visitor's id
    page.reload()
    page.wait_for_selector(".path")


def test_a_stage_is_chosen_by_keyboard_too(page: Page, url: str) -> None:
    the_map(page, url)
    page.locator(".node.stage").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(".path")


def test_filters_change_the_picture_and_stay_in_the_address(page: Page, url: str) -> None:
    the_map(page, url)
    everything = sessions(page)
    page.get_by_label("Device").select_option("mobile")
    page.wait_for_function(
        "before => document.querySelector('.stat dd')?.textContent.replace(/\\D/g, '') !== String(before)",
        arg=everything,
    )
    assert "device=mobile" in page.url and 0 < sessions(page) < everything


def test_friction_says_what_came_next_and_lift_what_it_needs(page: Page, url: str) -> None:
    the_map(page, url)
    row = page.locator("tr", has_text="Search without a result").first
    expect(row).to_contain_text("looked at a product")
    expect(page.get_by_text("No decision yet")).to_be_visible()


def test_stages_as_scored_without_decisions_say_what_is_missing(page: Page, url: str) -> None:
    page.goto(f"{url}/console/journey?stages=scored")
    expect(page.get_by_text("Stages as scored need decisions")).to_be_visible()


def test_personas_say_how_far_they_can_be_trusted_and_lead_to_their_journeys(page: Page, url: str) -> None:
    page.goto(f"{url}/console/personas")
    page.wait_for_selector(".kin")
    expect(page.locator(".alert").first).to_contain_text(re.compile("Stable|Not stable|No kinds"))
    shares = page.locator(".kin .part").all_inner_texts()
    assert len(shares) >= 2 and abs(sum(number(one) for one in shares) - 100) <= len(shares)
    page.get_by_role("link", name="Their journeys").first.click()
    page.wait_for_selector(".sankey svg .node")
    assert "persona=" in page.url and sessions(page) > 0


@pytest.mark.parametrize(
    "page",
    [
        {"viewport": {"width": width, "height": 844}, "color_scheme": scheme}
        for width in (390, 1280)
        for scheme in ("light", "dark")
    ],
    indirect=True,
)
@pytest.mark.parametrize("view", ["journey", "personas"])
def test_nothing_is_wider_than_the_screen(page: Page, url: str, view: str) -> None:
    page.goto(f"{url}/console/{view}")
    page.wait_for_selector(".sankey svg .node, .kin")
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_a_shop_without_events_is_told_so(page: Page, chromium_path: str, tmp_path: Path) -> None:
    with console_of(tmp_path, tmp_path / "lake", "s") as address:
        for view in ("journey", "personas"):
            page.goto(f"{address}/console/{view}")
            expect(page.get_by_text("no event of this shop is in the lake yet")).to_be_visible()


def test_a_log_of_views_only_lists_what_the_picture_does_without(
    page: Page, chromium_path: str, tmp_path: Path
) -> None:
    looks = [Did(0, "view_item", "a"), Did(40, "view_item", "b")]
    rows = [row for n in range(40) for row in rows_of(f"v{n}", looks)]
    write_events(tmp_path / "lake", [*rows, *rows_of("z", [Did(90_000, "view_item", "a")])], "test")
    with console_of(tmp_path, tmp_path / "lake", "s") as address:
        the_map(page, address)
        page.get_by_text("things this picture does without").click()
        expect(page.get_by_text("No channel is sent")).to_be_visible()
        expect(page.locator(".stat", has_text="Left with a cart")).to_contain_text("no cart events are sent")
        expect(page.get_by_text("This shop sends nothing that could be friction")).to_be_visible()
        page.goto(f"{address}/console/personas")
        expect(page.get_by_text("personas need 200")).to_be_visible()
