"""Each data check fires on a fault planted into a clean simulated log, and none fires on the clean log."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from typer.testing import CliRunner

from features.events import Row
from features.lakefile import write_events
from tact.cli import build
from tact.demo import Example
from tests.training.conftest import untold
from training.check_data import CHECKS, Report, check
from training.check_events import DAY_MS, HOUR_MS, load
from training.check_finding import ERROR, OK, WARNING, Finding
from training.simulate import simulate

START_MS = 1_760_000_000_000 // DAY_MS * DAY_MS
DAYS = 12
END_MS = START_MS + DAYS * DAY_MS
NOW_MS = END_MS + DAY_MS
Fault = Callable[[list[Row]], list[Row]]


@pytest.fixture(scope="module")
def clean() -> list[Row]:
    return simulate(Example.find().products(), 3500, 5, START_MS, DAYS, "s")


def report(rows: list[Row], folder: Path, now_ms: int = NOW_MS) -> Report:
    write_events(folder, rows, "test")
    return check(load(folder, "s", None, None, now_ms), untold)


def finding(found: Report, name: str) -> Finding:
    return next(one for one in found.findings if one.name == name)


def test_nothing_is_said_of_a_clean_log(clean: list[Row], tmp_path: Path) -> None:
    found = report(clean, tmp_path)
    assert [(one.name, one.message) for one in found.findings if one.level != OK] == []
    assert found.summary == f"data checks: nothing to warn of ({len(CHECKS)} checks)"


def again(rows: list[Row], suffix: str, **changes: object) -> list[Row]:
    """Copies under other event ids."""
    return [replace(row, event_id=f"{row.event_id}{suffix}", **changes) for row in rows]


def crowd(rows: list[Row], events: int, visitor: str, pause_ms: int, at_ms: int) -> list[Row]:
    """One visitor's views, a fixed pause apart."""
    view = next(row for row in rows if row.event == "view_item")
    return [
        replace(view, visitor_id=visitor, event_id=f"{visitor}-{n}", ts_ms=at_ms + n * pause_ms) for n in range(events)
    ]


def within(row: Row, since: float, until: float) -> bool:
    return START_MS + since * DAY_MS <= row.ts_ms < START_MS + until * DAY_MS


def in_cents(row: Row) -> bool:
    return row.ts_ms > START_MS + DAYS * DAY_MS // 2 and row.price > 0


NOON = START_MS + 5 * DAY_MS + 18 * HOUR_MS

FAULTS: dict[str, tuple[str, Fault]] = {
    "too_little": (WARNING, lambda rows: [row for row in rows if within(row, 0, 0.5)]),
    "missing_purchases": (ERROR, lambda rows: [row for row in rows if row.event != "purchase"]),
    "bare_purchases": (
        WARNING,
        lambda rows: [replace(r, price=np.nan, value=np.nan) if r.event == "purchase" else r for r in rows],
    ),
    "lone_purchases": (
        ERROR,
        lambda rows: [replace(r, visitor_id=f"server-{r.event_id}") if r.event == "purchase" else r for r in rows],
    ),
    "clock_jumps": (
        WARNING,
        lambda rows: rows + again(rows[:5], "-1970", ts_ms=1000) + again(rows[:3], "-late", ts_ms=NOW_MS + DAY_MS),
    ),
    "coarse_clock": (WARNING, lambda rows: [replace(r, ts_ms=r.ts_ms // 60_000 * 60_000) for r in rows]),
    "same_moment": (
        WARNING,
        lambda rows: [replace(r, ts_ms=NOON) if NOON <= r.ts_ms < NOON + HOUR_MS // 2 else r for r in rows],
    ),
    "silences": (WARNING, lambda rows: [r for r in rows if not NOON <= r.ts_ms < NOON + 4 * HOUR_MS]),
    "thin_edges": (
        WARNING,
        lambda rows: [r for r in rows if not within(r, DAYS - 1, DAYS) or crc32(r.visitor_id.encode()) % 5 == 0],
    ),
    "late_events": (
        WARNING,
        lambda rows: [
            replace(r, received_ms=r.ts_ms + (2 * HOUR_MS if n % 20 == 0 else 40)) for n, r in enumerate(rows)
        ],
    ),
    "kind_stopped": (WARNING, lambda rows: [r for r in rows if r.event != "search" or within(r, 0, 8)]),
    "rate_shift": (
        WARNING,
        lambda rows: [
            r for r in rows if r.event != "view_item_list" or within(r, 0, 6) or crc32(r.event_id.encode()) % 4 == 0
        ],
    ),
    "buy_rate_days": (
        WARNING,
        lambda rows: (
            rows
            + again(
                [r for r in rows if r.event == "view_item" and within(r, 4, 5) and crc32(r.event_id.encode()) % 4 == 0],
                "-bought",
                event="purchase",
            )
        ),
    ),
    "bots": (WARNING, lambda rows: rows + crowd(rows, 900, "robot", 300, NOON)),
    "one_visitor": (
        WARNING,
        lambda rows: [replace(r, visitor_id="guest") if n % 20 == 0 else r for n, r in enumerate(rows)],
    ),
    "repeated_sessions": (
        WARNING,
        lambda rows: (
            rows
            + [
                replace(r, visitor_id=f"copy-{r.visitor_id}", event_id=f"{r.event_id}-copy")
                for r in rows
                if r.visitor_id.endswith("7")
            ]
        ),
    ),
    "repeated_events": (
        WARNING,
        lambda rows: (
            rows
            + [replace(r, event_id=f"{r.event_id}-2", ts_ms=r.ts_ms + 20) for r in rows if r.event == "add_to_cart"]
        ),
    ),
    "never_return": (
        WARNING,
        lambda rows: [replace(r, visitor_id=f"{r.visitor_id}-{r.ts_ms // (12 * HOUR_MS)}") for r in rows],
    ),
    "one_event_sessions": (WARNING, lambda rows: [replace(r, visitor_id=f"v-{r.event_id}") for r in rows]),
    "missing_items": (
        WARNING,
        lambda rows: [replace(r, item_id="") if r.event == "add_to_cart" and r.line == 0 else r for r in rows],
    ),
    "item_spellings": (
        WARNING,
        lambda rows: [
            replace(r, item_id=f" {r.item_id.upper()}") if r.item_id and n % 9 == 0 else r for n, r in enumerate(rows)
        ],
    ),
    "missing_categories": (
        WARNING,
        lambda rows: [replace(r, category="") if r.ts_ms < START_MS + 3 * DAY_MS else r for r in rows],
    ),
    "odd_prices": (WARNING, lambda rows: [replace(r, price=0.0) if n % 10 == 0 else r for n, r in enumerate(rows)]),
    "price_units": (WARNING, lambda rows: [replace(r, price=r.price * 100) if in_cents(r) else r for r in rows]),
}


def test_every_check_has_a_fault_to_find() -> None:
    assert list(FAULTS) == [one.name for one in CHECKS]


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found_with_rows_an_example_and_advice(name: str, clean: list[Row], tmp_path: Path) -> None:
    level, plant = FAULTS[name]
    one = finding(report(plant(clean), tmp_path), name)
    assert one.level == level, one.message
    assert one.rows > 0 and 0 < one.share <= 1 and one.advice.endswith(".")
    assert one.example or name == "too_little"
    json.dumps(one.example)


def test_purchases_that_end_before_the_log_are_an_error_with_the_moment(clean: list[Row], tmp_path: Path) -> None:
    one = finding(report([r for r in clean if r.event != "purchase" or within(r, 0, 8)], tmp_path), "missing_purchases")
    assert one.level == ERROR and "no purchase after 2025-10-" in one.message and "--until" in one.advice


def test_a_cut_end_is_named_with_the_option_that_leaves_it_out(clean: list[Row], tmp_path: Path) -> None:
    one = finding(report(FAULTS["thin_edges"][1](clean), tmp_path), "thin_edges")
    until = one.advice.split("--until ")[1]
    assert until.startswith(("2025-10-20T0", "2025-10-19T2")), one.advice


def test_an_empty_window_is_an_error_and_nothing_else_is_said(tmp_path: Path) -> None:
    found = check(load(tmp_path, "s", None, None, NOW_MS), untold)
    assert [one.name for one in found.at(ERROR)] == ["too_little"]
    assert found.at(WARNING) == ()


@pytest.mark.parametrize("visitors", [1, 2, 30])
def test_tiny_logs_are_checked_without_a_stumble(clean: list[Row], visitors: int, tmp_path: Path) -> None:
    chosen = sorted({row.visitor_id for row in clean})[:visitors]
    found = report([row for row in clean if row.visitor_id in chosen], tmp_path)
    assert finding(found, "too_little").level in (ERROR, WARNING)


def tact(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(build(), [str(argument) for argument in arguments])
    return done.exit_code, " ".join(done.output.split())


def test_the_verb_ends_with_0_on_warnings_and_1_on_errors(clean: list[Row], tmp_path: Path) -> None:
    write_events(tmp_path / "good", clean, "test")
    write_events(tmp_path / "bad", FAULTS["missing_purchases"][1](clean), "test")
    code, said = tact("check-data", "--lake", tmp_path / "good", "--json", tmp_path / "f.json")
    assert code == 0 and "nothing to warn of" in said
    assert [one["name"] for one in json.loads((tmp_path / "f.json").read_text())["checks"]] == list(FAULTS)
    code, said = tact("check-data", "--lake", tmp_path / "bad")
    assert code == 1 and "carts and not one purchase" in said and "what to do: Import or send purchases" in said


def test_a_window_that_ends_before_it_begins_is_refused_in_words(clean: list[Row], tmp_path: Path) -> None:
    write_events(tmp_path / "lake", clean, "log")
    code, said = tact("check-data", "--lake", tmp_path / "lake", "--since", "2024-02-01", "--until", "2024-01-01")
    assert code == 2
    assert "--since 2024-02-01T00:00:00.000Z is not before --until 2024-01-01T00:00:00.000Z" in said


def test_the_page_lists_every_check_with_what_it_looks_at() -> None:
    page = (Path(__file__).parents[2] / "docs" / "check-data.md").read_text()
    told = [line.split(" | ")[:2] for line in page.splitlines() if line.startswith("| `")]
    assert [(name.strip("|` "), looks) for name, looks in told] == [(one.name, one.looks_at) for one in CHECKS]
