"""The decision of a page that is opened by a signed preview link: as any other, but for the placement of the link.

It reads what is known of the visitor and writes nothing: no event, no receipt, no trial, no count among decisions.
"""

import asyncio
import secrets
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from msgspec import structs

from features.record import pack
from features.tail import tail_of
from models.chosen import Candidate, Chosen, Decision
from models.decision import Known, answer
from models.inputs import Inputs
from models.moment import Moment, locale_of
from models.policy_terms import Action
from service import stream
from service.core import Service
from service.decide import PERSONALIZATION, Seen, events_of, inputs_of, made
from service.errors import StoreUnavailable
from service.ingest import consents, terms
from service.keys import Access
from service.preview import Ticket, read
from service.shop_live import Live
from service.suggest import Suggester
from service.wire import DecisionRequest

LEFT_S: Final = 1.0
"""For ranking products: one person waits for it."""


class Previewer:
    """Answers pages that bring a preview's token."""

    def __init__(self, service: Service) -> None:
        self._service, self._suggester = service, Suggester(service.metrics)

    async def answer(self, token: str, request: DecisionRequest, access: Access) -> bytes:
        """The page with its preview; where the token is not good, the page as anyone gets it. Raises Problem."""
        service, live = self._service, self._service.watcher.get(access.shop)
        ticket = read(service.watcher.keys, access.shop, token, service.now_ms())
        if isinstance(ticket, str):
            service.metrics.previewed(ticket)
            return (await service.decider.answer(request, access)).body
        action = live.policy.action(ticket.action)
        if action is None or ticket.placement not in action.placements:
            service.metrics.previewed("gone")
            return (await service.decider.answer(request, access)).body
        inputs = await self._inputs(request, access, live)
        service.metrics.previewed("shown")
        return _body(forced(inputs, live, ticket.placement, action, self._suggester), ticket)

    async def _inputs(self, request: DecisionRequest, access: Access, live: Live) -> Inputs:
        """What the page's decision would be made from. Raises Problem for events that are none."""
        service, now_ms = self._service, self._service.now_ms()
        decision_id = stream.decision_id(now_ms, secrets.token_bytes(10), service.store.partition(request.visitor_id))
        events = events_of(request, terms(access.shop, live.policy, now_ms, service.settings, None), live, decision_id)
        own = pack(row for rows in events for row in rows).tobytes()
        inputs = inputs_of(request, live, now_ms, decision_id, await self._see(request, access.shop, live, own))
        if locale_of(live.policy, inputs.context.locale):
            return inputs
        return structs.replace(inputs, context=structs.replace(inputs.context, locale=live.policy.locales[0]))

    async def _see(self, request: DecisionRequest, shop: str, live: Live, own: bytes) -> Seen:
        """The visitor's past, only read; nothing of it without consent, or while the store is away."""
        service = self._service
        if not consents(request.context.consent, live.policy, PERSONALIZATION):
            return Seen(own, {})
        try:
            async with asyncio.timeout(service.settings.store_timeout_ms / 1000):
                found = await service.store.append_and_read(shop, request.visitor_id, ())
        except (TimeoutError, StoreUnavailable):
            return Seen(own, {})
        return Seen(found.tail + own, found.attributes, dismissed=found.dismissed)


def forced(inputs: Inputs, live: Live, placement: str, action: Action, suggester: Suggester) -> Decision:
    """The page's decision with this action in that placement, if the page has it, and nowhere else on the page."""
    tail = tail_of(inputs.tail or b"")
    decision = made(inputs, live, tail, suggester, LEFT_S)
    chosen = [
        _with(one, decision, live, action, suggester) if one.placement == placement else _without(one, action)
        for one in decision.chosen
    ]
    return msgspec.structs.replace(decision, placed=tuple(chosen))


def _with(chosen: Chosen, decision: Decision, live: Live, action: Action, suggester: Suggester) -> Chosen:
    """The placement with the action, whatever its gates say."""
    if chosen.action == action.id:
        return chosen
    products: Any = ()
    if action.recommend is not None and live.bundle is not None:
        known = Known.of(decision.inputs, live.bundle)
        inputs = suggester.add(decision.inputs, known, live, LEFT_S)
        products = Moment.of(inputs, live.policy, known.tail, known.vector, known.scores).offers(action)
    return msgspec.structs.replace(chosen, action=action.id, reason="won", products=products, show_after_s=0.0)


def _without(chosen: Chosen, action: Action) -> Chosen:
    if chosen.action != action.id:
        return chosen
    return msgspec.structs.replace(chosen, action=None, reason="silence", products=())


def _body(decision: Decision, ticket: Ticket) -> bytes:
    """The answer, and what the overlay tells beside it."""
    body = msgspec.json.decode(answer(decision))
    body["preview"] = {
        "placement": ticket.placement,
        "action": ticket.action,
        "expires_at": datetime.fromtimestamp(ticket.expires_s, UTC).isoformat(),
        "candidates": {
            chosen.placement: [_told(candidate) for candidate in chosen.candidates] for chosen in decision.chosen
        },
    }
    return msgspec.json.encode(body)


def _told(candidate: Candidate) -> dict[str, Any]:
    """What blocked a candidate, or how often it wins."""
    about: dict[str, Any] = {"action": candidate.action, "gate": candidate.gate, "detail": candidate.detail}
    return about | {"share": candidate.share, "net": candidate.net}
