"""POST /v1/preview makes a signed link that shows one message to its holder; POST /v1/preview/show answers its page."""

from datetime import UTC, datetime
from typing import Annotated

import msgspec
from fastapi import APIRouter
from msgspec import Meta, Raw
from starlette.requests import Request
from starlette.responses import Response

from service.auth import access_of, secret_access_of
from service.body import json_response, read_json_body
from service.core import Service
from service.errors import Problem
from service.keys import Access
from service.preview import PreviewBody, Ticket, sign, with_token
from service.previewer import Previewer
from service.wire import read_body, read_decision


class ShowBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A page's token, and what it asks as any page does."""

    preview: Annotated[str, Meta(max_length=4096)]
    request: Raw


_preview = msgspec.json.Decoder(PreviewBody)
_show = msgspec.json.Decoder(ShowBody)


def router(service: Service) -> APIRouter:
    """To sign takes a secret key; to look, a page's publishable one."""
    paths = APIRouter(prefix="/v1/preview", tags=["preview"])
    previewer = Previewer(service)

    @paths.post("", summary="A signed link that shows one message to its holder")
    async def post_preview(request: Request) -> Response:
        """`{"placement", "action", "expires_in_s"?, "url"?}` → `{token, url, expires_at}`. At most 30 days."""
        access = secret_access_of(request, service.watcher.keys)
        asked = read_body(_preview, await read_json_body(request, service.settings.max_body_bytes))
        return json_response(msgspec.json.encode(link(service, access, asked)))

    @paths.post("/show", summary="What a page opened by that link shows")
    async def post_show(request: Request) -> Response:
        """`{"preview": token, "request": a decision's body}` → a decision's answer and `preview`; nothing is stored."""
        access = access_of(request, service.watcher.keys)
        body = read_body(_show, await read_json_body(request, service.settings.max_body_bytes))
        return json_response(await previewer.answer(body.preview, read_decision(bytes(body.request)), access))

    return paths


def link(service: Service, access: Access, asked: PreviewBody) -> dict[str, str]:
    """The token, the page's address with it, and until when it holds. Raises Problem."""
    _check(service, access.shop, asked)
    expires_s = service.now_ms() // 1000 + asked.expires_in_s
    token = sign(service.watcher.keys, Ticket(access.shop, asked.placement, asked.action, expires_s))
    expires_at = datetime.fromtimestamp(expires_s, UTC).isoformat()
    try:
        url = with_token(asked.url, token)
    except ValueError as error:
        raise Problem("invalid_field", f"`url`: {error}.", "/url") from None
    return {"token": token, "url": url, "expires_at": expires_at}


def _check(service: Service, shop: str, asked: PreviewBody) -> None:
    policy = service.watcher.get(shop).policy
    action = policy.action(asked.action)
    if action is None:
        there_are = ", ".join(a.id for a in policy.actions) or "none"
        raise Problem("unknown_action", f"`{asked.action}`: there are {there_are}.", "/action")
    if asked.placement not in action.placements:
        detail = f"`{asked.action}` stands at {', '.join(action.placements)}."
        raise Problem("unknown_placement", detail, "/placement")
