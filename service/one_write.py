"""An answer's head and body in one write: uvicorn writes them one after the other, which is two calls to the kernel,
two packets, and two times that the other end is woken up for one answer.

What is written during one turn of the event loop leaves together at its end, so a stream of events is not held up. The
two busy addresses (service/hot.py) are answered here, whole, without ASGI's messages: these cost as much as the rest of
the connection. Everything that is not plain goes uvicorn's own way: a body that is still coming, a connection that is
to be closed, an error.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from service.hot import Caller, Hot

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application


class Gathered:
    """A transport whose writes of one turn of the loop are one write."""

    __slots__ = ("_later", "_pieces", "_to")

    def __init__(self, to: asyncio.Transport, later: Callable[[Callable[[], None]], object]) -> None:
        """later: calls a function at the end of this turn, as loop.call_soon."""
        self._to, self._later = to, later
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Written at the end of this turn."""
        if not self._pieces:
            self._later(self._flush)
        self._pieces.append(data)

    def write_now(self, data: bytes) -> None:
        """Written at once, after what was written before."""
        self._flush()
        self._to.write(data)

    def close(self) -> None:
        """What was written leaves before the end."""
        self._flush()
        self._to.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._to, name)

    def _flush(self) -> None:
        if self._pieces:
            data, self._pieces = b"".join(self._pieces), []
            self._to.write(data)


class OneWrite(HttpToolsProtocol):
    """uvicorn's protocol on a transport that gathers, with a short way for what Hot answers."""

    _out: Gathered
    _told: object = None
    _default_lines = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A caller has connected."""
        self._out = Gathered(transport, self.loop.call_soon)
        self._front: Hot | None = getattr(self.app, "front", None)
        super().connection_made(self._out)  # type: ignore[arg-type]

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: "ASGI3Application") -> None:
        if self._front is None or app is not self.app:
            super()._start_asgi_task(cycle, app)
            return
        task = self.loop.create_task(self._answered(self._front, cycle, app))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _answered(self, front: Hot, cycle: RequestResponseCycle, app: "ASGI3Application") -> None:
        """The whole answer in one write, where the request is plain and here; else uvicorn's own way."""
        plain = not cycle.more_body and cycle.keep_alive and not cycle.waiting_for_100_continue
        asked = front.asked(cycle.scope) if plain and not self.flow.write_paused else None  # type: ignore[arg-type]
        if asked is None:
            await cycle.run_asgi(app)
            return
        route, caller = asked
        try:
            body = await route.handle(front.within(bytes(cycle.body)), caller.access)
        except Exception as error:  # noqa: BLE001  # answered as the framework would
            await cycle.run_asgi(_refusal(front, error, caller))
            return
        if cycle.keep_alive:
            self._send(cycle, route.status, caller, body)
        else:  # the server began to shut down meanwhile
            await cycle.run_asgi(_told(route.status, caller, body))

    def _send(self, cycle: RequestResponseCycle, status: int, caller: Caller, body: bytes) -> None:
        if cycle.disconnected:
            return
        default = self.server_state.default_headers
        if default is not self._told:  # made anew every second, for the date
            self._told, self._default_lines = default, b"".join(b"%s: %s\r\n" % pair for pair in default)
        length = b"content-length: %d\r\n\r\n" % len(body)
        self._out.write_now(b"".join((STATUS_LINE[status], self._default_lines, caller.lines, length, body)))
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        cycle.on_response()


def _refusal(front: Hot, error: Exception, caller: Caller) -> "ASGI3Application":
    async def refusal(scope: Scope, receive: Receive, send: Send) -> None:
        await front.refuse(error, caller, scope, receive, send)

    return refusal  # type: ignore[return-value]


def _told(status: int, caller: Caller, body: bytes) -> "ASGI3Application":
    async def told(scope: Scope, receive: Receive, send: Send) -> None:
        headers = (*caller.headers, (b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return told  # type: ignore[return-value]
