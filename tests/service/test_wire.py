"""What callers may send, and what becomes of it."""

import dataclasses
import json
import math
from typing import Any

import msgspec
import pytest

from features.events import Row
from service.errors import Problem
from service.reading import invalid
from service.wire import MAX_EVENTS, read_batch, read_decision, read_event, rows_of, time_ms


def event_rows(event: dict[str, Any]) -> list[Row]:
    read = read_event(json.dumps({"visitor_id": "v", **event}).encode())
    return rows_of(read, shop="s", kind=read.event, name="", event_id="e", ts_ms=5, received_ms=6)


def refusal(body: object, read: Any = read_event) -> Problem:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(Problem) as caught:
        read(data)
    return caught.value


def test_an_event_with_items_has_a_line_for_each() -> None:
    items = [{"item_id": "a", "item_category": "c", "price": 2.5}, {"item_id": "b", "quantity": 3}]
    first, second = event_rows({"event": "purchase", "items": items, "value": 9.5, "transaction_id": "o-1"})
    assert (first.line, first.item_id, first.category, first.price, first.quantity) == (0, "a", "c", 2.5, 1)
    assert (second.line, second.item_id, second.category, second.quantity) == (1, "b", "", 3)
    assert math.isnan(second.price)
    assert first.value == second.value == 9.5
    assert first.order_id == "o-1"


def test_an_event_without_items_is_one_line_of_its_own_item() -> None:
    (row,) = event_rows({"event": "view_item", "item_id": "a", "category": "c", "price": 3})
    assert (row.item_id, row.category, row.price, row.line) == ("a", "c", 3.0, 0)


def test_a_bare_event_has_the_defaults_of_a_row() -> None:
    (row,) = event_rows({"event": "login"})
    bare = Row(shop="s", visitor_id="v", event_id="e", ts_ms=5, event="login", received_ms=6)
    assert str(dataclasses.astuple(row)) == str(dataclasses.astuple(bare))  # as text: NaN is NaN


@pytest.mark.parametrize(
    ("ga4", "field", "value"),
    [
        ({"search_term": "boots"}, "query", "boots"),
        ({"transaction_id": "o"}, "order_id", "o"),
        ({"promotion_id": "badge"}, "action", "badge"),
        ({"item_id": "a", "item_category": "shoes"}, "category", "shoes"),
    ],
)
def test_names_of_ga4_mean_the_same(ga4: dict[str, Any], field: str, value: str) -> None:
    (row,) = event_rows({"event": "search", **ga4})
    assert getattr(row, field) == value


def test_fields_of_ga4_that_are_not_kept_are_taken() -> None:
    item = {"item_id": "a", "item_name": "Boot", "item_brand": "B", "index": 3, "coupon": None, "discount": 1.5}
    (row,) = event_rows({"event": "view_item", "currency": "EUR", "tax": 2, "items": [item]})
    assert row.item_id == "a"


@pytest.mark.parametrize(
    ("event", "pointer"),
    [
        ({"event": "login", "vistor": "x"}, "/vistor"),
        ({"event": "login", "items": [{"item_id": "a", "prise": 1}]}, "/items/0/prise"),
        ({"event": "login", "price": -1}, "/price"),
        ({"event": "login", "price": "9"}, "/price"),
        ({"event": "login", "quantity": -1}, "/quantity"),
        ({"event": "login", "value": 1e13}, "/value"),
        ({"event": "login", "items": [{"price": 1}]}, "/items/0/item_id"),
        ({"event": "login", "item_id": "x" * 129}, "/item_id"),
        ({"event": "login", "query": "x" * 513}, "/query"),
        ({"event": "login", "items": [{"item_id": "a"}] * 101}, "/items"),
        ({"event": "login", "page_type": "checkuot"}, "/page_type"),
        ({"event": "login", "channel": "tv"}, "/channel"),
        ({"event": "login", "item_id": "a\u0000b"}, "/item_id"),
        ({"event": "login", "query": "a", "search_term": "b"}, "/query"),
        ({"event": "login", "item_id": "a", "items": [{"item_id": "b"}]}, "/item_id"),
        ({"event": "login", "consent": ["everything"]}, "/consent/0"),
        ({"event": ""}, "/event"),
        ({}, "/event"),
    ],
)
def test_a_field_that_is_not_valid_is_named(event: dict[str, Any], pointer: str) -> None:
    problem = refusal({"visitor_id": "v", **event})
    assert (problem.code, problem.pointer) == ("invalid_field", pointer)


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity"])
def test_a_number_that_is_none_is_refused_by_name(number: bytes) -> None:
    problem = refusal(b'{"event": "purchase", "items": [{"item_id": "a", "price": ' + number + b"}]}")
    assert (problem.code, problem.pointer) == ("invalid_field", "/items/0/price")
    assert number.decode() in problem.detail


@pytest.mark.parametrize("body", [b"", b"{", b'{"event": }', b"\xff\xfe", b'{"x":' * 100_000, b"nul"])
def test_what_is_no_json_is_malformed(body: bytes) -> None:
    assert refusal(body, read_batch).code == "malformed_json"


@pytest.mark.parametrize("body", [b"[]", b"3", b'"text"', b"null"])
def test_json_that_is_no_object_is_refused(body: bytes) -> None:
    assert refusal(body, read_batch).code == "invalid_field"


def test_a_body_is_one_event_or_a_batch_of_them() -> None:
    one = {"event": "login", "visitor_id": "v", "clock_ms": 7}
    assert [msgspec.json.decode(raw) for raw in read_batch(json.dumps(one).encode()).events] == [one]
    batch = read_batch(json.dumps({"events": [one, one], "clock_ms": 9}).encode())
    assert (len(batch.events), batch.clock_ms) == (2, 9)


def test_a_batch_holds_events_and_not_too_many() -> None:
    assert refusal({"events": []}, read_batch).code == "invalid_field"
    assert refusal({"events": [{}] * (MAX_EVENTS + 1)}, read_batch).code == "too_many_events"
    assert refusal({"events": [], "evnts": 1}, read_batch).pointer == "/evnts"


@pytest.mark.parametrize(
    ("ts", "expected"),
    [
        (1_700_000_000_123, 1_700_000_000_123),
        ("2026-01-01T00:00:00Z", 1_767_225_600_000),
        ("2026-01-01T01:00:00.250+01:00", 1_767_225_600_250),
        ("2026-01-01", 1_767_225_600_000),
        (None, 42),
    ],
)
def test_a_time_is_milliseconds_or_iso(ts: int | str | None, expected: int) -> None:
    assert time_ms(ts, 42) == expected


@pytest.mark.parametrize("ts", ["yesterday", "", "0001-01-01T00:00:00+14:00x", "2026-13-01"])
def test_a_time_that_is_none_is_refused(ts: str) -> None:
    with pytest.raises(Problem, match="ISO 8601"):
        time_ms(ts, 42)


def test_a_decision_needs_a_visitor_and_placements() -> None:
    assert refusal({"placements": ["a"]}, read_decision).pointer == "/visitor_id"
    assert refusal({"visitor_id": "v", "placements": []}, read_decision).code == "no_placements"
    assert refusal({"visitor_id": "v", "placements": ["a", "a"]}, read_decision).pointer == "/placements"
    assert refusal({"visitor_id": "v", "placements": ["a"] * 21}, read_decision).pointer == "/placements"
    wrong = {"visitor_id": "v", "placements": ["a"], "context": {"device": "fridge"}}
    assert refusal(wrong, read_decision).pointer == "/context/device"


def test_a_pointer_escapes_what_rfc_6901_wants_escaped() -> None:
    assert invalid("Object contains unknown field `a/b~c` - at `$.items[2]`").pointer == "/items/2/a~1b~0c"


@pytest.mark.parametrize("kind", ["view_promotion", "select_promotion", "dismiss_promotion"])
def test_the_outcome_of_a_message_names_the_message(kind: str) -> None:
    problem = refusal({"event": kind, "decision_id": "d", "placement": "top"})
    assert (problem.code, problem.pointer) == ("invalid_field", "/action")
    for name in ("action", "promotion_id"):
        (row,) = event_rows({"event": kind, name: "no longer in the policy"})
        assert row.action == "no longer in the policy"


@pytest.mark.parametrize(
    ("text", "byte"),
    [
        (rb"\ud800", 34),
        (rb"x\ud800x", 35),
        (rb"\udc00\ud800", 34),
        (rb"\ud83d\ude00\ud800", 46),
        (b"\xed\xa0\x80", 34),
        (rb"\\\ud800", 36),
    ],
)
def test_half_a_surrogate_pair_is_called_what_it_is(text: bytes, byte: int) -> None:
    problem = refusal(b'{"event":"login","search_term": "' + text + b'"}')
    assert (problem.code, problem.detail) == (
        "malformed_json",
        f"Half of a surrogate pair is no character (byte {byte - 1}).",
    )


def test_whole_pairs_and_text_that_looks_like_halves_are_taken() -> None:
    (row,) = event_rows({"event": "search", "search_term": "\U0001f600 \\ud800"})
    assert row.query == "\U0001f600 \\ud800"
    assert "surrogate" not in refusal(rb'{"event":"login","query":"\\ud800').detail


def test_dismissed_actions_are_taken_with_a_decision() -> None:
    def read(context: object) -> Any:
        body = {"visitor_id": "v", "placements": ["p"], "context": context}
        return read_decision(json.dumps(body).encode()).context.dismissed

    assert (read({}), read({"dismissed": []}), read({"dismissed": ["a"]})) == (None, [], ["a"])
    many = {"visitor_id": "v", "placements": ["p"], "context": {"dismissed": ["a"] * 51}}
    assert refusal(many, read_decision).pointer == "/context/dismissed"
