"""POST /v1/decisions on a running service, and what can be asked afterwards."""

import json
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from service.wire import LATEST_MS
from tests.service.shop import POLICY, Running, make_shop, running
from tests.service.test_events_route import stored, streamed


def visitor() -> str:
    return f"v-{uuid4().hex}"


PRODUCT = {"page_type": "product", "item_id": "item-1"}


def test_a_decision_fills_the_placements_asked_for(live: Running) -> None:
    answer = live.decide(visitor_id=visitor(), placements=["product.recs", "product.badge"], context=PRODUCT)
    assert set(answer["placements"]) == {"product.badge", "product.recs"}
    assert answer["stage"]["name"] == "evaluation"
    assert set(answer["intent"]) == {"buy", "cart", "leave", "help"}
    assert answer["degraded"] is False
    assert answer["bundle"]
    assert answer["policy"]


@pytest.mark.parametrize(
    ("context", "event", "item", "query"),
    [
        ({"page_type": "product", "item_id": "a"}, "view_item", "a", ""),
        ({"page_type": "cart"}, "view_cart", "", ""),
        ({"page_type": "list"}, "view_item_list", "", ""),
        ({"page_type": "search", "search_term": "boots"}, "search", "", "boots"),
        ({"page_type": "product"}, "page_view", "", ""),
        ({"page_type": "home"}, "page_view", "", ""),
        ({}, "page_view", "", ""),
    ],
)
def test_a_page_is_an_event(live: Running, context: dict[str, Any], event: str, item: str, query: str) -> None:
    who = visitor()
    answer = live.decide(visitor_id=who, context=context)
    (row,) = streamed(live, who)
    assert (row.event, row.item_id, row.query, row.event_id) == (event, item, query, answer["decision_id"])


def test_events_that_are_given_take_the_place_of_the_page(live: Running) -> None:
    who = visitor()
    live.decide(visitor_id=who, user_id="u", context=PRODUCT, events=[{"event": "login"}, {"event": "view_cart"}])
    rows = streamed(live, who)
    assert [(row.event, row.user_id, row.page_type) for row in rows] == [("login", "u", ""), ("view_cart", "u", "")]


def test_no_events_append_nothing(live: Running) -> None:
    who = visitor()
    live.decide(visitor_id=who, events=[])
    assert not stored(live, who)


def test_an_event_of_another_visitor_is_refused(live: Running) -> None:
    body = {"visitor_id": "a", "placements": ["product.badge"], "events": [{"event": "login", "visitor_id": "b"}]}
    answer = live.call.post("/v1/decisions", json=body)
    assert (answer.status_code, answer.json()["pointer"]) == (422, "/events/0/visitor_id")


def test_an_unknown_placement_is_refused_with_those_there_are(live: Running) -> None:
    answer = live.call.post("/v1/decisions", json={"visitor_id": "v", "placements": ["product.badge", "home.hero"]})
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["pointer"]) == (422, "unknown_placement", "/placements/1")
    assert "product.recs" in problem["detail"]
    assert problem["unknown"] == ["home.hero"]


def test_all_unknown_placements_are_named_in_one_refusal(live: Running) -> None:
    asked = ["x.one", "product.badge", "x.two"]
    answer = live.call.post("/v1/decisions", json={"visitor_id": "v", "placements": asked})
    problem = answer.json()
    assert (answer.status_code, problem["pointer"]) == (422, "/placements/0")
    assert problem["unknown"] == ["x.one", "x.two"]
    assert "`x.one`, `x.two`" in problem["detail"]


def test_recommendations_follow_from_the_page_and_leave_it_out(live: Running) -> None:
    for _ in range(20):  # the exploration floor leaves silence a chance
        placed = live.decide(visitor_id=visitor(), placements=["product.recs"], context=PRODUCT)["placements"]
        if placed["product.recs"]["action"]:
            break
    items = [item["item_id"] for item in placed["product.recs"]["items"]]
    assert items[:2] == ["item-2", "item-3"]
    assert "item-1" not in items


def test_without_personalization_products_follow_from_this_page_alone(live: Running) -> None:
    who = visitor()
    earlier = {"page_type": "product", "item_id": "item-4"}
    live.decide(visitor_id=who, context=earlier)
    led: dict[str, set[str | None]] = {}
    for consent in ("analytics", "personalization"):
        for _ in range(20):  # the exploration floor leaves silence a chance
            asked = {"visitor_id": who, "placements": ["product.recs"], "events": []}
            placed = live.decide(**asked, context={**PRODUCT, "consent": ["analytics", consent]})["placements"]
            led.setdefault(consent, set()).update(i["because"] for i in placed["product.recs"].get("items", []))
    assert "item-4" in led["personalization"]
    assert led["analytics"] <= {"item-1", None} and "item-1" in led["analytics"]


def test_a_rule_sees_what_the_visitor_did_before(live: Running) -> None:
    who = visitor()

    def gate() -> str:
        decided = live.decide(visitor_id=who, placements=["global.chat"], context=PRODUCT)
        why = live.secret.get(f"/v1/decisions/{decided['decision_id']}/why").json()
        (candidate,) = why["placements"]["global.chat"]["candidates"]
        return str(candidate.get("gate", ""))

    assert [gate(), gate()] == ["rule", ""]  # the rule wants two product views in the session


def test_a_receipt_replays_to_the_same_bytes(live: Running) -> None:
    who = visitor()
    for _ in range(5):
        body = {"visitor_id": who, "placements": ["product.badge", "product.recs"], "context": PRODUCT}
        sent = live.call.post("/v1/decisions", json=body)
        replay = live.secret.post(f"/v1/decisions/{sent.json()['decision_id']}/replay").json()
        assert replay["identical"], replay["differs"]
        assert json.loads(sent.content) == replay["answer"]


def test_a_receipt_holds_what_the_decision_was_made_from(live: Running) -> None:
    who = visitor()
    live.secret.put(f"/v1/visitors/{who}", json={"attributes": {"tier": "gold"}})
    decided = live.decide(visitor_id=who, context=PRODUCT)
    receipt = live.secret.get(f"/v1/decisions/{decided['decision_id']}").json()
    assert receipt["inputs"]["attributes"] == {"tier": "gold"}
    assert receipt["visitor_id"] == who
    assert receipt["answer"] == decided


def test_why_not_names_the_gate(live: Running) -> None:
    decided = live.decide(visitor_id=visitor(), placements=["global.chat"])
    why = live.secret.get(f"/v1/decisions/{decided['decision_id']}/why", params={"action": "may_we_help"}).json()
    assert why["placements"][0]["gate"] == "rule"
    unknown = live.secret.get(f"/v1/decisions/{decided['decision_id']}/why", params={"action": "nope"})
    assert (unknown.status_code, unknown.json()["code"]) == (422, "unknown_action")


@pytest.mark.parametrize("decision_id", ["nope", "01M81MPD6XXJSRPKV7Y29FHN1J-12", "x-99999", "-07", "01M81MPD6X-é7"])
def test_a_decision_that_never_was_is_not_found(live: Running, decision_id: str) -> None:
    answer = live.secret.get(f"/v1/decisions/{decision_id}")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_decision")


def test_a_receipt_needs_the_secret_key(live: Running) -> None:
    decided = live.decide(visitor_id=visitor())
    answer = live.call.get(f"/v1/decisions/{decided['decision_id']}")
    assert (answer.status_code, answer.json()["code"]) == (403, "secret_key_needed")


def test_without_analytics_nothing_is_kept_of_a_decision(live: Running) -> None:
    who = visitor()
    decided = live.decide(visitor_id=who, context={**PRODUCT, "consent": ["personalization"]})
    assert decided["degraded"] is False
    assert not stored(live, who)
    assert live.secret.get(f"/v1/decisions/{decided['decision_id']}").status_code == 404


def test_without_personalization_only_this_page_is_looked_at(live: Running) -> None:
    who = visitor()
    live.secret.put(f"/v1/visitors/{who}", json={"attributes": {"tier": "gold"}})
    for _ in range(3):
        live.decide(visitor_id=who, context=PRODUCT)
    decided = live.decide(visitor_id=who, context={**PRODUCT, "consent": ["analytics"]})
    assert decided["degraded"] is False
    receipt = live.secret.get(f"/v1/decisions/{decided['decision_id']}").json()
    assert receipt["inputs"]["attributes"] == {}
    (own,) = [row for row in streamed(live, who) if row.event_id == decided["decision_id"]]
    assert own.event == "view_item"
    tail = len(receipt["inputs"]["tail"]) * 3 // 4 // 32  # base64 of 32-byte records
    assert tail == 1


def test_a_replay_decides_at_its_own_clock(live: Running) -> None:
    clock = 1_430_000_000_000
    body = {"visitor_id": visitor(), "placements": ["product.badge"], "clock_ms": clock}
    answer = live.secret.post("/v1/decisions", json=body)
    assert answer.status_code == 200
    receipt = live.secret.get(f"/v1/decisions/{answer.json()['decision_id']}").json()
    assert receipt["ts_ms"] == clock
    assert live.call.post("/v1/decisions", json=body).json()["code"] == "clock_not_allowed"


def test_decision_ids_sort_by_time(live: Running) -> None:
    first = live.decide(visitor_id=visitor())["decision_id"]
    time.sleep(0.002)
    assert first < live.decide(visitor_id=visitor())["decision_id"]


def chats(live: Running, **context: Any) -> int:
    """How many of five visitors with two product views are offered the chat; exploration leaves silence 1 %."""
    views = [{"event": "view_item", "item_id": "a"}] * 2
    asked = (
        live.decide(visitor_id=visitor(), placements=["global.chat"], context=context, events=views) for _ in range(5)
    )
    return sum(answer["placements"]["global.chat"]["action"] == "may_we_help" for answer in asked)


def test_what_interrupts_comes_only_where_a_no_to_it_is_remembered(live: Running) -> None:
    assert chats(live, consent=["analytics"]) > 0
    assert chats(live, consent=["personalization"]) == 0
    assert chats(live, consent=[], dismissed=[]) > 0
    assert chats(live, consent=[], dismissed=["may_we_help"]) == 0


def test_a_no_in_the_request_is_in_the_receipt(live: Running) -> None:
    decided = live.decide(visitor_id=visitor(), placements=["global.chat"], context={"dismissed": ["may_we_help"]})
    path = f"/v1/decisions/{decided['decision_id']}"
    assert live.secret.get(path).json()["inputs"]["context"]["dismissed"] == ["may_we_help"]
    assert live.secret.post(f"{path}/replay").json()["identical"] is True


@pytest.mark.parametrize("clock", [0, LATEST_MS])
def test_every_clock_that_is_taken_can_be_decided_at(redis_url: str, home: Path, clock: int) -> None:
    days = "weekdays: [mon, tue, wed, thu, fri, sat, sun]"
    timed = f"    ttl_s: 86400\n    schedule: {{{days}, timezone: Pacific/Kiritimati}}\n"
    west = "timezone: America/Los_Angeles\nlocales:"
    policy = POLICY.replace("    fallback: true\n", timed).replace("locales:", west, 1)
    with running(make_shop(home, redis_url, policy=policy)) as own:
        body = {"visitor_id": visitor(), "placements": ["product.badge"], "clock_ms": clock}
        given = [{"event": "view_item", "item_id": "a", "ts": clock}]
        for _ in range(3):
            answer = own.secret.post("/v1/decisions", json={**body, "events": given})
            assert answer.status_code == 200
            assert answer.json()["degraded"] is False
        late = own.secret.post("/v1/decisions", json={**body, "clock_ms": LATEST_MS + 1})
        assert (late.status_code, late.json()["pointer"]) == (422, "/clock_ms")
