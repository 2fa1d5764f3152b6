"""/v1/visitors/{id} on a running service: attributes, export, erasure."""

from uuid import uuid4

import pytest

from features import lakefile
from features.events import Row
from features.record import hash64
from service import stream
from tests.service.shop import SHOP, Running
from tests.service.test_events_route import stored


def visitor() -> str:
    return f"v-{uuid4().hex}"


def test_attributes_are_set_and_a_null_removes_one(live: Running) -> None:
    path = f"/v1/visitors/{visitor()}"
    first = live.secret.put(path, json={"attributes": {"tier": "gold", "b2b": True, "orders": 3}})
    assert first.json()["attributes"] == {"tier": "gold", "b2b": True, "orders": 3.0}
    assert live.secret.put(path, json={"attributes": {"tier": None}}).json()["attributes"] == {"b2b": True, "orders": 3}


@pytest.mark.parametrize(
    ("attributes", "pointer"),
    [({"a": []}, "/attributes"), ({"": 1}, "/attributes"), ({"a": "x" * 513}, "/attributes")],
)
def test_an_attribute_is_text_a_number_or_a_boolean(live: Running, attributes: object, pointer: str) -> None:
    answer = live.secret.put(f"/v1/visitors/{visitor()}", json={"attributes": attributes})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_field")
    assert answer.json()["pointer"].startswith(pointer)


def test_an_export_holds_everything(live: Running) -> None:
    who = visitor()
    live.secret.put(f"/v1/visitors/{who}", json={"attributes": {"tier": "gold"}})
    decided = live.decide(visitor_id=who, context={"page_type": "product", "item_id": "a"})["decision_id"]
    live.wait(lambda: decided in live.secret.get(f"/v1/visitors/{who}").json()["receipts"])
    lakefile.write_events(live.shop.settings.lake, [Row(SHOP, who, "old", 1_700_000_000_000, "login")], "test")
    kept = live.secret.get(f"/v1/visitors/{who}").json()
    assert kept["attributes"] == {"tier": "gold"}
    assert [record["kind"] for record in kept["tail"]] == ["view_item"]
    assert kept["receipts"][decided]["visitor_id"] == who
    assert [row["event_id"] for row in kept["events"]] == ["old"]


def test_nothing_is_exported_of_a_stranger(live: Running) -> None:
    answer = live.secret.get(f"/v1/visitors/{visitor()}")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_visitor")


def test_an_erased_visitor_has_left_nothing_and_the_recorder_is_told(live: Running) -> None:
    who = visitor()
    live.secret.put(f"/v1/visitors/{who}", json={"attributes": {"tier": "gold"}})
    decided = live.decide(visitor_id=who)["decision_id"]
    live.wait(lambda: decided in live.secret.get(f"/v1/visitors/{who}").json()["receipts"])
    assert live.secret.delete(f"/v1/visitors/{who}").status_code == 200
    assert live.secret.get(f"/v1/visitors/{who}").status_code == 404
    assert live.secret.get(f"/v1/decisions/{decided}").status_code == 404
    assert not stored(live, who)
    import redis

    assert live.shop.settings.redis_url is not None
    with redis.Redis.from_url(live.shop.settings.redis_url) as client:
        log = client.xrange(stream.log_key(stream.partition(who, live.shop.settings.partitions)))
    assert stream.EraseEntry(SHOP, who) in [stream.decode(fields) for _, fields in log]
    assert live.secret.delete(f"/v1/visitors/{who}").status_code == 200  # twice is harmless


@pytest.mark.parametrize("who", ["x" * 129, "a%00b"])
def test_a_visitor_id_that_is_none_is_refused(live: Running, who: str) -> None:
    for method in ("GET", "DELETE", "PUT"):
        answer = live.secret.request(method, f"/v1/visitors/{who}", json={"attributes": {}})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_field")


def test_what_a_visitor_said_no_to_is_exported_apart_from_attributes_and_erased(live: Running) -> None:
    who = visitor()
    no = {"event": "dismiss_promotion", "promotion_id": "may_we_help", "visitor_id": who, "event_id": "e"}
    assert live.call.post("/v1/events", json=no).status_code == 202
    kept = live.secret.get(f"/v1/visitors/{who}").json()
    assert kept["attributes"] == {}
    assert kept["dismissed"] == {f"{hash64('may_we_help'):016x}": kept["tail"][0]["ts_ms"]}
    assert live.secret.delete(f"/v1/visitors/{who}").status_code == 200
    assert live.secret.get(f"/v1/visitors/{who}").status_code == 404


def test_names_that_the_service_keeps_for_itself_are_refused(live: Running) -> None:
    name = f"~no:{hash64('may_we_help'):016x}"
    answer = live.secret.put(f"/v1/visitors/{visitor()}", json={"attributes": {name: 5, "tier": "gold"}})
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "invalid_field")
    assert problem["pointer"] == f"/attributes/~0{name[1:]}"
    assert name in problem["detail"]
