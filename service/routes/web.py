"""Files for browsers: the client, its parts, the demo shop's. No key is needed.

Every page has the strictest content policy that still shows it: nothing inline, nothing from elsewhere.
"""

import asyncio
import gzip
import hashlib
from collections.abc import Callable, Mapping
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from service.core import Service
from service.web.pages import HERE
from service.web.strip import strip

CSP: Final = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
HEADERS: Final = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "referrer-policy": "strict-origin-when-cross-origin",
}
STATIC: Final = {
    "/tact.js": ("tact.js", "text/javascript"),
    "/tact-adapters.js": ("tact-adapters.js", "text/javascript"),
    "/tact-preview.js": ("tact-preview.js", "text/javascript"),
    "/tact.d.ts": ("tact.d.ts", "text/plain"),
    "/tact.css": ("tact.css", "text/css"),
    "/shop/static/shop.js": ("shop.js", "text/javascript"),
    "/shop/static/journeys.js": ("journeys.js", "text/javascript"),
    "/shop/static/play.js": ("play.js", "text/javascript"),
    "/shop/static/shop.css": ("shop.css", "text/css"),
    "/shop/static/icon.svg": ("icon.svg", "image/svg+xml"),
}
"""Address to file and type."""
FILE_HEADERS: Final = HEADERS | {"cache-control": "no-cache"}
WORTH_PACKING: Final = 8_192
"""Bytes; below, the time that packing takes is longer than what it saves."""

STRIPPED: Final = frozenset({"tact.js", "tact-adapters.js", "tact-preview.js"})
"""What every page of a shop loads is sent without its comments."""


def router(service: Service) -> APIRouter:
    """The files; no part of the API's description."""
    paths = APIRouter(include_in_schema=False)
    for address, (name, media_type) in STATIC.items():
        text = (HERE / "static" / name).read_text()
        body = strip(text) if name in STRIPPED else text
        paths.add_api_route(address, _file(body.encode(), media_type), methods=["GET"])
    return paths


def html_page(text: str, status: int) -> Response:
    """A page that nobody keeps."""
    return Response(text, status, HEADERS | {"cache-control": "no-store"}, media_type="text/html")


class StaticFile:
    """A file read at start, packed once; browsers ask again with its tag."""

    def __init__(self, body: bytes, media_type: str) -> None:
        self._body, self._type = body, media_type
        self._packed = gzip.compress(body, 9, mtime=0)
        self._tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'

    def answer(self, request: Request, headers: Mapping[str, str]) -> Response:
        """With these headers, its tag, and packed for who takes that."""
        told = {"etag": self._tag, "vary": "accept-encoding", **headers}
        if request.headers.get("if-none-match") == self._tag:
            return Response(status_code=304, headers=told)
        if _takes_gzip(request):
            return Response(self._packed, headers=told | {"content-encoding": "gzip"}, media_type=self._type)
        return Response(self._body, headers=told, media_type=self._type)


async def packed(text: str, request: Request, headers: Mapping[str, str]) -> Response:
    """A page made for this request; packed where that is worth it, in a thread."""
    body = text.encode()
    if len(body) < WORTH_PACKING or not _takes_gzip(request):
        return Response(body, headers=dict(headers), media_type="text/html")
    small = await asyncio.to_thread(gzip.compress, body, 1)
    told = {**headers, "content-encoding": "gzip", "vary": "accept-encoding"}
    return Response(small, headers=told, media_type="text/html")


def _takes_gzip(request: Request) -> bool:
    return "gzip" in request.headers.get("accept-encoding", "")


def _file(body: bytes, media_type: str) -> Callable[[Request], Response]:
    """An endpoint that answers with a file."""
    file = StaticFile(body, media_type)

    def endpoint(request: Request) -> Response:
        return file.answer(request, FILE_HEADERS)

    return endpoint
