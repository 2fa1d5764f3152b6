"""`tact drift` tells what moved, worst first, and says what to do where there is nothing to compare."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from features.lakefile import DecisionRow, write_decisions
from features.schema import INDEX
from models import bundle as bundles
from models.bundle import Bundle
from models.registry import Registry
from tact import drifted, verb_drift
from tests.models.bundles import parts
from tests.models.drifting import NOW_MS, parts_with_reference, receipt, vectors

app = typer.Typer()
app.callback()(lambda: None)
verb_drift.register(app)


def run(home: Path, *arguments: str) -> Any:
    env = {"TACT_HOME": str(home), "COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}
    return CliRunner().invoke(app, ["drift", "--shop", "demo", *arguments], env=env)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """800 decisions on two days; on the second no product has a price any more."""
    home = tmp_path_factory.mktemp("home")
    bundle = made_live(home)
    matrix = vectors(800, 12)
    matrix[400:, INDEX["item_price"]] = np.nan
    write_decisions(home / "lake", [decision(bundle, row, n) for n, row in enumerate(matrix)], "a")
    return home


def made_live(home: Path) -> Bundle:
    bundles.write(home / "made", parts_with_reference())
    Registry(home / "registry").publish(home / "made", "demo", "test", "", 0)
    return bundles.load(home / "made")


def decision(bundle: Bundle, row: Any, n: int) -> DecisionRow:
    ts_ms = NOW_MS + (n // 400) * 86_400_000 + n
    data = receipt(bundle, row, f"v{n}", ts_ms)
    return DecisionRow("demo", f"D{n:04d}", f"v{n}", ts_ms, False, bundle.id, "p", "", True, (), data)


def test_a_feature_that_went_missing_comes_first_with_its_shares(home: Path) -> None:
    result = run(home)
    assert result.exit_code == 0, result.output
    assert "800 decisions in 800 sessions" in result.output
    assert re.search(r"1 above 0\.25\n  item_price: unknown: (9\.\d|1\d) % to 5\d %", result.output)


def test_the_time_asked_for_is_the_time_compared(home: Path) -> None:
    first = json.loads(run(home, "--json", "--until", str(NOW_MS + 80_000_000)).stdout)
    assert first["decisions"] == 400
    assert {row["level"] for row in first["features"]} == {"stable"}
    then = json.loads(run(home, "--json", "--since", str(NOW_MS + 80_000_000)).stdout)
    assert (then["features"][0]["name"], then["features"][0]["level"]) == ("item_price", "alert")
    assert then["features"][0]["words"].endswith("to 100 %")
    assert {row["name"] for row in then["scores"]} >= {"stage_awareness", "intent_buy"}


def test_of_very_many_decisions_an_even_part_is_taken(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drifted, "MOST", 400)
    assert json.loads(run(home, "--json").stdout)["decisions"] == 400


def test_a_lake_that_is_not_there_is_told_as_such(home: Path, tmp_path: Path) -> None:
    result = run(home, "--lake", str(tmp_path / "nowhere"))
    assert result.exit_code == 2
    assert "nowhere is not there. Look at --lake or TACT_LAKE" in " ".join(result.output.split())
    file = tmp_path / "log.csv"
    file.write_text("a\n")
    assert "is a file; the lake is a folder" in run(home, "--lake", str(file)).output
    backwards = run(home, "--since", "2024-02-01", "--until", "2024-01-01")
    assert backwards.exit_code == 2 and "is not before --until" in backwards.output


def test_it_says_what_is_missing(tmp_path: Path) -> None:
    assert "the registry holds no shop 'demo'" in run(tmp_path).output
    bundles.write(tmp_path / "old", parts())
    Registry(tmp_path / "registry").publish(tmp_path / "old", "demo", "test", "", 0)
    assert "holds no reference" in run(tmp_path).output
    bundle = made_live(tmp_path)
    (tmp_path / "lake").mkdir()
    assert "has no decisions" in run(tmp_path).output
    other = receipt(bundle, vectors(1, 1)[0], "v").replace(bundle.id.encode(), b"0123456789abcdef")
    write_decisions(
        tmp_path / "lake", [DecisionRow("demo", "D", "v", NOW_MS, False, "x", "p", "", True, (), other)], "a"
    )
    result = run(tmp_path)
    assert result.exit_code == 1 and "1 is of other bundles" in result.output
