"""The short way to the busy addresses gives what uvicorn's own way gives, however the bytes of a request arrive."""

import json
import re
import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from service.one_write import OneWrite
from tests.service.shop import ORIGIN, Running
from tests.support import PATIENCE_S

BODY = json.dumps({"visitor_id": "wire", "placements": ["product.badge"]}).encode()


@pytest.fixture
def wire(live: Running) -> Iterator[socket.socket]:
    """A bare connection to the service."""
    at = urlsplit(live.url)
    with socket.create_connection((at.hostname, at.port), timeout=PATIENCE_S) as connection:
        yield connection


def request(live: Running, body: bytes = BODY, *more: str, key: str = "", path: str = "/v1/decisions") -> bytes:
    lines = (
        f"POST {path} HTTP/1.1",
        "Host: shop",
        "Content-Type: application/json",
        f"X-Tact-Key: {key or live.shop.publishable}",
        f"Origin: {ORIGIN}",
        f"Content-Length: {len(body)}",
        *more,
        "",
        "",
    )
    return "\r\n".join(lines).encode() + body


class Reader:
    """Reads answers one after another."""

    def __init__(self, wire: socket.socket) -> None:
        self._wire, self._left = wire, b""

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the next answer."""
        head = self._until(lambda data: b"\r\n\r\n" in data and data.index(b"\r\n\r\n") + 4)
        first, *lines = head.decode().split("\r\n")[:-2]
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        body = self._until(lambda data: len(data) >= int(headers["content-length"]) and int(headers["content-length"]))
        return int(first.split()[1]), headers, body

    def ended(self) -> bool:
        return not self._left and self._wire.recv(1) == b""

    def _until(self, end_of) -> bytes:  # type: ignore[no-untyped-def]
        while (end := end_of(self._left)) is False:
            more = self._wire.recv(1 << 16)
            assert more, "the connection ended in the middle of an answer"
            self._left += more
        found, self._left = self._left[:end], self._left[end:]
        return found


def shape(body: bytes) -> bytes:
    """An answer without what is another in each."""
    return re.sub(rb'"decision_id":"[^"]*"|"expires_at":"[^"]*"', b"", body)


def test_both_ways_answer_alike(live: Running, wire: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader(wire)
    wire.sendall(request(live))
    short = reader.answer()
    monkeypatch.setattr(OneWrite, "_start_asgi_task", OneWrite.__mro__[1]._start_asgi_task)  # type: ignore[attr-defined]
    wire.sendall(request(live))
    long = reader.answer()
    assert short[0] == long[0] == 200
    assert {k: v for k, v in short[1].items() if k != "date"} == {k: v for k, v in long[1].items() if k != "date"}
    assert shape(short[2]) == shape(long[2])


def test_requests_sent_without_waiting_are_answered_in_their_order(live: Running, wire: socket.socket) -> None:
    bodies = [json.dumps({"visitor_id": f"w{n}", "placements": ["product.badge"]}).encode() for n in range(5)]
    wrong = b'{"visitor_id": 7}'
    wire.sendall(b"".join(request(live, body) for body in (*bodies, wrong, BODY)))
    reader = Reader(wire)
    assert [reader.answer()[0] for _ in range(7)] == [200] * 5 + [422, 200]


def test_a_body_in_pieces_is_waited_for(live: Running, wire: socket.socket) -> None:
    whole = request(live)
    for piece in (whole[:20], whole[20:-30], whole[-30:-1], whole[-1:]):
        wire.sendall(piece)
        time.sleep(0.05)
    status, _, body = Reader(wire).answer()
    assert status == 200 and b'"returns"' in body


def test_a_connection_that_is_to_be_closed_is_closed_after_the_answer(live: Running, wire: socket.socket) -> None:
    wire.sendall(request(live, BODY, "Connection: close"))
    reader = Reader(wire)
    status, headers, _ = reader.answer()
    assert (status, headers["connection"]) == (200, "close") and reader.ended()


def test_whoever_asks_whether_to_go_on_is_told(live: Running, wire: socket.socket) -> None:
    whole = request(live, BODY, "Expect: 100-continue")
    wire.sendall(whole[: -len(BODY)])
    assert wire.recv(1 << 16).startswith(b"HTTP/1.1 100 ")
    wire.sendall(BODY)
    assert Reader(wire).answer()[0] == 200


@pytest.mark.parametrize(
    ("body", "key", "status", "code"),
    [
        (b"{", "", 400, "malformed_json"),
        (b"", "", 400, "malformed_json"),
        (b'{"visitor_id": "v", "placements": ["nowhere"]}', "", 422, "unknown_placement"),
        (BODY, "tpk_wrong", 401, "unknown_key"),
    ],
)
def test_what_is_refused_says_why_and_the_connection_stays(
    live: Running, wire: socket.socket, body: bytes, key: str, status: int, code: str
) -> None:
    reader = Reader(wire)
    wire.sendall(request(live, body, key=key))
    got, headers, said = reader.answer()
    assert (got, json.loads(said)["code"]) == (status, code)
    assert headers["content-type"].startswith("application/problem+json")
    wire.sendall(request(live))
    assert reader.answer()[0] == 200


def test_a_caller_who_leaves_before_the_answer_harms_nobody(live: Running) -> None:
    at = urlsplit(live.url)
    for _ in range(20):
        with socket.create_connection((at.hostname, at.port)) as leaving:
            leaving.sendall(request(live))
    assert live.decide(visitor_id="stays")["placements"]["product.badge"]["action"] == "returns"


def test_events_go_the_short_way_too(live: Running, wire: socket.socket) -> None:
    event = json.dumps({"event": "page_view", "visitor_id": "wire-e"}).encode()
    wire.sendall(request(live, event, path="/v1/events"))
    status, _, body = Reader(wire).answer()
    assert (status, json.loads(body)) == (202, {"accepted": 1})
