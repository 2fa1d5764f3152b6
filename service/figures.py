"""What a page of /metrics says in a few sums: what the console's health keeps of each moment."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from prometheus_client.parser import text_string_to_metric_families

SUMS: Final = (
    *("tact_decisions_total", "tact_events_total", "tact_degraded_total", "tact_events_not_stored_total"),
    *("tact_refused_total", "tact_receipts_lost_total", "tact_rule_errors_total", "tact_reload_failures_total"),
    *("tact_unranked_total", "tact_store_failures_total", "tact_receipts_queued", "tact_prompt_streams"),
)
HISTOGRAMS: Final = ("tact_decision_seconds", "tact_store_seconds", "tact_recommend_seconds")
BY: Final = {
    "tact_degraded_total": "because",
    "tact_events_not_stored_total": "because",
    "tact_refused_total": "code",
    "tact_gate_closed_total": "gate",
    "tact_live_age_seconds": "shop",
}
"""Told by a label as well."""


def summed(page: str) -> dict[str, Any]:
    """{sums: counters and gauges over all labels, by: of those of BY by a label, buckets: cumulative, by upper end}."""
    sums = dict.fromkeys(SUMS, 0.0)
    by: dict[str, dict[str, float]] = {name: {} for name in BY}
    buckets: dict[str, dict[str, float]] = {name: {} for name in HISTOGRAMS}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            if sample.name in sums:
                sums[sample.name] += sample.value
            if sample.name in by:
                label = sample.labels[BY[sample.name]]
                by[sample.name][label] = by[sample.name].get(label, 0.0) + sample.value
            if family.name in buckets and sample.name.endswith("_bucket"):
                buckets[family.name][sample.labels["le"]] = sample.value
    return {"sums": sums, "by": by, "buckets": buckets}


def quantile(before: dict[str, float], after: dict[str, float], share: float) -> float | None:
    """Seconds below which a share of the observations between two samples lay, within a bucket as if evenly spread;
    None where there were none. The last bucket has no end: its begin is told."""
    ends = sorted(after, key=float)
    counts = [max(0.0, after[end] - before.get(end, 0.0)) for end in ends]
    if not counts or counts[-1] <= 0:
        return None
    wanted, low, below = share * counts[-1], 0.0, 0.0
    for end, count in zip(ends, counts, strict=True):
        if count >= wanted:
            if end == "+Inf":
                return low
            return low + (float(end) - low) * (wanted - below) / max(count - below, 1e-12)
        low, below = float(end), count
    return low


def series(samples: Sequence[Mapping[str, Any]]) -> dict[str, list[float | None]]:
    """Between each two samples: decisions and events a second, seconds of a decision (p50, p99), share degraded.

    None where nothing was decided, and where counters began anew.
    """
    found: dict[str, list[float | None]] = {
        name: [] for name in ("at_ms", "decisions", "events", "p50", "p99", "degraded")
    }
    for before, after in pairwise(samples):
        then, now = (one["buckets"]["tact_decision_seconds"] for one in (before, after))
        seconds = max(1e-3, (after["at_ms"] - before["at_ms"]) / 1000)
        decided = now.get("+Inf", 0.0) - then.get("+Inf", 0.0)
        grew = {name: after["sums"][name] - before["sums"][name] for name in after["sums"]}
        anew = decided < 0 or grew["tact_events_total"] < 0
        found["at_ms"].append(after["at_ms"])
        found["decisions"].append(None if anew else decided / seconds)
        found["events"].append(None if anew else grew["tact_events_total"] / seconds)
        found["degraded"].append(grew["tact_degraded_total"] / decided if decided > 0 else None)
        for name, share in (("p50", 0.5), ("p99", 0.99)):
            found[name].append(None if anew else quantile(then, now, share))
    return found
