"""An answer's head and body in one write: uvicorn writes them one after the other, which is two calls to the kernel,
two packets, and two times that the other end is woken up for one answer.

What is written during one turn of the event loop leaves together at its end, so a stream of events is not held up.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


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
    """uvicorn's protocol on a transport that gathers."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A caller has connected."""
        super().connection_made(Gathered(transport, self.loop.call_soon))  # type: ignore[arg-type]
