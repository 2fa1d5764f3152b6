"""GET, PUT and DELETE of /v1/switches: stop an action, a placement or the whole shop within a second, and start it."""

import asyncio
from typing import Final

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from service import audit
from service.auth import secret_access_of
from service.body import json_response, read_json_body
from service.core import Service
from service.switchboard import check_target, read_switch

MOST_CHARS: Final = 100
"""Of a target: no id is longer."""

API: Final = "secret key"
"""Who did it, where the request does not say."""


def router(service: Service) -> APIRouter:
    """A secret key is needed. A target is `shop`, `placement:ID` or `action:ID`."""
    paths = APIRouter(prefix="/v1/switches", tags=["switches"])

    @paths.get("", summary="What is switched by hand")
    async def get_switches(request: Request) -> Response:
        """`{target: state}`; what is not there follows the policy's file."""
        shop = secret_access_of(request, service.watcher.keys).shop
        return json_response(msgspec.json.encode(dict(await service.switches.read(shop))))

    @paths.put("/{target}", summary="Stop, teach or start something")
    async def put_switch(target: str, request: Request) -> Response:
        """`{"state": "stopped" | "apprentice" | "live", "who"?, "why"?}`. Holds on every worker within a second."""
        access = secret_access_of(request, service.watcher.keys)
        asked = read_switch(await read_json_body(request, service.settings.max_body_bytes))
        check_target(target, service.watcher.get(access.shop).policy, asked.state)
        before = await service.switches.set(access.shop, target, asked.state)
        await _done(service, access.shop, asked.who or API, target, before, asked.state, asked.why)
        return json_response(msgspec.json.encode({"target": target, "state": asked.state, "before": before or None}))

    @paths.delete("/{target}", summary="Follow the policy's file again")
    async def delete_switch(target: str, request: Request) -> Response:
        """Takes a switch away. Twice is harmless."""
        access = secret_access_of(request, service.watcher.keys)
        before = await service.switches.clear(access.shop, target[:MOST_CHARS])
        if before:
            await _done(service, access.shop, API, target, before, "", "")
        return json_response(msgspec.json.encode({"target": target, "state": None, "before": before or None}))

    return paths


async def _done(service: Service, shop: str, who: str, target: str, before: str, after: str, why: str) -> None:
    """Heeds the switch here at once and writes the audit log."""
    await service.watcher.refresh_switches()
    entry = audit.Entry(service.now_ms(), who, "switch", shop, target, before, after, why)
    await asyncio.to_thread(audit.append, service.settings.home, entry)
