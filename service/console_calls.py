"""The console's calls: each behind a session, and what changes something behind the console's own page as well."""

import re
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from service.body import json_response
from service.console_access import Session, Sessions, check_origin
from service.core import Service

MOST_BODY: Final = 2_097_152

Call = Callable[[Session, Request], Awaitable[Any]]
"""What a page may ask: from a session and its request to plain JSON. Raises Problem."""


class Calls:
    """Adds calls to a router. Each answers for the shop of its session, and for no other."""

    def __init__(self, service: Service, paths: APIRouter) -> None:
        self.service, self.paths = service, paths
        self.sessions = Sessions(service.settings.home)
        self.asked: dict[str, Call] = {}
        """What GET answers, by its path; {} for what stands in it."""

    def session(self, request: Request) -> Session:
        """Raises Problem login_needed."""
        return self.sessions.of(request, self.service.watcher.keys, self.service.now_ms() / 1000)

    def get(self, path: str, call: Call) -> None:
        """Answers GET /console/api/PATH."""
        self.asked[re.sub(r"\{[^}]*\}", "{}", path)] = call
        self._add(path, call, "GET")

    def post(self, path: str, call: Call) -> None:
        """Answers POST /console/api/PATH."""
        self._add(path, call, "POST")

    def _add(self, path: str, call: Call, method: str) -> None:
        async def endpoint(request: Request) -> Response:
            session = self.session(request)
            if method != "GET":
                check_origin(request)
            found = await call(session, request)
            return found if isinstance(found, Response) else json_response(msgspec.json.encode(found))

        self.paths.add_api_route(f"/api/{path}", endpoint, methods=[method])
