"""The learner tells drift from the decisions in the stream, at a bounded cost."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from features.schema import INDEX
from models import bundle as bundles
from models.bundle import Bundle
from models.leave_level import NO_LINE, Line
from models.registry import Registry
from service import drift_watch
from service.drift_watch import DriftMetrics, DriftWatch
from service.leave_watch import KeptLevel
from tests.models.bundles import parts
from tests.models.drifting import NOW_MS, parts_with_reference, receipt, vectors


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Bundle]]:
    """A registry with a live bundle that knows how its training was spread."""
    root = tmp_path_factory.mktemp("registry")
    bundles.write(root / "made", parts_with_reference())
    Registry(root / "registry").publish(root / "made", "demo", "test", "", 0)
    return str(root / "registry"), bundles.load(root / "made")


class Watched:
    def __init__(self, registry: str) -> None:
        self.page = CollectorRegistry()
        self.watch = DriftWatch(registry, DriftMetrics(self.page))
        self.now_s = 0.0

    def see(self, bundle: Bundle, matrix: Any, at_ms: int = NOW_MS) -> None:
        for n, vector in enumerate(matrix):
            self.watch.decided("demo", at_ms + n * 1000, receipt(bundle, vector, f"v{at_ms}-{n}"))

    def look(self, now_ms: int = NOW_MS) -> None:
        self.now_s += drift_watch.LOOK_S
        self.watch.look(self.now_s, now_ms)

    def psi(self, what: str) -> float | None:
        return self.page.get_sample_value("tact_drift_psi", {"shop": "demo", "what": what})

    def gauge(self, name: str) -> float | None:
        return self.page.get_sample_value(name, {"shop": "demo"})


def test_decisions_like_those_of_training_raise_no_alert(live: tuple[str, Bundle]) -> None:
    seen = Watched(live[0])
    seen.see(live[1], vectors(600, 2))
    seen.look()
    assert seen.gauge("tact_drift_alerts") == 0
    assert seen.gauge("tact_drift_sessions") == 600
    score = seen.psi("intent_buy")
    assert score is not None and score < 0.1


def test_a_feature_that_goes_missing_is_the_worst_and_an_alert(live: tuple[str, Bundle]) -> None:
    seen, broken = Watched(live[0]), vectors(600, 3)
    broken[:, INDEX["item_price"]] = np.nan
    seen.see(live[1], broken)
    seen.look()
    found = seen.psi("item_price")
    assert found is not None and found > 1
    assert seen.gauge("tact_drift_alerts") == 1


def test_few_sessions_have_no_index_however_many_decisions_they_made(live: tuple[str, Bundle]) -> None:
    seen = Watched(live[0])
    for n, vector in enumerate(vectors(500, 4)):
        seen.watch.decided("demo", NOW_MS + n * 1000, receipt(live[1], vector, f"v{n % 5}"))
    seen.look()
    assert seen.gauge("tact_drift_sessions") == 5
    assert seen.psi("intent_buy") is None


def test_what_was_counted_fades_and_a_repair_shows(live: tuple[str, Bundle]) -> None:
    seen, broken = Watched(live[0]), vectors(600, 5)
    broken[:, INDEX["item_price"]] = 9.0
    seen.see(live[1], broken)
    seen.look()
    assert seen.gauge("tact_drift_alerts") == 1
    later = NOW_MS + 4 * drift_watch.HALF_LIFE_MS
    seen.look(later)
    assert seen.gauge("tact_drift_sessions") == pytest.approx(600 / 16)
    seen.see(live[1], vectors(900, 6), later)
    seen.look(later)
    assert seen.gauge("tact_drift_alerts") == 0


def test_no_more_than_the_rate_is_read_in_a_second_of_the_stream(live: tuple[str, Bundle]) -> None:
    seen = Watched(live[0])
    data = receipt(live[1], vectors(1, 7)[0], "v")
    for n in range(200):
        seen.watch.decided("demo", NOW_MS + n, data[:-1] if n >= drift_watch.RATE else data)  # the rest is not read
    window = seen.watch._shops["demo"]
    assert len(window.rows) == drift_watch.RATE


def test_decisions_of_another_bundle_do_not_count_and_a_new_bundle_begins_anew(
    live: tuple[str, Bundle], tmp_path: Path
) -> None:
    seen = Watched(live[0])
    other = receipt(live[1], vectors(1, 8)[0], "v").replace(live[1].id.encode(), b"0123456789abcdef")
    seen.watch.decided("demo", NOW_MS, other)
    seen.look()
    assert seen.gauge("tact_drift_sessions") == 0
    bundles.write(tmp_path / "next", parts(again=True))
    Registry(live[0]).publish(tmp_path / "next", "demo", "test", "", 0)
    seen.look()
    seen.watch.decided("demo", NOW_MS, receipt(live[1], vectors(1, 9)[0], "v"))
    assert seen.watch._shops["demo"].reference is None
    Registry(live[0]).rollback("demo", "test", "", 0)


def test_a_shop_without_a_bundle_or_with_one_without_a_reference_is_left_alone(tmp_path: Path) -> None:
    seen = Watched(str(tmp_path / "nothing"))
    seen.watch.decided("demo", NOW_MS, b"no receipt at all")
    seen.look()
    assert seen.gauge("tact_drift_alerts") is None


def leave(seen: Watched, bundle: Bundle, at_ms: int, line: Line = NO_LINE, n: int = 900) -> None:
    """Decisions of visitors of whom nothing more is heard, and an event long after."""
    for at, vector in enumerate(vectors(n, 11)):
        seen.watch.decided("demo", at_ms + at * 100, receipt(bundle, vector, f"v{at_ms}-{at}", at_ms + at * 100, line))
    seen.watch.happened("demo", SimpleNamespace(visitor_id="other", ts_ms=at_ms + 3_600_000, event="view_item"))
    seen.look(at_ms + 3_600_000)


def test_the_level_of_leaving_follows_what_came_about_and_belongs_to_its_bundle(live: tuple[str, Bundle]) -> None:
    seen = Watched(live[0])
    leave(seen, live[1], NOW_MS)
    bundle, (first, *_) = seen.watch.leave_of("demo")
    assert bundle == live[1].id and first > 0.2  # everybody left, and the bundle did not say so
    shown = seen.page.get_sample_value("tact_online_leave_line", {"shop": "demo", "part": "first"})
    assert shown == first


def test_what_was_said_is_learned_from_as_the_bundle_said_it(live: tuple[str, Bundle]) -> None:
    plain, moved = Watched(live[0]), Watched(live[0])
    leave(plain, live[1], NOW_MS)
    leave(moved, live[1], NOW_MS, (0.4, -0.4, 0.2))
    assert moved.watch.leave_of("demo")[1] == pytest.approx(plain.watch.leave_of("demo")[1], abs=1e-9)


def test_the_level_of_leaving_outlives_a_restart_with_the_same_bundle_only(live: tuple[str, Bundle]) -> None:
    before = Watched(live[0])
    leave(before, live[1], NOW_MS)
    kept = msgspec.convert(msgspec.to_builtins(before.watch.levels()), dict[str, KeptLevel])
    again = Watched(live[0])
    again.watch.take_levels(kept)
    assert again.watch.leave_of("demo") == before.watch.leave_of("demo")
    again.see(live[1], vectors(1, 3))
    assert again.watch.leave_of("demo") == before.watch.leave_of("demo")
    other = Watched(live[0])
    other.watch.take_levels({"demo": msgspec.structs.replace(kept["demo"], bundle="another")})
    other.see(live[1], vectors(1, 3))
    assert other.watch.leave_of("demo") == (live[1].id, NO_LINE)


def test_sums_of_another_form_are_refused(live: tuple[str, Bundle]) -> None:
    with pytest.raises(ValueError, match="level of leaving"):
        Watched(live[0]).watch.take_levels({"demo": KeptLevel("b", ((0.0,), (0.0, 0.0)))})


def test_a_new_bundle_begins_without_a_level(live: tuple[str, Bundle], tmp_path: Path) -> None:
    seen = Watched(live[0])
    leave(seen, live[1], NOW_MS)
    bundles.write(tmp_path / "next", parts(again=True))
    Registry(live[0]).publish(tmp_path / "next", "demo", "test", "", 0)
    seen.look()
    assert seen.watch.leave_of("demo")[1] == NO_LINE
    Registry(live[0]).rollback("demo", "test", "", 0)
