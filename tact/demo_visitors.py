"""Simulated visitors who come in through the front door: each page asks for a decision, and they react to messages.

Their visits lie in the last three quarters of an hour: with the secret key each request states its own clock, so that
they need seconds. Visitor ids begin with "sim-".
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from features.catalog import Product
from features.lakefile import events_table
from tact.http_client import Connection
from tact.log_events import CONSENT, Sent, events, events_body, lane
from training.simulate import simulate

MINUTES: Final = 45
LANES: Final = 4
DAY_MINUTES: Final = 24 * 60

PLACEMENTS: Final[Mapping[str, tuple[str, ...]]] = {
    "home": ("home.hero", "global.chat"),
    "list": ("list.top", "global.chat"),
    "search": ("search.help", "global.chat"),
    "product": ("pdp.trust", "pdp.store", "pdp.recommend", "global.chat"),
    "cart": ("cart.reassure", "cart.recommend", "global.chat"),
    "checkout": ("checkout.help", "global.chat"),
    "thank_you": ("thankyou.next", "global.chat"),
    "account": ("account.loyalty", "global.chat"),
    "delivery": ("global.chat",),
    "returns": ("global.chat",),
}
"""What the demo shop's pages ask for, by type of page."""

PAGES: Final = frozenset(
    {
        "page_view", "view_item_list", "view_item", "search", "view_cart", "begin_checkout", "add_shipping_info",
        "purchase", "return_policy_view", "form_error", "payment_error",
    }
)  # fmt: skip
"""Events that come with a page, and so with a question what to show on it."""

CLICKS: Final = 0.05
DISMISSES: Final = 0.08
QUIET: Final = frozenset({"badge", "recommend"})
"""Kinds that cannot be dismissed."""


class Refused(RuntimeError):
    """The service did not take what a simulated visitor sent; says what it answered."""


@dataclass(slots=True)
class Tally:
    """What happened. actions: how often each was chosen; silence: placements left empty."""

    visitors: int = 0
    events: int = 0
    decisions: int = 0
    silence: int = 0
    degraded: int = 0
    actions: Counter[str] = field(default_factory=Counter)
    reactions: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Door:
    """Where the shop's server sends what its visitors do."""

    url: str
    secret_key: str


def visits(products: Iterable[Product], visitors: int, seed: int, now_ms: int) -> list[Sent]:
    """What `visitors` simulated visitors do in the minutes before now_ms, in time order."""
    start_ms = now_ms - MINUTES * 60_000
    return list(events(events_table(simulate(products, visitors, seed, start_ms, MINUTES / DAY_MINUTES))))


def drive(door: Door, sent: Sequence[Sent], seed: int, told: Callable[[int], None] = lambda done: None) -> Tally:
    """Send the events and react to what is shown. told: how many events are through. Raises Refused, Disconnected."""
    return asyncio.run(_drive(door, sent, seed, told))


async def _drive(door: Door, sent: Sequence[Sent], seed: int, told: Callable[[int], None]) -> Tally:
    tally = Tally(visitors=len({event.visitor_id for event in sent}))
    lanes = [[event for event in sent if lane(event.visitor_id, LANES) == n] for n in range(LANES)]
    senders = [_Sender(door, random.Random(f"{seed}/{n}"), tally, told) for n in range(LANES)]
    async with asyncio.TaskGroup() as group:
        for sender, events_ in zip(senders, lanes, strict=True):
            group.create_task(sender.send_all(events_))
    return tally


class _Sender:
    """One connection; a visitor's events all go through the same, in order."""

    def __init__(self, door: Door, rng: random.Random, tally: Tally, told: Callable[[int], None]) -> None:
        self._connection = Connection(door.url, door.secret_key)
        self._rng, self._tally, self._told = rng, tally, told

    async def send_all(self, events_: Sequence[Sent]) -> None:
        try:
            for event in events_:
                await self._send(event)
                self._tally.events += 1
                self._told(self._tally.events)
        finally:
            self._connection.close()

    async def _send(self, event: Sent) -> None:
        placements = PLACEMENTS.get(str(event.body.get("page_type", "")), ())
        if event.body["event"] not in PAGES or not placements:
            await self._post("/v1/events", events_body([event]))
            return
        answer = msgspec.json.decode(await self._post("/v1/decisions", page_body(event, placements)))
        self._tally.decisions += 1
        self._tally.degraded += bool(answer["degraded"])
        reactions: list[Sent] = []
        for placement, chosen in answer["placements"].items():
            if chosen["action"] is None:
                self._tally.silence += 1
                continue
            self._tally.actions[chosen["action"]] += 1
            reactions += self._react(event, answer["decision_id"], placement, chosen)
        if reactions:
            await self._post("/v1/events", events_body(reactions))

    def _react(self, event: Sent, decision_id: str, placement: str, chosen: Mapping[str, Any]) -> list[Sent]:
        """Every message on the page is seen; some are clicked, some dismissed."""
        kinds = ["view_promotion"]
        draw = self._rng.random()
        if draw < CLICKS:
            kinds.append("select_promotion")
        elif draw < CLICKS + DISMISSES and chosen["kind"] not in QUIET:
            kinds.append("dismiss_promotion")
        self._tally.reactions.update(kinds)
        told = {"action": chosen["action"], "placement": placement, "decision_id": decision_id}
        shared = {name: event.body[name] for name in ("page_type", "channel", "device", "locale") if name in event.body}
        return [
            Sent(
                event.visitor_id,
                event.ts_ms + 1500 + n,
                {
                    "event": kind,
                    "event_id": f"{decision_id}-{placement}-{kind}",
                    "visitor_id": event.visitor_id,
                    "ts": event.ts_ms + 1500 + n,
                    **shared,
                    **told,
                },
                1,
            )
            for n, kind in enumerate(kinds)
        ]

    async def _post(self, path: str, body: bytes) -> bytes:
        answer = await self._connection.post(path, body)
        if answer.status not in (200, 202):
            raise Refused(f"POST {path} answered {answer.status}: {answer.body.decode(errors='replace')[:500]}")
        return answer.body


def page_body(event: Sent, placements: Sequence[str]) -> bytes:
    """POST /v1/decisions of the page that an event belongs to."""
    body = event.body
    names = ("page_type", "category", "device", "channel", "locale", "referrer", "query")
    context = {"consent": CONSENT} | {name: body[name] for name in names if name in body}
    if body["event"] == "view_item":
        context["item_id"] = body["item_id"]
    asked = {"visitor_id": event.visitor_id, "placements": placements, "context": context}
    return msgspec.json.encode(asked | {"events": [body], "clock_ms": event.ts_ms})
