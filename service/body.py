"""Reading requests: bodies within their limit, of a type that is taken, and answers as JSON."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from service.errors import Problem

JSON_TYPES: Final = frozenset({"", "application/json", "text/plain"})
"""text/plain is what sendBeacon sends without a preflight."""

LINE_TYPES: Final = JSON_TYPES | {"application/x-ndjson", "application/ndjson", "application/jsonl"}

BODY_S: Final = 10.0
"""For the whole of a JSON body, and between two pieces of an upload."""


async def read_json_body(request: Request, limit: int) -> bytes:
    """The whole body. Raises Problem: unsupported_media_type, bodytoo_large, request_timeout.

    The limit holds while it streams in, the time for all of it: bytes that trickle in do not buy more.
    """
    check_type(request, JSON_TYPES)
    announced = request.headers.get("content-length", "0")
    if announced.isdigit() and int(announced) > limit:
        raise too_large(limit)
    try:
        async with asyncio.timeout(BODY_S):
            return await _joined(request, limit)
    except TimeoutError:
        raise too_slow() from None


async def _joined(request: Request, limit: int) -> bytes:
    chunks, size = [], 0
    async for chunk in chunks_of(request):
        size += len(chunk)
        if size > limit:
            raise too_large(limit)
        chunks.append(chunk)
    return b"".join(chunks)


async def chunks_of(request: Request) -> AsyncIterator[bytes]:
    """The body as it arrives. Raises Problem if the caller goes away before its end or sends nothing for BODY_S."""
    stream = request.stream()
    while True:
        try:
            async with asyncio.timeout(BODY_S):
                chunk = await anext(stream, None)
        except ClientDisconnect:
            raise Problem("malformed_json", "The body ended before its end.") from None
        except TimeoutError:
            raise too_slow() from None
        if chunk is None:
            return
        yield chunk


def check_type(request: Request, taken: frozenset[str]) -> None:
    """Raises Problem unsupported_media_type."""
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given not in taken:
        raise Problem("unsupported_media_type", f"`{given}` is none of {', '.join(sorted(taken - {''}))}.")
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise Problem("unsupported_media_type", f"The body is encoded ({encoding}).")


def json_response(body: bytes, status: int = 200) -> Response:
    """A JSON answer that nobody keeps."""
    return Response(body, status, {"cache-control": "no-store"}, media_type="application/json")


def too_large(limit: int) -> Problem:
    """The problem of a body over the limit."""
    return Problem("body_too_large", f"The body is larger than {limit:,} bytes.")


def too_slow() -> Problem:
    """The problem of a body that did not come."""
    return Problem("request_timeout", f"Within {BODY_S:g} s the body, or the next piece of an upload, did not come.")
