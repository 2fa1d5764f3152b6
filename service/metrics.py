"""What the service counts. One object bound to its own registry; the table for people: docs/metrics.md.

Label sets are closed: shops, placements and actions come from policies, kinds and codes from tables in the code; never
a visitor, never a raw path. With several workers (PROMETHEUS_MULTIPROC_DIR set before the client is imported, as
`tact serve` does) the page shows the sum over all workers.
"""

import os
import threading
from bisect import bisect_left
from collections import Counter as TallyOf
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, Literal

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
MULTIPROCESS: Final = "PROMETHEUS_MULTIPROC_DIR"

DECISION_BUCKETS_S: Final = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25)
"""Round the objective: a few milliseconds, and the deadline of 100 ms."""

RANKING_BUCKETS_S: Final = (0.00025, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.025, 0.05)
"""Round the objective: 1 ms in the middle, 3 ms for the slowest percent."""
STORE_BUCKETS_S: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1)
BATCH_BUCKETS: Final = (1, 2, 4, 8, 16, 32, 64, 128)

MOST_NOTED: Final = 256
"""So many decisions wait at most to be counted."""

WITHDRAWN: Final = -1.0
"""Value of a gauge's label set that is no more, where it cannot be taken away. No gauge with labels goes below 0."""

Because = Literal["store", "deadline", "bundle", "policy", "error"]
Unranked = Literal["deadline", "error"]
Previewed = Literal["shown", "expired", "forged", "gone"]
LoggedIn = Literal["opened", "wrong", "limited"]
Reload = Literal["policy", "bundle", "draws", "live", "catalog", "keys", "sources", "personas"]
StoreFailure = Literal["timeout", "connection", "refused"]


class Metrics:
    """Every metric of one process.

    What happens at every decision is only noted, and counted when there is much of it or somebody looks (`settle`): one
    by one it would cost a decision as much as its arbitration. Methods cache label children.
    """

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # when a counter began is what a scrape's own times tell
        self.registry = CollectorRegistry()
        own = self.registry
        self._noted: list[tuple[Any, ...]] = []
        self._gates_noted: list[str] = []
        self._times_noted: dict[Histogram, list[float]] = {}
        self._settling = threading.Lock()
        self.receipts_waiting = 0
        own.register(_Settling(self.settle))
        self._decisions = Counter(
            "tact_decisions", "Placements decided, by what was chosen.", ["shop", "placement", "kind"], registry=own
        )
        self.decision_s = Histogram(
            "tact_decision_seconds", "Time to answer a decision.", buckets=DECISION_BUCKETS_S, registry=own
        )
        self._degraded = Counter("tact_degraded", "Decisions answered degraded.", ["because"], registry=own)
        self._events = Counter("tact_events", "Events taken.", ["event"], registry=own)
        self._not_stored = Counter(
            "tact_events_not_stored", "Events that left no trace: no consent, or no store.", ["because"], registry=own
        )
        self._refused = Counter("tact_refused", "Requests and events refused.", ["code"], registry=own)
        self._gates = Counter("tact_gate_closed", "Candidates blocked, by the gate.", ["gate"], registry=own)
        self._rules = Counter("tact_rule_errors", "Rules that failed.", ["shop", "action"], registry=own)
        self.recommend_s = Histogram(
            "tact_recommend_seconds", "Time to rank products for a decision.", buckets=RANKING_BUCKETS_S, registry=own
        )
        self._unranked = Counter(
            "tact_unranked",
            "Decisions with popular products only: ranking failed or had no time.",
            ["because"],
            registry=own,
        )
        self._store(own)
        self._receipts(own)
        self._reloads(own)
        self.prompt_streams = Gauge(
            "tact_prompt_streams", "Chat widgets connected.", multiprocess_mode="livesum", registry=own
        )
        self._prompts = Counter("tact_prompts", "Prompts sent to chat widgets.", ["shop"], registry=own)
        self._previews = Counter("tact_previews", "Pages opened by a preview link.", ["result"], registry=own)
        self._logins = Counter("tact_console_logins", "Tries to log in to the console.", ["result"], registry=own)

    def _store(self, own: CollectorRegistry) -> None:
        self.store_s = Histogram(
            "tact_store_seconds", "Round trips to the store.", buckets=STORE_BUCKETS_S, registry=own
        )
        self.store_batch = Histogram(
            "tact_store_batch", "Transactions gathered in one round trip.", buckets=BATCH_BUCKETS, registry=own
        )
        self._store_failures = Counter("tact_store_failures", "Round trips that failed.", ["because"], registry=own)
        self.trims = Counter("tact_tail_trims", "Tails cut back to their length.", registry=own)

    def _receipts(self, own: CollectorRegistry) -> None:
        self.receipts_queued = Gauge(
            "tact_receipts_queued", "Receipts waiting to be written.", multiprocess_mode="livesum", registry=own
        )
        self.receipts_delayed = Counter(
            "tact_receipts_delayed", "Receipts that had to wait for room in the queue.", registry=own
        )
        self.receipts_lost = Counter(
            "tact_receipts_lost", "Receipts given up: the store was gone for too long.", registry=own
        )

    def _reloads(self, own: CollectorRegistry) -> None:
        self._reload_failures = Counter(
            "tact_reload_failures", "New versions refused; the old one stayed live.", ["what"], registry=own
        )
        self._bundle = Gauge(
            "tact_bundle_info", "1 for the live bundle.", ["shop", "bundle"], multiprocess_mode="livemax", registry=own
        )
        self._policy = Gauge(
            "tact_policy_info", "1 for the live policy.", ["shop", "policy"], multiprocess_mode="livemax", registry=own
        )
        self._live_age = Gauge(
            "tact_live_age_seconds",
            "How long ago the learner's snapshot in use was published.",
            ["shop"],
            multiprocess_mode="livemin",
            registry=own,
        )
        self._infos: dict[tuple[str, str], str] = {}
        self._adds: dict[tuple[Any, ...], Callable[[float], None]] = {}
        self._times_noted |= {times: [] for times in (self.decision_s, self.store_s, self.store_batch)}

    def settle(self) -> None:
        """Counts what was noted: where much waits, before anybody looks, and now and then (the watcher)."""
        with self._settling:
            for key, count in TallyOf(_taken(self._noted)).items():
                self._add(*key)(count)
            for gate, count in TallyOf(_taken(self._gates_noted)).items():
                if gate:
                    self._add(self._gates, gate)(count)
            for times, seconds in self._times_noted.items():
                _observe_all(times, _taken(seconds))
            self.receipts_queued.set(self.receipts_waiting)

    def _add(self, of: Counter, *labels: str) -> Callable[[float], None]:
        """What adds to a counter's child, without the client's look-up and checks at each addition."""
        key = (of, *labels)
        add = self._adds.get(key)
        if add is None:
            add = self._adds[key] = of.labels(*labels)._value.inc
        return add

    def decided(self, shop: str, placement: str, kind: str) -> None:
        """One placement of a decision; kind: the action's, or "silence"."""
        self._noted.append((self._decisions, shop, placement, kind))

    def answered(self, seconds: float) -> None:
        """A decision that took so long."""
        times = self._times_noted[self.decision_s]
        times.append(seconds)
        if len(times) >= MOST_NOTED:
            self.settle()

    def store_trip(self, seconds: float, transactions: int) -> None:
        """A round trip to the store and how many shared it."""
        self._times_noted[self.store_s].append(seconds)
        self._times_noted[self.store_batch].append(transactions)

    def degraded(self, because: str) -> None:
        """One decision made without what it should have been made with."""
        self._degraded.labels(because).inc()

    def unranked(self, because: Unranked) -> None:
        """A decision whose products nobody ranked."""
        self._unranked.labels(because).inc()

    def event(self, kind: str, count: int = 1) -> None:
        """Events taken; kind: a name of the vocabulary or "custom"."""
        if count == 1:
            self._noted.append((self._events, kind))
        else:
            self._add(self._events, kind)(count)

    def not_stored(self, because: str, count: int = 1) -> None:
        """Events that left no trace: "consent", or "store" and "deadline" where a decision degraded."""
        self._not_stored.labels(because).inc(count)

    def refused(self, code: str, count: int = 1) -> None:
        """Requests or single events refused with this code."""
        self._refused.labels(code).inc(count)

    def gates_closed(self, gates: Iterable[str]) -> None:
        """The gate of each candidate; "" where none was closed."""
        self._gates_noted += gates

    def rule_failed(self, shop: str, action: str) -> None:
        """A rule that failed: its action was not eligible."""
        self._rules.labels(shop, action).inc()

    def store_failed(self, because: StoreFailure) -> None:
        """A round trip that brought no answer."""
        self._store_failures.labels(because).inc()

    def prompted(self, shop: str) -> None:
        """A prompt that went to a chat widget."""
        self._prompts.labels(shop).inc()

    def previewed(self, result: Previewed) -> None:
        """A page that brought a preview's token; without "shown" it was answered as any page."""
        self._previews.labels(result).inc()

    def logged_in(self, result: LoggedIn) -> None:
        """A key or a link at the console's login: right, wrong, or not looked at as too many were wrong."""
        self._logins.labels(result).inc()

    def reload_failed(self, what: Reload) -> None:
        """A new version that was refused."""
        self._reload_failures.labels(what).inc()

    def live(self, shop: str, bundle: str, policy: str) -> None:
        """Which bundle and policy a shop is served with; "" for none."""
        self._inform(self._bundle, "bundle", shop, bundle)
        self._inform(self._policy, "policy", shop, policy)

    def live_age(self, shop: str, seconds: float) -> None:
        """How old the learner's snapshot in use is."""
        self._live_age.labels(shop).set(max(0.0, seconds))

    def forget(self, shop: str) -> None:
        """A shop that is withdrawn."""
        self.live(shop, "", "")
        _withdraw(self._live_age, shop)

    def _inform(self, gauge: Gauge, what: str, shop: str, version: str) -> None:
        before = self._infos.get((what, shop))
        if before == version:
            return
        if before:
            _withdraw(gauge, shop, before)
        if version:
            gauge.labels(shop, version).set(1)
        self._infos[what, shop] = version

    def page(self) -> bytes:
        """The text that Prometheus scrapes."""
        self.settle()
        if MULTIPROCESS not in os.environ:
            return generate_latest(self.registry)
        everywhere = CollectorRegistry()
        everywhere.register(_Shown(MultiProcessCollector(None)))  # type: ignore[no-untyped-call]
        return generate_latest(everywhere)


def _taken(noted: list[Any]) -> list[Any]:
    """What was noted so far; what another thread notes meanwhile stays for the next time."""
    count = len(noted)
    taken = noted[:count]
    del noted[:count]
    return taken


def _observe_all(times: Histogram, seconds: list[float]) -> None:
    """As Histogram.observe of each, in one addition for each bucket."""
    if seconds:
        bounds: list[float] = times._upper_bounds
        times._sum.inc(sum(seconds))
        for place, count in TallyOf(bisect_left(bounds, one) for one in seconds).items():
            times._buckets[place].inc(count)


class _Settling(Collector):
    """Has what was noted counted before the others are read; it has no metric of its own."""

    def __init__(self, settle: Callable[[], None]) -> None:
        self._settle = settle

    def describe(self) -> Iterator[Metric]:
        """As Collector.describe."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """As Collector.collect."""
        self._settle()
        return iter(())


def _withdraw(gauge: Gauge, *labels: str) -> None:
    """Take a label set off the page. Files shared by workers only grow: there it is marked, and left out when shown."""
    if MULTIPROCESS in os.environ:
        gauge.labels(*labels).set(WITHDRAWN)
    else:
        gauge.remove(*labels)


class _Shown(Collector):
    """What another collector collects, without the label sets that were withdrawn."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    def collect(self) -> Iterator[Metric]:
        """As Collector.collect."""
        for metric in self._collector.collect():
            metric.samples = [sample for sample in metric.samples if sample.value != WITHDRAWN]
            yield metric
