"""`tact journeys` as a person runs it."""

import json
from pathlib import Path

from typer.testing import CliRunner

from tact.cli import build
from tests.training.logs import shop_rows
from tests.training.test_journeys import lake_of

run = CliRunner().invoke


def verb(*arguments: str) -> tuple[int, str]:
    done = run(build(), ["journeys", *arguments])
    return done.exit_code, done.output


def test_it_writes_the_picture_and_the_page(tmp_path: Path) -> None:
    lake = lake_of(tmp_path / "lake", shop_rows(60))
    code, text = verb("--lake", str(lake), "--json", str(tmp_path / "j.json"), "--report", str(tmp_path / "j.md"))
    told = json.loads((tmp_path / "j.json").read_text())
    assert code == 0 and "looked round and left" in text
    assert told["sessions"] == sum(one["sessions"] for one in told["outcomes"]) == 60
    assert (tmp_path / "j.md").read_text().startswith("# Journeys of s")


def test_a_wrong_channel_ends_with_2_and_says_what_there_is(tmp_path: Path) -> None:
    code, text = verb("--lake", str(lake_of(tmp_path, shop_rows(5))), "--channel", "pigeon")
    assert code == 2 and "organic_search" in text


def test_a_lake_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    code, text = verb("--lake", str(tmp_path / "none"))
    assert code == 2 and "Traceback" not in text


def test_a_period_without_sessions_is_told_as_empty(tmp_path: Path) -> None:
    code, text = verb("--lake", str(lake_of(tmp_path, shop_rows(5))), "--since", "2030-01-01")
    assert code == 0 and "0 sessions" in text
