"""The request path of a decision, as the picture in docs/architecture.md has it: one round trip, then pure functions.

It always answers. What is missing (the store, time, a bundle, a policy, or an error of our own) makes it degraded:
only actions marked as safe without knowledge of the visitor may show, else silence.
"""

import secrets
import time
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
import structlog
from msgspec import UnsetType

from features.events import Row
from features.record import Records, packed
from features.tail import tail_of
from models import receipt
from models.arms import arm_of
from models.decision import Decision, Known, answer, decide
from models.inputs import Inputs
from models.page_plan import in_order
from service import fallback, stream
from service.auth import check_clock
from service.errors import Problem, StoreUnavailable
from service.ingest import ANALYTICS, Terms, consents, inherit, rows, terms
from service.keys import Access
from service.metrics import Metrics
from service.page import context_of, event_of_page
from service.receipts import ReceiptWriter
from service.settings import Settings
from service.shop_live import Live
from service.store import Attributes, Dismissals, Store
from service.suggest import Suggester
from service.wire import DecisionRequest, read_decision, read_event

PERSONALIZATION: Final = "personalization"

RECEIPT_BYTES: Final = 4096
PRODUCT_BYTES: Final = 500
"""Of a receipt with its vector and facts, and of each product in it: what waits is bounded by this estimate."""

_log = structlog.get_logger("tact.decide")


class Seen(msgspec.Struct, frozen=True):
    """What is known of the visitor. tail: None if the store is gone; then `because` says "store" or "deadline".

    dismissed: what the visitor waved away, by the action's hash, also before the tail begins.
    """

    tail: bytes | None
    attributes: Attributes
    because: str = ""
    dismissed: Dismissals = ()


class Answered(msgspec.Struct, frozen=True):
    """A decision's body, and the decision unless making it failed."""

    body: bytes
    decision: Decision | None


class Made:
    """A decision whose receipt is put into words when it is written, once: that takes as long as arbitration does."""

    __slots__ = ("_body", "_decision", "_entry", "decision_id", "shop", "size")

    def __init__(self, decision: Decision, body: bytes) -> None:
        inputs = decision.inputs
        self._decision, self._body = decision, body
        self._entry: stream.DecisionEntry | None = None
        self.shop, self.decision_id = inputs.shop, inputs.decision_id
        products = len(inputs.recommended) + len(inputs.returning) + len(inputs.popular) + len(inputs.arrivals)
        self.size = RECEIPT_BYTES + len(body) + 2 * len(inputs.tail or b"") + PRODUCT_BYTES * products

    def entry(self) -> stream.DecisionEntry:
        """The decision as it goes to the stream."""
        if self._entry is None:
            self._entry = entry_of(self._decision, self._body)
        return self._entry


class Decider:
    """POST /v1/decisions after the body is read. live: what a shop is served with now. now_ms: the clock."""

    def __init__(
        self,
        store: Store,
        live: Callable[[str], Live],
        receipts: ReceiptWriter,
        metrics: Metrics,
        settings: Settings,
        now_ms: Callable[[], int],
    ) -> None:
        self._store, self._live, self._receipts = store, live, receipts
        self._metrics, self._settings, self._now_ms = metrics, settings, now_ms
        self._suggester = Suggester(metrics, settings.candidates)

    async def decide(self, body: bytes, access: Access) -> bytes:
        """The answer's body. Raises Problem for a request that cannot be answered, and nothing else."""
        started = time.perf_counter()
        try:
            return (await self.answer(read_decision(body), access)).body
        finally:
            self._metrics.answered(time.perf_counter() - started)

    async def answer(self, request: DecisionRequest, access: Access) -> Answered:
        """Answer a request that has been read. Raises Problem."""
        give_up = time.monotonic() + self._settings.deadline_ms / 1000
        check_clock(request.clock_ms, access)
        live = self._live(access.shop)  # once: a swap must not split a request over two versions
        against = terms(access.shop, live.policy, self._now_ms(), self._settings, request.clock_ms)
        _check_placements(request.placements, live)
        partition = self._store.partition(request.visitor_id)
        decision_id = stream.decision_id(against.now_ms, secrets.token_bytes(10), partition)
        events = events_of(request, against, live, decision_id)
        try:
            seen = await self._see(request, against, events)
            tail = tail_of(seen.tail) if seen.tail is not None else None
            inputs = inputs_of(request, live, against.now_ms, decision_id, seen, tail)
            decision = made(inputs, live, tail, self._suggester, give_up - time.monotonic())
            body = answer(decision)
            self._count(decision, live)
            if consents(request.context.consent, live.policy, ANALYTICS):
                await self._receipts.put(Made(decision, body), give_up - time.monotonic())
            return Answered(body, decision)
        except Exception as error:  # noqa: BLE001  # the page gets an answer whatever it is, the log the trace
            _log.error("decision_failed", decision_id=decision_id, shop=access.shop, exc_info=error)
            self._metrics.degraded("error")
            bundle = live.bundle.id if live.bundle else ""
            return Answered(fallback.silence(decision_id, request.placements, live.policy.version, bundle), None)

    async def _see(self, request: DecisionRequest, against: Terms, events: Sequence[Sequence[Row]]) -> Seen:
        """One round trip: append what may be stored, read what may be used."""
        consent = request.context.consent
        keep = consents(consent, against.policy, ANALYTICS)
        store = events if keep else ()
        use = consents(consent, against.policy, PERSONALIZATION)
        if events and not keep:
            self._metrics.not_stored("consent", len(events))
        if not keep and not use:
            return Seen(_packed(events), {})
        try:
            wait_s = self._settings.store_timeout_ms / 1000
            found = await self._store.append_and_read(against.shop, request.visitor_id, store, wait_s)
        except (TimeoutError, StoreUnavailable) as error:
            because = "deadline" if isinstance(error, TimeoutError) else "store"
            self._metrics.not_stored(because, len(store))
            return Seen(None, {}, because) if use else Seen(_packed(events), {})
        for lines in store:
            self._metrics.event(lines[0].event)
        if not use:  # a no holds all the same: to heed it is not to personalize
            return Seen(_packed(events), {}, dismissed=found.dismissed)
        tail = found.tail if store else found.tail + _packed(events)  # what was stored was packed by the store
        return Seen(tail, found.attributes, dismissed=found.dismissed)

    def _count(self, decision: Decision, live: Live) -> None:
        """What the metrics tell of a decision."""
        if decision.degraded:
            self._metrics.degraded(decision.degraded_because)
        for chosen in decision.placed:
            action = live.policy.action(chosen.action) if chosen.action is not None else None
            placement = chosen.placement if live.has_policy else "unknown"  # else a caller's word would be a label
            self._metrics.decided(live.shop, placement, action.kind if action is not None else "silence")
        gates = decision.gates()
        self._metrics.gates_closed(gates)
        if "rule_error" in gates:
            for candidate in (candidate for chosen in decision.chosen for candidate in chosen.candidates):
                if candidate.gate == "rule_error":
                    self._metrics.rule_failed(live.shop, candidate.action)


def _packed(events: Sequence[Sequence[Row]]) -> bytes:
    """The events' records."""
    return packed([row for rows_ in events for row in rows_])


def _check_placements(placements: Sequence[str], live: Live) -> None:
    _, unknown = in_order(live.policy, tuple(placements)) if live.has_policy else ((), ())
    if unknown:
        there_are = ", ".join(live.policy.at) or "none"
        at = placements.index(unknown[0])
        which = ", ".join(f"`{one}`" for one in unknown)
        raise Problem("unknown_placement", f"{which}: there are {there_are}.", f"/placements/{at}", unknown=unknown)


def events_of(request: DecisionRequest, against: Terms, live: Live, decision_id: str) -> list[list[Row]]:
    """The events that come with the request; without any, the one that the page itself is. Raises Problem."""
    if isinstance(request.events, UnsetType):
        product = live.catalog.product(request.context.item_id)
        return [rows(event_of_page(request, decision_id, product), against)]
    found = []
    for i, raw in enumerate(request.events):
        try:
            found.append(rows(inherit(read_event(raw), request.visitor_id, request.user_id), against))
        except Problem as problem:
            raise problem.at(i) from None
    return found


def inputs_of(
    request: DecisionRequest, live: Live, now_ms: int, decision_id: str, seen: Seen, tail: Records | None = None
) -> Inputs:
    """What the decision is made from, but for recommended products. Pure: what is live, and what was read.

    tail: seen.tail, if in order.
    """
    context = request.context
    if tail is None and seen.tail is not None:
        tail = tail_of(seen.tail)
    return Inputs(
        shop=live.shop,
        decision_id=decision_id,
        visitor_id=request.visitor_id,
        user_id=request.user_id,
        now_ms=now_ms,
        placements=tuple(request.placements),
        context=context_of(context),
        consent=tuple(context.consent) if context.consent is not None else None,
        tail=tail.tobytes() if tail is not None else None,  # in order: sorted once, and the receipt's is the tail
        attributes=seen.attributes,
        facts=live.catalog.facts(tail) if tail is not None else None,
        product=live.catalog.product(context.item_id) if context.item_id else None,
        dismissed=seen.dismissed,
        switches=live.switches,
        persona=live.persona(request.placements, tail),
        leave_line=live.leave_line,
        degraded_because=seen.because or ("" if live.has_policy else "policy") or ("" if live.bundle else "bundle"),
    )


def made(inputs: Inputs, live: Live, tail: Records | None, suggester: Suggester, left_s: float) -> Decision:
    """The decision: the visitor's scores, then products for who may see any, then what stands where."""
    if inputs.degraded_because or live.bundle is None:
        return decide(inputs, live.bundle, live.policy, live.draws)
    known = Known.of(inputs, live.bundle, tail)
    if any(p in live.needs for p in inputs.placements) and arm_of(live.policy, inputs.visitor_id) != "holdout":
        inputs = suggester.add(inputs, known, live, left_s)
    return decide(inputs, live.bundle, live.policy, live.draws, known)


def entry_of(decision: Decision, body: bytes) -> stream.DecisionEntry:
    inputs = decision.inputs
    return stream.DecisionEntry(
        shop=inputs.shop,
        decision_id=inputs.decision_id,
        visitor_id=inputs.visitor_id,
        ts_ms=inputs.now_ms,
        degraded=decision.degraded,
        bundle=decision.bundle_id,
        policy=decision.policy.version,
        stage=decision.stage,
        silent=decision.silent,
        actions=decision.actions,
        receipt=receipt.encode(decision, body),
    )
