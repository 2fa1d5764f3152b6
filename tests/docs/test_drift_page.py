"""Alerts name metrics that exist, do what their tests say, and stand on the page; the gauges' table is the code's."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from models import drift
from service import drift_watch, truth
from service.learner import LearnerMetrics
from service.metrics import Metrics
from tests.docs.test_service_pages import table

ROOT = Path(__file__).parents[2]
DEPLOY, DOCS = ROOT / "deploy", ROOT / "docs"
PAGE = (DOCS / "drift.md").read_text()


def rules() -> list[dict[str, str]]:
    (group,) = yaml.safe_load((DEPLOY / "alerts.yaml").read_text())["groups"]
    found: list[dict[str, str]] = group["rules"]
    return found


def metrics() -> Iterator[tuple[str, str, str, str]]:
    """(name, type, labels, meaning) of every metric of service and learner."""
    for registry in (Metrics().registry, LearnerMetrics().registry):
        for collector in registry._collector_to_names:
            family = next(iter(collector.collect()), None)
            if family is None:
                continue  # it has others counted, and nothing of its own
            labels = ", ".join(f"`{label}`" for label in collector._labelnames)  # type: ignore[attr-defined]
            name = family.name + ("_total" if family.type == "counter" else "")
            yield name, family.type, labels, family.documentation


def test_every_metric_an_alert_names_exists() -> None:
    there_are = {name for name, _, _, _ in metrics()}
    named = {name for rule in rules() for name in re.findall(r"tact_\w+", rule["expr"])}
    assert len(named) >= 9
    assert named <= there_are


def test_every_alert_is_on_the_page_and_says_what_to_do() -> None:
    told = [row[0].strip("`") for row in table(PAGE, "alert | when | do")]
    assert sorted(told) == sorted(rule["alert"] for rule in rules())
    assert all(rule["annotations"]["action"] for rule in rules())  # type: ignore[index]


def test_every_gauge_of_models_is_on_its_page_as_it_is_in_the_code() -> None:
    told = table((DOCS / "metrics.md").read_text(), "gauge | labels | meaning")
    found = [
        [f"`{name}`", labels, meaning]
        for name, _, labels, meaning in metrics()
        if name.startswith(("tact_drift", "tact_online"))
    ]
    assert sorted(told) == sorted(found)


def test_the_page_s_numbers_are_the_code_s() -> None:
    limits = [row[1] for row in table(PAGE, "level | index | meaning")]
    assert limits == [f"to {drift.WATCH:.2f}", f"to {drift.ALERT:.2f}", "above", "–"]
    assert f"under {drift.MIN_SESSIONS} sessions" in PAGE
    assert f"at most {drift_watch.RATE} a second" in PAGE
    assert f"half-life of {drift_watch.HALF_LIFE_MS // 3_600_000} hours" in PAGE
    assert f"the last {truth.KEPT:,}" in PAGE and f"{truth.OPEN:,} open sessions" in PAGE
    assert all(f"`{name}`" in PAGE for name in drift.CALENDAR)


@pytest.mark.parametrize("command", [["check", "rules", "alerts.yaml"], ["test", "rules", "alerts_test.yaml"]])
def test_promtool_accepts_the_alerts_and_they_fire_as_their_tests_say(command: list[str]) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not on PATH: the alerts are not run")
    ran = subprocess.run([promtool, *command], cwd=DEPLOY, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
