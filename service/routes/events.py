"""POST /v1/events."""

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from service.auth import access_of, check_clock
from service.body import json_response, read_json_body
from service.core import Service
from service.errors import Problem, StoreUnavailable
from service.hot import HotRoute
from service.ingest import terms
from service.keys import Access
from service.wire import read_batch

_log = structlog.get_logger("tact.events")


def routes(service: Service) -> list[Route]:
    """The hot route: a plain Starlette route, described for OpenAPI in service/openapi.py."""

    hot = hot_route(service)

    async def post_events(request: Request) -> Response:
        access = access_of(request, service.watcher.keys)
        body = await read_json_body(request, service.settings.max_body_bytes)
        return json_response(await hot.handle(body, access), hot.status)

    return [Route("/v1/events", post_events, methods=["POST"])]


def hot_route(service: Service) -> HotRoute:
    """What is done with a body, whoever read it."""

    async def take(body: bytes, access: Access) -> bytes:
        batch = read_batch(body)
        check_clock(batch.clock_ms, access)
        live = service.watcher.get(access.shop)
        policy = live.policy if live.has_policy else None
        against = terms(access.shop, policy, service.now_ms(), service.settings, batch.clock_ms)
        try:
            taken = await service.ingest.take(batch, against)
        except (Problem, StoreUnavailable):
            raise
        except Exception as error:  # never a 500 here: nothing was acknowledged, so the caller may send it again
            _log.error("events_failed", shop=access.shop, exc_info=error)
            raise StoreUnavailable("the events could not be stored") from error
        return taken.as_json()

    return HotRoute(take, 202)
