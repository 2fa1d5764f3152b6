"""The hot routes in the OpenAPI document: plain routes for speed, described here from their msgspec types."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from features.events import KINDS
from models.inputs import FOUND_BY
from service.catalog_store import ItemLine, StockLine
from service.errors import CATALOGUE, PROBLEM_TYPE
from service.preview import PreviewBody
from service.privacy import VisitorBody
from service.wire import DecisionRequest, Event, RequestContext

TITLE: Final = "Tact"
API_VERSION: Final = "1"
ABOUT: Final = """The right message, to the right visitor, at the right moment, or none at all.

Errors are RFC 9457 problem details with a stable `code`; docs/errors.md lists them."""

_REF: Final = "#/components/schemas/{name}"
_SECRET: Final[list[dict[str, list[str]]]] = [{"bearer": []}]
_EITHER: Final[list[dict[str, list[str]]]] = [{"bearer": []}, {"header": []}, {"query": []}]

_BATCH: Final = {
    "type": "object",
    "required": ["events"],
    "additionalProperties": False,
    "properties": {
        "events": {"type": "array", "minItems": 1, "maxItems": 100, "items": {"$ref": "#/components/schemas/Event"}},
        "clock_ms": {"type": "integer", "minimum": 0, "description": "A replay's own clock; needs a secret key."},
        "consent": {"type": "array", "items": {"type": "string"}},
    },
}
_PROBLEM: Final = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code", "remedy"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "enum": sorted(CATALOGUE)},
        "remedy": {"type": "string"},
        "pointer": {"type": "string", "description": "RFC 6901, into the body."},
        "index": {"type": "integer", "description": "Of the event or line, from 0."},
        "unknown": {"type": "array", "items": {"type": "string"}, "description": "Every placement that is not known."},
    },
}
_REJECTED: Final = {
    "type": "object",
    "required": ["index", "code", "detail"],
    "properties": {
        "index": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "pointer": {"type": "string"},
    },
}
_TAKEN: Final = {
    "type": "object",
    "required": ["accepted"],
    "properties": {
        "accepted": {"type": "integer"},
        "not_stored": {"type": "integer", "description": "Good events of visitors without consent to analytics."},
        "rejected": {"type": "array", "items": _REJECTED},
    },
}
_PRODUCT: Final = {
    "type": "object",
    "required": ["item_id", "title", "url", "image", "price", "reason", "reason_code", "because"],
    "properties": {
        **{name: {"type": "string"} for name in ("item_id", "title", "url", "image")},
        "price": {"type": ["number", "null"]},
        "reason": {"type": "string", "description": "Why it is recommended, in the page's language."},
        "reason_code": {"enum": list(FOUND_BY)},
        "because": {"type": ["string", "null"], "description": "Id of the product that led to it."},
    },
}
_SHOW: Final = {
    "type": "object",
    "required": ["preview", "request"],
    "additionalProperties": False,
    "properties": {"preview": {"type": "string"}, "request": {"$ref": "#/components/schemas/DecisionRequest"}},
}
_ANSWER: Final = {
    "type": "object",
    "required": ["decision_id", "stage", "intent", "placements", "degraded", "bundle", "policy"],
    "properties": {
        "decision_id": {"type": "string"},
        "stage": {"type": ["object", "null"]},
        "intent": {"type": ["object", "null"]},
        "placements": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "required": ["action"],
                "properties": {
                    "action": {"type": ["string", "null"], "description": "null is silence."},
                    "items": {"type": "array", "items": _PRODUCT},
                },
            },
        },
        "degraded": {"type": "boolean"},
        "degraded_because": {"type": ["string", "null"]},
        "bundle": {"type": ["string", "null"]},
        "policy": {"type": ["string", "null"]},
    },
}


def install(app: FastAPI) -> None:
    """Make /openapi.json of the application whole."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's own way to extend the document


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(title=TITLE, version=app.version, description=ABOUT, routes=app.routes)
    types = (Event, DecisionRequest, RequestContext, ItemLine, StockLine, VisitorBody, PreviewBody)
    _, schemas = msgspec.json.schema_components(types, ref_template=_REF)
    schemas["Event"]["properties"]["event"]["examples"] = list(KINDS[1:])
    schemas["DecisionRequest"]["properties"]["events"] = {
        "type": "array",
        "maxItems": 100,
        "items": {"$ref": "#/components/schemas/Event"},
        "description": "What happened on this page; left out: the page view itself. [] adds nothing.",
    }
    schemas |= {"EventBatch": _BATCH, "Problem": _PROBLEM, "Taken": _TAKEN, "Answer": _ANSWER, "ShowBody": _SHOW}
    components = document.setdefault("components", {})
    components.setdefault("schemas", {}).update(schemas)
    components["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer"},
        "header": {"type": "apiKey", "in": "header", "name": "X-Tact-Key"},
        "query": {"type": "apiKey", "in": "query", "name": "key", "description": "Publishable keys only."},
    }
    document["paths"] |= {
        "/v1/events": {"post": _hot("Events", "events", {"oneOf": [_ref("Event"), _ref("EventBatch")]}, 202, "Taken")},
        "/v1/decisions": {"post": _hot("A decision", "decisions", _ref("DecisionRequest"), 200, "Answer")},
    }
    for path, item in document["paths"].items():
        for method, operation in item.items():
            _complete(path, method, operation)
    return document


def _hot(summary: str, tag: str, body: Mapping[str, Any], status: int, answer: str) -> dict[str, Any]:
    return {
        "summary": summary,
        "tags": [tag],
        "operationId": f"post_{tag}",
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {str(status): {"description": "Done.", "content": {"application/json": {"schema": _ref(answer)}}}},
    }


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    """Bodies of uploads, keys and problems, which routes that read the request themselves do not tell FastAPI."""
    bodies = {
        "/v1/catalog/items": ("application/x-ndjson", "ItemLine"),
        "/v1/stock": ("application/x-ndjson", "StockLine"),
        "/v1/visitors/{visitor_id}": ("application/json", "VisitorBody"),
    }
    if method == "put" and path in bodies:
        kind, name = bodies[path]
        operation["requestBody"] = {"required": True, "content": {kind: {"schema": _ref(name)}}}
    if path.startswith("/v1/preview"):
        name = "ShowBody" if path.endswith("/show") else "PreviewBody"
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": _ref(name)}}}
    if not path.startswith("/v1"):
        return
    open_to_browsers = path in ("/v1/events", "/v1/decisions", "/v1/prompts", "/v1/preview/show")
    operation["security"] = _EITHER if open_to_browsers else _SECRET
    problem = {"description": "A problem.", "content": {PROBLEM_TYPE: {"schema": _ref("Problem")}}}
    operation["responses"] = {k: v for k, v in operation["responses"].items() if k != "422"} | {
        "4XX": problem,
        "503": problem,
    }


def _ref(name: str) -> dict[str, str]:
    return {"$ref": _REF.format(name=name)}
