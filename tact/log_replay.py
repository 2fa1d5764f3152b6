"""Sends a log's events to a running service, in order for each visitor, until each is acknowledged or refused."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from tact.http_client import Answer, Connection, Disconnected
from tact.log_events import MAX_EVENTS, Sent, decision_body, events_body, lane

KEPT_TRYING_S: Final = 60.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 2.0
_QUEUED: Final = 64
_STORED_ANYWAY: Final = ("bundle", "policy")
"""Why a decision can be degraded although its event was stored."""


@dataclass(slots=True)
class Tally:
    """What came of it. Every event sent is acknowledged or one of the errors.

    decided: (placement, action or "silence"); errors by "status code"; samples: an example of each error.
    """

    sent: int = 0
    acknowledged: int = 0
    decisions: int = 0
    degraded: Counter[str] = field(default_factory=Counter)
    stages: Counter[str] = field(default_factory=Counter)
    decided: Counter[tuple[str, str]] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    samples: dict[str, str] = field(default_factory=dict)
    retries: int = 0
    resent: int = 0
    seconds: float = 0.0

    def refuse(self, what: str, detail: str, events: int = 1) -> None:
        """Count events that were not taken."""
        self.errors[what] += events
        self.samples.setdefault(what, detail[:300])

    @property
    def silence_share(self) -> float:
        """The share of placements that got no action; 0 without any."""
        silent = sum(n for (_, action), n in self.decided.items() if action == "silence")
        return silent / max(1, self.decided.total())

    def as_dict(self) -> dict[str, Any]:
        """The figures for machines."""
        actions: Counter[str] = Counter()
        for (_, action), n in self.decided.items():
            actions[action] += n
        return {
            "events": {"sent": self.sent, "acknowledged": self.acknowledged},
            "decisions": {
                "made": self.decisions,
                "by_action": dict(actions.most_common()),
                "by_placement": _nested(self.decided),
                "by_stage": dict(self.stages.most_common()),
                "silence_share": round(self.silence_share, 6),
                "degraded": dict(self.degraded),
            },
            "errors": {"total": self.errors.total(), "by_code": dict(self.errors), "examples": self.samples},
            "retries": self.retries,
            "resent_after_degraded": self.resent,
            "seconds": round(self.seconds, 3),
            "events_per_s": round(self.acknowledged / self.seconds, 1) if self.seconds else 0.0,
        }


@dataclass(frozen=True, slots=True)
class Target:
    """Where and how to send. placements: asked for on a product view, none for events alone. rate: events/s, 0 free.
    kept_trying_s: how long to try while nobody answers.

    lanes: connections at once; a visitor's events always take the same one.
    """

    url: str
    key: str
    placements: Sequence[str] = ()
    lanes: int = 16
    rate: float = 0.0
    kept_trying_s: float = KEPT_TRYING_S


async def replay(
    events: Iterable[Sent],
    target: Target,
    on_progress: Callable[[Tally], None] | None = None,
    tally: Tally | None = None,
) -> Tally:
    """Send every event. on_progress: called now and then with what came of it so far.

    tally: counted in, for whoever wants to know where a replay stood that was interrupted.
    """
    tally, started = tally or Tally(), time.monotonic()
    patience = Patience(target.kept_trying_s)
    queues: list[asyncio.Queue[Sent | None]] = [asyncio.Queue(_QUEUED) for _ in range(target.lanes)]
    async with asyncio.TaskGroup() as tasks:
        for queue in queues:
            tasks.create_task(_Lane(target, tally, patience).run(queue))
        for event in events:
            if patience.is_over:
                break
            if target.rate:
                await _until(started + tally.sent / target.rate)
            tally.sent += 1
            await queues[lane(event.visitor_id, target.lanes)].put(event)
            tally.seconds = time.monotonic() - started
            if on_progress is not None and tally.sent % 64 == 0:
                on_progress(tally)
        for queue in queues:
            await queue.put(None)
    tally.seconds = time.monotonic() - started
    if on_progress is not None:
        on_progress(tally)
    return tally


class Patience:
    """How long no answer from any lane is borne; then the service is given up for all of them."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._heard = time.monotonic()
        self.is_over = False

    def heard(self) -> None:
        """The service answered."""
        self._heard = time.monotonic()

    def bears(self, pause_s: float) -> bool:
        """Whether to try again after a pause."""
        self.is_over = self.is_over or time.monotonic() + pause_s > self._heard + self._seconds
        return not self.is_over


class _Lane:
    """One connection and the visitors whose events go through it."""

    def __init__(self, target: Target, tally: Tally, patience: Patience) -> None:
        self._target, self._tally, self._patience = target, tally, patience
        self._connection = Connection(target.url, target.key)

    async def run(self, queue: "asyncio.Queue[Sent | None]") -> None:
        """Send what comes until None."""
        held: list[Sent] = []
        try:
            while True:
                event = await queue.get()
                if held and not (event is not None and self._joins(held, event)):
                    await self._events(held)
                    held = []
                if event is None:
                    return
                if self._target.placements and event.is_product_view:
                    await self._decision(event)
                else:
                    held.append(event)
                    if queue.empty():
                        await self._events(held)
                        held = []
        finally:
            self._connection.close()

    def _joins(self, held: Sequence[Sent], event: Sent) -> bool:
        """Whether an event can go with those held: the clock of a request is one."""
        decides = bool(self._target.placements) and event.is_product_view
        return not decides and event.ts_ms == held[0].ts_ms and len(held) < MAX_EVENTS

    async def _events(self, batch: Sequence[Sent]) -> None:
        answer = await self._until_answered("/v1/events", events_body(batch), len(batch))
        if answer is None:
            return
        body = _read(answer.body)
        self._tally.acknowledged += int(body.get("accepted", 0)) + int(body.get("not_stored", 0))
        for refused in body.get("rejected", ()):
            self._tally.refuse(f"{answer.status} {refused.get('code')}", str(refused.get("detail")))

    async def _decision(self, event: Sent) -> None:
        answer = await self._until_answered("/v1/decisions", decision_body(event, self._target.placements), 1)
        if answer is None:
            return
        tally, body = self._tally, _read(answer.body)
        tally.decisions += 1
        tally.stages[(body.get("stage") or {}).get("name") or "none"] += 1
        for placement, filled in body.get("placements", {}).items():
            tally.decided[placement, filled.get("action") or "silence"] += 1
        if not body.get("degraded"):
            tally.acknowledged += 1
            return
        because = str(body.get("degraded_because"))
        tally.degraded[because] += 1
        if because in _STORED_ANYWAY:
            tally.acknowledged += 1
        else:  # a decision never waits for the store, so its event may not be there: the same id counts once
            tally.resent += 1
            await self._events([event])

    async def _until_answered(self, path: str, body: bytes, events: int) -> Answer | None:
        """The answer of a request that was taken; None if it was refused, or the service is given up."""
        pause_s = FIRST_PAUSE_S
        what, detail = "no answer", "the service was given up"
        while not self._patience.is_over:
            asked_s = 0.0
            try:
                answer = await self._connection.post(path, body)
            except Disconnected as error:
                what, detail = "no answer", str(error)
            else:
                problem = {} if answer.status < 300 else _read(answer.body)
                what = f"{answer.status} {problem.get('code', '')}".strip()
                detail, asked_s = str(problem.get("detail", "")), answer.retry_after_s or 0.0
                if answer.status < 500 and answer.status != 429:
                    self._patience.heard()
                    if answer.status < 300:
                        return answer
                    break
            if not self._patience.bears(pause_s):
                break
            self._tally.retries += 1
            await asyncio.sleep(max(pause_s, min(asked_s, LONGEST_PAUSE_S)))
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        self._tally.refuse(what, detail, events)
        return None


def _read(body: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _nested(decided: Counter[tuple[str, str]]) -> dict[str, dict[str, int]]:
    nested: dict[str, dict[str, int]] = {}
    for (placement, action), n in decided.most_common():
        nested.setdefault(placement, {})[action] = n
    return nested


async def _until(moment: float) -> None:
    if (wait_s := moment - time.monotonic()) > 0:
        await asyncio.sleep(wait_s)
