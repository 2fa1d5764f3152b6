"""GET /healthz, /readyz and /metrics."""

from collections.abc import Mapping
from typing import Any

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from service.body import json_response
from service.core import Service
from service.errors import StoreUnavailable
from service.metrics import CONTENT_TYPE


def router(service: Service) -> APIRouter:
    """No key is needed; nothing of a visitor is told."""
    paths = APIRouter(tags=["operation"])

    @paths.get("/healthz", summary="The process runs")
    async def healthz(request: Request) -> Response:
        """200 while the process can answer at all."""
        return json_response(b'{"status":"ok"}')

    @paths.get("/readyz", summary="The process can decide")
    async def readyz(request: Request) -> Response:
        """200 once Redis answers, the code is compiled and at least one shop has a bundle; else 503."""
        shops = service.watcher.readiness()
        missing = _without_bundle(shops)
        if not service.compiled:
            missing.append("the code is not compiled yet")
        try:
            await service.store.ping()
        except StoreUnavailable as error:
            missing.append(str(error))
        warnings = [f"{shop}: {what}" for shop, live in shops.items() for what in live["warnings"]]
        body = {
            "ready": not missing,
            "missing": missing,
            "warnings": [what for what in warnings if what not in missing],
            "refused": service.watcher.refused(),
            "shops": shops,
        }
        return json_response(msgspec.json.encode(body), 503 if missing else 200)

    @paths.get("/metrics", summary="For Prometheus")
    async def metrics(request: Request) -> Response:
        """The text format; docs/metrics.md lists every metric."""
        return Response(service.metrics.page(), headers={"content-type": CONTENT_TYPE})

    return paths


def _without_bundle(shops: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Nothing where one shop has a bundle: that another has none yet must not stop the first."""
    if not shops:
        return ["no shop: there is no key and no policy file"]
    missing = [f"{shop}: no bundle" for shop, live in shops.items() if live["bundle"] is None]
    return missing if len(missing) == len(shops) else []
