"""The console's questions about journeys and personas, asked as its part asks them."""

import json
from pathlib import Path
from typing import Any

import pytest

from features.lakefile import write_events
from models.persona_files import publish
from tests.training.logs import START_MS, shop_rows
from tests.training.test_journeys import lake_of, stage_lake
from tests.training.test_personas_found import two_kinds
from training import console_journeys
from training.console_queries import QUERIES, Asked, Unanswerable, answer
from training.lake import load_log
from training.persona_find import find

NOW_MS = START_MS + 30 * 86_400_000


@pytest.fixture(autouse=True)
def nothing_kept() -> None:
    console_journeys._kept.clear()


def ask(lake: Path, name: str, **params: str) -> dict[str, Any]:
    told = answer(name, Asked(lake, "s", params, now_ms=NOW_MS))
    json.dumps(told, allow_nan=False)  # the page gets it as JSON
    return told


def test_the_questions_are_in_the_table() -> None:
    assert {"journey_map", "journey_paths", "journey_lift", "personas"} <= set(QUERIES)


def test_the_map_has_a_name_for_people_at_every_row(tmp_path: Path) -> None:
    told = ask(lake_of(tmp_path, shop_rows(80)), "journey_map")
    for row in (*told["nodes"], *told["outcomes"], *told["moments"], *told["places"], *told["products"]):
        assert row["label"]
    assert told["sessions"] == 80


def test_paths_of_a_flow_come_from_the_same_sessions_as_the_map(tmp_path: Path) -> None:
    lake = lake_of(tmp_path, shop_rows(80))
    flow = ask(lake, "journey_map")["links"][0]
    told = ask(lake, "journey_paths", source=flow["source"], target=flow["target"])
    assert told["sessions"] == flow["sessions"] and 0 < len(told["paths"]) <= console_journeys.PATHS
    assert all(step["label"] for path in told["paths"] for step in path["steps"])


def test_a_filter_without_a_match_says_what_there_is(tmp_path: Path) -> None:
    lake = lake_of(tmp_path, shop_rows(10))
    with pytest.raises(Unanswerable, match="organic_search"):
        ask(lake, "journey_map", channel="pigeon")
    with pytest.raises(Unanswerable, match="hindsight"):
        ask(lake, "journey_map", stages="guessed")


def test_a_shop_without_events_is_told_so(tmp_path: Path) -> None:
    for name in ("journey_map", "journey_paths", "personas"):
        with pytest.raises(Unanswerable, match="no event"):
            ask(tmp_path, name)
    assert ask(tmp_path, "journey_lift") == {"stages": {}}


def test_lift_by_stage_is_asked_by_itself(tmp_path: Path) -> None:
    assert list(ask(stage_lake(tmp_path, 400, 0.0), "journey_lift")["stages"]) == ["evaluation"]


def test_few_visitors_have_no_personas_and_the_page_is_told_how_many_there_are(tmp_path: Path) -> None:
    with pytest.raises(Unanswerable, match="personas need 200"):
        ask(lake_of(tmp_path, shop_rows(10)), "personas")


def test_the_map_can_be_chosen_by_personas_found_or_in_use(tmp_path: Path) -> None:
    lake = lake_of(tmp_path, two_kinds())
    assert ask(lake, "journey_map")["filters"]["persona"] == []
    found = ask(lake, "personas")
    assert found["in_use"] is None
    before = {one["name"]: one["sessions"] for one in ask(lake, "journey_map")["filters"]["persona"]}
    assert set(before) == {one["persona"] for one in found["personas"]}
    publish(lake, find(load_log(lake, "s")).personas)
    assert {one["name"]: one["sessions"] for one in ask(lake, "journey_map")["filters"]["persona"]} == before
    name = found["personas"][0]["persona"]
    chosen = ask(lake, "journey_map", persona=name)
    assert chosen["sessions"] == before[name]


def test_the_log_is_read_once_and_again_only_when_it_has_grown_and_is_old(tmp_path: Path, monkeypatch: Any) -> None:
    lake = lake_of(tmp_path, shop_rows(10))
    reads = []
    monkeypatch.setattr(console_journeys, "load_log", lambda *a: reads.append(a) or load_log(*a))
    ask(lake, "journey_map")
    ask(lake, "journey_map", device="unknown")
    write_events(lake, shop_rows(3, seed=9), "more")
    ask(lake, "journey_map")
    assert len(reads) == 1  # grown, but not old enough
    next(iter(console_journeys._kept.values())).until = 0.0
    ask(lake, "journey_map")
    assert len(reads) == 2
