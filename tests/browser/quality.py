"""What a page may not do, measured in the page: move what stood, hold the browser up, break its content policy, shut
people out."""

import hashlib
import re
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

VENDOR = Path(__file__).parent / "vendor"
AXE = VENDOR / "axe-core-4.10.2.min.js"
BAD = ("serious", "critical")

MEASURE = """
window.measured = {shifts: [], frames: []};
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    if (!entry.hadRecentInput) {
      const nodes = entry.sources.map((source) => source.node && (source.node.outerHTML || '').slice(0, 120));
      measured.shifts.push({value: entry.value, nodes});
    }
  }
}).observe({type: 'layout-shift', buffered: true});
new PerformanceObserver((list) => {
  for (const frame of list.getEntries()) {
    for (const script of frame.scripts) measured.frames.push({url: script.sourceURL, ms: script.duration});
  }
}).observe({type: 'long-animation-frame', buffered: true});
"""
"""For an init script: layout shifts without a visitor's input, and the scripts of frames longer than 50 ms."""


def shifts(page: Page) -> list[dict[str, Any]]:
    """Everything that moved by itself, with what it was."""
    found: list[dict[str, Any]] = page.evaluate("measured.shifts")
    return found


def longest_ms(page: Page, script: str) -> float:
    """The longest a script (a regular expression of its address) kept a frame, in ms; 0 where no frame was long."""
    frames = page.evaluate("measured.frames")
    return max((frame["ms"] for frame in frames if re.search(script, frame["url"])), default=0.0)


def barriers(page: Page) -> list[str]:
    """What axe-core finds of serious and critical impact."""
    if not page.evaluate("typeof axe !== 'undefined'"):
        page.evaluate(AXE.read_text())  # by the debugger's door: the page's content policy stays as it is
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{one['id']} ({one['impact']}): {node['target']} {node['failureSummary']}"
        for one in found["violations"]
        if one["impact"] in BAD
        for node in one["nodes"]
    ]


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
