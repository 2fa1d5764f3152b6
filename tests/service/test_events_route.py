"""POST /v1/events on a running service."""

import json
import time
from uuid import uuid4

import pytest
import redis

from features.events import Row
from features.record import pack, unpack
from features.tail import tail_of
from service import stream
from tests.service.shop import SHOP, Running


def visitor() -> str:
    return f"v-{uuid4().hex}"


def stored(live: Running, visitor_id: str) -> bytes:
    p = stream.partition(visitor_id, live.shop.settings.partitions)
    assert live.shop.settings.redis_url is not None
    with redis.Redis.from_url(live.shop.settings.redis_url) as client:
        found: bytes = client.get(stream.tail_key(p, SHOP, visitor_id)) or b""
    return found


def streamed(live: Running, visitor_id: str) -> list[Row]:
    p = stream.partition(visitor_id, live.shop.settings.partitions)
    assert live.shop.settings.redis_url is not None
    with redis.Redis.from_url(live.shop.settings.redis_url) as client:
        entries = [stream.decode(fields) for _, fields in client.xrange(stream.log_key(p))]
    rows = [row for entry in entries if isinstance(entry, stream.EventEntry) for row in entry.rows]
    return [row for row in rows if row.visitor_id == visitor_id]


def test_an_acknowledged_event_is_in_the_tail_and_in_the_stream(live: Running) -> None:
    who = visitor()
    event = {"event": "add_to_cart", "event_id": "e1", "visitor_id": who, "items": [{"item_id": "a", "price": 2.5}]}
    answer = live.call.post("/v1/events", json=event)
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1})
    (row,) = streamed(live, who)
    assert (row.event, row.item_id, row.price, row.event_id) == ("add_to_cart", "a", 2.5, "e1")
    assert stored(live, who) == pack([row]).tobytes()


def test_an_event_sent_twice_counts_once(live: Running) -> None:
    who = visitor()
    event = {"event": "view_item", "event_id": "same", "visitor_id": who, "item_id": "a", "ts": int(time.time() * 1e3)}
    assert [live.call.post("/v1/events", json=event).status_code for _ in range(2)] == [202, 202]
    assert tail_of(stored(live, who)).size == 1


def test_the_good_events_of_a_batch_are_stored_and_the_others_listed(live: Running) -> None:
    who = visitor()
    events = [
        {"event": "page_view", "visitor_id": who},
        {"event": "add_to_crat", "visitor_id": who},
        {"event": "login", "visitor_id": who, "price": -1},
        {"event": "login"},
        {"event": "search", "visitor_id": who, "search_term": "boots"},
    ]
    answer = live.call.post("/v1/events", json={"events": events})
    assert answer.status_code == 202
    told = answer.json()
    assert told["accepted"] == 2
    assert [(r["index"], r["code"], r["pointer"]) for r in told["rejected"]] == [
        (1, "unknown_event", "/events/1/event"),
        (2, "invalid_field", "/events/2/price"),
        (3, "invalid_field", "/events/3/visitor_id"),
    ]
    assert "add_to_cart" in told["rejected"][0]["detail"]
    assert [row.event for row in streamed(live, who)] == ["page_view", "search"]


def test_a_batch_without_a_good_event_is_refused(live: Running) -> None:
    answer = live.call.post("/v1/events", json={"events": [{"event": "nope", "visitor_id": visitor()}]})
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_event")
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("ago_s", "code"), [(-3600, "event_from_future"), (100 * 86_400, "event_too_old"), (-60, ""), (86_400, "")]
)
def test_an_event_outside_the_window_is_refused_by_name(live: Running, ago_s: int, code: str) -> None:
    ts = int((time.time() - ago_s) * 1000)
    answer = live.call.post("/v1/events", json={"event": "login", "visitor_id": visitor(), "ts": ts})
    assert answer.json().get("code", "") == code
    assert answer.status_code == (422 if code else 202)


def test_seconds_for_milliseconds_are_recognised(live: Running) -> None:
    answer = live.call.post("/v1/events", json={"event": "login", "visitor_id": "v", "ts": int(time.time())})
    assert "milliseconds" in answer.json()["detail"]


def test_a_replay_states_its_clock(live: Running) -> None:
    who, clock = visitor(), 1_430_000_000_000
    event = {"event": "view_item", "visitor_id": who, "item_id": "a", "ts": clock - 5, "event_id": "e"}
    answer = live.secret.post("/v1/events", json={"events": [event], "clock_ms": clock})
    assert answer.status_code == 202
    (row,) = streamed(live, who)
    assert (row.ts_ms, row.received_ms) == (clock - 5, clock)


def test_a_browser_may_not_state_a_clock(live: Running) -> None:
    answer = live.call.post("/v1/events", json={"event": "login", "visitor_id": "v", "clock_ms": 5})
    assert (answer.status_code, answer.json()["code"]) == (403, "clock_not_allowed")


def test_a_custom_event_needs_the_policy(live: Running) -> None:
    who = visitor()
    named = {"event": "size_guide", "visitor_id": who}
    assert live.call.post("/v1/events", json=named).status_code == 202
    assert live.call.post("/v1/events", json={**named, "event": "custom", "name": "size_guide"}).status_code == 202
    assert [(row.event, row.name) for row in streamed(live, who)] == [("custom", "size_guide")] * 2
    assert (
        live.call.post("/v1/events", json={**named, "event": "custom", "name": "x"}).json()["code"] == "unknown_event"
    )


def test_without_consent_to_analytics_nothing_is_stored(live: Running) -> None:
    who = visitor()
    answer = live.call.post("/v1/events", json={"event": "login", "visitor_id": who, "consent": ["marketing"]})
    assert (answer.status_code, answer.json()) == (202, {"accepted": 0, "not_stored": 1})
    assert not stored(live, who)
    assert not streamed(live, who)


def test_a_batch_may_hold_several_visitors(live: Running) -> None:
    people = [visitor() for _ in range(5)]
    batch = {"events": [{"event": "page_view", "visitor_id": who} for who in people for _ in range(3)]}
    assert live.call.post("/v1/events", json=batch).json() == {"accepted": 15}
    assert [unpack(stored(live, who)).size for who in people] == [3] * 5


def test_a_beacon_is_taken(live: Running) -> None:
    body = json.dumps({"event": "leave", "visitor_id": visitor()})
    answer = live.anyone.post(
        f"/v1/events?key={live.shop.publishable}", content=body, headers={"content-type": "text/plain"}
    )
    assert answer.status_code == 202


def test_an_outcome_without_its_message_is_refused_and_one_of_an_unknown_message_taken(live: Running) -> None:
    who = visitor()
    shown = {"event": "view_promotion", "visitor_id": who}
    answer = live.call.post("/v1/events", json=shown)
    assert (answer.status_code, answer.json()["code"], answer.json()["pointer"]) == (422, "invalid_field", "/action")
    assert live.call.post("/v1/events", json={**shown, "promotion_id": "of last week"}).status_code == 202
    assert [row.action for row in streamed(live, who)] == ["of last week"]


def test_half_a_surrogate_pair_is_malformed(live: Running) -> None:
    body = rb'{"event":"login","visitor_id":"\ud800"}'
    problem = live.call.post("/v1/events", content=body, headers={"content-type": "application/json"}).json()
    assert problem["code"] == "malformed_json"
    assert "surrogate" in problem["detail"]
