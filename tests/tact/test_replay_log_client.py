"""The connection that a replay sends through, against a server that says what the test wants."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from tact.http_client import Answer, BadAddress, Connection, Disconnected
from tact.log_events import Sent
from tact.log_replay import Target, replay

Respond = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(respond: Respond) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server on loopback: (its address, the requests it got, heads and bodies together)."""
    got: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
                got.append(head + await reader.readexactly(length))
                await respond(got[-1], writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            return  # the client has hung up, as some of these tests make it
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/base", got
    finally:
        listening.close()


def says(data: bytes) -> Respond:
    async def respond(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()

    return respond


OK = b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\nRetry-After: 7\r\n\r\n{}"


def test_an_answer_has_status_body_and_when_to_come_back() -> None:
    async def run() -> None:
        async with server(says(OK)) as (url, got):
            connection = Connection(url, "sk_x")
            assert await connection.post("/v1/events", b'{"a":1}') == Answer(202, b"{}", 7.0)
            assert await connection.post("/v1/events", b"") == Answer(202, b"{}", 7.0)
            connection.close()
            first = got[0].decode()
            assert first.startswith("POST /base/v1/events HTTP/1.1\r\n") and first.endswith('\r\n\r\n{"a":1}')
            assert "Authorization: Bearer sk_x\r\n" in first and "Content-Type: application/json\r\n" in first

    asyncio.run(run())


PIECES = (
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Enc",
    b"oding: chunked\r\n\r\n3\r\nabc\r\n",
    b"2\r\nde\r\n0\r\n\r\n",
)


def test_chunked_answers_and_those_in_pieces_are_put_together() -> None:
    async def respond(_: bytes, writer: asyncio.StreamWriter) -> None:
        for piece in PIECES:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.01)

    async def run() -> None:
        async with server(respond) as (url, _):
            connection = Connection(url)
            assert (await connection.post("/", b"")).body == b"abcde"
            assert (await connection.post("/", b"")).status == 200
            connection.close()

    asyncio.run(run())


def test_a_connection_that_the_server_closes_is_opened_again() -> None:
    closing = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx"

    async def run() -> None:
        async with server(says(closing)) as (url, got):
            connection = Connection(url)
            for _ in range(3):
                assert (await connection.post("/", b"")).body == b"x"
            assert len(got) == 3
            connection.close()

    asyncio.run(run())


async def _hang_up(_: bytes, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def _keep_silent(_: bytes, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(0)


@pytest.mark.parametrize("respond", [_hang_up, _keep_silent, says(b"\x00nonsense\r\n\r\n")])
def test_no_whole_answer_is_disconnected_and_the_next_request_tries_anew(respond: Respond) -> None:
    async def run() -> None:
        async with server(respond) as (url, got):
            connection = Connection(url, timeout_s=1.0)
            for _ in range(2):
                with pytest.raises(Disconnected):
                    await connection.post("/", b"")
            assert len(got) == 2
            connection.close()

    asyncio.run(run())


def test_nobody_listening_is_disconnected() -> None:
    async def run() -> None:
        async with server(says(OK)) as (url, _):
            pass
        with pytest.raises(Disconnected):
            await Connection(url).post("/", b"")

    asyncio.run(run())


@pytest.mark.parametrize("url", ["", "127.0.0.1:8000", "ftp://host", "http://"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(BadAddress):
        Connection(url)


def answers(by_path: dict[bytes, bytes]) -> Respond:
    """A server with one JSON answer for each path."""

    async def respond(request: bytes, writer: asyncio.StreamWriter) -> None:
        body = by_path[request.split(b" ")[1].removeprefix(b"/base")]
        await says(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))(request, writer)

    return respond


VIEW = Sent("v", 1_433_138_409_198, {"event": "view_item", "visitor_id": "v", "item_id": "i", "event_id": "e"}, 1)


@pytest.mark.parametrize(
    ("because", "again"), [("deadline", 1), ("store", 1), ("error", 1), ("bundle", 0), ("policy", 0)]
)
def test_the_event_of_a_decision_that_may_not_have_stored_it_is_sent_again(because: str, again: int) -> None:
    decided = b'{"degraded": true, "degraded_because": "%s", "placements": {"p": {"action": null}}}' % because.encode()

    async def run() -> None:
        async with server(answers({b"/v1/decisions": decided, b"/v1/events": b'{"accepted": 1}'})) as (url, got):
            tally = await replay([VIEW], Target(url, "k", ("p",)))
            assert (tally.acknowledged, tally.resent, tally.decisions) == (1, again, 1)
            assert dict(tally.degraded) == {because: 1} and tally.silence_share == 1.0
            paths = [request.split(b" ")[1] for request in got]
            assert paths == [b"/base/v1/decisions"] + [b"/base/v1/events"] * again
            assert all(b'"event_id":"e"' in request for request in got)

    asyncio.run(run())
