"""Whatever stands in a log, every row is imported or rejected with its reason; nothing is lost, nothing crashes."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.training.importing import NOW_MS, T0, Kept, brief, opened, rejects_of, rows_of
from training.importers import ImportRefused, RejectsFile
from training.importers.blocks import MAX_LINE_BYTES, cut

HEAD = "time,visitor,event,item\n"
GOOD = f"{T0},v,view,i\n"


def kept(path: Path, text: str | bytes) -> tuple[int, list[tuple[int, str, Any]]]:
    """(rows given, rejects) of a log."""
    sink = Kept()
    return len(rows_of(opened(path, text), sink)), sorted(sink.rows, key=lambda row: row[0])


def test_each_reason_is_told_with_its_line_and_the_row_as_it_stands(tmp_path: Path) -> None:
    lines = [
        f"{T0},v,view,i",
        "yesterday,v,view,i",
        f"{NOW_MS + 86_400_000},v,view,i",
        "100000000,v,view,i",
        f"{T0},,view,i",
        f"{T0},v,zig,i",
        f"{T0},v,view,{'x' * 129}",
        f"{T0},v,view,i",
        "",
        f"{T0},v,view",
        f"{T0},v,view,i,extra",
        f'{T0},v,view,"i',
        f"{T0},v,view,j",
    ]
    given_, rejects = kept(tmp_path / "e.csv", HEAD + "\n".join(lines))
    assert given_ == 2
    assert [(row, reason) for row, reason, _ in rejects] == [
        (3, "bad_time"),
        (4, "future"),
        (5, "bad_time"),
        (6, "missing_visitor"),
        (7, "unknown_event"),
        (8, "bad_id"),
        (9, "duplicate"),
        (11, "malformed_line"),
        (12, "malformed_line"),
        (13, "malformed_line"),
    ]
    assert [raw for _, _, raw in rejects] == [lines[row - 2] for row, _, _ in rejects]


def test_the_rejects_file_is_ndjson_and_goes_when_there_are_none(tmp_path: Path) -> None:
    sink = RejectsFile(tmp_path / "sub" / "r.ndjson")
    rows_of(opened(tmp_path / "e.csv", HEAD + GOOD + GOOD), sink)
    sink.close()
    assert json.loads(sink.path.read_text()) == {"row": 3, "reason": "duplicate", "raw": GOOD.strip()}
    sink = RejectsFile(tmp_path / "sub" / "r.ndjson")
    rows_of(opened(tmp_path / "e.csv", HEAD + GOOD), sink)
    sink.close()
    assert not sink.path.exists()


@pytest.mark.parametrize(
    "bad",
    [
        b"\x00\x01\x02",
        b"1433138409198,v,view,\x00",
        b"1433138409198,v,view,\xff\xfe",
        b'1433138409198,v,view,"i',
        b'1433138409198,v"x,"view,i',
        b'"""",""',
        b"a" * (MAX_LINE_BYTES * 9),
        b"1433138409198,v,view," + b"i" * 3_000_000,
        b'"' * 2001,
    ],
)
def test_a_broken_line_costs_no_other_line(tmp_path: Path, bad: bytes) -> None:
    good = [f"{T0 + i},v,view,grün\n".encode() for i in range(40)]
    data = HEAD.encode() + b"".join(good[:20]) + bad + b"\n" + b"".join(good[20:])
    given_, rejects = kept(tmp_path / "e.csv", data)
    assert given_ == 40
    assert [row for row, _, _ in rejects] == [22]


def test_quoted_fields_are_read_and_quotes_that_run_over_lines_are_malformed(tmp_path: Path) -> None:
    text = HEAD + f'{T0},"v, w","view","a ""b"""\n{T0},v,view,"one\ntwo"\n{T0},v,view,i\n'
    sink = Kept()
    rows = rows_of(opened(tmp_path / "e.csv", text), sink)
    assert brief(rows, "visitor_id", "item_id") == [("v, w", 'a "b"'), ("v", "i")]
    assert [(row, reason) for row, reason, _ in sink.rows] == [(3, "malformed_line"), (4, "malformed_line")]


def test_ids_that_the_service_would_refuse_are_refused(tmp_path: Path) -> None:
    text = HEAD + "".join(f"{T0},v,view,{item}\n" for item in ("a\x07", "a\u200b", "a\u00a0b", "ü b", "x" * 128, "😀"))
    assert kept(tmp_path / "e.csv", text)[0] == 3


def test_ndjson_that_is_none_is_malformed(tmp_path: Path) -> None:
    good = json.dumps({"time": T0, "visitor": "v", "event": "view", "item": "i"})
    given_, rejects = kept(tmp_path / "e.json", "\n".join([good, "{", "[1]", '"x"', good + ",{}", "", "{}"]))
    assert given_ == 1
    assert [(row, reason) for row, reason, _ in rejects] == [
        (2, "malformed_line"),
        (3, "malformed_line"),
        (4, "malformed_line"),
        (5, "malformed_line"),
        (7, "bad_time"),
    ]


def test_numbers_nested_values_and_nulls_in_ndjson(tmp_path: Path) -> None:
    records = [
        {"time": T0, "visitor": {"id": 7}, "event": "view", "item": 12, "price": 1.5},
        {"time": str(T0 + 1), "visitor": {"id": None}, "event": "view", "item": None},
        {"time": None, "visitor": None, "event": None},
        {"time": True, "visitor": [1], "event": {}},
    ]
    reader = opened(tmp_path / "e.json", "\n".join(map(json.dumps, records)))
    assert brief(rows_of(reader), "visitor_id", "item_id", "price") == [("7", "12", 1.5)]
    assert rejects_of(reader) == {"missing_visitor": 1, "bad_time": 2}


def test_duplicates_are_found_across_batches(tmp_path: Path) -> None:
    lines = [f"{T0 + i},v{i % 1000},view,item-{i % 7}-{'x' * 90}\n" for i in range(100_000)]
    reader = opened(tmp_path / "e.csv", HEAD + "".join([*lines, *lines[:5000], *lines[-3:]]))
    tables = list(reader.batches())
    assert len(tables) > 1
    assert reader.counts.given == 100_000 and rejects_of(reader) == {"duplicate": 5003}
    assert len(pa.concat_tables(tables).column("event_id").unique()) == 100_000


@given(st.lists(st.binary(max_size=40), max_size=30), st.integers(1, 50))
def test_blocks_are_the_lines_of_the_stream(lines: list[bytes], size: int) -> None:
    """However a stream is cut: every byte, in order, and each block begins with the line it says."""

    class Stream:
        def __init__(self) -> None:
            self.left = b"\n".join(lines)

        def read(self, size: int = -1, /) -> bytes:
            data, self.left = self.left[:size], self.left[size:]
            return data

    blocks = list(cut(Stream(), size))
    whole = b"\n".join(lines)
    assert b"".join(block.data for block in blocks) == whole
    assert all(block.data.endswith(b"\n") for block in blocks[:-1])
    at = 0
    for block in blocks:
        assert block.first == whole.count(b"\n", 0, at) + 1
        at += len(block.data)


FIELD = st.one_of(
    st.sampled_from(
        ["", str(T0), "2015-06-01 06:00:00", "view", "buy", "v", "1.5", "1,5", '"a"', '"', '""', "NULL", "\t", "é"]
    ),
    st.text(max_size=8),
)
LINE = st.one_of(
    st.lists(FIELD, min_size=1, max_size=7).map(",".join).map(str.encode),
    st.tuples(st.integers(0, 10), st.sampled_from(["view", "cart", "zig"])).map(
        lambda pair: f"{T0 + pair[0]},v,{pair[1]},i,2.5".encode()
    ),
    st.binary(max_size=20),
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(LINE, max_size=15), st.sampled_from([b"\n", b"\r\n"]), st.booleans())
def test_any_csv_is_accounted_for(tmp_path: Path, lines: list[bytes], end: bytes, clean_start: bool) -> None:
    """read = given + rejected, each reject is written, and each line that is not blank is read."""
    start = b"time,visitor,event,item,price" + end + (f"{T0},v,view,first,1".encode() + end) * clean_start
    path = tmp_path / "e.csv"
    path.write_bytes(start + end.join(lines))
    try:
        reader = opened(path)
    except ImportRefused:
        assert not clean_start or not path.read_bytes().isascii()
        return
    sink = Kept()
    rows_of(reader, sink)
    assert len(sink.rows) == reader.counts.rejects.total()
    if path.read_bytes().isascii() and b"\0" not in path.read_bytes():
        filled = [line for line in path.read_bytes().split(b"\n")[1:] if line.strip()]
        assert reader.counts.read == len(filled)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["time", "visitor", "event", "item", "price", "items", "x"]),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
                lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
                max_leaves=4,
            ),
        ),
        max_size=8,
    )
)
def test_any_ndjson_is_accounted_for(tmp_path: Path, records: list[dict[str, Any]]) -> None:
    first = {"time": T0, "visitor": "v", "event": "view", "item": "i"}
    path = tmp_path / "e.json"
    path.write_text("\n".join(json.dumps(record) for record in [first, first, first, *records]))
    try:
        reader = opened(path)
    except ImportRefused:
        return
    rows_of(reader)
    assert reader.counts.read >= 3 + len(records)


def test_a_log_whose_last_line_is_unreadable_and_without_an_end_is_accounted_for(tmp_path: Path) -> None:
    path = tmp_path / "e.csv"
    path.write_bytes(b"time,visitor,event,item,price\n" + f"{T0},v,view,first,1\n".encode() + b"\0")
    reader, sink = opened(path), Kept()
    rows_of(reader, sink)
    assert (reader.counts.read, reader.counts.rejects.total()) == (2, 1)


def test_a_carriage_return_within_a_line_does_not_shift_the_lines_after_it(tmp_path: Path) -> None:
    path = tmp_path / "e.csv"
    good = [f"{T0 + i},v,view,i{i},1".encode() for i in range(3)]
    lines = [b"time,visitor,event,item,price", good[0], b"a\rb,c", good[1], b"x\r,y", good[2], b""]
    path.write_bytes(b"\n".join(lines))
    reader, sink = opened(path), Kept()
    assert len(rows_of(reader, sink)) == 3
    assert [row[0] for row in sink.rows] == [3, 5]
