"""GET /docs and /docs/errors: the calls and the problems, for people. Where a problem's `type` leads.

Made from the OpenAPI document and the catalogue of errors; nothing is loaded from another host.
"""

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from starlette.requests import Request
from starlette.responses import Response

from service.core import Service
from service.errors import CATALOGUE, Entry

HEADERS: Final = {
    "content-security-policy": "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
STYLE: Final = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #1b1f24 }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .4rem .8rem .4rem 0; border-bottom: 1px solid #d0d7de }
tr:target { background: #fff8c5 }
code { font: .9em ui-monospace, monospace }
@media (prefers-color-scheme: dark) { body { background: #16191d; color: #e6e9ec } a { color: #8ab8ff }
  tr:target { background: #3d3617 } th, td { border-color: #3a4149 } }
"""
_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title} · Tact</title><link rel="stylesheet" href="/docs/style.css"></head>
<body><main><h1>{title}</h1>
{body}
</main></body></html>
"""
_KEYS: Final = {0: "none", 1: "secret", 3: "publishable"}
"""By the number of ways in which a call takes a key."""


def router(service: Service) -> APIRouter:
    """No key is needed; no part of the API's description."""
    paths = APIRouter(prefix="/docs", include_in_schema=False)

    @paths.get("")
    async def calls(request: Request) -> Response:
        return _html(calls_page(request.app))

    @paths.get("/errors")
    async def errors(request: Request) -> Response:
        return _html(errors_page(CATALOGUE))

    @paths.get("/style.css")
    async def style(request: Request) -> Response:
        return Response(STYLE, headers=HEADERS, media_type="text/css")

    return paths


def calls_page(app: FastAPI) -> str:
    """Every call of the OpenAPI document, as HTML."""
    described = app.openapi()
    rows = [
        (f"<code>{method.upper()} {escape(path)}</code>", _KEYS[len(call.get("security", ()))], _said(call))
        for path, item in described["paths"].items()
        for method, call in item.items()
    ]
    intro = (
        '<p>The whole description, with every field: <a href="/openapi.json">openapi.json</a>. '
        'Refusals: <a href="/docs/errors">errors</a>. Measured: <a href="/metrics">metrics</a>.</p>\n'
    )
    table = _table(("call", "key", "what it does"), (("", row) for row in rows))
    return _PAGE.format(title="The HTTP API", body=intro + table)


def errors_page(catalogue: Mapping[str, Entry]) -> str:
    """The catalogue as HTML, each code under its own fragment."""
    rows = (
        (code, (f"<code>{code}</code>", str(entry.status), escape(entry.title), escape(entry.remedy)))
        for code, entry in catalogue.items()
    )
    intro = (
        "<p>Every refusal is a problem of RFC 9457 with a <code>code</code> that never changes its meaning. "
        '<a href="/docs">The calls</a>.</p>\n'
    )
    return _PAGE.format(title="Errors", body=intro + _table(("code", "status", "title", "what to do"), rows))


def _said(call: Mapping[str, Any]) -> str:
    more = call.get("description", "")
    return f"<b>{escape(call['summary'])}.</b> {escape(more)}".rstrip()


def _table(heads: Iterable[str], rows: Iterable[tuple[str, Iterable[str]]]) -> str:
    """heads and rows: cells of HTML; each row with its id, or ""."""
    head = "".join(f"<th>{cell}</th>" for cell in heads)
    lines = [
        (f'<tr id="{name}">' if name else "<tr>") + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>"
        for name, row in rows
    ]
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n" + "\n".join(lines) + "\n</tbody></table>"


def _html(text: str) -> Response:
    return Response(text, headers=HEADERS, media_type="text/html")
