"""The console's calls about decisions: the latest as they come, one as a story, why not, the same again."""

import asyncio
import re
from typing import Any, Final

import msgspec
from starlette.requests import Request

from service.console_access import Session
from service.console_calls import Calls
from service.console_story import latest, story
from service.errors import Problem
from service.explain import replayed, why
from service.routes.decisions import find_receipt

ENTRY: Final = re.compile(r"[0-9]{1,18}-[0-9]{1,18}")
"""An id of the stream."""


def add(calls: Calls) -> None:
    """Adds the calls."""
    service = calls.service

    async def tail(session: Session, request: Request) -> Any:
        cursor = [part for part in request.query_params.get("cursor", "").split(",") if part]
        if not all(ENTRY.fullmatch(part) for part in cursor):
            raise Problem("invalid_field", "`cursor` is none that this call gave.")
        decisions, then = await latest(service.store, session.shop, cursor)
        return {"decisions": decisions, "cursor": ",".join(then), "now_ms": service.now_ms()}

    async def one(session: Session, request: Request) -> Any:
        receipt = await find_receipt(service, session.shop, request.path_params["decision_id"])
        return await asyncio.to_thread(story, service.watcher, service.watcher.get(session.shop), receipt)

    async def why_not(session: Session, request: Request) -> Any:
        receipt = await find_receipt(service, session.shop, request.path_params["decision_id"])
        action = request.query_params.get("action", "")
        return msgspec.Raw(await asyncio.to_thread(why, service.watcher, receipt, action))

    async def replay(session: Session, request: Request) -> Any:
        receipt = await find_receipt(service, session.shop, request.path_params["decision_id"])
        return msgspec.Raw(await asyncio.to_thread(replayed, service.watcher, receipt))

    calls.get("decisions/tail", tail)
    calls.get("decisions/{decision_id}", one)
    calls.get("decisions/{decision_id}/why", why_not)
    calls.post("decisions/{decision_id}/replay", replay)
