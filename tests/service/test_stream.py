"""The stream's entries say exactly what was written into them."""

import dataclasses
import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.events import KINDS, Row
from service import stream

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
NUMBER = st.floats(width=64)
INT32 = st.integers(-(2**31), 2**31 - 1)
MS = st.integers(0, stream.MAX_MS)


def same(left: Row, right: Row) -> bool:
    """Field by field and type by type, where unknown (NaN) equals unknown."""
    return repr(left) == repr(right)


def value_of(field: "dataclasses.Field[Any]") -> st.SearchStrategy[Any]:
    if field.name == "shop":
        return st.just("demo")
    if field.type is float:
        return NUMBER
    if field.type is int:
        return MS if field.name.endswith("_ms") else INT32
    return st.sampled_from(KINDS) if field.name == "event" else TEXT


ROWS = st.builds(Row, **{field.name: value_of(field) for field in dataclasses.fields(Row)})


@given(st.lists(ROWS, min_size=1, max_size=4))
def test_an_event_comes_back_as_it_was_encoded(rows: list[Row]) -> None:
    entry = stream.decode(stream.encode_event(rows))
    assert isinstance(entry, stream.EventEntry)
    assert len(entry.rows) == len(rows) and all(map(same, entry.rows, rows))


def test_unknown_price_travels_as_nil_and_zero_stays_zero() -> None:
    row = Row("demo", "v", "e", 1, "view_item", price=math.nan, value=0.0)
    [values] = msgspec.msgpack.decode(stream.encode_event([row])[b"v"])
    names = [field.name for field in dataclasses.fields(Row)][1:]
    assert values[names.index("price")] is None and values[names.index("value")] == 0.0


def test_an_entry_of_an_older_writer_gets_defaults_and_of_a_newer_one_is_cut() -> None:
    old = msgspec.msgpack.encode([["v", "e", 1, "view_item"]])
    full = msgspec.msgpack.decode(stream.encode_event([Row("demo", "v", "e", 1, "view_item")])[b"v"])
    new = msgspec.msgpack.encode([[*full[0], "a field of tomorrow"]])
    for payload in (old, new):
        entry = stream.decode({b"k": b"e", b"s": b"demo", b"v": payload})
        assert isinstance(entry, stream.EventEntry)
        assert same(entry.rows[0], Row("demo", "v", "e", 1, "view_item"))


@given(TEXT, MS, st.booleans(), st.booleans(), st.lists(TEXT, max_size=3), st.binary(max_size=50))
def test_a_decision_comes_back_as_it_was_encoded(
    text: str, ts_ms: int, degraded: bool, silent: bool, actions: list[str], receipt: bytes
) -> None:
    entry = stream.DecisionEntry(
        "demo", "id-01", text, ts_ms, degraded, text, "p", "s", silent, tuple(actions), receipt
    )
    assert stream.decode(stream.encode_decision(entry)) == entry


def test_an_erasure_comes_back_as_it_was_encoded() -> None:
    assert stream.decode(stream.encode_erase("demo", "vé")) == stream.EraseEntry("demo", "vé")


def line(**changes: object) -> bytes:
    values = {"visitor_id": "v", "event_id": "e", "ts_ms": 1, "event": "search", "line": 0} | changes
    return msgspec.msgpack.encode([list(values.values())])


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "field k is missing"),
        ({b"k": b"e", b"s": b"demo"}, "field v is missing"),
        ({b"k": b"q", b"s": b"demo", b"v": b""}, "kind b'q' is unknown"),
        ({b"k": b"e", b"s": b"demo", b"v": b""}, "truncated"),
        ({b"k": b"e", b"s": b"demo", b"v": b"\x90"}, "length >= 1"),
        ({b"k": b"e", b"s": b"demo", b"v": b"\xc1"}, "malformed"),
        ({b"k": b"e", b"s": b"demo", b"v": line(ts_ms="noon")}, "Expected `int`"),
        ({b"k": b"e", b"s": b"demo", b"v": line(ts_ms=-1)}, ">= 0"),
        ({b"k": b"e", b"s": b"demo", b"v": line(ts_ms=stream.MAX_MS + 1)}, "<="),
        ({b"k": b"e", b"s": b"demo", b"v": line(line=2**31)}, "<="),
        ({b"k": b"e", b"s": b"../../etc", b"v": line()}, "not a shop name"),
        ({b"k": b"e", b"s": b"\xff", b"v": line()}, "decode"),
        ({b"k": b"d", b"s": b"demo", b"v": b"{}"}, "field m is missing"),
        ({b"k": b"d", b"s": b"demo", b"v": b"{}", b"m": b"\x91\x01"}, "Expected"),
        ({b"k": b"x", b"s": b"demo", b"v": b"\xff"}, "decode"),
    ],
)
def test_a_malformed_entry_is_kept_with_its_reason(fields: dict[bytes, bytes], reason: str) -> None:
    entry = stream.decode(fields)
    assert isinstance(entry, stream.BadEntry)
    assert entry.fields == fields and reason in entry.reason
    assert stream.event_values(fields) is None


@given(st.dictionaries(st.sampled_from([b"k", b"s", b"v", b"m"]), st.binary(max_size=40)))
def test_no_bytes_make_decoding_fail(fields: dict[bytes, bytes]) -> None:
    kinds = (stream.EventEntry, stream.DecisionEntry, stream.EraseEntry, stream.BadEntry)
    assert isinstance(stream.decode(fields), kinds)


def test_a_visitors_keys_share_one_hash_tag() -> None:
    p = stream.partition("visitor", 16)
    identity = stream.decision_id(1_700_000_000_000, bytes(10), p)
    keys = [
        stream.tail_key(p, "demo", "{visitor}"),
        stream.attributes_key(p, "demo", "visitor"),
        stream.receipt_key("demo", identity),
        stream.log_key(p),
    ]
    tags = {key[key.index("{") : key.index("}") + 1] for key in keys}
    assert tags == {f"{{p{p:02d}}}"}


@given(TEXT, st.integers(1, 256))
def test_a_partition_is_in_range(visitor: str, partitions: int) -> None:
    assert 0 <= stream.partition(visitor, partitions) < partitions


@given(st.tuples(MS, MS).map(sorted), st.binary(min_size=10, max_size=10), st.integers(0, 255))
def test_decision_ids_sort_by_time_and_name_their_partition(times: list[int], random: bytes, p: int) -> None:
    early, late = (stream.decision_id(ms, random, p) for ms in times)
    assert len(early) >= 29 and early <= late and (early == late) == (times[0] == times[1])
    assert stream.partition_of(late) == p


@pytest.mark.parametrize("identity", ["", "ABC", "ABC-", "ABC-x", "ABC-7", "ABC-²²", "ABC-12345"])
def test_what_is_not_a_decision_id_is_refused(identity: str) -> None:
    with pytest.raises(ValueError, match="not a decision id"):
        stream.partition_of(identity)


def test_an_event_without_lines_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one line"):
        stream.encode_event([])


@given(st.lists(ROWS, min_size=1, max_size=4))
def test_an_events_values_are_those_of_its_rows(rows: list[Row]) -> None:
    values = stream.event_values(stream.encode_event(rows))
    assert values is not None
    known = [[None if value != value else value for value in dataclasses.astuple(row)] for row in rows]
    assert [list(line) for line in values] == known
