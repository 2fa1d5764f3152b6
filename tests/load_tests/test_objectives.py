"""Objectives are data; what a run found is held against them and told with its spread."""

from pathlib import Path

import pytest

from load_tests.bench import Found
from load_tests.objectives import Objective, WrongObjective, objectives
from load_tests.results import figures_of, judged, markdown, rows_of
from load_tests.rows import ROWS


def found() -> Found:
    made = Found()
    for base, ours in ((1000, 2000), (800, 1200), (1000, 1900)):
        made.add("floor_b", {"throughput": base, "requests_per_s": base, "p99_ms": 5.0})
        made.add("decision", {"throughput": ours, "requests_per_s": ours, "p99_ms": 4.0})
    made.add("fixed", {"p90_ms": 6.0, "p99_ms": 20.0, "errors": 0, "degraded": 1})
    made.add("fixed", {"p90_ms": 6.5, "p99_ms": 12.0, "errors": 2, "degraded": 0})
    return made


def test_a_ratio_is_taken_round_by_round() -> None:
    decision = figures_of(found())["decision"]
    assert decision["throughput_over_floor_b"] == 1.9
    assert decision["throughput_over_floor_b_ci"] == [1.5, 2.0]
    assert decision["throughput"] == 1900
    assert decision["throughput_ci"] == [1200, 2000]


def test_errors_of_all_rounds_count() -> None:
    fixed = figures_of(found())["fixed"]
    assert (fixed["errors_sum"], fixed["degraded_sum"]) == (2, 1)


def test_each_objective_is_reached_or_not_or_not_measured() -> None:
    figures = figures_of(found())
    one = Objective("a", "decision.throughput_over_floor_b", ">=", 1.5)
    assert one.reached(figures) is True
    assert Objective("b", "decision.throughput_over_floor_b", ">=", 2.0).reached(figures) is False
    assert Objective("c", "fixed.p90_ms", "<", 6.25).reached(figures) is False
    assert Objective("d", "memory.valkey_mb", "<=", 400).reached(figures) is None
    assert Objective("e", "x.y", "<=", 1).reached({"x": {"y": float("nan")}}) is None


def test_the_file_names_every_objective_of_the_ten() -> None:
    assert {one.name.partition(".")[0] for one in objectives()} == {str(n) for n in range(1, 11)}


@pytest.mark.parametrize(
    "text",
    [
        '[[objective]]\nname = "x"\nfigure = "a.b"\nrelation = "=="\ngoal = 1',
        '[[objective]]\nname = "x"\nfigure = "a.b"\nrelation = "<"',
        '[[objective]]\nname = "x"\nfigure = "a.b"\nrelation = "<"\ngoal = 1\nunknown = 2',
    ],
)
def test_an_objective_that_cannot_be_judged_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "objectives.toml"
    path.write_text(text)
    with pytest.raises(WrongObjective):
        objectives(path)


def test_the_table_says_what_was_reached_and_what_was_not_measured() -> None:
    lines = {line[0]: line for line in judged(figures_of(found()))}
    assert lines["1. decisions a second, one placement, of floor B's"][2:] == ("1.9 × (1.5–2)", "yes")
    assert lines["2. p99 at 1,000 decisions/s"][3] == "no"
    assert lines["8. events a second, in batches of 50"][3] == "not measured"


def test_a_row_that_was_not_measured_says_why() -> None:
    rows = rows_of({"feast": {"because": "no network"}})
    assert rows[0][1] == "not measured: no network"


def test_every_row_has_a_name_of_its_own_and_says_what_it_is() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)
    assert {"floor_a", "floor_b", "floor_c", "decision", "events", "recommend"} <= {row.name for row in ROWS}


def test_a_table_is_markdown() -> None:
    assert markdown(("", "b"), [("x", "1")]) == "|  | b |\n| --- | ---: |\n| x | 1 |\n"
