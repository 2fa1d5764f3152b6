"""A keep-alive HTTP/1.1 connection for sending JSON fast: asyncio, with httptools as the parser.

* Disconnected   nothing listens, the connection broke, or no answer came in time; the request may have arrived
"""

import asyncio
import ssl
from dataclasses import dataclass
from typing import Final, cast
from urllib.parse import urlsplit

import httptools

TIMEOUT_S: Final = 10.0


class Disconnected(OSError):
    """No answer to a request; whether it arrived is not known."""


class BadAddress(ValueError):
    """Not an http:// or https:// address."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer. retry_after_s: what the server asked for, None if it did not."""

    status: int
    body: bytes
    retry_after_s: float | None = None


class Connection:
    """One connection, opened when first used and again after it broke. One request at a time."""

    def __init__(self, url: str, token: str = "", timeout_s: float = TIMEOUT_S) -> None:
        """url: "http://host:port/prefix"; token: for `Authorization: Bearer`. Raises BadAddress."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadAddress(f"{url!r} is no http:// or https:// address")
        self._host = parts.hostname
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._prefix = parts.path.rstrip("/")
        host = f"[{self._host}]" if ":" in self._host else self._host
        key = f"Authorization: Bearer {token}\r\n" if token else ""
        self._headers = f"Host: {host}:{self._port}\r\n{key}Content-Type: application/json\r\nContent-Length: "
        self._timeout_s = timeout_s
        self._exchange: _Exchange | None = None

    async def post(self, path: str, body: bytes) -> Answer:
        """Send a JSON body. Raises Disconnected."""
        head = f"POST {self._prefix}{path} HTTP/1.1\r\n{self._headers}{len(body)}\r\n\r\n"
        try:
            async with asyncio.timeout(self._timeout_s):
                exchange = await self._open()
                return await exchange.send(head.encode() + body)
        except TimeoutError:
            self.close()
            raise Disconnected(f"no answer within {self._timeout_s:g} s") from None
        except Disconnected:
            self.close()
            raise
        except OSError as error:
            self.close()
            raise Disconnected(str(error)) from error

    def close(self) -> None:
        """Close the connection, if it is open."""
        if self._exchange is not None:
            self._exchange.close()
            self._exchange = None

    async def _open(self) -> "_Exchange":
        if self._exchange is None or not self._exchange.usable:
            self.close()
            loop = asyncio.get_running_loop()
            _, self._exchange = await loop.create_connection(_Exchange, self._host, self._port, ssl=self._tls)
        return self._exchange


class _Exchange(asyncio.Protocol):
    """What goes over one TCP connection: a request, then its answer."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[Answer] | None = None
        self._body: list[bytes] = []
        self._retry_after_s: float | None = None

    @property
    def usable(self) -> bool:
        """Whether the server keeps the connection open."""
        return self._transport is not None and not self._transport.is_closing()

    async def send(self, request: bytes) -> Answer:
        """Send one request and wait for its answer. Raises Disconnected."""
        if self._transport is None or not self.usable:
            raise Disconnected("the connection is closed")
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._waiting

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: connected."""
        self._transport = cast(asyncio.Transport, transport)  # by its interface: uvloop's has another base

    def data_received(self, data: bytes) -> None:
        """asyncio: a part of an answer."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(f"no HTTP: {error}")
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: gone."""
        self._fail(str(exc or "the server closed the connection"))

    def on_header(self, name: bytes, value: bytes) -> None:
        """httptools: one header."""
        if name.lower() == b"retry-after" and value.isdigit():
            self._retry_after_s = float(value)

    def on_body(self, body: bytes) -> None:
        """httptools: a part of the body."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """httptools: the answer is whole."""
        status = self._parser.get_status_code()
        if status < 200:  # 100 Continue and the like come before the answer
            return
        answer = Answer(status, b"".join(self._body), self._retry_after_s)
        keep_alive = self._parser.should_keep_alive()
        self._body, self._retry_after_s = [], None
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(answer)
        if not keep_alive:
            self.close()

    def _fail(self, why: str) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(Disconnected(why))
