"""The pictures of docs/img/console, made anew: `python -m tests.browser.console_pictures HOME [NAME …]`.

It needs chromium, and a `tact demo --visitors 1500` whose TACT_HOME is HOME, five minutes after its visitors came.
All figures are of the demo's simulated visitors, but for the experiments, which are made up here with a lift of 30 %.
"""

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from playwright.sync_api import Browser, Page, sync_playwright

from models.policy import load_policy
from tact.demo import Example
from tests.browser.conftest import ARGUMENTS, ROOT, Demo
from tests.browser.console_page import console_of
from tests.browser.pictures import LOOKS, pack
from tests.training.lifting import Made, by_hash, lift_lake

OUT = ROOT / "docs" / "img" / "console"
MOST_BYTES = 150_000
MOST_HIGH = 1900
PATHS_HIGH = 760
SETTLED_MS = 900
WAIT_S = 300.0
ARMS = {"full": 0.91, "holdout": 0.05, "random": 0.01, "propensity_only": 0.01, "no_levers": 0.01, "rules_only": 0.01}
UNDER_WAY = ("Loading …", "being counted", "reading receipts")
Take = Callable[[Page, str], None]


@dataclass(frozen=True)
class View:
    """A picture: what to do, in which looks, and how high it may be in pixels."""

    take: Take
    looks: str = "desktop-light"
    high: int = MOST_HIGH


def until_done(page: Page) -> None:
    """Until nothing on the page is under way. Asked from here: the pages' content policy allows no polling in them."""
    give_up = time.monotonic() + WAIT_S
    page.get_by_role("heading", level=1).wait_for()
    while page.locator(".working").count() or any(page.get_by_text(words).count() for words in UNDER_WAY):
        assert time.monotonic() < give_up, page.url
        page.wait_for_timeout(200)


def go(path: str) -> Take:
    """A view that is an address."""

    def take(page: Page, url: str) -> None:
        page.goto(f"{url}/console/{path}")
        until_done(page)

    return take


def paths(page: Page, url: str) -> None:
    """The journeys of a flow: into hesitation."""
    go("journey")(page, url)
    page.locator(".sankey .node").filter(has_text="Hesitation").first.click()
    page.locator(".path").first.wait_for()
    page.set_viewport_size({"width": 1280, "height": PATHS_HIGH})
    page.locator(".card").filter(has=page.locator(".paths")).evaluate("(found) => found.scrollIntoView()")


def story(page: Page, url: str) -> None:
    """A decision with several messages, replayed, and why not another."""
    go("decisions?action=return_guarantee")(page, url)
    links = [str(link.get_attribute("href")) for link in page.locator("tbody th a").all()[:40]]
    for link in links:  # the first of a visitor for whom the policy is as it is
        page.goto(url + link)
        page.get_by_role("heading", name="What was considered").wait_for()
        if page.get_by_text("full (the policy as it is)").count():
            break
    page.get_by_role("button", name="Replay").click()
    page.get_by_text("identical, to the byte").wait_for()
    page.get_by_label("Why not").select_option("questions_welcome")
    page.locator(".verdict").first.wait_for()


def draft(page: Page, url: str) -> None:
    """A larger holdout, which the editor finds fit to serve."""
    go("policy")(page, url)
    editor = page.get_by_label("The policy file")
    editor.fill(editor.input_value().replace("holdout: 0.05", "holdout: 0.20", 1))
    editor.evaluate("(area) => { area.setSelectionRange(0, 0); area.scrollTop = 0; area.blur(); }")
    page.wait_for_timeout(1500)


def mistake(page: Page, url: str) -> None:
    """A kind that there is not, beside a change that is right."""
    draft(page, url)
    editor = page.get_by_label("The policy file")
    editor.fill(editor.input_value().replace("kind: badge", "kind: bagde", 1))
    editor.evaluate("(area) => { area.setSelectionRange(0, 0); area.scrollTop = 0; area.blur(); }")
    page.get_by_text("did you mean").wait_for()


def what_if(page: Page, url: str) -> None:
    """That draft beside the live policy, on the decisions of the log."""
    draft(page, url)
    go("policy/what-if")(page, url)
    page.get_by_role("button", name="Replay the last 30 days").click()
    page.get_by_role("table", name="What if").wait_for(timeout=1000 * WAIT_S)


def tests(page: Page, url: str) -> None:
    """The example's persona tests, run."""
    go("policy/tests")(page, url)
    page.get_by_role("button", name="Run them").click()
    page.get_by_text("expectations failed").wait_for(timeout=1000 * WAIT_S)


def stop(page: Page, url: str) -> None:
    """What the stop button asks before it stops."""
    go("messages/return_guarantee")(page, url)
    page.get_by_role("button", name="Stop it").click()
    page.get_by_role("dialog").get_by_label("Why").fill("The guarantee changed this morning")


VIEWS = {
    "journey": View(go("journey"), high=1400),
    "journey-phone": View(go("journey"), "phone-light", 1500),
    "journey-paths": View(paths, high=PATHS_HIGH),
    "personas": View(go("personas"), high=1100),
    "personas-dark": View(go("personas"), "desktop-dark", 1100),
    "personas-phone": View(go("personas"), "phone-light", 1500),
    "messages": View(go("messages"), high=1200),
    "messages-phone": View(go("messages"), "phone-light", 1500),
    "message": View(go("messages/return_guarantee")),
    "message-dark": View(go("messages/return_guarantee"), "desktop-dark"),
    "message-stop": View(stop, high=900),
    "policy": View(mistake),
    "policy-tests": View(tests, high=1100),
    "policy-what-if": View(what_if, high=1100),
    "decisions": View(go("decisions"), high=900),
    "decisions-phone": View(go("decisions"), "phone-light", 1500),
    "decision": View(story, high=1800),
    "models": View(go("models"), high=1400),
    "health": View(go("health")),
    "health-phone": View(go("health"), "phone-light", 1500),
    "login": View(lambda page, url: page.goto(f"{url}/console/login") and None, high=700),
}


def demo_of(home: str) -> Demo:
    """The demo that runs in the home."""
    told = json.loads((Path(home) / "demo.json").read_text())
    return Demo(**{one.name: told[one.name] for one in fields(Demo)})


@contextmanager
def made_up() -> Iterator[str]:
    """A console that shows an experiment of 40,000 visitors who do not exist."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        lake = lift_lake(home / "lake", Made(visitors=40_000, days=24, lift=0.3), by_hash(ARMS))
        of_the_example(lake, home / "policies-archive")
        with console_of(home, lake, "s", "made up") as url:
            yield url


def of_the_example(lake: Path, archive: Path) -> None:
    """Makes the decisions those of the example's policy, so that the arms' shares are known."""
    text = Example.find().policy.read_text()
    version = load_policy(text, "policy.yaml").version
    archive.mkdir()
    (archive / f"{version}.yaml").write_text(text)
    for path in lake.glob("decisions/**/*.parquet"):
        table = pq.ParquetFile(path).read()
        at = table.schema.get_field_index("policy")
        named = pa.array([version] * len(table), table.schema.field(at).type)
        pq.write_table(table.set_column(at, table.schema.field(at), named), path)


def picture(browser: Browser, name: str, view: View, url: str, secret_key: str) -> None:
    """One picture, as high as the page up to what the view allows."""
    looks: dict[str, Any] = LOOKS[view.looks]
    context = browser.new_context(**looks)
    context.set_default_timeout(60_000)
    if secret_key and name != "login":
        body, headers = {"key": secret_key}, {"origin": url}
        assert context.request.post(f"{url}/console/api/login", data=body, headers=headers).status == 204
    page = context.new_page()
    view.take(page, url)
    page.wait_for_timeout(SETTLED_MS)
    size = looks["viewport"]
    high = min(view.high, max(page.evaluate("document.querySelector('main').scrollHeight"), 600))
    page.set_viewport_size({"width": size["width"], "height": high})
    page.wait_for_timeout(SETTLED_MS)
    path = OUT / f"{name}.png"
    page.screenshot(path=path)
    context.close()
    pack(path)
    taken = path.stat().st_size
    print(f"{path.name}: {taken:,} bytes{' TOO LARGE' if taken > MOST_BYTES else ''}", flush=True)


MADE_UP = {
    "experiments": View(go("experiments")),
    "experiments-phone": View(go("experiments"), "phone-light", 1500),
}


def main(home: str, names: list[str]) -> None:
    """Take the pictures, all or those named."""
    wanted, demo = names or [*VIEWS, *MADE_UP], demo_of(home)
    OUT.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(ARGUMENTS))
        for name in (name for name in wanted if name in VIEWS):
            picture(browser, name, VIEWS[name], demo.url, demo.secret_key)
        if other := [name for name in wanted if name in MADE_UP]:
            with made_up() as url:
                for name in other:
                    picture(browser, name, MADE_UP[name], url, "")
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
