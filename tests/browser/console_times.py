"""How long the console's pages take in a real Chromium, beside a bare page of the same server in the same run.

    .venv/bin/python -m tests.browser.console_times HOME [VIEW …]

HOME is of a running demo. Of each view: medians of five loads that follow two others (a browser keeps the files then),
in ms from navigation on; the quickest and the slowest in brackets. `answer`: the page's first byte. `heading`, `data`:
the view's heading, and what it shows of the shop's data, stand in the page. `painted`: a frame with the data was drawn.
The bare page is /healthz, fifteen bytes: what the browser and the machine take whatever the page.
"""

import argparse
import json
import shutil
from pathlib import Path
from statistics import median
from typing import Any
from urllib.request import Request, urlopen

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.browser.conftest import ARGUMENTS

LOADS, BEFORE = 5, 2
PATIENCE_MS = 30_000
BARE = "bare page"
DATA = {
    "journey": ".sankey svg",
    "personas": ".personas .card, .empty",
    "messages": "tbody tr",
    "messages/similar_products": ".stats dd",
    "policy": "textarea",
    "experiments": ".stats dd, .empty",
    "decisions": "tbody tr",
    "decisions/{id}": ".placement",
    "models": "tbody tr",
    "health": ".stats dd",
}
"""CSS of what holds data, by view."""
WATCH = """(data) => {
  const at = globalThis.at = {};
  const look = () => {
    if (document.querySelector('h1')) at.heading ||= performance.now();
    if (!at.data && document.querySelector(data)) {
      at.data = performance.now();
      requestAnimationFrame(() => {
        const after = new MessageChannel();
        after.port1.onmessage = () => { at.painted = performance.now(); };
        after.port2.postMessage(0);
      });
    }
  };
  new MutationObserver(look).observe(document, { childList: true, subtree: true });
}"""
Row = dict[str, float]


def logged_in(browser: Browser, url: str, key: str, **options: Any) -> BrowserContext:
    """A context of its own with a session of the console."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
    answer = context.request.post(f"{url}/console/api/login", data={"key": key}, headers={"origin": url})
    assert answer.status == 204, answer.text()
    return context


def times(context: BrowserContext, address: str, data: str) -> list[Row]:
    """Of each load after the first ones: {answer, heading, data, painted}; a bare page has no heading."""
    context.add_init_script(f"({WATCH})({json.dumps(data)})")
    return [_load(context.new_page(), address) for _ in range(BEFORE + LOADS)][BEFORE:]


def _load(page: Page, address: str) -> Row:
    page.goto(address)
    for _ in range(PATIENCE_MS // 50):
        if page.evaluate("globalThis.at.painted"):
            break
        page.wait_for_timeout(50)
    answer = page.evaluate("performance.getEntriesByType('navigation')[0].responseStart")
    found: Row = {"heading": 0.0, "answer": answer, **page.evaluate("globalThis.at")}
    page.close()
    return found


def told(rows: list[Row], name: str) -> str:
    """The median, with the quickest and the slowest."""
    found = [row[name] for row in rows]
    return f"{median(found):4.0f} [{min(found):.0f}, {max(found):.0f}]"


def a_decision(url: str, key: str) -> str:
    """The id of a decision that the log holds."""
    asked = Request(f"{url}/console/api/login", json.dumps({"key": key}).encode(), {"origin": url})
    asked.add_header("content-type", "application/json")
    cookie = urlopen(asked).headers["set-cookie"].split(";")[0]  # the demo's own address
    found = urlopen(Request(f"{url}/console/api/lake/decisions?wait_s=2", headers={"cookie": cookie}))
    return str(json.load(found)["answer"]["decisions"][0]["decision_id"])


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("home", type=Path)
    parser.add_argument("views", nargs="*", default=list(DATA))
    given = parser.parse_args()
    demo = json.loads((given.home / "demo.json").read_text())
    url, key = demo["url"], demo["secret_key"]
    identifier = a_decision(url, key) if "decisions/{id}" in given.views else ""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(ARGUMENTS))
        bare = times(logged_in(browser, url, key), f"{url}/healthz", "pre")
        print(f"{BARE:26} answer {told(bare, 'answer'):16} painted {told(bare, 'painted')}", flush=True)
        floor = median(row["painted"] for row in bare)
        for view in given.views:
            context = logged_in(browser, url, key)
            rows = times(context, f"{url}/console/{view.format(id=identifier)}", DATA[view])
            parts = "  ".join(f"{name} {told(rows, name):16}" for name in ("answer", "heading", "data", "painted"))
            print(f"{view:26} {parts} {median(row['painted'] for row in rows) / floor:.1f} x bare", flush=True)
            context.close()
        browser.close()


if __name__ == "__main__":
    main()
