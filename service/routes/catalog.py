"""PUT /v1/catalog/items and PUT /v1/stock: NDJSON, streamed."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from service.auth import secret_access_of
from service.body import LINE_TYPES, check_type, chunks_of, json_response
from service.catalog_store import Upload, lines_of
from service.core import Service


def router(service: Service) -> APIRouter:
    """Uploads: a secret key is needed."""
    paths = APIRouter(prefix="/v1", tags=["catalog"])

    @paths.put("/catalog/items", summary="Products, one JSON object a line")
    async def put_items(request: Request) -> Response:
        """Each line is a whole product and replaces the one with its `item_id`; `"deleted": true` removes it."""
        shop = secret_access_of(request, service.watcher.keys).shop
        check_type(request, LINE_TYPES)
        lines = lines_of(chunks_of(request))
        return _told(service, await service.catalogs.put_items(shop, lines, service.now_ms()))

    @paths.put("/stock", summary="Stock, one JSON object a line")
    async def put_stock(request: Request) -> Response:
        """Each line is `{"item_id", "stock", "store"?}`; it holds from the next second on."""
        shop = secret_access_of(request, service.watcher.keys).shop
        check_type(request, LINE_TYPES)
        return _told(service, await service.catalogs.put_stock(shop, lines_of(chunks_of(request))))

    return paths


def _told(service: Service, upload: Upload) -> Response:
    """Raises Problem, the first line's, if no line was good."""
    if upload.rejected and not upload.accepted:
        raise upload.listed[0]
    for problem in upload.listed:
        service.metrics.refused(problem.code)
    return json_response(upload.as_json())
