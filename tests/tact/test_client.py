"""The Python client against a running service, and the page that needs no script."""

import importlib.util
import io
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import uuid4

import pytest

from tact import client
from tact.client import Refused, Tact, Unavailable
from tests.service.shop import Running, make_shop, running
from tests.support import PATIENCE_S

EXAMPLE = Path(__file__).parents[2] / "examples" / "server_rendering" / "app.py"
AT = "product.badge"


@pytest.fixture(scope="module")
def live(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(make_shop(tmp_path_factory.mktemp("shop"), redis_url)) as service:
        yield service


@pytest.fixture
def tact(live: Running) -> Tact:
    return Tact(live.url, live.shop.secret, timeout_s=PATIENCE_S)


def kinds(live: Running, visitor_id: str) -> list[str]:
    return [record["kind"] for record in live.secret.get(f"/v1/visitors/{visitor_id}").json()["tail"]]


def test_it_needs_nothing_but_the_standard_library() -> None:
    imported = {
        line.split()[1].split(".")[0] for line in Path(client.__file__).read_text().splitlines() if _imports(line)
    }
    assert imported <= sys.stdlib_module_names


def _imports(line: str) -> bool:
    return line.startswith(("import ", "from "))


def test_a_decision_its_outcome_and_its_why(live: Running, tact: Tact) -> None:
    who = f"v-{uuid4().hex}"
    answer = tact.decide(who, [AT, "global.chat"], {"page_type": "product", "item_id": "item-1"})
    message = answer.message(AT)
    assert message is not None
    assert (message["action"], message["content"]["title"]) == ("returns", "30 days to return")
    assert answer.message("global.chat") is None
    assert tact.outcome("view_promotion", who, answer, AT) == 1
    assert tact.outcome("view_promotion", who, answer, "global.chat") == 0
    assert kinds(live, who) == ["view_item", "view_promotion"]
    live.wait(lambda: live.secret.get(f"/v1/decisions/{answer.decision_id}").status_code == 200)
    assert tact.why(answer.decision_id)["placements"][AT]["action"] == "returns"


def test_more_events_than_fit_one_request_are_sent_in_several(live: Running, tact: Tact) -> None:
    events = [{"event": "view_item", "visitor_id": f"v-{n}", "item_id": "item-1"} for n in range(230)]
    assert tact.send(events) == 230
    assert tact.send([]) == 0


def test_catalog_and_stock(tact: Tact) -> None:
    assert (
        tact.put_items([{"item_id": "boot", "title": "Boot", "price": 9.5}, {"item_id": "sock", "title": "Sock"}])[
            "accepted"
        ]
        == 2
    )
    assert tact.put_stock([{"item_id": "boot", "store": "Gent", "stock": 2}])["accepted"] == 1


def test_a_preview_s_address(tact: Tact) -> None:
    assert "https://shop.example/p?tact_preview=" in tact.preview(AT, "returns", "https://shop.example/p")


def test_a_decision_never_raises(live: Running) -> None:
    for broken in (
        Tact(live.url, "sk_wrong"),
        Tact("http://127.0.0.1:1", "sk_x"),
        Tact("http://nowhere.invalid", "sk_x"),
    ):
        answer = broken.decide("v", [AT])
        assert answer.message(AT) is None
        assert answer.problem


ANSWERS = {
    "no http": b"hello\r\n\r\n",
    "a body cut short": b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"placements":',
    "a refusal cut short": b'HTTP/1.1 503 Gone\r\nContent-Length: 500\r\n\r\n{"a":',
    "a list": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n[1]",
    "null": b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnull",
    "a page of a proxy": b"HTTP/1.1 502 Bad\r\nContent-Length: 6\r\n\r\n<html>",
    "a header without end": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
    "nothing": b"",
}


@contextmanager
def answering(said: bytes, pause_s: float = 0.0) -> Iterator[str]:
    """A server that says this to whoever comes, byte by byte where it pauses."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    caller, _ = listening.accept()
                    with caller, suppress(OSError):
                        caller.recv(65_536)
                        for piece in (said[at : at + 1] for at in range(len(said))) if pause_s else (said,):
                            caller.sendall(piece)
                            time.sleep(pause_s)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.parametrize("what", ANSWERS)
def test_whatever_stands_at_the_address_a_decision_is_silence_and_the_rest_says_so(what: str) -> None:
    with answering(ANSWERS[what]) as url:
        answer = Tact(url, "sk_x").decide("v", [AT])
        assert answer.message(AT) is None
        assert answer.problem
        with pytest.raises((Refused, Unavailable)):
            Tact(url, "sk_x").send([{"event": "page_view", "visitor_id": "v"}])


@pytest.mark.parametrize("status", [b"200 OK", b"503 Gone"])
def test_a_body_that_trickles_in_is_not_waited_for(status: bytes) -> None:
    head = b"HTTP/1.1 " + status + b"\r\nContent-Length: 1500\r\n\r\n"
    with answering(head + b" " * 1500, 0.01) as url:
        began_s = time.monotonic()
        assert Tact(url, "sk_x", timeout_s=0.3).decide("v", [AT]).problem
        assert time.monotonic() - began_s < 10  # the body alone would take fifteen seconds


def test_what_is_no_address_and_what_is_no_json_do_not_break_a_page(tact: Tact) -> None:
    for address in ("nonsense", "http://127.0.0.1:abc", "http://127.0.0.1:1/a b"):
        assert Tact(address, "sk_x").decide("v", [AT]).problem
    assert tact.decide("v", [AT], {"price": Decimal("9.95")}).problem
    assert client.Answer({"placements": None}).message(AT) is None
    assert client.Answer({"placements": {AT: ["?"]}}).message(AT) is None
    with pytest.raises(Refused, match="unknown_decision"):
        tact.why("no such decision", "an action")


def test_the_other_calls_say_what_is_wrong(live: Running, tact: Tact) -> None:
    with pytest.raises(Refused, match="422 unknown_event") as refused:
        tact.send([{"event": "dance", "visitor_id": "v"}])
    assert (refused.value.status, refused.value.code) == (422, "unknown_event")
    with pytest.raises(Unavailable):
        Tact("http://127.0.0.1:1", "sk_x").send([{"event": "page_view", "visitor_id": "v"}])


def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("server_rendering", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.PLACEMENT, module.ITEM = AT, "item-1"  # type: ignore[attr-defined]
    return module


def ask(app: Any, path: str, query: str = "", cookie: str = "", method: str = "GET") -> tuple[str, dict[str, str], str]:
    got: list[Any] = []
    environ = {
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "HTTP_COOKIE": cookie,
        "REQUEST_METHOD": method,
        "wsgi.input": io.BytesIO(),
    }
    body = b"".join(app(environ, lambda status, headers: got.append((status, dict(headers)))))
    return got[0][0], got[0][1], body.decode()


def test_the_page_without_a_script_shows_and_tells(live: Running, tact: Tact) -> None:
    app, who = example().app(tact), f"v-{uuid4().hex}"
    status, headers, page = ask(app, "/", cookie=f"visitor={who}")
    assert status == "200 OK"
    assert "30 days to return" in page
    assert "<script" not in page
    assert headers["Set-Cookie"].startswith(f"visitor={who};")
    about = page.split('action="/no?', 1)[1].split('"', 1)[0].replace("&amp;", "&")
    assert ask(app, "/no", about, f"visitor={who}", "POST")[1]["Location"] == "/"
    assert ask(app, "/go", f"{about}&to=/terms", f"visitor={who}")[1]["Location"] == "/terms"
    for elsewhere in ("//evil.example", "/%5Cevil.example", "/%0D%0ASet-Cookie:%20a=b", "https://evil.example"):
        assert ask(app, "/go", f"{about}&to={elsewhere}", "visitor=nobody")[1]["Location"] == "/"
    assert kinds(live, who) == [
        "view_item",
        "view_promotion",
        "dismiss_promotion",
        "select_promotion",
    ]


def test_the_page_without_a_script_is_there_also_without_tact() -> None:
    status, _, page = ask(example().app(Tact("http://127.0.0.1:1", "sk_x")), "/")
    assert status == "200 OK"
    assert "<h1>A tent</h1>" in page
    assert "<aside" not in page
