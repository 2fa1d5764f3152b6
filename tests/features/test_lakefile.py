"""The lake keeps every event once, whole files only, and forgets a visitor who asks for it."""

import os
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features import lakefile
from features.events import Row
from features.lakefile import DAY_MS, EVENTS, DecisionRow

DAY = 1_433_116_800_000  # 2015-06-01T00:00Z
ROW = Row("shoes", "v1", "e1", DAY + 5, "view_item", item_id="i1", received_ms=DAY + 9)
DECISION = DecisionRow("shoes", "d1", "v1", DAY + 5, False, "b", "p", "evaluation", False, ("hero=badge",), b'{"a":1}')


def ids(table: pa.Table) -> list[str]:
    return [str(value) for value in table.column("event_id").to_pylist()]


def test_a_row_read_back_is_the_row_written(tmp_path: Path) -> None:
    row = replace(ROW, price=9.5, value=19.0, quantity=2, category="boots", query="é", order_id="o", name="n", line=3)
    lakefile.write_events(tmp_path, [row], "a")
    table = lakefile.read_events(tmp_path)
    assert table.schema.names == EVENTS.names
    assert Row(**table.to_pylist()[0]) == row


def test_an_unknown_price_is_null_in_the_lake(tmp_path: Path) -> None:
    lakefile.write_events(tmp_path, [ROW], "a")
    assert lakefile.read_events(tmp_path).column("price").to_pylist() == [None]


def test_files_lie_by_shop_and_utc_day(tmp_path: Path) -> None:
    rows = [ROW, replace(ROW, event_id="e2", ts_ms=DAY - 1), replace(ROW, event_id="e3", shop="a b/ü")]
    files = lakefile.write_events(tmp_path, rows, "n1")
    assert [str(file.relative_to(tmp_path)) for file in files] == [
        "events/shop=a%20b%2F%C3%BC/day=2015-06-01/part-n1.parquet",
        "events/shop=shoes/day=2015-05-31/part-n1.parquet",
        "events/shop=shoes/day=2015-06-01/part-n1.parquet",
    ]
    assert "shop" not in pq.read_schema(files[0]).names
    assert lakefile.shops(tmp_path) == ["a b/ü", "shoes"]
    assert lakefile.read_events(tmp_path, "a b/ü").column("shop").to_pylist() == ["a b/ü"]


def test_text_is_dictionary_encoded_in_the_file(tmp_path: Path) -> None:
    (file,) = lakefile.write_events(tmp_path, [ROW], "a")
    group = pq.ParquetFile(file).metadata.row_group(0)
    columns = {group.column(i).path_in_schema: group.column(i) for i in range(group.num_columns)}
    assert columns["visitor_id"].has_dictionary_page and not columns["event_id"].has_dictionary_page
    assert {column.compression for column in columns.values()} == {"ZSTD"}


def test_the_same_name_replaces_and_another_name_is_deduplicated(tmp_path: Path) -> None:
    first = lakefile.write_events(tmp_path, [ROW], "a")
    assert lakefile.write_events(tmp_path, [ROW], "a") == first
    lakefile.write_events(tmp_path, [ROW, replace(ROW, line=1)], "b")
    table = lakefile.read_events(tmp_path, columns=["event_id", "line"])
    assert table.to_pylist() == [{"event_id": "e1", "line": 0}, {"event_id": "e1", "line": 1}]


def test_the_copy_received_first_stays_then_the_first_file(tmp_path: Path) -> None:
    lakefile.write_events(tmp_path, [replace(ROW, item_id="late", received_ms=DAY + 50)], "a")
    lakefile.write_events(tmp_path, [replace(ROW, item_id="first", received_ms=DAY + 20)], "b")
    lakefile.write_events(tmp_path, [replace(ROW, item_id="second file", received_ms=DAY + 20)], "c")
    assert lakefile.read_events(tmp_path).column("item_id").to_pylist() == ["first"]


def test_one_event_id_in_two_shops_is_two_events(tmp_path: Path) -> None:
    lakefile.write_events(tmp_path, [ROW, replace(ROW, shop="other")], "a")
    assert len(lakefile.read_events(tmp_path)) == 2
    assert len(lakefile.read_events(tmp_path, "other")) == 1


def test_reading_is_in_order_of_time_then_event_then_line(tmp_path: Path) -> None:
    rows = [
        replace(ROW, event_id="z", ts_ms=DAY),
        replace(ROW, event_id="b", line=1),
        replace(ROW, event_id="b"),
        replace(ROW, event_id="a"),
    ]
    lakefile.write_events(tmp_path, rows[::2], "2")
    lakefile.write_events(tmp_path, rows[1::2], "1")
    table = lakefile.read_events(tmp_path)
    assert list(zip(ids(table), table.column("line").to_pylist(), strict=True)) == [
        ("z", 0),
        ("a", 0),
        ("b", 0),
        ("b", 1),
    ]


def test_a_window_includes_its_start_and_excludes_its_end(tmp_path: Path) -> None:
    times = [DAY - 1, DAY, DAY + DAY_MS - 1, DAY + DAY_MS]
    lakefile.write_events(tmp_path, [replace(ROW, event_id=str(i), ts_ms=t) for i, t in enumerate(times)], "a")
    assert ids(lakefile.read_events(tmp_path, since_ms=DAY, until_ms=DAY + DAY_MS)) == ["1", "2"]
    assert ids(lakefile.read_events(tmp_path, until_ms=DAY)) == ["0"]
    assert ids(lakefile.read_events(tmp_path, since_ms=DAY + DAY_MS)) == ["3"]


def test_days_outside_the_window_are_not_opened(tmp_path: Path) -> None:
    lakefile.write_events(tmp_path, [ROW], "a")
    (other,) = lakefile.write_events(tmp_path, [replace(ROW, ts_ms=DAY - DAY_MS)], "a")
    other.write_bytes(b"not a Parquet file")
    assert len(lakefile.read_events(tmp_path, since_ms=DAY)) == 1
    with pytest.raises(pa.ArrowInvalid):
        lakefile.read_events(tmp_path)


def test_an_empty_lake_has_no_rows_but_every_column(tmp_path: Path) -> None:
    lakefile.write_events(tmp_path / "full", [ROW], "a")
    full = lakefile.read_events(tmp_path / "full")
    empty = lakefile.read_events(tmp_path / "none")
    assert empty.schema == full.schema and len(empty) == 0
    assert lakefile.write_events(tmp_path, [], "a") == []
    assert lakefile.read_decisions(tmp_path).schema.names == lakefile.DECISIONS.names


def test_a_table_is_written_like_rows_whatever_the_order_of_its_columns(tmp_path: Path) -> None:
    table = lakefile.events_table([ROW])
    lakefile.write_events(tmp_path, table.select(table.schema.names[::-1]), "a")
    assert Row(**{**lakefile.read_events(tmp_path).to_pylist()[0], "price": ROW.price, "value": ROW.value}) == ROW


@pytest.mark.parametrize("name", ["", "a/b", "../x", "a\0b"])
def test_a_name_that_is_no_file_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="file name"):
        lakefile.write_events(tmp_path, [ROW], name)
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(file: int) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "events" / "shop=shoes" / "day=2015-06-01").mkdir(parents=True)
    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="No space"):
        lakefile.write_events(tmp_path, [ROW], "a")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_half_written_file_of_a_dead_writer_is_not_read(tmp_path: Path) -> None:
    (file,) = lakefile.write_events(tmp_path, [ROW], "a")
    file.with_name(f".{file.name}.1.tmp").write_bytes(b"half")
    assert len(lakefile.read_events(tmp_path)) == 1


def test_erasing_a_visitor_leaves_no_byte_of_theirs(tmp_path: Path) -> None:
    secret = "visitor-who-leaves"
    mine, other = replace(ROW, event_id="e2", visitor_id=secret), replace(ROW, shop="other", visitor_id=secret)
    lakefile.write_events(tmp_path, [ROW, mine, other], "a")
    lakefile.write_decisions(tmp_path, [DECISION, replace(DECISION, decision_id="d2", visitor_id=secret)], "a")
    old = tmp_path / "events" / "shop=shoes" / "day=2015-06-01" / ".part-b.parquet.1.tmp"
    old.write_text(secret)
    os.utime(old, (0, 0))
    assert lakefile.erase(tmp_path, "shoes", secret) == 2
    assert lakefile.erase(tmp_path, "shoes", secret) == 0
    assert ids(lakefile.read_events(tmp_path, "shoes")) == ["e1"]
    assert lakefile.find_receipt(tmp_path, "shoes", "d2") is None
    for path in (*tmp_path.rglob("shop=shoes/*/*"), *tmp_path.rglob("shop=shoes/*/.*")):
        assert secret.encode() not in path.read_bytes()
    assert len(lakefile.read_events(tmp_path, "other")) == 1


def test_the_last_row_of_a_file_can_be_erased(tmp_path: Path) -> None:
    lakefile.write_events(tmp_path, [ROW], "a")
    assert lakefile.erase(tmp_path, "shoes", "v1") == 1
    assert len(lakefile.read_events(tmp_path)) == 0


def test_a_receipt_is_found_with_the_right_day_a_wrong_day_or_none(tmp_path: Path) -> None:
    lakefile.write_decisions(
        tmp_path, [DECISION, replace(DECISION, decision_id="d0", ts_ms=DAY - 9, receipt=b"0")], "a"
    )
    for day in (None, "2015-05-31", "2015-06-01", "1999-01-01"):
        assert lakefile.find_receipt(tmp_path, "shoes", "d0", day) == b"0"
    assert lakefile.find_receipt(tmp_path, "shoes", "d9") is None
    assert lakefile.find_receipt(tmp_path, "nobody", "d0") is None


def test_decisions_are_read_back_once_each(tmp_path: Path) -> None:
    lakefile.write_decisions(tmp_path, [DECISION], "a")
    lakefile.write_decisions(tmp_path, [DECISION, replace(DECISION, decision_id="d0")], "b")
    read = lakefile.read_decisions(tmp_path, "shoes").to_pylist()
    assert [row["decision_id"] for row in read] == ["d0", "d1"]
    assert DecisionRow(**{**read[1], "actions": tuple(read[1]["actions"])}) == DECISION


def test_only_the_named_files_of_a_shop_are_removed(tmp_path: Path) -> None:
    lakefile.write_events(tmp_path, [ROW], "import-1-000")
    (kept,) = lakefile.write_events(tmp_path, [replace(ROW, event_id="e2")], "import-1-001")
    lakefile.write_events(tmp_path, [replace(ROW, event_id="e3")], "live")
    assert lakefile.remove_parts(tmp_path, "shoes", "import-1-", keep=[kept]) == 1
    assert ids(lakefile.read_events(tmp_path)) == ["e2", "e3"]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("ab"),
            st.sampled_from(["x", "y", "z"]),
            st.integers(0, 2),
            st.integers(0, 3),
            st.integers(0, 3),
        ),
        max_size=30,
    ),
    st.integers(1, 4),
)
def test_reading_equals_the_plain_definition(
    tmp_path_factory: pytest.TempPathFactory, events: list[tuple[str, str, int, int, int]], files: int
) -> None:
    """However rows are spread over files: first by received, file, position; sorted by time, event, line."""
    root = tmp_path_factory.mktemp("lake")
    rows = [
        Row(shop, "v", event, DAY + ts, "view_item", line=line, item_id=str(i), received_ms=received)
        for i, (shop, event, line, ts, received) in enumerate(events)
    ]
    for f in range(files):
        lakefile.write_events(root, rows[f::files], f"{f}")
    expected: dict[tuple[str, str, int], Row] = {}
    for row in sorted((row for f in range(files) for row in rows[f::files]), key=lambda row: row.received_ms):
        expected.setdefault((row.shop, row.event_id, row.line), row)
    order = sorted(expected.values(), key=lambda row: (row.ts_ms, row.event_id, row.line, row.shop))
    got = lakefile.read_events(root, columns=["shop", "event_id", "line", "ts_ms", "item_id"]).to_pylist()
    assert [(r["ts_ms"], r["event_id"], r["line"]) for r in got] == [(r.ts_ms, r.event_id, r.line) for r in order]
    assert sorted(r["item_id"] for r in got) == sorted(r.item_id for r in order)


def test_one_visitors_events_are_read_without_the_others(tmp_path):
    rows = [Row("demo", visitor, f"{visitor}{i}", 1_000 + i, "page_view") for i in range(5) for visitor in ("a", "b")]
    lakefile.write_events(tmp_path, rows, "x")
    found = lakefile.read_events(tmp_path, "demo", visitor_id="a", columns=["visitor_id", "event_id"])
    assert found.column("event_id").to_pylist() == [f"a{i}" for i in range(5)]
    assert len(lakefile.read_events(tmp_path, "demo", visitor_id="nobody")) == 0
