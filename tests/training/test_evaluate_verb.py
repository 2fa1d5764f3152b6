"""`tact evaluate WHAT` and `tact train --search --portable` as a person runs them."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from models import bundle
from tact.cli import build
from tests.training.logs import DAY, START_MS, shop_lake
from training.moments import iso

WEEK = iso(START_MS + 7 * DAY * 1000)
END = iso(START_MS + 10 * DAY * 1000)
WINDOW = ("--train-until", WEEK, "--test-until", END)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TACT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = shop_lake(tmp_path_factory.mktemp("two"), 700, seed=3)
    return shop_lake(folder, 600, seed=4, shop="t")


def tact(*arguments: object) -> Result:
    return CliRunner().invoke(build(), [str(argument) for argument in arguments])


def test_models_alone_are_printed_as_markdown(two: Path, tmp_path: Path) -> None:
    done = tact("evaluate", "models", "--lake", two, "--shop", "s", *WINDOW, "--table", "--json", tmp_path / "f.json")
    assert done.exit_code == 0, done.output
    figures = json.loads((tmp_path / "f.json").read_text())
    assert "recommend" not in figures and figures["milestone"]["macro_f1"] > 0
    assert done.stdout.lstrip().startswith("- Shop `s`")
    assert f"| **Tact** | {figures['intent']['leave']['auc']:.3f} [" in done.stdout
    assert "┃" not in done.stdout


def test_a_new_shop_is_started_from_another(two: Path, tmp_path: Path) -> None:
    file = tmp_path / "cold.json"
    asked = ("evaluate", "cold-start", "--lake", two, "--shop", "s", "--test-shop", "t", *WINDOW, "--json", file)
    done = tact(*asked)
    assert done.exit_code == 0, done.output
    found = json.loads(file.read_text())["cold_start"]
    assert {"foreign", "local_all", "both_all"} <= set(found["models"])
    assert found["test"]["since"] > found["begins"]
    assert "Cold start" in done.output and "foreign" in done.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("hats",), "there is no 'hats' to evaluate; there are all, models, recommend, cold-start"),
        (("models", "--report", "r.html"), "--report shows everything: leave out 'models'"),
        (("cold-start",), "cold-start needs a new shop to test on: name it with --test-shop"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(two: Path, arguments: tuple[str, ...], words: str) -> None:
    refused = tact("evaluate", *arguments, "--lake", two, "--shop", "s", *WINDOW)
    assert refused.exit_code == 2
    assert words in " ".join(refused.output.split())


def test_a_portable_bundle_says_so_and_what_was_searched(two: Path, tmp_path: Path) -> None:
    out = tmp_path / "bundle"
    done = tact("train", "--lake", two, "--shop", "s", "--until", WEEK, "--out", out, "--portable", "--search", 1)
    assert done.exit_code == 0, done.output
    manifest = bundle.load(out).manifest
    assert manifest["portable"] is True and manifest["search"]["tried"] == 1
    assert manifest["search"]["models"]["intent_leave"]["standard_error"] > 0
    assert "intent_leave: 1 settings tried" in done.output
