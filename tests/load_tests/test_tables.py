"""Tables of the page are written from kept results; pictures are drawn from a full one."""

import json
from pathlib import Path
from typing import Any

import pytest

from load_tests import tables
from load_tests.full import METARANK, RATES, breaks_at
from load_tests.others import Other, pick, ran
from load_tests.pictures import draw


def result(throughput: float, minute: int = 1) -> dict[str, Any]:
    machine = {"cpu": "a processor", "cores": 2}
    about = {"date": f"2026-11-23T01:{minute:02}:00+00:00", "commit": "abc", "machine": machine}
    return {
        "about": about | {"rounds": 5, "others_share": 0.1, "problems": []},
        "floor_b": {"throughput": 1000.0, "throughput_ci": [900.0, 1100.0]},
        "decision": {
            "throughput": throughput,
            "throughput_ci": [1.0, 9e9],
            "throughput_over_floor_b": throughput / 1000,
        },
        "fixed": {"errors": 0, "errors_sum": 1},
        "feast": {"because": "no network"},
    }


def full() -> dict[str, Any]:
    def point(**at: float) -> dict[str, float]:
        times = {f"{p}_ms{end}": 3.0 for p in ("p50", "p90", "p99") for end in ("", "_low", "_high")}
        return {**times, "errors": 0, "degraded": 0, "broken": False, **at}

    curve = [point(rate_per_s=rate, p99_ms=rate / 10) for rate in (250.0, 500.0)]
    ends = [*curve, point(rate_per_s=1000.0, degraded=7, broken=True)]
    ranked = [point(candidates=n) for n in (25.0, 100.0, 300.0)]
    growth = {name: {"10": 100.0, "1000": 150.0} for name in ("actions", "products", "visitors")}
    return result(1.0) | {
        "others": {"growth": growth},
        "load": {"decision": ends, "floor_b": curve},
        "candidates": ranked,
    }


def test_several_runs_are_told_by_their_median_and_the_spread_of_the_runs() -> None:
    figures = tables.together([result(1000), result(3000), result(2000)])
    assert figures["decision"]["throughput"] == 2000
    assert figures["decision"]["throughput_ci"] == [1000, 3000]
    assert figures["decision"]["throughput_over_floor_b_ci"] == [1.0, 3.0]
    assert figures["fixed"]["errors_sum"] == 3
    assert figures["feast"]["because"] == "no network"


def test_without_results_it_says_how_to_get_some() -> None:
    with pytest.raises(tables.NoResults, match="--keep"):
        tables.together([])


def test_only_the_tables_of_a_page_are_renewed() -> None:
    page = "# A\n\n<!-- bench:rows -->\nold\n<!-- /bench -->\n\nkept\n\n<!-- bench:load -->\nolder\n<!-- /bench -->\n"
    made = tables.tables([result(2000)], None)
    renewed = tables.written(page, made)
    assert "old\n" not in renewed
    assert "2,000" in renewed
    assert "kept" in renewed
    assert "older" in renewed
    assert tables.written(renewed, made) == renewed


def test_the_page_has_a_place_for_every_table() -> None:
    page = tables.DOC.read_text()
    for name in tables.tables([result(1)], full()):
        assert f"<!-- bench:{name} -->" in page


def test_the_curve_shows_where_it_breaks() -> None:
    curves = full()["load"]
    assert breaks_at(curves["decision"]) == 1000
    assert breaks_at(curves["floor_b"]) is None
    shown = tables.tables([result(1)], full())["load"]
    assert "(7 degraded)" in shown
    assert "| 1,000 |" in shown


def test_rates_rise() -> None:
    assert list(RATES) == sorted(RATES)


def test_pictures_are_drawn_the_same_again_and_name_both_sides(tmp_path: Path) -> None:
    made = draw(full(), tmp_path / "a")
    assert [path.name for path in made] == ["bench-load.svg", "bench-candidates.svg", "bench-growth.svg"]
    assert [path.read_bytes() for path in made] == [path.read_bytes() for path in draw(full(), tmp_path / "b")]
    assert "Metarank p99" in made[1].read_text()
    assert "floor B p99" in made[0].read_text()
    assert set(METARANK) == {25, 100, 300}


def test_figures_of_other_modules_are_found_by_path_and_by_ratio() -> None:
    found: dict[str, Any] = {}
    other = Other("x", "m", (), {"growth.ratio": "a.30 / a.10", "start.rss_mb": "b.rss"}, 1e6)
    pick(found, other, {"a": {"30": 3.0, "10": 2.0}, "b": {"rss": 25e7}})
    assert found == {"growth": {"ratio": 1.5}, "start": {"rss_mb": 250.0}}
    with pytest.raises(KeyError):
        pick(found, Other("x", "m", (), {"growth.ratio": "gone.1"}), {})


def test_another_module_that_fails_is_told_and_left_out() -> None:
    problems: list[str] = []
    assert ran("load_tests.no_such_module", (), problems) is None
    assert "no_such_module" in problems[0]


def test_the_latest_results_are_taken(tmp_path: Path) -> None:
    for minute in range(5):
        (tmp_path / f"bench-20261123T0{minute}.json").write_text(json.dumps(result(minute, minute)))
    assert [found["decision"]["throughput"] for found in tables.last("bench", 3, tmp_path)] == [2, 3, 4]
