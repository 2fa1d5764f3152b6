"""The two busy addresses, answered before the framework: decisions and events, as plain ASGI.

What a caller may do follows from a few headers that are the same in all its requests; it is worked out by
service/auth.py once and remembered. Whatever is not plain (an unknown key, another content type, a body announced as
too large, a preflight) goes on to the application, which refuses it in the ordinary way. The routes are there, too.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service import body as bodies
from service.auth import access_of, cors_headers
from service.body import JSON_TYPES, check_type, too_large, too_slow
from service.errors import Problem, problem_of, response
from service.keys import Access, Keys
from service.metrics import Metrics

Handler = Callable[[bytes, Access], Awaitable[bytes]]
Pair = tuple[bytes, bytes]

CALLERS: Final = 4096
"""So many sets of headers are remembered; then all are forgotten."""

_TELLING: Final = frozenset({b"authorization", b"x-tact-key", b"origin", b"host", b"content-type", b"content-encoding"})
_UNSENT: Final = re.compile(rb"[\x00-\x1f\x7f]")
"""What no header holds: uvicorn refuses it, too."""

_PLAIN: Final = ((b"cache-control", b"no-store"), (b"content-type", b"application/json"))


@dataclass(frozen=True, slots=True)
class HotRoute:
    """What answers a POST. status: of a good answer."""

    handle: Handler
    status: int


@dataclass(frozen=True, slots=True)
class Caller:
    """What follows from a caller's headers. headers: those of every answer but its length; lines: the same as sent."""

    access: Access
    headers: tuple[Pair, ...]
    lines: bytes


class Hot:
    """ASGI middleware that answers some POSTs itself. keys: those in force; limit: bytes of a body."""

    def __init__(
        self, app: ASGIApp, routes: Mapping[str, HotRoute], keys: Callable[[], Keys], metrics: Metrics, limit: int
    ) -> None:
        self._app, self._routes, self._keys, self._metrics, self._limit = app, routes, keys, metrics, limit
        self._callers: dict[tuple[bytes, ...], Caller] = {}
        self._of: Keys | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        asked = self.asked(scope)
        if asked is None:
            await self._app(scope, receive, send)
            return
        route, caller = asked
        try:
            body = await route.handle(await self._body(receive), caller.access)
        except Exception as error:  # noqa: BLE001  # problem_of tells what is foreseen, and logs what is not
            await self.refuse(error, caller, scope, receive, send)
            return
        length = (b"content-length", b"%d" % len(body))
        await send({"type": "http.response.start", "status": route.status, "headers": (*caller.headers, length)})
        await send({"type": "http.response.body", "body": body})

    def asked(self, scope: Scope) -> tuple[HotRoute, Caller] | None:
        """What answers a request and who asks; None for what is not to be answered here."""
        route = self._routes.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        caller = self._caller(scope) if route is not None else None
        return None if route is None or caller is None else (route, caller)

    def _caller(self, scope: Scope) -> Caller | None:
        """Who asks; None for who is not to be answered here."""
        told: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:
            if name in _TELLING:
                told.setdefault(name, value)
            elif name == b"content-length" and not (value.isdigit() and int(value) <= self._limit):
                return None
        keys = self._keys()
        if keys is not self._of or len(self._callers) > CALLERS:
            self._of, self._callers = keys, {}
        mark = (scope["query_string"], *(part for pair in told.items() for part in pair))
        found = self._callers.get(mark)
        if found is None and (found := _caller(Request(scope), keys)) is not None:
            self._callers[mark] = found
        return found

    async def _body(self, receive: Receive) -> bytes:
        """The whole body. Raises Problem: body_too_large, request_timeout, malformed_json."""
        try:
            async with asyncio.timeout(bodies.BODY_S):
                message = await receive()
                if message["type"] == "http.request" and not message.get("more_body"):
                    return self.within(message.get("body", b""))
                return await self._rest(message, receive)
        except TimeoutError:
            raise too_slow() from None

    async def _rest(self, message: Message, receive: Receive) -> bytes:
        body = bytearray()
        while message["type"] == "http.request":
            body += message.get("body", b"")
            self.within(body)
            if not message.get("more_body"):
                return bytes(body)
            message = await receive()
        raise Problem("malformed_json", "The body ended before its end.")

    def within(self, body: bytes | bytearray) -> bytes:
        """The body. Raises Problem: body_too_large."""
        if len(body) > self._limit:
            raise too_large(self._limit)
        return body  # type: ignore[return-value]

    async def refuse(self, error: Exception, caller: Caller, scope: Scope, receive: Receive, send: Send) -> None:
        """The answer where handling ended in an error."""
        problem = problem_of(error)
        self._metrics.refused(problem.code)
        answer = response(problem)
        answer.raw_headers += [pair for pair in caller.headers if pair not in _PLAIN]
        await answer(scope, receive, send)


def _caller(request: Request, keys: Keys) -> Caller | None:
    try:
        check_type(request, JSON_TYPES)
        access = access_of(request, keys)
    except Problem:
        return None
    headers = (*_PLAIN, *cors_headers(request.headers, keys))
    if any(_UNSENT.search(part) for pair in headers for part in pair):
        return None
    return Caller(access, headers, b"".join(b"%s: %s\r\n" % pair for pair in headers))
