"""GET /v1/prompts: a chat widget's stream of server-sent events. A prompt arrives when the moment comes.

The service decides again for the placement `global.chat` when the visitor's tail has grown, and now and then while it
has not (a pause is a moment, too). What it decides is a decision like any other: with a receipt, gates, caps, holdout.

A visitor with two tabs has two streams. What one of them sent, the others keep back while it is open: caps count what
was seen, and two tabs that decide within the same second would else both show it. Each process knows its own streams.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from features.events import CODE
from features.record import hash64
from features.tail import tail_of
from models.decision import Decision, answer
from service.auth import access_of
from service.core import Service
from service.errors import Problem, StoreUnavailable
from service.keys import Access
from service.privacy import check_visitor_id
from service.wire import MAX_ID, DecisionRequest, RequestContext, check_consent, check_id, check_vocabulary

PLACEMENT: Final = "global.chat"
LOOK_S: Final = 1.0
"""How often the tail's length is looked at."""

IDLE_S: Final = 15.0
"""How often to decide although nothing happened; also the heartbeat that keeps proxies from closing the stream."""

HOLD_S: Final = 5.0
"""How long a prompt waits for the stream that sent the same to close, as that of a page that was left does."""

MAX_STREAMS: Final = 2000
PARAMETERS: Final = ("visitor_id", "locale", "page_type", "consent", "key", "watch")
_DISMISSED: Final = CODE["dismiss_promotion"]


Taken = dict[tuple[str, str, str], "Prompts"]
"""Which open stream sent an action: by shop, visitor and action."""


def router(service: Service) -> APIRouter:
    """A publishable key is enough; EventSource sends it as `?key=`."""
    paths = APIRouter(tags=["decisions"])
    open_streams: set[int] = set()
    taken: Taken = {}

    @paths.get("/v1/prompts", summary="Prompts for a chat widget, as server-sent events")
    async def get_prompts(
        request: Request,
        visitor_id: str = "",
        locale: str = "",
        page_type: str = "",
        consent: str | None = None,
        watch: bool = False,
    ) -> Response:
        """`event: prompt` with the filled placement; at most once for each action, never after it was dismissed.

        With `watch`, `event: decision` comes before it, each time: a decision's answer, also a silent one.
        """
        access = access_of(request, service.watcher.keys)
        check_parameters(request.query_params)
        check_visitor_id(visitor_id)
        purposes = None if consent is None else [purpose for purpose in consent.split(",") if purpose]
        check_consent(purposes, "/consent")
        context = RequestContext(locale=locale, page_type=page_type, consent=purposes)
        check_vocabulary(context, "")
        if len(open_streams) >= MAX_STREAMS:
            raise Problem("too_many_streams", f"{MAX_STREAMS} are open.")
        wanted = DecisionRequest(visitor_id=visitor_id, placements=[PLACEMENT], context=context, events=[])
        stream = Prompts(service, access, wanted, request.is_disconnected, watch, taken)
        return StreamingResponse(
            _counted(service, open_streams, stream),
            media_type="text/event-stream",
            headers={"cache-control": "no-store", "x-accel-buffering": "no"},
        )

    return paths


async def _counted(service: Service, open_streams: set[int], stream: "Prompts") -> AsyncIterator[bytes]:
    open_streams.add(id(stream))
    service.metrics.prompt_streams.set(len(open_streams))
    try:
        async for piece in stream.pieces():
            yield piece
    finally:
        open_streams.discard(id(stream))
        service.metrics.prompt_streams.set(len(open_streams))


def check_parameters(given: Mapping[str, str]) -> None:
    """Raises Problem for a parameter that is none, as for an unknown field of a body, and for a locale that is none."""
    for name in given:
        if name not in PARAMETERS:
            detail = f"Object contains unknown field `{name}`; there are {', '.join(PARAMETERS)}."
            raise Problem("invalid_field", detail, "/" + name.replace("~", "~0").replace("/", "~1"))
    locale = given.get("locale", "")
    check_id("locale", locale, "/locale")
    if len(locale) > MAX_ID:
        raise Problem("invalid_field", f"`locale` has at most {MAX_ID} characters.", "/locale")


class Prompts:
    """One connection."""

    def __init__(
        self,
        service: Service,
        access: Access,
        wanted: DecisionRequest,
        gone: Callable[[], Awaitable[bool]],
        watch: bool = False,
        taken: Taken | None = None,
    ) -> None:
        self._service, self._access, self._wanted, self._gone = service, access, wanted, gone
        self._watch, self._taken = watch, {} if taken is None else taken
        self._sent: set[str] = set()
        self._held: tuple[float, Decision, str] | None = None

    async def pieces(self) -> AsyncIterator[bytes]:
        """The stream's bytes until the widget or the service goes."""
        yield b"retry: 5000\n\n"
        try:
            async for piece in self._looked():
                yield piece
        finally:
            for action in self._sent:
                self._taken.pop(self._key(action), None)

    async def _looked(self) -> AsyncIterator[bytes]:
        length, decided_s = -1, 0.0
        while not await self._gone() and not self._service.stopping.is_set():
            now_length = await self._tail_length()
            idle = time.monotonic() - decided_s >= IDLE_S
            if (now_length is not None and now_length != length) or idle:
                length, decided_s = now_length if now_length is not None else length, time.monotonic()
                yield await self._decide() or b": still here\n\n"
            elif prompt := self._free_by_now():
                yield prompt
            await self._pause()

    async def _tail_length(self) -> int | None:
        try:
            return await self._service.store.tail_length(self._access.shop, self._wanted.visitor_id)
        except StoreUnavailable:
            return None

    async def _decide(self) -> bytes:
        """A prompt, or nothing; before it, for who watches, the decision."""
        self._held = None  # something happened: a dismissal, perhaps
        live = self._service.watcher.get(self._access.shop)
        if PLACEMENT not in live.policy.at:
            return b""
        decision = (await self._service.decider.answer(self._wanted, self._access)).decision
        if decision is None or decision.degraded:
            return b""  # a prompt interrupts: never without knowing the visitor
        watched = _event("decision", decision, answer(decision)) if self._watch else b""
        action = decision.chosen[0].action
        if action is None or action in self._sent or dismissed(decision, action):
            return watched
        return watched + self._prompt(decision, action)

    def _prompt(self, decision: Decision, action: str) -> bytes:
        """The prompt, unless another open stream of the visitor sent it: then it waits."""
        if self._key(action) in self._taken:
            self._held = time.monotonic() + HOLD_S, decision, action
            return b""
        self._held, self._taken[self._key(action)] = None, self
        self._sent.add(action)
        self._service.metrics.prompted(self._access.shop)
        return _prompt(decision)

    def _free_by_now(self) -> bytes:
        """What waited, once the other stream has closed; nothing if that takes longer than HOLD_S."""
        if self._held is None or time.monotonic() > self._held[0]:
            self._held = None
            return b""
        _, decision, action = self._held
        return b"" if self._key(action) in self._taken else self._prompt(decision, action)

    def _key(self, action: str) -> tuple[str, str, str]:
        return self._access.shop, self._wanted.visitor_id, action

    async def _pause(self) -> None:
        try:
            await asyncio.wait_for(self._service.stopping.wait(), LOOK_S)
        except TimeoutError:
            return


def dismissed(decision: Decision, action: str) -> bool:
    """Whether the visitor has ever waved this action away, as far as that is kept."""
    tail, waved_away = tail_of(decision.inputs.tail or b""), hash64(action)
    if any(waved_away == refused for refused, _ in decision.inputs.dismissed):
        return True
    return bool(((tail["kind"] == _DISMISSED) & (tail["item"] == waved_away)).any())


def _prompt(decision: Decision) -> bytes:
    body: dict[str, Any] = msgspec.json.decode(answer(decision))
    data = msgspec.json.encode({"decision_id": body["decision_id"], **body["placements"][PLACEMENT]})
    return _event("prompt", decision, data)


def _event(name: str, decision: Decision, data: bytes) -> bytes:
    """An event of the stream; data: JSON without a line's end."""
    return f"event: {name}\nid: {decision.inputs.decision_id}\ndata: ".encode() + data + b"\n\n"
