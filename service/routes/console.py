"""The operators' console: its one page, its files, the way in, and /console/api for what the page asks.

One HTML shell serves every view, so an address with a view, filters and ids in it can be shared. The page brings
its first answers (service/console_ahead.py); they and all later ones, through /console/api, take a session
(service/console_access.py).
"""

import contextlib
from pathlib import Path
from typing import Any, Final

import msgspec
from fastapi import APIRouter
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response

from service import console_access as access
from service import console_ahead as ahead
from service.body import json_response, read_json_body
from service.console_access import Session
from service.console_ahead import TYPES, Shell
from service.console_calls import Calls
from service.console_door import MOST_LOGIN, Door
from service.core import Service
from service.errors import Problem
from service.lake_desk import DeskAway, DeskBusy, ask_desk
from service.reading import read_json
from service.routes import console_decisions, console_health, console_live, console_models
from service.routes.web import CSP, StaticFile, packed
from service.wire import Text
from service.wrong_keys import client_of

HEADERS: Final = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}
FOR_GOOD: Final = {"cache-control": "public, max-age=31536000, immutable"}
"""Of a file whose address holds the version of all of them."""
PAGE: Final = HEADERS | {"cache-control": "no-store"}
"""A page holds what its session may see."""
NOBODY: Final = {"shop": None}
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
    _add_files(calls)
    return paths


def _add_way_in(calls: Calls) -> None:
    service = calls.service

    @calls.paths.get("/api/session")
    async def session(request: Request) -> Response:
        """Who is logged in; shop is None for nobody: a page that asks is no intruder."""
        try:
            session = calls.session(request)
        except Problem:
            return json_response(msgspec.json.encode(NOBODY))
        return json_response(msgspec.json.encode(about_session(service, session)))

    door = Door(service)

    @calls.paths.post("/api/login")
    async def login(request: Request) -> Response:
        access.check_origin(request)
        asked = read_json(_login, await read_json_body(request, MOST_LOGIN))
        client = client_of(request.client.host if request.client else "")
        opened = await door.by_link(client, asked.link) if asked.link else door.by_key(client, asked.key.strip())
        return access.set_cookie(Response(status_code=204), request, calls.sessions.cookie_for(opened))

    @calls.paths.post("/api/logout")
    async def logout(request: Request) -> Response:
        access.check_origin(request)
        return access.set_cookie(Response(status_code=204), request, "")


def about_session(service: Service, session: Session) -> dict[str, Any]:
    """What a page is told of its session."""
    live = service.watcher.get(session.shop)
    return {
        "shop": session.shop,
        "until_ms": 1000 * session.until_s,
        "currency": live.policy.currency,
        "policy": live.policy.version if live.has_policy else None,
        "bundle": live.bundle.id if live.bundle is not None else None,
    }


def _add_lake(calls: Calls) -> None:
    home = calls.service.settings.home

    async def lake(session: Session, request: Request) -> Any:
        name = request.path_params["name"]
        params = dict(request.query_params)
        wait_s = _seconds(params.pop("wait_s", "0.5"))
        question = {"ask": name, "shop": session.shop, "params": params, "wait_s": wait_s}
        try:
            told = await ask_desk(home, question)
        except DeskBusy:
            return {"state": "working", "step": "waiting: this machine is busy", "share": 0.0, "elapsed_ms": 0}
        except DeskAway as error:
            return {"state": "away", "detail": f"{error}; tact serve and tact demo run it, or tact console"}
        if told["state"] == "unknown":
            raise Problem("unknown_question", f"{told['detail']}.")
        return told

    calls.get("lake/{name}", lake)


async def _warm(home: Path, shop: str) -> None:
    """Has the part begin what the other views ask first."""
    with contextlib.suppress(DeskAway):
        await ask_desk(home, {"ask": "warm", "shop": shop})


def _seconds(text: str) -> float:
    """0 to MOST_WAIT_S. Raises Problem invalid_field."""
    try:
        return min(MOST_WAIT_S, max(0.0, float(text or 0)))
    except ValueError:
        raise Problem("invalid_field", f"`wait_s` is {text[:20]!r}; it has to be seconds.") from None


def _add_files(calls: Calls) -> None:
    paths, shell = calls.paths, Shell()
    served = {name: StaticFile(body, TYPES[Path(name).suffix]) for name, body in shell.files.items()}

    @paths.get("/static/{name:path}")
    async def static(name: str, request: Request) -> Response:
        version, _, rest = name.partition("/")
        found = served.get(name) or served.get(rest)
        if found is None:
            raise Problem("not_found", f"There is no file {name[:100]!r}.")
        return found.answer(request, HEADERS | (FOR_GOOD if version == shell.version else {}))

    @paths.get("/api/{name:path}")
    async def no_call(name: str) -> Response:
        raise Problem("not_found", f"The console has no call {name[:100]!r}.")

    @paths.get("")
    async def home(request: Request) -> Response:
        return await page("", request)

    @paths.get("/{view:path}")
    async def page(view: str, request: Request) -> Response:
        query = dict(request.query_params)
        try:
            session = calls.session(request)
        except Problem:
            return await packed(shell.page(view, query, {"session": NOBODY, "answers": []}), request, PAGE)
        told = await ahead.answers(calls.asked, session, view, query)
        about = about_session(calls.service, session)
        answer = await packed(shell.page(view, query, {"session": about, "answers": told}), request, PAGE)
        answer.background = BackgroundTask(_warm, calls.service.settings.home, session.shop)
        return answer
