"""The last hour of the install's metrics, taken every few seconds from /metrics: the charts of the console's health."""

import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from prometheus_client.parser import text_string_to_metric_families

from service.settings import Settings
from tact.supervisor import get, reachable

EVERY_S: Final = 10.0
KEPT: Final = 360
"""An hour."""
_SUMS: Final = (
    "tact_decisions_total",
    "tact_events_total",
    "tact_degraded_total",
    "tact_events_not_stored_total",
    "tact_refused_total",
)
_HISTOGRAMS: Final = ("tact_decision_seconds", "tact_store_seconds")


@dataclass
class Samples:
    """What /metrics said, oldest first."""

    settings: Settings
    _taken: "deque[dict[str, Any]]" = field(default_factory=lambda: deque(maxlen=KEPT))

    def follow(self, stop: threading.Event) -> None:
        """Takes a sample every EVERY_S until `stop`."""
        while not stop.wait(EVERY_S):
            status, page = get(reachable(self.settings.host), self.settings.port, "/metrics")
            if status == 200:
                self._taken.append({"at_ms": int(1000 * time.time()), **summed(page)})

    def told(self) -> Mapping[str, Any]:
        """{every_s, samples}."""
        return {"every_s": EVERY_S, "samples": list(self._taken)}


def summed(page: str) -> dict[str, Any]:
    """Of a page of /metrics: counters summed over labels, degraded by reason, histograms as cumulative buckets."""
    found: dict[str, Any] = dict.fromkeys(_SUMS, 0.0)
    found |= {"because": {}, "buckets": {name: {} for name in _HISTOGRAMS}}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            if sample.name in _SUMS:
                found[sample.name] += sample.value
            if sample.name == "tact_degraded_total":
                found["because"][sample.labels["because"]] = sample.value
            if sample.name.endswith("_bucket") and family.name in _HISTOGRAMS:
                found["buckets"][family.name][sample.labels["le"]] = sample.value
    return found
