"""The operators' console: its one page, its files, the way in, and /console/api for what the page asks.

One HTML shell serves every view, so an address with a view, filters and ids in it can be shared. The page holds nothing
secret: what it shows comes through /console/api, which takes a session (service/console_access.py).
"""

import asyncio
import hashlib
from typing import Any, Final

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from service import console_access as access
from service.body import json_response, read_json_body
from service.console_access import Session
from service.console_calls import MOST_BODY, Calls
from service.core import Service
from service.errors import Problem
from service.lake_desk import DeskAway, ask_desk
from service.reading import read_json
from service.routes import console_decisions, console_health, console_live, console_models
from service.routes.web import CSP
from service.web.pages import HERE
from service.wire import Text

HEADERS: Final = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}
STATIC: Final = HERE / "static"
TYPES: Final = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
MOST_WAIT_S: Final = 2.0


class LoginRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of POST /console/api/login: a secret key, or a link's token."""

    key: Text = ""
    link: Text = ""


_login = msgspec.json.Decoder(LoginRequest)


def router(service: Service) -> APIRouter:
    """The page, its files and its calls; no part of the API's description."""
    paths = APIRouter(prefix="/console", include_in_schema=False)
    calls = Calls(service, paths)
    _add_way_in(calls)
    _add_lake(calls)
    for module in (console_live, console_decisions, console_health, console_models):
        module.add(calls)
    _add_files(paths)
    return paths


def _add_way_in(calls: Calls) -> None:
    service = calls.service

    @calls.paths.get("/api/session")
    async def session(request: Request) -> Response:
        """Who is logged in; shop is None for nobody: a page that asks is no intruder."""
        try:
            session = calls.session(request)
        except Problem:
            return json_response(b'{"shop":null}')
        return json_response(msgspec.json.encode(about(session)))

    def about(session: Session) -> dict[str, Any]:
        live = service.watcher.get(session.shop)
        return {
            "shop": session.shop,
            "until_ms": 1000 * session.until_s,
            "currency": live.policy.currency,
            "policy": live.policy.version if live.has_policy else None,
            "bundle": live.bundle.id if live.bundle is not None else None,
        }

    @calls.paths.post("/api/login")
    async def login(request: Request) -> Response:
        access.check_origin(request)
        asked = read_json(_login, await read_json_body(request, MOST_BODY))
        now_s = service.now_ms() / 1000
        if asked.link:
            opened = await asyncio.to_thread(
                access.use_link, service.settings.home, asked.link, service.watcher.keys, now_s
            )
        else:
            opened = _by_key(service, asked.key, now_s)
        return access.set_cookie(Response(status_code=204), request, calls.sessions.cookie_for(opened))

    @calls.paths.post("/api/logout")
    async def logout(request: Request) -> Response:
        access.check_origin(request)
        return access.set_cookie(Response(status_code=204), request, "")


def _by_key(service: Service, key: str, now_s: float) -> Session:
    """Raises Problem missing_key, unknown_key, secret_key_needed. The key is told to nobody."""
    if not key.strip():
        raise Problem("missing_key", "No key was given.")
    found = service.watcher.keys.check(key.strip())
    if found is None:
        raise Problem("unknown_key", "This is no key of this install.")
    if found.kind != "secret":
        raise Problem("secret_key_needed", "This is a publishable key (pk_…); the console takes the secret one (sk_…).")
    return Session(found.shop, key.strip()[:7], int(now_s) + access.SESSION_S)


def _add_lake(calls: Calls) -> None:
    home = calls.service.settings.home

    async def lake(session: Session, request: Request) -> Any:
        name = request.path_params["name"]
        params = dict(request.query_params)
        wait_s = _seconds(params.pop("wait_s", "0.5"))
        question = {"ask": name, "shop": session.shop, "params": params, "wait_s": wait_s}
        try:
            told = await ask_desk(home, question)
        except DeskAway as error:
            return {"state": "away", "detail": f"{error}; `tact serve` and `tact demo` run it, or `tact console`"}
        if told["state"] == "unknown":
            raise Problem("unknown_question", f"{told['detail']}.")
        return told

    calls.get("lake/{name}", lake)


def _seconds(text: str) -> float:
    """0 to MOST_WAIT_S. Raises Problem invalid_field."""
    try:
        return min(MOST_WAIT_S, max(0.0, float(text or 0)))
    except ValueError:
        raise Problem("invalid_field", f"`wait_s` is {text[:20]!r}; it has to be seconds.") from None


def _add_files(paths: APIRouter) -> None:
    files = {
        f"{folder}/{path.relative_to(STATIC / folder).as_posix()}": path
        for folder in ("console", "vendor")
        for path in sorted((STATIC / folder).rglob("*"))
        if path.suffix in TYPES
    }
    served = {name: _File(path.read_bytes(), TYPES[path.suffix]) for name, path in files.items()}

    @paths.get("/static/{name:path}")
    async def static(name: str, request: Request) -> Response:
        found = served.get(name)
        if found is None:
            raise Problem("not_found", f"There is no file {name[:100]!r}.")
        return found.answer(request)

    shell = _File((HERE / "templates" / "console.html").read_bytes(), "text/html")

    @paths.get("/api/{name:path}")
    async def no_call(name: str) -> Response:
        raise Problem("not_found", f"The console has no call {name[:100]!r}.")

    @paths.get("")
    async def home(request: Request) -> Response:
        return shell.answer(request)

    @paths.get("/{view:path}")
    async def page(view: str, request: Request) -> Response:
        return shell.answer(request)


class _File:
    """A file read at start; browsers ask again with its tag."""

    def __init__(self, body: bytes, media_type: str) -> None:
        self._body, self._type = body, media_type
        self._headers = HEADERS | {"etag": f'"{hashlib.sha256(body).hexdigest()[:16]}"'}

    def answer(self, request: Request) -> Response:
        if request.headers.get("if-none-match") == self._headers["etag"]:
            return Response(status_code=304, headers=self._headers)
        return Response(self._body, headers=self._headers, media_type=self._type)
