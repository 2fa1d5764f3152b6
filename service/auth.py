"""Who is calling: the API key of a request, what it opens, and from which pages a browser may use it.

A key comes as `Authorization: Bearer KEY` or `X-Tact-Key: KEY`; a publishable one also as `?key=`, for what cannot set
headers (sendBeacon, EventSource). A secret key in an address would end up in logs: it is refused there.
"""

from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import Problem
from service.keys import ANY_ORIGIN, START, Access, Keys

PREFLIGHT_S: Final = 600
_ALLOWED: Final = {
    "access-control-allow-methods": "GET, POST, OPTIONS",
    "access-control-allow-headers": "authorization, content-type, x-tact-key, last-event-id",
    "access-control-max-age": str(PREFLIGHT_S),
}


def access_of(request: Request, keys: Keys) -> Access:
    """What the request's key opens. Raises Problem: missing_key, unknown_key, origin_not_allowed."""
    token = _token(request)
    access = keys.check(token)
    if access is None:
        raise Problem("unknown_key", f"No key of this install starts with {token[:7]!r}.")
    origin = request.headers.get("origin")
    if origin and access.kind == "publishable" and not (access.allows(origin.lower()) or same_origin(request.headers)):
        raise Problem("origin_not_allowed", f"The key is not bound to {origin}.")
    return access


def secret_access_of(request: Request, keys: Keys) -> Access:
    """As access_of; raises Problem secret_key_needed for a publishable key."""
    access = access_of(request, keys)
    if access.kind != "secret":
        raise Problem("secret_key_needed", "This call takes a secret key.")
    return access


def check_clock(clock_ms: int | None, access: Access) -> None:
    """Raises Problem where a publishable key states a clock."""
    if clock_ms is not None and access.kind != "secret":
        raise Problem("clock_not_allowed", "`clock_ms` came with a publishable key.", "/clock_ms")


def same_origin(headers: Headers) -> bool:
    """Whether a page of this very service is calling (the demo shop, the console)."""
    try:
        return urlsplit(headers.get("origin", "")).netloc == headers.get("host", "-")
    except ValueError:  # no address: "http://["
        return False


def allowed_anywhere(keys: Keys, origin: str) -> bool:
    """Whether any publishable key is bound to the origin: a preflight brings no key."""
    bound = {one for listed in keys.listed() if listed.kind == "publishable" for one in listed.origins}
    return ANY_ORIGIN in bound or origin.lower() in bound


def _token(request: Request) -> str:
    given = request.headers.get("authorization", "")
    scheme, _, token = given.partition(" ")
    if given and scheme.lower() != "bearer":
        raise Problem("missing_key", f"`Authorization` is {scheme!r}; it has to be `Bearer KEY`.")
    token = token.strip() or request.headers.get("x-tact-key", "")
    if token:
        return token
    token = request.query_params.get("key", "")
    if not token:
        raise Problem("missing_key", "The request brings no key.")
    if not token.startswith(START["publishable"]):
        raise Problem("missing_key", "Only a publishable key may stand in the address.")
    return token


class Cors:
    """Answers preflights and names the caller's origin, for origins that some publishable key is bound to."""

    def __init__(self, app: ASGIApp, keys: Callable[[], Keys]) -> None:
        self._app, self._keys = app, keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        extra = cors_headers(headers, self._keys())
        if not extra:
            await self._app(scope, receive, send)
            return
        if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            allowed = len(extra) > 1
            await _send_empty(send, 204 if allowed else 403, [*extra, *(_raw(_ALLOWED) if allowed else ())])
            return

        async def send_with_origin(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *extra]
            await send(message)

        await self._app(scope, receive, send_with_origin)


def cors_headers(headers: Headers, keys: Keys) -> list[tuple[bytes, bytes]]:
    """What an answer tells a browser: that it depends on the origin, and the origin if a page there may read it. Empty
    for who names none."""
    origin = headers.get("origin")
    if origin is None:
        return []
    allowed = same_origin(headers) or allowed_anywhere(keys, origin)
    return _raw({"vary": "Origin"} | ({"access-control-allow-origin": origin} if allowed else {}))


async def _send_empty(send: Send, status: int, headers: list[tuple[bytes, bytes]]) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def _raw(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
