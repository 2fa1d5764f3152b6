"""The packed record: 32 bytes, the same whether packed row by row or column by column."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.events import CHANNELS, DEVICES, KINDS, PAGE_TYPES, REFERRERS, Row
from features.record import EVENT, as_dict, category16, hash64, pack, pack_columns, packed, unpack
from tests.features.journeys import row

TEXT = st.text(max_size=8)
ROWS = st.builds(
    Row,
    shop=st.just("demo"),
    visitor_id=TEXT,
    event_id=TEXT,
    ts_ms=st.integers(0, 2**42),
    event=st.sampled_from([*KINDS, "unheard_of"]),
    line=st.integers(0, 60),
    user_id=TEXT,
    item_id=TEXT,
    category=TEXT,
    price=st.floats(width=32, allow_infinity=False),
    quantity=st.integers(0, 10_000),
    value=st.floats(width=32, allow_infinity=False),
    query=TEXT,
    page_type=st.sampled_from([*PAGE_TYPES, "elsewhere"]),
    channel=st.sampled_from([*CHANNELS, "elsewhere"]),
    referrer=st.sampled_from([*REFERRERS, "elsewhere"]),
    device=st.sampled_from([*DEVICES, "watch"]),
    action=TEXT,
)


def test_a_record_is_32_bytes_little_endian():
    assert EVENT.itemsize == 32
    record = pack([row("view_item", item_id="a")])
    assert record.tobytes()[:8] == int(record["ts_ms"][0]).to_bytes(8, "little")


@given(st.lists(ROWS, max_size=20))
def test_packing_columns_equals_packing_rows(rows):
    columns = {
        name: np.array([getattr(r, name) for r in rows], object if kind is str else kind)
        for name, kind in Row.__annotations__.items()
    }
    records, kept = pack_columns(columns)
    assert records.tobytes() == pack(rows).tobytes()
    assert kept.size == records.size


@given(rows=st.lists(ROWS, max_size=4))
def test_bytes_of_rows_are_those_of_their_records(rows):
    assert packed(rows) == pack(rows).tobytes()


def test_a_price_beyond_a_float32_is_infinite():
    beyond = Row("s", "v", "e", 1, "view_item", item_id="i", price=1e300)
    assert unpack(packed([beyond]))["price"].tolist() == [math.inf]


@given(st.lists(ROWS, max_size=5), st.integers(1, 31))
def test_unpacking_gives_back_what_was_packed_and_drops_a_record_cut_at_the_front(rows, cut):
    records = pack(rows)
    assert unpack(records.tobytes()).tobytes() == records.tobytes()
    assert unpack(records.tobytes()[cut:]).tobytes() == records[1:].tobytes()


def test_hashes_are_stable_and_never_zero_for_a_text():
    assert hash64("item-1") == 0x74A8B5AD5A9DEBE4
    assert (hash64(""), category16("")) == (0, 0)
    assert all(hash64(str(i)) and category16(str(i)) for i in range(70_000))


def test_a_promotion_is_about_its_action_and_a_search_about_its_query():
    shown, searched = pack([row("view_promotion", action="chat", item_id="a"), row("search", query="boots")])
    assert (int(shown["item"]), int(searched["item"])) == (hash64("chat"), hash64("boots"))


def test_only_kinds_about_single_items_keep_their_further_lines():
    assert pack([row("purchase", line=n, item_id=str(n)) for n in range(40)]).size == 32
    assert pack([row("view_item_list", line=n, item_id=str(n)) for n in range(40)]).size == 1


def test_an_unknown_price_is_told_as_none():
    assert as_dict(pack([row("view_item", item_id="a")])[0])["price"] is None
    assert math.isclose(as_dict(pack([row("view_item", item_id="a", price=2.5)])[0])["price"], 2.5)


def test_a_row_is_taken_as_a_dataclass_and_cannot_be_changed():
    one = row("view_item", item_id="a")
    other = dataclasses.replace(one, item_id="b", line=1)
    names = [field.name for field in dataclasses.fields(Row)]
    assert names == list(Row.__struct_fields__) == list(Row.__annotations__)
    assert dataclasses.astuple(other) == tuple(getattr(other, name) for name in names)
    assert (one.item_id, other.item_id, other.event) == ("a", "b", "view_item")
    with pytest.raises(AttributeError):
        one.item_id = "c"
