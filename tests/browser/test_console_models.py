"""The console's Models page: another bundle is made live, refused, and rolled back from, each through its dialog."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from models.bundle import identity
from models.registry import Registry
from service import audit
from tests.browser.conftest import Demo

pytestmark = pytest.mark.browser

JUDGED_MS = 180_000


def beside(demo: Demo, **changed: object) -> str:
    """A bundle beside the live one, with its models and another manifest."""
    registry = Registry(home_of(demo) / "registry")
    live = Path(registry.path(str(registry.live(demo.shop))))
    text = json.dumps(json.loads((live / "manifest.json").read_bytes()) | changed).encode()
    shutil.copytree(live, live.with_name(identity(text)))
    (live.with_name(identity(text)) / "manifest.json").write_bytes(text)
    return identity(text)


def home_of(demo: Demo) -> Path:
    return Path(demo.lake).parent


@pytest.fixture
def models(browser: Browser, demo: Demo) -> Iterator[Page]:
    """A page that is logged in, on a phone."""
    context = browser.new_context(viewport={"width": 390, "height": 844})
    context.set_default_timeout(20_000)
    body, headers = {"key": demo.secret_key}, {"origin": demo.url}
    assert context.request.post(f"{demo.url}/console/api/login", data=body, headers=headers).status == 204
    expect.set_options(timeout=20_000)  # the gate takes a processor from the page
    yield context.new_page()
    expect.set_options(timeout=5_000)
    context.close()


def test_a_bundle_is_made_live_and_rolled_back_from_with_who_and_why(models: Page, demo: Demo) -> None:
    registry = Registry(home_of(demo) / "registry")
    was, other = str(registry.live(demo.shop)), beside(demo, uplift_from={"note": "another"})
    models.goto(f"{demo.url}/console/models/{other}")
    expect(models.get_by_text("not live")).to_be_visible()
    expect(models.get_by_role("button", name="Roll back …")).to_have_count(0)
    models.get_by_role("button", name="Make it live …").click()
    dialog = models.get_by_role("dialog", name=f"Make bundle {other} live?")
    expect(dialog).to_contain_text(was)
    models.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    models.get_by_role("button", name="Make it live …").click()
    dialog.get_by_role("button", name="Judge it, and make it live").click()
    expect(dialog).to_be_visible()  # not without a reason
    dialog.get_by_label("Why").fill("a test of the way there")
    dialog.get_by_role("button", name="Judge it, and make it live").click()
    expect(dialog).to_have_count(0)
    expect(models.get_by_text("Done: running services")).to_be_visible(timeout=JUDGED_MS)
    assert registry.live(demo.shop) == other
    expect(models.get_by_role("table", name="History")).to_contain_text("a test of the way there")
    expect(models.get_by_role("button", name="Make it live …")).to_have_count(0)
    models.get_by_role("button", name="Roll back …").click()
    dialog = models.get_by_role("dialog", name="Roll back to the bundle before?")
    expect(dialog).to_contain_text(f"{was} (learned until")
    assert models.evaluate("document.documentElement.scrollWidth") <= 390
    dialog.get_by_label("Why").fill("a test of the way back")
    dialog.get_by_role("button", name="Roll back").click()
    expect(models.get_by_role("table", name="History")).to_contain_text("a test of the way back", timeout=JUDGED_MS)
    assert registry.live(demo.shop) == was
    expect(models.get_by_role("button", name="Roll back …")).to_have_count(0)
    kept = [(one.what, one.why) for one in audit.read(home_of(demo)) if "test of the way" in one.why]
    assert kept == [("publish", "a test of the way there"), ("rollback", "a test of the way back")]


def test_what_the_gate_refuses_is_told_and_changes_nothing(models: Page, demo: Demo) -> None:
    registry = Registry(home_of(demo) / "registry")
    was, other = registry.live(demo.shop), beside(demo, limits=["Another."])
    models.goto(f"{demo.url}/console/models/{other}")
    models.get_by_role("button", name="Make it live …").click()
    dialog = models.get_by_role("dialog")
    dialog.get_by_label("Why").fill("to be refused")
    dialog.get_by_label("Why").press("Enter")
    told = models.get_by_role("status").filter(has_text="Refused: what was live stays.")
    expect(told).to_be_visible(timeout=JUDGED_MS)
    expect(told).to_contain_text("later session")
    assert registry.live(demo.shop) == was
    expect(models.get_by_text("to be refused")).to_have_count(0)
