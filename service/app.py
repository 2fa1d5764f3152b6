"""The composition root: settings to an application."""

import logging
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from service import openapi
from service.auth import Cors
from service.core import Clock, Service, clock_ms, open_service
from service.embedded import running_url
from service.errors import Problem, StoreUnavailable, answer_error
from service.hot import Hot, HotRoute
from service.routes import (
    about,
    catalog,
    console,
    decisions,
    events,
    health,
    preview,
    prompts,
    shop,
    switches,
    visitors,
    web,
)
from service.settings import Settings

LEVEL: Final = logging.INFO


class NoStore(RuntimeError):
    """There is no Redis to talk to."""


class _App(FastAPI):
    """FastAPI behind what answers the two busy addresses itself."""

    front: Hot

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        await self.front(scope, receive, send)

    async def behind(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The framework's own way."""
        await super().__call__(scope, receive, send)


def create_app(settings: Settings, now_ms: Clock = clock_ms) -> FastAPI:
    """The service on a Redis that runs already. Raises NoStore if there is none to be found."""
    url = settings.redis_url or running_url(settings.home / "valkey")
    if url is None:
        raise NoStore("no server for the visitors' state: set REDIS_URL, or start everything with `tact serve`")
    service = open_service(url, settings, now_ms)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await service.start()
        try:
            yield
        finally:
            await service.stop()

    app = _App(title=openapi.TITLE, version=openapi.API_VERSION, lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.service, app.state.metrics = service, service.metrics
    for kind in (Problem, StoreUnavailable, HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(kind, answer_error)
    app.add_middleware(Cors, keys=lambda: service.watcher.keys)
    app.front = Hot(
        app.behind,
        routes={"/v1/decisions": HotRoute(service.decider.decide, 200), "/v1/events": events.hot_route(service)},
        keys=lambda: service.watcher.keys,
        metrics=service.metrics,
        limit=settings.max_body_bytes,
    )
    _add_routes(app, service)
    openapi.install(app)
    return app


def app_from_env() -> FastAPI:
    """The application of this process's environment, for `uvicorn --factory`."""
    configure_logs()
    return create_app(Settings.load(os.environ))


def configure_logs() -> None:
    """One JSON object a line on standard error."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVEL),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _add_routes(app: FastAPI, service: Service) -> None:
    app.router.routes.extend([*decisions.routes(service), *events.routes(service)])
    for module in (decisions, catalog, visitors, switches, preview, health, prompts, about, console, web, shop):
        app.include_router(module.router(service))
