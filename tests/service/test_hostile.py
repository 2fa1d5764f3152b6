"""Whatever is sent, the answer is one that is documented: never a 5xx, and a refusal always says which."""

import json
import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service import body
from service.errors import CATALOGUE
from tests.service.shop import Running
from tests.support import PATIENCE_S

CALLS = [
    ("POST", "/v1/events"),
    ("POST", "/v1/decisions"),
    ("PUT", "/v1/catalog/items"),
    ("PUT", "/v1/stock"),
    ("PUT", "/v1/visitors/v-hostile"),
]
SLOW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

numbers = st.integers() | st.floats() | st.sampled_from([2**31, 2**53, 2**63, 2**64, -(2**63), 1e308, -0.0])
texts = st.text() | st.sampled_from(
    ["", "\x00", "\ud800", "x" * 129, "{p00}", "../..", "__proto__", "\u202e", "😀" * 40]
)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
FIELDS = [
    "event",
    "visitor_id",
    "ts",
    "items",
    "price",
    "quantity",
    "events",
    "placements",
    "context",
    "clock_ms",
    "name",
]
NAMES = st.sampled_from([*FIELDS, "item_id", "user_id", "consent", "stock", "store", "stores", "attributes", "deleted"])
WELL = {"event": "view_item", "visitor_id": "v-hostile", "placements": ["product.badge"], "item_id": "a", "stock": 1}


def check(answer: httpx2.Response) -> None:
    assert answer.status_code < 500, answer.text
    assert b'"degraded_because":"error"' not in answer.content, "a defect, answered with silence"
    if answer.status_code >= 400:
        problem = answer.json()
        assert answer.headers["content-type"] == "application/problem+json"
        assert CATALOGUE[problem["code"]].status == answer.status_code
        assert problem["detail"]


@pytest.mark.parametrize(("method", "path"), CALLS)
@SLOW
@given(body=st.binary(max_size=200))
def test_bytes_of_any_kind_are_answered(live: Running, method: str, path: str, body: bytes) -> None:
    check(live.secret.request(method, path, content=body))


@pytest.mark.parametrize(("method", "path"), CALLS)
@SLOW
@given(body=st.dictionaries(NAMES, values, max_size=5), well=st.sets(st.sampled_from(sorted(WELL)), max_size=4))
def test_json_of_any_shape_is_answered(
    live: Running, method: str, path: str, body: dict[str, Any], well: set[str]
) -> None:
    given_ = {name: WELL[name] for name in well} | body
    check(live.secret.request(method, path, content=json.dumps(given_).encode("utf-8", "surrogatepass")))


@pytest.mark.parametrize("field", sorted(FIELDS))
@SLOW
@given(value=values)
def test_one_wild_field_among_good_ones_is_answered(live: Running, field: str, value: Any) -> None:
    event = {"event": "view_item", "visitor_id": "v-hostile", field: value}
    check(live.secret.post("/v1/events", content=json.dumps({"events": [event]}).encode()))
    decision = {"visitor_id": "v-hostile", "placements": ["product.recs"], field: value}
    check(live.secret.post("/v1/decisions", content=json.dumps(decision).encode()))


@pytest.mark.parametrize("path", ["/v1/decisions/{}", "/v1/decisions/{}/why", "/v1/visitors/{}", "/v1/{}"])
@SLOW
@given(name=st.text(min_size=1, max_size=140).filter(lambda text: text not in (".", "..")))
def test_an_address_of_any_kind_is_answered(live: Running, path: str, name: str) -> None:
    quoted = httpx2.QueryParams({"x": name})
    check(live.secret.get(path.format(str(quoted)[2:].replace("+", "%20"))))


@pytest.mark.parametrize("trickles", [False, True])
def test_a_body_that_does_not_come_is_given_up(live: Running, monkeypatch: pytest.MonkeyPatch, trickles: bool) -> None:
    """One that trickles in, a byte at a time, too; and the connection is not used for anything else."""
    monkeypatch.setattr(body, "BODY_S", 2.0)
    head = f"POST /v1/events HTTP/1.1\r\nHost: x\r\nX-Tact-Key: {live.shop.publishable}\r\nContent-Length: 900\r\n\r\n"
    where = urlsplit(live.url)
    with socket.create_connection((where.hostname, where.port), PATIENCE_S) as caller:
        caller.sendall(head.encode() + b"{")
        started = time.monotonic()
        while trickles and time.monotonic() < started + 0.3:
            time.sleep(0.1)
            caller.sendall(b" ")
        answer = b"".join(iter(lambda: caller.recv(65536), b""))
    assert time.monotonic() - started < 9  # it is 10 s unless a test says otherwise
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"request_timeout"' in answer


def test_an_upload_that_stops_is_given_up(live: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "BODY_S", 0.3)

    def slow() -> Iterator[bytes]:
        yield b'{"item_id": "slow", "stock": 1}\n'
        time.sleep(3)
        yield b" "

    answer = live.secret.put("/v1/stock", content=slow())
    assert (answer.status_code, answer.json()["code"]) == (408, "request_timeout")


def test_a_wild_tail_is_folded(live: Running) -> None:
    """Events that are valid each and absurd together: any order, the same time, huge numbers, unknown prices."""
    kinds = ["purchase", "view_item", "refund", "remove_from_cart", "search", "dismiss_promotion", "zero_results"]
    for start in range(0, 400, 100):
        events = [
            {
                "event": kinds[i % len(kinds)],
                "visitor_id": "v-wild",
                "promotion_id": "returns",
                "items": [{"item_id": f"i{i % 3}", "price": [0, 1e12, 0.001][i % 3], "quantity": 10**6}] * (i % 40 + 1),
                "value": 1e12,
            }
            for i in range(start, start + 100)
        ]
        assert live.call.post("/v1/events", json={"events": events}).json() == {"accepted": 100}
    answer = live.decide(visitor_id="v-wild", placements=["product.badge", "product.recs", "global.chat"])
    assert answer["degraded"] is False
    assert live.secret.post(f"/v1/decisions/{answer['decision_id']}/replay").json()["identical"] is True


@schemathesis.serializer("application/x-ndjson")
def as_line(_: object, value: object) -> bytes:
    """An upload of one line."""
    return value if isinstance(value, bytes) else json.dumps(value).encode()


def test_every_described_call_keeps_to_its_description(live: Running) -> None:
    """Requests made from the OpenAPI document itself; the endless stream is left out."""
    schema = schemathesis.openapi.from_dict(live.anyone.get("/openapi.json").json())
    found = [operation.ok() for operation in schema.get_all_operations() if operation.ok().path != "/v1/prompts"]
    assert len(found) == 18

    for operation in found:

        @settings(max_examples=15, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy())
        def call(case: schemathesis.Case) -> None:
            answer = case.call(base_url=live.url, headers={"authorization": f"Bearer {live.shop.secret}"})
            assert answer.status_code < 500, (case.method, case.path, answer.text)
            told = case.operation.definition.raw["responses"]
            family = f"{answer.status_code // 100}XX"
            assert str(answer.status_code) in told or family in told, (case.path, answer.status_code)

        call()
