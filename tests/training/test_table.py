from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from features.catalog import FACTS, Facts
from features.fold import fold
from features.lakefile import write_events
from features.schema import INDEX
from tests.training.conftest import untold
from tests.training.logs import DAY, Did, log_of, rows_of, shop_lake
from training import as_of
from training import table as module
from training.as_of import as_of_facts
from training.labels import label
from training.lake import Log
from training.open_log import NoLog, open_log, the_shop
from training.sample import Cap
from training.table import Table, build


def test_every_row_is_the_vector_the_service_would_have_made(log: Log, table: Table) -> None:
    facts = as_of_facts(log.records, log.visitor)
    for at in range(0, len(table), 97):
        row = table.labels.row[at]
        start = int(np.searchsorted(log.visitor, log.visitor[row]))
        tail = log.records[start : row + 1]
        expected = fold(tail, int(tail["ts_ms"][-1]), Facts(facts.table, facts.rows[start : row + 1]))
        assert np.array_equal(table.matrix[at], expected, equal_nan=True)


def test_chunks_do_not_change_a_vector(log: Log, table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CHUNK", 100)
    assert np.array_equal(build(log, untold).matrix, table.matrix, equal_nan=True)


def test_rows_of_chosen_sessions_have_the_vectors_they_have_among_all(log: Log, table: Table) -> None:
    """Of visitors without a chosen row nothing is made, yet what they did counts in everybody's item statistics."""
    some = build(log, untold, cap=Cap(len(table) // 10))
    at = np.searchsorted(table.labels.row, some.labels.row)
    assert 50 < len(some) < len(table) // 8
    assert np.array_equal(table.matrix[at].view(np.uint32), some.matrix.view(np.uint32))


def test_statistics_counted_in_parts_are_those_of_the_whole(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = as_of_facts(log.records, log.visitor)
    monkeypatch.setattr(as_of, "PART", 777)
    parts = as_of_facts(log.records, log.visitor)
    assert np.array_equal(whole.table, parts.table, equal_nan=True) and np.array_equal(whole.rows, parts.rows)


def test_what_happens_later_changes_no_vector(log: Log, table: Table) -> None:
    """Item statistics and everything else are as of each row: cutting the future off leaves the past's rows alone."""
    until = int(np.median(log.records["ts_ms"]))
    early = log.records["ts_ms"] < until
    cut = replace(log, records=log.records[early], visitor=log.visitor[early], session=log.session[early])
    facts_whole, facts_cut = as_of_facts(log.records, log.visitor), as_of_facts(cut.records, cut.visitor)
    whole = facts_whole.table[facts_whole.rows[early]]
    assert np.array_equal(whole, facts_cut.table[facts_cut.rows], equal_nan=True)
    assert np.isfinite(whole[:, FACTS.index("buy_rate")]).any()
    past = build(cut, untold)
    same = np.isin(log.records["ts_ms"][table.labels.row], cut.records["ts_ms"][past.labels.row])
    assert len(past) > 1000
    assert np.array_equal(table.matrix[same], past.matrix, equal_nan=True)


def test_a_label_is_not_among_the_features(table: Table) -> None:
    """No column tells buy, cart, leave or help by itself: the leak that a good AUC would hide."""
    for name in ("buy", "cart", "leave", "help"):
        truth = getattr(table.labels, name)
        rows = truth >= 0
        for column in INDEX.values():
            values = np.nan_to_num(table.matrix[rows, column], nan=-1.0)
            if len(np.unique(values)) > 1:
                assert abs(np.corrcoef(values, truth[rows])[0, 1]) < 0.9, (name, column)


def test_steps_beyond_the_cap_are_left_out_but_still_label_those_before(log: Log) -> None:
    short = build(log, untold, max_prefix=2)
    assert short.labels.prefix.max() == 2
    whole = label(log.records, log.visitor, log.session)
    kept = whole.where((whole.prefix <= 2) & whole.complete)
    assert np.array_equal(short.labels.buy, kept.buy)


def test_a_log_comes_in_the_order_of_its_tails(tmp_path: Path) -> None:
    """At one moment a cart comes before its purchase, whatever their ids."""
    journey = [Did(0, "view_item", "a"), Did(5, "purchase", "a"), Did(5, "add_to_cart", "a"), Did(5, "view_item", "a")]
    log = log_of(tmp_path, journey)
    mine = log.records[log.visitor == log.visitors.index("v0")]
    assert mine["kind"].tolist() == sorted(mine["kind"].tolist())


def test_a_lake_that_is_none_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NoLog, match="tact import"):
        the_shop(tmp_path, "")
    (tmp_path / "events.csv").write_text("a,b\n")
    with pytest.raises(NoLog, match="is a file"):
        the_shop(tmp_path / "events.csv", "")


def test_the_lakes_only_shop_needs_no_name_and_several_do(tmp_path: Path) -> None:
    shop_lake(tmp_path, 20, shop="hats")
    assert the_shop(tmp_path, "") == "hats"
    with pytest.raises(NoLog, match="no shop 'shoes'"):
        the_shop(tmp_path, "shoes")
    write_events(tmp_path, rows_of("v", [Did(DAY, "page_view")], "shoes"), "other")
    assert the_shop(tmp_path, "shoes") == "shoes"
    with pytest.raises(NoLog, match="2 shops"):
        the_shop(tmp_path, "")


def test_a_shop_without_events_before_the_end_is_refused(lake: Path) -> None:
    with pytest.raises(NoLog, match="no events before"):
        open_log(lake, "s", 1000)
