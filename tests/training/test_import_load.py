"""An import brings each event into the lake once, however often it runs; training reads it back visitor by visitor."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from features.events import CODE, SESSION_GAP_MS, Row
from features.lakefile import read_events
from features.record import pack, unpack
from features.tail import ordered
from tests.training.importing import T0, opened
from training.importers import Unreadable, load
from training.lake import load_log

LINES = [f"{T0 + i * 50_000_000},v{i % 3},{('view', 'cart', 'buy')[i % 3]},i{i % 5}\n" for i in range(12)]
TEXT = "time,visitor,event,item\n" + "".join(LINES)


def ids(lake: Path, shop: str = "s") -> list[str]:
    return [str(value) for value in read_events(lake, shop).column("event_id").to_pylist()]


def test_an_import_repeated_leaves_the_lake_as_it_was(tmp_path: Path) -> None:
    log, lake = tmp_path / "e.csv", tmp_path / "lake"
    first = load(opened(log, TEXT), log, lake)
    before = ids(lake)
    again = load(opened(log), log, lake)
    assert again.files == first.files and ids(lake) == before and len(before) == 12
    assert (first.first_ms, first.last_ms, first.shops) == (T0, T0 + 11 * 50_000_000, ("s",))


def test_the_same_events_in_another_file_are_counted_once_when_read(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    load(opened(tmp_path / "a.csv", TEXT), tmp_path / "a.csv", lake)
    more = TEXT + f"{T0 + 9},new,view,i\n"
    load(opened(tmp_path / "b.csv", more), tmp_path / "b.csv", lake)
    assert len(ids(lake)) == 13


def test_an_event_is_called_the_same_alone_and_among_others_of_all_days(tmp_path: Path) -> None:
    log, lake = tmp_path / "e.csv", tmp_path / "lake"
    load(opened(log, "time,visitor,event,item\n" + "".join(LINES[::-1])), log, lake)
    together = sorted(ids(lake))
    alone = []
    for i, line in enumerate(LINES):  # here every column is the same in all rows
        log, one = tmp_path / f"{i}.csv", tmp_path / f"lake{i}"
        load(opened(log, "time,visitor,event,item\n" + line), log, one)
        alone += ids(one)
    assert sorted(alone) == together and len(set(alone)) == 12


def test_an_import_with_a_better_mapping_replaces_the_first(tmp_path: Path) -> None:
    log, lake = tmp_path / "e.csv", tmp_path / "lake"
    load(opened(log, TEXT), log, lake)
    load(opened(log, events="view=view_item_list,cart=-"), log, lake)
    kinds = read_events(lake, "s").column("event").to_pylist()
    assert sorted(set(kinds)) == ["purchase", "view_item_list"] and len(kinds) == 8


def test_other_logs_and_shops_stay_when_one_is_imported_again(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    for name, shop in (("a", "s"), ("b", "s"), ("a", "t")):
        log = tmp_path / f"{name}.csv"
        load(opened(log, TEXT.replace(",v0", f",{name}"), shop=shop), log, lake)
    assert (len(ids(lake, "s")), len(ids(lake, "t"))) == (16, 12)  # a and b differ in the rows of one visitor


def test_a_log_that_breaks_off_is_said_and_can_be_imported_later(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    lines = [f"{T0 + i},v{rng.integers(1 << 40)},view,i{rng.integers(1 << 40)}\n" for i in range(200_000)]
    whole = gzip.compress(("time,visitor,event,item\n" + "".join(lines)).encode())
    log, lake = tmp_path / "e.csv.gz", tmp_path / "lake"
    reader = opened(log, whole[: -len(whole) // 20])
    with pytest.raises(Unreadable, match="breaks off"):
        load(reader, log, lake)
    load(opened(log, whole), log, lake)
    assert len(ids(lake)) == 200_000


def test_training_reads_each_visitor_in_the_order_of_the_tail(tmp_path: Path) -> None:
    log, lake = tmp_path / "e.csv", tmp_path / "lake"
    reader = opened(log, TEXT)
    load(reader, log, lake)
    read = load_log(lake, "s")
    assert len(read) == 12 and len(read.visitors) == 3 and read.shop == "s"
    assert read.sessions == 12  # 14 hours lie between two events of a visitor
    for place, visitor in enumerate(read.visitors):
        mine = read.records[read.visitor == place]
        assert (np.diff(mine["ts_ms"]) > 0).all()
        number = int(visitor[1:])
        assert mine["ts_ms"].tolist() == [T0 + i * 50_000_000 for i in range(12) if i % 3 == number]
    assert {read.item_ids[int(item)] for item in read.records["item"]} == {f"i{i}" for i in range(5)}
    assert (np.diff(read.session) >= 0).all() and (np.diff(read.visitor) >= 0).all()


def test_records_from_the_lake_are_those_of_the_tail(tmp_path: Path) -> None:
    """The offline path (lake, columns) and the online one (rows, bytes) end in the same bytes."""
    log, lake = tmp_path / "e.csv", tmp_path / "lake"
    text = "time,visitor,event,item,price,category\n" + "".join(line.strip() + ",9.99,shoes\n" for line in LINES)
    load(opened(log, text), log, lake)
    read = load_log(lake, "s")
    rows = [
        Row(**{**row, "price": np.nan if row["price"] is None else row["price"], "value": np.nan})
        for row in read_events(lake, "s").to_pylist()
    ]
    for place, visitor in enumerate(read.visitors):
        online = ordered(unpack(pack(row for row in rows if row.visitor_id == visitor).tobytes()))
        assert online.tobytes() == read.records[read.visitor == place].tobytes()


def test_a_session_ends_after_half_an_hour(tmp_path: Path) -> None:
    times = [T0, T0 + SESSION_GAP_MS, T0 + 2 * SESSION_GAP_MS + 1]
    text = "time,visitor,event,item\n" + "".join(f"{t},v,view,i\n" for t in times) + f"{T0},w,view,i\n"
    log = tmp_path / "e.csv"
    load(opened(log, text), log, tmp_path / "lake")
    read = load_log(tmp_path / "lake", "s")
    assert read.sessions == 3 and np.bincount(read.session).tolist() in ([2, 1, 1], [1, 2, 1])


def test_a_window_of_the_lake_and_an_empty_one(tmp_path: Path) -> None:
    log, lake = tmp_path / "e.csv", tmp_path / "lake"
    load(opened(log, TEXT), log, lake)
    second = load_log(lake, "s", since_ms=T0 + 1, until_ms=T0 + 50_000_001)
    assert second.records["kind"].tolist() == [CODE["add_to_cart"]]
    empty = load_log(lake, "nobody")
    assert len(empty) == 0 and empty.sessions == 0 and empty.visitors == () and empty.item_ids == {}
