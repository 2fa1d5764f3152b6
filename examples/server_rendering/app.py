"""A page with a message that needs no script: the server asks Tact, renders the answer, and reports what happened.

    TACT_URL=http://localhost:8000 TACT_KEY=sk_… python examples/server_rendering/app.py

Shown counts when the page is sent; clicked when the link is followed, by way of /go; dismissed by a form. The visitor's
id is a cookie; a shop sets it with consent only: without it each page stands for itself.
"""

import os
import re
import secrets
from collections.abc import Callable, Iterable
from html import escape
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlencode
from wsgiref.simple_server import make_server

from tact.client import Answer, Refused, Tact, Unavailable

PLACEMENT = os.environ.get("TACT_PLACEMENT", "pdp.trust")
ITEM = os.environ.get("TACT_ITEM", "duin-2")
COOKIE = "visitor"
OWN = re.compile(r"/(?![/\\])[!-~]*")
"""A path of this site: browsers read a backslash as a slash, and a line break would begin another header."""
ID = re.compile(r"[\w.-]{1,64}", re.ASCII)
"""What is taken for an id from a cookie, which goes back into a header."""

Environ = dict[str, Any]
Start = Callable[[str, list[tuple[str, str]]], Any]


def app(tact: Tact) -> Callable[[Environ, Start], Iterable[bytes]]:
    """The WSGI application."""

    def serve(environ: Environ, start: Start) -> Iterable[bytes]:
        path, asked = environ["PATH_INFO"], _query(environ)
        visitor_id = _visitor(environ)
        if path == "/go":
            _tell(tact, "select_promotion", visitor_id, asked)
            return _away(start, asked.get("to", "/"))
        if path == "/no" and environ["REQUEST_METHOD"] == "POST":
            _tell(tact, "dismiss_promotion", visitor_id, asked)
            return _away(start, "/")
        context = {"page_type": "product", "item_id": ITEM, "locale": "en"}
        answer = tact.decide(visitor_id, [PLACEMENT], context)
        _shown(tact, visitor_id, answer)
        headers = [("Content-Type", "text/html; charset=utf-8"), ("Cache-Control", "no-store")]
        headers.append(("Set-Cookie", f"{COOKIE}={visitor_id}; Path=/; Max-Age=7776000; HttpOnly; SameSite=Lax"))
        start("200 OK", headers)
        return [page(answer).encode()]

    return serve


def page(answer: Answer) -> str:
    """The whole page. Silence is no message and no gap: the server knows before it sends."""
    message = answer.message(PLACEMENT)
    said = _message(message, answer) if message else ""
    return f"<!doctype html><html lang=en><title>A tent</title><h1>A tent</h1>{said}"


def _message(message: dict[str, Any], answer: Answer) -> str:
    about = {"decision_id": answer.decision_id, "promotion_id": message["action"], "placement": PLACEMENT}
    content = {name: escape(str(text)) for name, text in message["content"].items()}
    parts = [f"<strong>{content['title']}</strong>"] if "title" in content else []
    parts += [f"<p>{content['text']}</p>"] if "text" in content else []
    if "cta" in content and message["content"].get("url", "").startswith("/"):
        go = escape("/go?" + urlencode(about | {"to": message["content"]["url"]}))
        parts.append(f'<a href="{go}">{content["cta"]}</a>')
    no = escape("/no?" + urlencode(about))
    parts.append(f'<form method="post" action="{no}"><button>Do not show this again</button></form>')
    return f'<aside role="note">{"".join(parts)}</aside>'


def _shown(tact: Tact, visitor_id: str, answer: Answer) -> None:
    try:
        tact.outcome("view_promotion", visitor_id, answer, PLACEMENT)
    except (Refused, Unavailable):
        return  # the page goes out all the same


def _tell(tact: Tact, what: str, visitor_id: str, asked: dict[str, str]) -> None:
    about = {name: asked.get(name, "") for name in ("decision_id", "promotion_id", "placement")}
    try:
        tact.send([{"event": what, "visitor_id": visitor_id, **about}])
    except (Refused, Unavailable):
        return


def _away(start: Start, to: str) -> Iterable[bytes]:
    """Only to this site's own pages: an open redirect would serve anybody."""
    start("303 See Other", [("Location", to if OWN.fullmatch(to) else "/")])
    return [b""]


def _query(environ: Environ) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(environ.get("QUERY_STRING", "")).items()}


def _visitor(environ: Environ) -> str:
    known = SimpleCookie(environ.get("HTTP_COOKIE", "")).get(COOKIE)
    return known.value if known and ID.fullmatch(known.value) else secrets.token_hex(16)


if __name__ == "__main__":
    with make_server("127.0.0.1", 8080, app(Tact(os.environ["TACT_URL"], os.environ["TACT_KEY"]))) as server:
        print("http://127.0.0.1:8080")
        server.serve_forever()
