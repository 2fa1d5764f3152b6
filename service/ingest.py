"""Events on their way in: checked against the policy and the clock, made rows, stored. Answers once they are durable.

A batch loses nothing silently: the good events are stored, each refused one is listed with its index, code and reason.
If none is good the whole request is refused. An event sent again under the same `event_id` is taken again: the tail and
the lake count it once.
"""

import difflib
import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from features.events import Row
from models.policy_terms import Policy
from service.errors import Problem
from service.metrics import Metrics
from service.settings import Settings
from service.store import Store
from service.wire import EVENT_NAMES, LATEST_MS, Batch, Event, read_event, rows_of, time_ms

SECONDS_BELOW: Final = 100_000_000_000
"""A `ts` below this (1973 in milliseconds, the year 5138 in seconds) was meant in seconds."""

ANALYTICS: Final = "analytics"


class Terms(msgspec.Struct, frozen=True):
    """What an event is checked against. policy: None if the shop has none live, then no custom event is taken.

    received_ms: the row's; the clock, or what the caller stated as one.
    """

    shop: str
    policy: Policy | None
    now_ms: int
    received_ms: int
    oldest_ms: int
    latest_ms: int


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a batch. accepted: stored; not_stored: good, but the visitor did not consent to analytics."""

    accepted: int
    not_stored: int
    rejected: tuple[Problem, ...]

    def as_json(self) -> bytes:
        """The answer's body."""
        body: dict[str, object] = {"accepted": self.accepted}
        if self.not_stored:
            body["not_stored"] = self.not_stored
        if self.rejected:
            body["rejected"] = [problem.rejection() for problem in self.rejected]
        return msgspec.json.encode(body)


def terms(shop: str, policy: Policy | None, now_ms: int, settings: Settings, clock_ms: int | None = None) -> Terms:
    """The checks of a request at `now_ms`, or at the clock it stated."""
    at = now_ms if clock_ms is None else clock_ms
    oldest = max(0, at - settings.tail_ttl_days * 86_400_000)
    return Terms(shop, policy, at, at, oldest, min(LATEST_MS, at + settings.future_skew_s * 1000))


def rows(event: Event, against: Terms) -> list[Row]:
    """The event's rows. Raises Problem: invalid_field, unknown_event, event_too_old, event_from_future."""
    if not event.visitor_id:
        raise Problem("invalid_field", "`visitor_id` is missing.", "/visitor_id")
    kind, name = _kind_and_name(event, against.policy)
    ts_ms = time_ms(event.ts, against.now_ms)
    _check_time(ts_ms, against)
    return rows_of(
        event,
        shop=against.shop,
        kind=kind,
        name=name,
        event_id=event.event_id or secrets.token_hex(16),
        ts_ms=ts_ms,
        received_ms=against.received_ms,
    )


def consents(granted: Sequence[str] | None, policy: Policy | None, purpose: str) -> bool:
    """Whether a visitor consented; where the request says nothing, what the policy assumes (without one: analytics)."""
    if granted is not None:
        return purpose in granted
    return purpose in policy.assumed_consent if policy is not None else purpose == ANALYTICS


class Ingest:
    """POST /v1/events after the body is read."""

    def __init__(self, store: Store, metrics: Metrics) -> None:
        self._store, self._metrics = store, metrics

    async def take(self, batch: Batch, against: Terms) -> Taken:
        """Check and store a batch. Raises Problem if no event is good, StoreUnavailable if Redis takes none."""
        stored: list[list[Row]] = []
        refused: list[Problem] = []
        alone = len(batch.events) == 1
        not_stored = 0
        for i, raw in enumerate(batch.events):
            try:
                event = read_event(raw)
                if event.clock_ms != batch.clock_ms and event.clock_ms is not None:
                    raise Problem("invalid_field", "`clock_ms` belongs beside `events`, not into one.", "/clock_ms")
                lines = rows(event, against)
            except Problem as problem:
                refused.append(problem if alone else problem.at(i))
                continue
            granted = event.consent if event.consent is not None else batch.consent
            if consents(granted, against.policy, ANALYTICS):
                stored.append(lines)
            else:
                not_stored += 1
        if len(refused) == len(batch.events):
            raise refused[0]
        for one in refused:
            self._metrics.refused(one.code)
        await self._append(against.shop, stored)
        if not_stored:
            self._metrics.not_stored("consent", not_stored)
        return Taken(len(stored), not_stored, tuple(refused))

    async def _append(self, shop: str, events: Sequence[list[Row]]) -> None:
        by_visitor: dict[str, list[list[Row]]] = {}
        for lines in events:
            by_visitor.setdefault(lines[0].visitor_id, []).append(lines)
        await self._store.append_all(shop, by_visitor)
        for name, count in Counter(lines[0].event for lines in events).items():
            self._metrics.event(name, count)


def inherit(event: Event, visitor_id: str, user_id: str) -> Event:
    """An event of a decision request, which names its visitor once for all. Raises Problem if they differ."""
    if event.visitor_id not in ("", visitor_id):
        raise Problem("invalid_field", "`visitor_id` is another than the request's.", "/visitor_id")
    if event.clock_ms is not None or event.consent is not None:
        name = "clock_ms" if event.clock_ms is not None else "consent"
        raise Problem("invalid_field", f"`{name}` belongs beside `events`, not into one.", f"/{name}")
    return msgspec.structs.replace(event, visitor_id=visitor_id, user_id=event.user_id or user_id)


def _kind_and_name(event: Event, policy: Policy | None) -> tuple[str, str]:
    if event.event in EVENT_NAMES:
        return event.event, event.name
    custom = policy.custom_events if policy is not None else ()
    name = event.name if event.event == "custom" else event.event
    if name in custom:
        return "custom", name
    if event.event == "custom" and not name:
        raise Problem("invalid_field", "`name`: a custom event has one.", "/name")
    near = difflib.get_close_matches(name, sorted(EVENT_NAMES | set(custom)), n=3, cutoff=0.5)
    hint = f"; near it: {', '.join(near)}" if near else ""
    raise Problem("unknown_event", f"No event is called `{name}`{hint}.", "/event")


def _check_time(ts_ms: int, against: Terms) -> None:
    if ts_ms > against.latest_ms:
        ahead = (ts_ms - against.now_ms) / 1000
        raise Problem("event_from_future", f"The event lies {ahead:,.0f} s ahead of the clock.", "/ts")
    if ts_ms < against.oldest_ms:
        days = (against.now_ms - ts_ms) / 86_400_000
        meant = " It looks like seconds; `ts` is in milliseconds." if 0 < ts_ms < SECONDS_BELOW else ""
        raise Problem("event_too_old", f"The event is {days:,.0f} days old.{meant}", "/ts")
