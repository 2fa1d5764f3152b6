"""Metrics in sums, their quantiles, and the alerts that are made of them."""

from typing import Any

import pytest

from service.console_health import GROUP, alerts
from service.figures import quantile, series, summed
from service.metrics import Metrics
from service.recorder import GROUP as RECORDER

FINE: dict[str, Any] = {
    "ok": True,
    "used_bytes": 10,
    "most_bytes": 0,
    "disk_ok": True,
    "stream": {"entries": 5, "unrecorded": 0, "lag_s": 0.0, "recorder": True},
}


def samples(change: Any) -> list[dict[str, Any]]:
    """Two samples a minute apart, with what `change` did to the metrics in between."""
    metrics = Metrics()
    metrics.degraded("store")
    metrics.decision_s.observe(0.003)
    before = summed(metrics.page().decode())
    change(metrics)
    return [{"at_ms": 0, **before}, {"at_ms": 60_000, **summed(metrics.page().decode())}]


def decided(metrics: Metrics, times: int = 100, seconds: float = 0.004) -> None:
    for _ in range(times):
        metrics.decision_s.observe(seconds)


def titles(found: list[dict[str, Any]], facts: dict[str, Any] = FINE, age_s: float | None = 3.0) -> list[str]:
    return [alert["title"] for alert in alerts(found, facts, (), age_s)]


def test_the_reader_of_the_stream_is_the_recorder() -> None:
    assert GROUP == RECORDER


def test_a_quantile_lies_in_the_bucket_that_holds_it() -> None:
    before = {"0.01": 0.0, "0.1": 0.0, "+Inf": 0.0}
    after = {"0.01": 90.0, "0.1": 100.0, "+Inf": 100.0}
    assert quantile(before, after, 0.5) == pytest.approx(0.01 * 50 / 90)
    assert quantile(before, after, 0.99) == pytest.approx(0.01 + 0.09 * 0.9)
    assert quantile(after, after, 0.5) is None
    assert quantile(before, {"0.01": 0.0, "+Inf": 4.0}, 0.5) == 0.01


def test_a_series_has_rates_and_none_where_counters_began_anew() -> None:
    two = samples(lambda metrics: decided(metrics, 120))
    told = series([*two, two[0] | {"at_ms": 90_000}])
    assert told["decisions"] == [2.0, None]
    assert told["degraded"] == [0.0, None]
    assert told["p50"][0] == pytest.approx(0.004, abs=0.001)


def test_where_all_is_well_there_is_no_alert() -> None:
    assert titles(samples(decided)) == []


def test_what_was_bad_before_the_window_raises_nothing() -> None:
    assert titles(samples(lambda metrics: None)) == []


def test_degraded_slow_and_lost_are_told_the_worst_first() -> None:
    def bad(metrics: Metrics) -> None:
        decided(metrics, 100, 0.2)
        for _ in range(5):
            metrics.degraded("deadline")
        metrics.receipts_lost.inc()

    assert titles(samples(bad)) == [
        "5.0% of decisions are degraded",
        "1 receipts were lost",
        "One decision in a hundred takes over 248 ms",
    ]


def test_a_few_slow_decisions_of_a_quiet_shop_are_no_hundredth() -> None:
    assert titles(samples(lambda metrics: decided(metrics, 9, 0.2))) == []


def test_a_store_that_is_away_full_or_not_recorded_is_told() -> None:
    assert "Redis does not answer: decisions are degraded" in titles([], {"ok": False, "detail": "gone"})
    assert "Redis is 90% full" in titles([], FINE | {"used_bytes": 90, "most_bytes": 100})
    late = FINE["stream"] | {"lag_s": 120.0}
    assert "The recorder is 120 s behind" in titles([], FINE | {"stream": late})
    assert "Nothing records the event stream" in titles([], FINE | {"stream": FINE["stream"] | {"recorder": False}})


def test_an_old_snapshot_matters_only_where_events_come() -> None:
    assert titles(samples(decided), age_s=900.0) == []
    assert titles(samples(lambda metrics: metrics.event("page_view")), age_s=900.0) == [
        "The learner's snapshot is 15 min old"
    ]
