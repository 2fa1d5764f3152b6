"""The page of `tact lift` on a phone: every figure and verdict is read without scrolling sideways."""

from pathlib import Path

from playwright.sync_api import Browser

from tests.training.lifting import Made, by_hash, lift_lake
from training.lift_days import evaluate
from training.lift_found import Question
from training.report_lift import render

BESIDE = "[...document.querySelectorAll('h1, h2, p, li, td, svg')].filter(e => e.getBoundingClientRect().right > 390.5)"
SHARES = {"full": 0.5, "holdout": 0.2, "propensity_only": 0.15, "rules_only": 0.15}


def test_nothing_of_the_lift_page_lies_beside_a_phone_s_screen(browser: Browser, tmp_path: Path) -> None:
    lake = lift_lake(tmp_path / "lake", Made(visitors=3000, lift=0.8), by_hash(SHARES))
    found = evaluate(lake, Question(shop="s", shares=lambda _: SHARES))
    (tmp_path / "lift.html").write_text(render(found, "Lift of s"))
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto((tmp_path / "lift.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.evaluate(f"{BESIDE}.map(e => e.outerHTML.slice(0, 80))") == []
    assert page.locator("td", has_text="propensity_only").first.is_visible()
    page.set_viewport_size({"width": 1200, "height": 800})
    assert page.locator("th", has_text="verdict").first.is_visible()  # where there is room it is a table with its heads
