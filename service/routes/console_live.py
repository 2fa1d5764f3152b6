"""The console's calls about what is live: switches and actions."""

import asyncio
import importlib
from typing import Any, Final

import msgspec
from starlette.requests import Request

from models.switches import STATES
from service import audit
from service.body import read_json_body
from service.console_access import Session
from service.console_calls import MOST_BODY, Calls
from service.errors import Problem
from service.keys import Access
from service.reading import read_json
from service.routes.switches import MOST_CHARS
from service.shop_live import Live
from service.switchboard import check_target
from service.wire import Text

EXAMPLES: Final = 3
WHO: Final = "console, key {}…"


class SwitchChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of POST /console/api/switches. state: None follows the policy's file again."""

    target: str
    state: str | None = None
    why: Text = ""


_change = msgspec.json.Decoder(SwitchChange)


def add(calls: Calls) -> None:
    """Adds the calls."""
    service = calls.service

    async def switches(session: Session, request: Request) -> Any:
        return {"switches": dict(await service.switches.read(session.shop))}

    async def switch(session: Session, request: Request) -> Any:
        asked = read_json(_change, await read_json_body(request, MOST_BODY))
        target = asked.target[:MOST_CHARS]
        if asked.state is None:
            before = await service.switches.clear(session.shop, target)
        else:
            if asked.state not in STATES:
                raise Problem("invalid_field", f"`state`: none of {', '.join(STATES)}.", "/state")
            check_target(target, service.watcher.get(session.shop).policy, asked.state)
            before = await service.switches.set(session.shop, target, asked.state)
        await service.watcher.refresh_switches()
        entry = audit.Entry(
            service.now_ms(), who(session), "switch", session.shop, target, before, asked.state or "", asked.why
        )
        await asyncio.to_thread(audit.append, service.settings.home, entry)
        return {"target": target, "state": asked.state, "before": before or None}

    async def actions(session: Session, request: Request) -> Any:
        listed = service.watcher.get(session.shop).policy.actions
        return {"actions": [{"id": one.id, "kind": one.kind} for one in listed]}

    async def action(session: Session, request: Request) -> Any:
        name = request.path_params["name"]
        found = next((one for one in service.watcher.get(session.shop).policy.actions if one.id == name), None)
        if found is None:
            raise Problem("unknown_action", f"The live policy has no action {name[:100]!r}.")
        content = {locale: text.fields() for locale, text in found.content.items()}
        told = {"id": found.id, "kind": found.kind, "placements": found.placements, "content": content}
        return told | ({"items": _some(service.watcher.get(session.shop))} if found.recommend else {})

    async def preview(session: Session, request: Request) -> Any:
        try:
            previews: Any = importlib.import_module("service.routes.preview")
        except ModuleNotFoundError:
            raise Problem("not_found", "This version of Tact cannot sign previews.") from None
        body = await read_json_body(request, MOST_BODY)
        asked = read_json(msgspec.json.Decoder(previews.PreviewBody), body)
        return previews.link(service, Access(session.shop, "secret", ()), asked)

    calls.get("switches", switches)
    calls.post("switches", switch)
    calls.post("preview", preview)
    calls.get("actions", actions)
    calls.get("actions/{name}", action)


def _some(live: Live) -> list[dict[str, Any]]:
    """Products to show a row of recommendations with."""
    names = ("title", "image", "price")
    return [{name: getattr(product, name) for name in names} for product in live.catalog.listed[:EXAMPLES]]


def who(session: Session) -> str:
    """Who changes something, for the audit log."""
    return WHO.format(session.prefix)
