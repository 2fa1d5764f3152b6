"""Files for browsers: the client, its parts, the demo shop's. No key is needed.

Every page has the strictest content policy that still shows it: nothing inline, nothing from elsewhere.
"""

import gzip
import hashlib
from collections.abc import Callable
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


def _file(body: bytes, media_type: str) -> Callable[[Request], Response]:
    """An endpoint that answers with a file read at start, packed once; browsers ask again with its tag."""
    tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
    headers = HEADERS | {"etag": tag, "cache-control": "no-cache", "vary": "accept-encoding"}
    packed = gzip.compress(body, 9, mtime=0)

    def endpoint(request: Request) -> Response:
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(packed, headers=headers | {"content-encoding": "gzip"}, media_type=media_type)
        return Response(body, headers=headers, media_type=media_type)

    return endpoint
