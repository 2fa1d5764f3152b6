"""`tact evaluate WHAT` and `tact train --search --portable` as a person runs them."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from features.lakefile import write_events
from models import bundle
from tact.cli import build
from tests.training.logs import DAY, HOUR, MINUTE, START_MS, Did, rows_of, shop_lake
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


def test_recommendations_alone_need_no_label_and_count_as_many_views_as_asked_for(tmp_path: Path) -> None:
    """Two hours of views, nothing else: no session is over long enough ago to learn an intent from."""
    lake = tmp_path / "views"
    write_events(lake, [row for n in range(8) for row in rows_of(f"v{n}", five_views(n))], "test")
    window = ("--train-until", iso(START_MS + 4 * MINUTE * 1000), "--test-until", iso(START_MS + HOUR * 1000))
    found = {}
    for most in (None, 3):
        options = () if most is None else ("--max-prefix", most)
        done = tact("evaluate", "recommend", "--lake", lake, *window, *options, "--json", tmp_path / "f.json")
        assert done.exit_code == 0, done.output
        found[most] = json.loads((tmp_path / "f.json").read_text())
    whole, cut = found[None], found[3]
    assert (whole["max_prefix"], cut["max_prefix"]) == (None, 3)
    assert (whole["recommend"]["frozen"]["n"], cut["recommend"]["frozen"]["n"]) == (4 * 4, 4 * 2)
    assert whole["test"] == {"since": window[1], "until": window[3], "rows": None, "sessions": 4}
    assert "test: 4 sessions, 20" in " ".join(done.output.split())
    assert "intent" not in whole and whole["bundle"] is None
    assert tact("evaluate", "models", "--lake", lake, *window).exit_code == 1
    nothing = tact("evaluate", "recommend", "--lake", lake, "--train-until", window[1], "--test-until", window[1])
    assert nothing.exit_code == 2 and "--train-until" in nothing.output and "--test-since" not in nothing.output


def five_views(n: int) -> list[Did]:
    """A session that begins after n minutes."""
    return [Did((n + k / 10) * MINUTE, "view_item", f"i{(n + k) % 6}") for k in range(5)]


def test_a_new_shop_is_started_from_another(two: Path, tmp_path: Path) -> None:
    file = tmp_path / "cold.json"
    asked = ("evaluate", "cold-start", "--lake", two, "--shop", "s", "--test-shop", "t", *WINDOW, "--json", file)
    done = tact(*asked)
    assert done.exit_code == 0, done.output
    found = json.loads(file.read_text())["cold_start"]
    assert {"foreign", "local_all", "both_all"} <= set(found["models"])
    assert found["test"]["since"] > found["begins"]
    assert "Cold start" in done.output and "foreign" in done.output
    assert "Local models are surely ahead" in done.output
    left_out = " ".join(done.output.split())  # 1h holds too little, 30d is longer than the log
    assert "Spans left out" in left_out and "reaches into the test" in left_out


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
    assert "intent_leave: 1 setting tried" in done.output and "gains -" not in done.output
    card = " ".join(tact("card", out).output.split())
    assert "settings of the trees 1 other tried on 3 earlier folds; better beyond chance, and kept, for" in card
