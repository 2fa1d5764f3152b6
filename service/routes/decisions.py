"""POST /v1/decisions, and what can be asked of a decision afterwards: its receipt, why, and the same again."""

import asyncio
from datetime import UTC, datetime

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from service.auth import access_of, secret_access_of
from service.body import json_response, read_json_body
from service.core import Service
from service.errors import Problem
from service.explain import as_json, made_ms, replayed, why


def routes(service: Service) -> list[Route]:
    """The hot route: a plain Starlette route, described for OpenAPI in service/openapi.py."""

    async def post_decisions(request: Request) -> Response:
        access = access_of(request, service.watcher.keys)
        body = await read_json_body(request, service.settings.max_body_bytes)
        return json_response(await service.decider.decide(body, access))

    return [Route("/v1/decisions", post_decisions, methods=["POST"])]


def router(service: Service) -> APIRouter:
    """Receipts: a secret key is needed, for they hold what a visitor did."""
    paths = APIRouter(prefix="/v1/decisions", tags=["decisions"])

    @paths.get("/{decision_id}", summary="A decision's receipt")
    async def get_receipt(decision_id: str, request: Request) -> Response:
        """Everything the decision was made from, and what it was."""
        shop = secret_access_of(request, service.watcher.keys).shop
        return json_response(await asyncio.to_thread(as_json, await find_receipt(service, shop, decision_id)))

    @paths.get("/{decision_id}/why", summary="Why this decision")
    async def get_why(decision_id: str, request: Request, action: str = "") -> Response:
        """Gates, factors and contributions; with `action`, why that one was not chosen."""
        shop = secret_access_of(request, service.watcher.keys).shop
        receipt = await find_receipt(service, shop, decision_id)
        return json_response(await asyncio.to_thread(why, service.watcher, receipt, action))

    @paths.post("/{decision_id}/replay", summary="Make the decision again")
    async def post_replay(decision_id: str, request: Request) -> Response:
        """The decision made anew from its receipt, and whether it is the same to the byte."""
        shop = secret_access_of(request, service.watcher.keys).shop
        receipt = await find_receipt(service, shop, decision_id)
        return json_response(await asyncio.to_thread(replayed, service.watcher, receipt))

    return paths


async def find_receipt(service: Service, shop: str, decision_id: str) -> bytes:
    """A receipt from the queue, Redis or the lake, whichever has it first. Raises Problem, StoreUnavailable."""
    unknown = Problem("unknown_decision", f"`{decision_id[:64]}` is no decision of this shop.")
    try:
        day = datetime.fromtimestamp(made_ms(decision_id) / 1000, UTC).strftime("%Y-%m-%d")
        found = service.receipts.find(shop, decision_id) or await service.store.receipt(shop, decision_id)
    except (ValueError, OverflowError):
        raise unknown from None
    if found is None:
        found = await asyncio.to_thread(_in_lake, service, shop, decision_id, day)
    if found is None:
        raise unknown
    return found


def _in_lake(service: Service, shop: str, decision_id: str, day: str) -> bytes | None:
    from features import lakefile  # brings in pyarrow: a worker that is never asked does not need it

    return lakefile.find_receipt(service.settings.lake, shop, decision_id, day)
