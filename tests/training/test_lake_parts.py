"""A log read in parts is the log read at once; capped rows are whole sessions, the same each time."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from features.events import Row
from features.lakefile import write_events
from tests.training.logs import DAY, START_MS, shop_rows
from training import lake as lakes
from training.lake import Log, load_log
from training.sample import Cap, chosen
from training.table import build


def untold(name: str, share: float) -> None:
    """Progress nobody watches."""


def assert_same(one: Log, other: Log) -> None:
    assert one.records.tobytes() == other.records.tobytes()
    np.testing.assert_array_equal(one.visitor, other.visitor)
    np.testing.assert_array_equal(one.session, other.session)
    assert (one.visitors, one.item_ids) == (other.visitors, other.item_ids)


@pytest.mark.parametrize("part", [1, 7, 100, 1000])
def test_a_log_read_in_parts_is_the_log_read_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: int
) -> None:
    rows = shop_rows(150, days=6)
    write_events(tmp_path, rows[::2], "a")
    write_events(tmp_path, rows[1::2] + rows[:40], "b")
    whole = load_log(tmp_path, "s")
    window = START_MS + DAY * 1000 + 12345, START_MS + 4 * DAY * 1000 + 777
    inside = load_log(tmp_path, "s", *window)
    monkeypatch.setattr(lakes, "PART", part)
    assert_same(load_log(tmp_path, "s"), whole)
    assert_same(load_log(tmp_path, "s", *window), inside)
    assert 0 < len(inside) < len(whole) == len({(row.event_id, row.line) for row in rows})


def test_of_copies_in_different_parts_the_one_received_first_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Row("s", "v", "e1", START_MS, "view_item", item_id="a", received_ms=50)
    late = replace(first, ts_ms=START_MS + 3 * DAY * 1000, item_id="b", received_ms=20)
    other = replace(first, event_id="e2", ts_ms=START_MS + DAY * 1000, received_ms=1)
    write_events(tmp_path, [first, late, other, replace(other, line=1, item_id="c")], "a")
    whole = load_log(tmp_path, "s")
    monkeypatch.setattr(lakes, "PART", 1)
    assert_same(load_log(tmp_path, "s"), whole)
    assert whole.records["ts_ms"].tolist() == [other.ts_ms, other.ts_ms, late.ts_ms]


def test_no_lake_is_an_empty_log(tmp_path: Path) -> None:
    assert len(load_log(tmp_path / "nothing", "s")) == 0


def test_a_cap_takes_whole_sessions_the_same_each_time_and_a_smaller_one_a_part_of_them(log: Log) -> None:
    rows = np.arange(len(log))
    some, fewer = chosen(log.records, log.session, rows, 1500), chosen(log.records, log.session, rows, 500)
    np.testing.assert_array_equal(some, chosen(log.records, log.session, rows, 1500))
    for flags, most in ((some, 1500), (fewer, 500)):
        assert most * 0.97 < flags.sum() <= most
        assert not set(log.session[flags]) & set(log.session[~flags])
    assert np.all(some[fewer])
    assert chosen(log.records, log.session, rows, len(log)).all()


def test_a_capped_table_holds_rows_of_the_whole_one_and_says_how_many_it_left_out(log: Log) -> None:
    whole, capped = build(log, untold), build(log, untold, cap=Cap(1000))
    kept = np.isin(whole.labels.row, capped.labels.row)
    np.testing.assert_array_equal(whole.matrix[kept], capped.matrix)
    assert capped.left_out == len(whole) - len(capped) > 0


def test_a_cap_favours_no_kind_of_session(log: Log) -> None:
    whole, capped = build(log, untold), build(log, untold, cap=Cap(2000))
    share, found = float(np.mean(whole.labels.buy > 0)), float(np.mean(capped.labels.buy > 0))
    assert abs(found - share) < 4 * np.sqrt(share / len(np.unique(capped.labels.session)))


def test_sessions_outside_the_window_are_left_out_or_kept_whole_as_asked(log: Log) -> None:
    until_ms = START_MS + 5 * DAY * 1000
    alone, beside = (build(log, untold, cap=Cap(500, START_MS, until_ms, others)) for others in (False, True))
    assert alone.start_ms.max() < until_ms
    later = build(log, untold).start_ms >= until_ms
    assert np.sum(beside.start_ms >= until_ms) == later.sum()
    assert np.sum(beside.start_ms < until_ms) == len(alone) <= 500
