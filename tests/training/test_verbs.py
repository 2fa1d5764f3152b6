"""The verbs as a person runs them: train, evaluate, publish, rollback."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from models import bundle
from models.registry import Registry
from service import audit
from tact.cli import build
from tests.training.logs import DAY, START_MS, shop_lake
from training.moments import iso
from training.open_log import open_log
from training.split import Window
from training.table import session_starts_ms

WEEK = iso(START_MS + 7 * DAY * 1000)
END = iso(START_MS + 10 * DAY * 1000)


pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shop_lake(tmp_path_factory.mktemp("small"), 1200, seed=3)


@pytest.fixture(scope="module")
def week(small: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """A bundle of the first week, and what was said when it was made. Never changed."""
    folder = tmp_path_factory.mktemp("week") / "new" / "a"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "200")
        done = tact("train", "--lake", small, "--until", WEEK, "--out", folder)
    assert done.exit_code == 0, done.output
    return folder, done


@pytest.fixture(scope="module")
def whole(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that learned from everything. Never changed."""
    folder = tmp_path_factory.mktemp("whole") / "a"
    assert tact("train", "--lake", small, "--out", folder).exit_code == 0
    return folder


@pytest.fixture
def made(week: tuple[Path, Result], tmp_path: Path) -> Path:
    """A copy of the bundle of the first week."""
    return shutil.copytree(week[0], tmp_path / "a")


def tact(*arguments: object) -> Result:
    return CliRunner().invoke(build(), [str(argument) for argument in arguments])


def said(result: Result) -> str:
    return " ".join(result.output.split())


def test_a_bundle_is_trained_published_replaced_and_rolled_back(
    small: Path, home: Path, tmp_path: Path, week: tuple[Path, Result], made: Path
) -> None:
    assert "average precision" in week[1].output and "make it live: tact publish" in said(week[1])
    published = tact("publish", tmp_path / "a", "--shop", "s")
    assert published.exit_code == 0
    assert "warning compared with nothing: nothing is live for this shop yet" in said(published)
    one = bundle.load(tmp_path / "a").id
    assert Registry(home / "registry").live("s") == one

    assert tact("train", "--lake", small, "--until", WEEK, "--seed", 2, "--out", tmp_path / "b").exit_code == 0
    second = tact("publish", tmp_path / "b", "--shop", "s", "--lake", small)
    assert second.exit_code == 0, second.output
    assert "sessions after both were trained" in said(second) and "compared with nothing" not in said(second)
    assert "recommend hr20" in said(second)
    assert Registry(home / "registry").live("s") == bundle.load(tmp_path / "b").id != one

    back = tact("rollback", "--shop", "s", "--why", "complaints")
    assert back.exit_code == 0 and one in back.output
    assert Registry(home / "registry").live("s") == one
    assert [entry["why"] for entry in Registry(home / "registry").history("s")] == ["", "", "complaints"]
    changes = [(line.what, line.target, line.before, line.after) for line in audit.read(home)]
    two = bundle.load(tmp_path / "b").id
    assert changes == [
        ("publish", "bundle", "", one),
        ("publish", "bundle", one, two),
        ("rollback", "bundle", two, one),
    ]
    assert "no bundle before" in said(tact("rollback", "--shop", "s"))


def test_training_twice_from_the_lake_gives_the_same_bundle(small: Path, tmp_path: Path, whole: Path) -> None:
    assert tact("train", "--lake", small, "--shop", "s", "--out", tmp_path / "b").exit_code == 0
    assert bundle.load(whole).id == bundle.load(tmp_path / "b").id


def test_the_gate_refuses_with_its_reason_and_what_is_live_stays(home: Path, made: Path) -> None:
    parts = json.loads((made / "manifest.json").read_text())
    parts["figures"]["intent"]["buy"]["auc"] = 0.99
    (made / "manifest.json").write_text(json.dumps(parts))
    refused = tact("publish", made, "--shop", "s")
    assert refused.exit_code == 1
    assert "the gate refuses" in said(refused) and "a leak" in said(refused)
    assert Registry(home / "registry").live("s") is None

    assert tact("publish", made, "--shop", "s", "--force").exit_code == 2
    assert tact("publish", made, "--shop", "s", "--force", "--why", "a test").exit_code == 0
    (entry,) = Registry(home / "registry").history("s")
    assert entry["why"] == "forced: a test (refused: buy auc)"


def test_the_card_of_a_folder_and_of_what_is_live_is_the_same(tmp_path: Path, made: Path) -> None:
    assert tact("card").exit_code == 2 and "none has a bundle yet" in said(tact("card"))
    assert tact("publish", made, "--shop", "s").exit_code == 0
    of_folder = tact("card", made)
    assert of_folder.exit_code == 0, of_folder.output
    for words in ("Figures on the last 20 %", "What each model looks at", "have the same bits", "Known limits"):
        assert words in said(of_folder)
    assert tact("card", "--shop", "s").output == of_folder.output == tact("card").output
    assert "the registry holds no shop 'hats'; it has s" in said(tact("card", "--shop", "hats"))
    assert "the bundle is refused: missing" in said(tact("card", tmp_path / "nowhere"))


def test_a_dry_run_judges_and_publishes_nothing(home: Path, tmp_path: Path, made: Path) -> None:
    judged = tact("publish", made, "--dry-run", "--json", tmp_path / "v.json")
    assert judged.exit_code == 0 and "would pass; nothing was published" in said(judged)
    assert Registry(home / "registry").live("s") is None
    verdict = json.loads((tmp_path / "v.json").read_text())
    assert verdict["passed"] is True and verdict["live"] is None
    assert verdict["warning"] == "nothing is live for this shop yet"
    leaks = next(check for check in verdict["checks"] if check["name"] == "leaks")
    assert leaks["verdict"] == "passed" and "have the same bits" in leaks["detail"]


def test_training_says_what_the_data_checks_found_and_keeps_it(week: tuple[Path, Result]) -> None:
    folder, trained = week
    assert "data checks: " in trained.output and "tact check-data tells more" in said(trained)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert {one["name"] for one in manifest["data_checks"]} >= {"missing_categories"}
    assert manifest["leaks"]["findings"] == [] and manifest["leaks"]["rows"] > 100
    low, high = manifest["figures"]["intent"]["buy"]["auc_ci"]
    assert low < manifest["figures"]["intent"]["buy"]["auc"] < high
    assert any("user ids" in limit for limit in manifest["limits"])


def test_a_capped_bundle_counts_sessions_and_events_of_the_same_window(small: Path, tmp_path: Path) -> None:
    """Of the whole window, for the recommender learns from all of it; moments are learned from fewer rows."""
    done = tact("train", "--lake", small, "--until", WEEK, "--max-rows", 1000, "--out", tmp_path / "a")
    assert done.exit_code == 0, done.output
    about, log = bundle.load(tmp_path / "a").manifest, open_log(small, "s")
    inside = Window(START_MS, START_MS + 7 * DAY * 1000).holds(session_starts_ms(log))
    inside &= log.records["ts_ms"] < START_MS + 7 * DAY * 1000
    assert about["rows"]["left_out"] > 0 and about["rows"]["fit"] + about["rows"]["hold"] <= 1000
    assert (about["events"], about["sessions"]) == (int(inside.sum()), len(np.unique(log.session[inside])))


def test_what_learned_from_everything_replaces_a_live_bundle_only_if_told_to(
    small: Path, home: Path, made: Path, whole: Path
) -> None:
    assert tact("publish", made, "--lake", small).exit_code == 0
    refused = tact("publish", whole, "--lake", small)
    assert refused.exit_code == 1
    assert "not compared: 0 later sessions" in said(refused) and "--allow-uncompared" in said(refused)
    allowed = tact("publish", whole, "--lake", small, "--allow-uncompared", "--why", "a first try")
    assert allowed.exit_code == 0, allowed.output
    entry = Registry(home / "registry").history("s")[-1]
    assert entry["why"] == "a first try (not compared with the live bundle)"


def test_a_live_bundle_that_cannot_be_loaded_any_more_is_replaced_and_it_says_so(home: Path, made: Path) -> None:
    assert tact("publish", made).exit_code == 0
    live = Path(Registry(home / "registry").path(bundle.load(made).id))
    (live / "stage.txt").unlink()
    judged = tact("publish", made, "--dry-run")
    assert judged.exit_code == 0
    assert "cannot be loaded any more: missing: stage.txt" in said(judged) and "nothing is live" not in said(judged)


def test_a_damaged_bundle_is_refused_by_name(made: Path) -> None:
    (made / "stage.txt").unlink()
    refused = tact("publish", made)
    assert refused.exit_code == 1
    assert "the bundle is refused: missing: stage.txt" in said(refused)


def test_evaluate_writes_figures_and_a_page(small: Path, tmp_path: Path) -> None:
    outputs = ("--json", tmp_path / "f.json", "--report", tmp_path / "r.html")
    done = tact("evaluate", "--lake", small, "--train-until", WEEK, "--test-until", END, *outputs)
    assert done.exit_code == 0, done.output
    figures = json.loads((tmp_path / "f.json").read_text())
    assert figures["shop"] == "s" and figures["intent"]["buy"]["auc"] > 0.6
    assert figures["train"]["until"] == figures["test"]["since"] == WEEK
    assert (tmp_path / "r.html").read_text().startswith("<!doctype html>")


def test_evaluate_tests_on_another_lake(small: Path, tmp_path: Path) -> None:
    other = shop_lake(tmp_path / "other", 300, seed=9, shop="hats")
    done = tact(
        *("evaluate", "models", "--lake", small, "--train-until", WEEK, "--test-until", END),
        *("--test-lake", other, "--json", tmp_path / "f.json"),
    )
    assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "f.json").read_text())["test_shop"] == "hats"


@pytest.mark.parametrize(
    ("arguments", "words", "code"),
    [
        (("--train-until", "soon", "--test-until", END), "'soon' is no date or time", 2),
        (("--train-until", END, "--test-until", WEEK), "is not before --test-until", 2),
        (("--train-until", WEEK, "--test-until", END, "--test-since", "2020-01-01"), "before the end of training", 2),
        (("--train-until", "2020-01-01", "--test-until", "2020-02-01"), "its events go from 2023-11-14T22", 2),
        (
            ("--train-until", WEEK, "--test-until", END, "--test-shop", "s", "--test-since", "2020-01-01"),
            "the end of",
            2,
        ),
        (("--train-until", WEEK, "--test-until", END, "--json", "/dev/null/f.json"), "/dev/null is no folder", 2),
        (("--train-until", WEEK, "--test-until", END, "--report", "/dev"), "--report /dev is a folder", 2),
        (("--train-until", WEEK, "--test-until", END, "--shop", "x"), "holds no shop 'x'; it has s", 2),
    ],
)
def test_windows_that_make_no_sense_are_refused_in_words(
    small: Path, arguments: tuple[str, ...], words: str, code: int
) -> None:
    refused = tact("evaluate", "--lake", small, *arguments)
    assert words in said(refused)
    assert refused.exit_code == code


def test_a_file_instead_of_a_lake_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("time,event\n")
    refused = tact("train", "--lake", tmp_path / "log.csv")
    assert refused.exit_code == 2
    assert "is a file; the lake is a folder. Import it first: tact import log.csv" in said(refused)


def test_the_same_lake_named_again_is_no_other_log(small: Path) -> None:
    """Else training and test would overlap unseen."""
    again = tact(
        *("evaluate", "--lake", small, "--train-until", WEEK, "--test-until", END, "--test-since", "2020-01-01"),
        *("--test-lake", small / ".." / small.name),
    )
    assert again.exit_code == 2
    assert "lies before the end of training" in said(again)


def test_a_bundle_goes_live_for_another_shop_only_with_a_reason(home: Path, made: Path) -> None:
    refused = tact("publish", made, "--shop", "hats")
    assert refused.exit_code == 1 and "it learned from shop 's', not from 'hats'" in said(refused)
    forced = tact("publish", made, "--shop", "hats", "--force", "--why", "a sister shop")
    assert forced.exit_code == 0, forced.output
    assert Registry(home / "registry").history("hats")[0]["why"] == "forced: a sister shop (refused: shop)"
    assert tact("publish", made, "--shop", "default").exit_code == 0


def test_a_bundle_is_not_written_among_other_files(small: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    for out, words in ((tmp_path / "mine", "holds other files"), (tmp_path / "mine" / "letter.txt", "is no folder")):
        refused = tact("train", "--lake", small, "--out", out)
        assert refused.exit_code == 2 and words in said(refused)
