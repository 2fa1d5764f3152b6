"""PUT, GET and DELETE of /v1/visitors/{id}: attributes from a CRM, export, erasure."""

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from service.auth import secret_access_of
from service.body import json_response, read_json_body
from service.core import Service


def router(service: Service) -> APIRouter:
    """A secret key is needed. An id may hold slashes: a shop's ids are not ours to forbid."""
    paths = APIRouter(prefix="/v1/visitors", tags=["visitors"])

    @paths.put("/{visitor_id:path}", summary="Set attributes")
    async def put_visitor(visitor_id: str, request: Request) -> Response:
        """`{"attributes": {...}}`: text, number or boolean; null removes one; what is not named stays."""
        shop = secret_access_of(request, service.watcher.keys).shop
        body = await read_json_body(request, service.settings.max_body_bytes)
        attributes = await service.privacy.put(shop, visitor_id, body)
        return json_response(msgspec.json.encode({"visitor_id": visitor_id, "attributes": attributes}))

    @paths.get("/{visitor_id:path}", summary="Export everything kept of a visitor")
    async def get_visitor(visitor_id: str, request: Request) -> Response:
        """Attributes, tail, receipts, and the lake's events and decisions."""
        shop = secret_access_of(request, service.watcher.keys).shop
        return json_response(await service.privacy.export(shop, visitor_id))

    @paths.delete("/{visitor_id:path}", summary="Forget a visitor")
    async def delete_visitor(visitor_id: str, request: Request) -> Response:
        """Tail, attributes and receipts go at once, the lake follows. Twice is harmless."""
        shop = secret_access_of(request, service.watcher.keys).shop
        return json_response(await service.privacy.erase(shop, visitor_id))

    return paths
