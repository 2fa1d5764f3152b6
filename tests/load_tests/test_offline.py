"""What replay and import are measured by: all events are read, and both rates are of them."""

import pytest

from load_tests.offline import figures
from load_tests.simulated_log import Size


def test_replay_and_import_are_measured_on_the_same_events() -> None:
    found = figures(Size(events=3000, days=2, items=200), repeats=2)
    assert found["replay_events"] == found["import_rows"] > 2000
    assert found["replay_per_s"] == round(found["replay_events"] / min(found["replay_s"]))
    assert min(found["import_s"]) < found["import_rows"] / found["import_per_s"] + 0.001
    assert found["import_per_s"] == pytest.approx(found["import_rows"] * 2 / sum(found["import_s"]), rel=0.01)
