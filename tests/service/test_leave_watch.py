"""Truths of leaving known online are the labels that training makes, and the level follows as in the evaluation."""

import numpy as np
import pytest

from features.events import Row
from features.record import pack
from features.tail import session_starts
from models.leave_level import KNOWN_AFTER_MS, STEPS, moved
from service import leave_watch
from service.leave_watch import LeaveWatch
from service.truth import SCORED
from training.labels import Labels, label
from training.leave_followed import followed

START_MS = 1_700_000_000_000
MINUTE_MS = 60_000
KINDS = ("view_item", "view_item", "page_view", "add_to_cart", "purchase", "view_promotion", "leave", "search")
GAPS_MS = ([5_000, 70_000, 130_000, 31 * MINUTE_MS, 50 * MINUTE_MS], [0.5, 0.2, 0.1, 0.1, 0.1])


def visitors_rows(visitors: int = 60, events: int = 40) -> list[Row]:
    """Visitor by visitor in time order."""
    rng = np.random.default_rng(3)
    rows = []
    for v in range(visitors):
        at = START_MS + int(rng.integers(10 * 3_600_000))
        for n in range(events):
            at += int(rng.choice(GAPS_MS[0], p=GAPS_MS[1])) + int(rng.integers(1000))
            rows.append(Row("s", f"v{v}", f"e{v}-{n}", at, str(rng.choice(KINDS)), item_id="i"))
    return rows


def labelled(rows: list[Row]) -> Labels:
    records = pack(rows)
    visitor = np.array([int(row.visitor_id[1:]) for row in rows], np.int64)
    session = np.cumsum(session_starts(records["ts_ms"], visitor)) - 1
    return label(records, visitor, session)


def test_truths_and_levels_are_those_of_training_and_evaluation_at_every_step() -> None:
    rows = visitors_rows()
    labels = labelled(rows)
    row_of = {int(row): at for at, row in enumerate(labels.row)}
    said = np.random.default_rng(4).uniform(0.1, 0.9, len(labels))
    step = (labels.prefix > 1).astype(np.int64)
    ts_ms = np.array([rows[row].ts_ms for row in labels.row])
    expected = followed(said, labels.leave.astype(np.int64), ts_ms, step)
    watch, compared = LeaveWatch(), 0
    for at in np.argsort([row.ts_ms for row in rows], kind="stable"):
        row = rows[at]
        watch.until(row.ts_ms)
        watch.happened(row.visitor_id, row.ts_ms, row.event)
        if int(at) in row_of:
            mine = row_of[int(at)]
            now = moved(float(said[mine]), watch.level.line, int(step[mine]))
            assert expected[mine] == pytest.approx(now, abs=1e-12)
            watch.scored(row.visitor_id, row.ts_ms, int(step[mine]), float(said[mine]))
            compared += abs(now - said[mine]) > 0.01
    assert compared > 1000


def test_nothing_is_known_before_its_time() -> None:
    watch = LeaveWatch()
    watch.scored("v", START_MS, 0, 0.4)
    watch.until(START_MS + KNOWN_AFTER_MS)
    assert watch.level.spread == [0.0, 0.0]
    watch.until(START_MS + KNOWN_AFTER_MS + 1)
    assert watch.level.missed[0] == pytest.approx(0.6)
    assert not watch._waiting and not watch._of


def test_who_goes_on_for_long_has_not_left_though_the_session_is_not_over() -> None:
    watch = LeaveWatch()
    watch.scored("v", START_MS, 0, 0.4)
    for minute in range(1, 60):
        watch.happened("v", START_MS + minute * MINUTE_MS, "view_item")
    watch.until(START_MS + KNOWN_AFTER_MS + 1)
    assert watch.level.missed[0] == pytest.approx(-0.4)


def test_what_comes_after_a_pause_is_another_session() -> None:
    watch = LeaveWatch()
    watch.scored("v", START_MS, 0, 0.4)
    watch.happened("v", START_MS + MINUTE_MS, "view_item")
    watch.happened("v", START_MS + MINUTE_MS + 30 * MINUTE_MS + 1, "view_item")
    watch.until(START_MS + KNOWN_AFTER_MS + 1)
    assert watch.level.missed[0] == pytest.approx(0.6)


def test_a_forgotten_visitor_teaches_nothing() -> None:
    watch = LeaveWatch()
    watch.scored("v", START_MS, 0, 0.4)
    watch.scored("w", START_MS, 1, 0.4)
    watch.forget("v")
    watch.scored("v", START_MS + 1, 1, 0.4)  # a visitor of the same name, later
    watch.until(START_MS + 2 * KNOWN_AFTER_MS)
    assert watch.level.spread[0] == 0.0
    assert watch.level.spread[1] == pytest.approx(2 * 0.24, rel=1e-3)


def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = LeaveWatch()
    for n in range(3 * SCORED):
        watch.scored("a bot", START_MS + n, len(STEPS) - 1, 0.4)
    assert len(watch._waiting) == SCORED
    monkeypatch.setattr(leave_watch, "WAITING", 100)
    for n in range(200):
        watch.scored(f"v{n}", START_MS + n, 0, 0.4)
    assert len(watch._waiting) == 100
