"""The whole demo, started as people start it, and a real browser."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect, sync_playwright

from tact.demo import Example
from tact.verb_demo import Refused, call
from tests.support import PATIENCE_S

expect.set_options(timeout=PATIENCE_S * 1000)
ROOT = Path(__file__).parents[2]
START_S = 400
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
REMEMBER = (
    # the page's own limit of 1.5 s for an answer is short where six programs share two cores
    "AbortSignal.timeout = ((of) => (ms) => of.call(AbortSignal, Math.max(ms, 20000)))(AbortSignal.timeout);"
    "document.addEventListener('tact:decision', () => { document.documentElement.dataset.decided = '1'; });"
    "document.addEventListener('tact:ready', () => {"
    " if (!document.querySelector('[data-tact]')) document.documentElement.dataset.decided = '1'; });"
    "document.addEventListener('securitypolicyviolation', (e) => console.error('CSP ' + e.violatedDirective));"
)
ANSWERED = "html[data-decided]"
"""CSS that is there once the page has its answer, or has no place for one."""


@dataclass(frozen=True)
class Demo:
    """A running demo, as artifacts/demo.json describes it."""

    url: str
    publishable_key: str
    secret_key: str
    lake: str
    shop: str
    redis_url: str

    def send(self, events: list[dict[str, Any]]) -> None:
        """Events of the past, as the shop's server would send them."""
        call(f"{self.url}/v1/events", self.secret_key, json.dumps({"events": events}).encode())

    def tail(self, visitor_id: str) -> list[dict[str, Any]]:
        """The visitor's events as the engine keeps them; one that was sent twice may stand twice."""
        try:
            kept = call(f"{self.url}/v1/visitors/{visitor_id}", self.secret_key, None, "GET")
        except Refused as refused:
            if "unknown_visitor" not in str(refused):
                raise
            return []
        return list(kept["tail"])

    def wait_for(self, visitor_id: str, *kinds: str, timeout_s: float = PATIENCE_S) -> None:
        """Until these kinds of events have arrived; fails if they do not."""
        give_up = time.monotonic() + timeout_s
        while not (did := self.did(visitor_id)) >= set(kinds):
            assert time.monotonic() < give_up, f"{set(kinds) - did} did not arrive, only {did}"
            time.sleep(0.1)

    def get(self, path: str) -> dict[str, Any]:
        """What the service answers to the shop's secret key."""
        return call(self.url + path, self.secret_key, None, "GET")

    def did(self, visitor_id: str) -> set[str]:
        """The kinds of those events."""
        return {record["kind"] for record in self.tail(visitor_id)}


@dataclass
class Shopper:
    """A visitor in a browser of their own. wrong: what the console or the content policy complained about."""

    page: Page
    context: BrowserContext
    url: str
    visitor_id: str
    wrong: list[str] = field(default_factory=list)

    def go(self, path: str) -> None:
        """Open a page and wait until Tact has answered."""
        self.page.goto(self.url + path)
        self.page.wait_for_selector(ANSWERED, state="attached")

    def message(self, placement: str) -> str:
        """CSS of the message in a placement."""
        return f':is([data-tact="{placement}"], [data-tact-live="{placement}"]) .tact-message'

    def put_in_cart(self, item_id: str) -> None:
        self.page.goto(f"{self.url}/shop/p/{item_id}")
        self.page.get_by_role("button", name="Put in the cart").click()
        self.page.wait_for_url("**/shop/cart")

    def give_address(self) -> None:
        self.page.goto(f"{self.url}/shop/checkout")
        self.page.get_by_role("textbox", name="Name", exact=True).fill("A. Tester")
        self.page.get_by_role("textbox", name="E-mail", exact=True).fill("tester@example.org")
        self.page.get_by_role("textbox", name="Postcode", exact=True).fill("3511 AB")
        self.page.get_by_role("button", name="On to payment").click()
        self.page.wait_for_url("**/shop/checkout/pay")

    def pay(self, card: str) -> None:
        self.page.get_by_role("textbox", name="Card number", exact=True).fill(card)
        with self.page.expect_navigation():
            self.page.get_by_role("button", name=re.compile("^Pay ")).click()


@pytest.fixture(scope="session")
def chromium_path() -> str:
    found = shutil.which("chromium")
    if found is None:
        pytest.skip("no chromium on PATH (Debian: apt-get install chromium)")
    return found


@pytest.fixture(scope="session")
def demo(chromium_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """One demo for all tests: use a visitor of your own in each."""
    with running_demo(tmp_path_factory.mktemp("demo")) as demo:
        yield demo


@contextmanager
def running_demo(home: Path) -> Iterator[Demo]:
    """`tact demo` with little history. The policy speaks at any hour, to everyone, and never just to learn."""
    (home / "policies").mkdir()
    (home / "policies" / "demo.yaml").write_text(steady(Example.find().policy.read_text()))
    patient = {"TACT_DEADLINE_MS": "10000", "TACT_STORE_TIMEOUT_MS": "10000"}  # a busy machine must not degrade answers
    environ = {**os.environ, **patient, "TACT_HOME": str(home), "TACT_PORT": "0"}
    command = [sys.executable, "-m", "tact", "demo", "--visitors", "0", "--history", "800"]
    with (home / "demo.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield Demo(**json.loads(wait_for(home / "demo.json", process)))
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(5 * PATIENCE_S) == 0, (home / "demo.log").read_text()


def steady(policy: str) -> str:
    """The example policy without what a test cannot control (the hour, the holdout, exploration) or would wait for."""
    policy = policy.replace("id: chat_in_doubt\n", "id: chat_in_doubt\n    show_after_s: 1\n")
    policy = re.sub(r"^    schedule: .*\n", "", policy, flags=re.MULTILINE)
    policy = re.sub(r"(random|propensity_only|no_levers|rules_only): 0\.01", r"\1: 0", policy)
    return re.sub(r"^(holdout|exploration_floor): .*$", r"\1: 0", policy, flags=re.MULTILINE)


def wait_for(path: Path, process: "subprocess.Popen[bytes]") -> str:
    give_up = time.monotonic() + START_S
    while not path.exists():
        log = path.with_suffix(".log")
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < give_up, log.read_text()
        time.sleep(0.1)
    return path.read_text()


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="module")
def browser(playwright: Playwright, chromium_path: str) -> Iterator[Browser]:
    browser = playwright.chromium.launch(executable_path=chromium_path, args=list(ARGUMENTS))
    yield browser
    browser.close()


@pytest.fixture
def shopper(browser: Browser, demo: Demo, request: pytest.FixtureRequest) -> Iterator[Callable[..., Shopper]]:
    """Makes shoppers with empty browsers; as_new: the page makes up their id; options as of browser.new_context."""
    made: list[Shopper] = []

    def make(as_new: bool = False, **options: Any) -> Shopper:
        visitor_id = f"{request.node.path.stem}-{request.node.name[:80]}-{len(made)}"
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        context.set_default_timeout(PATIENCE_S * 1000)
        known = f"try {{ localStorage.setItem('tact.visitor', {json.dumps(visitor_id)}) }} catch {{ }}"
        context.add_init_script(REMEMBER if as_new else known + REMEMBER)
        shopper = Shopper(context.new_page(), context, demo.url, visitor_id)
        shopper.page.on("console", lambda said: shopper.wrong.append(said.text) if said.type == "error" else None)
        shopper.page.on("pageerror", lambda error: shopper.wrong.append(str(error)))
        made.append(shopper)
        return shopper

    yield make
    for shopper in made:
        shopper.context.close()
