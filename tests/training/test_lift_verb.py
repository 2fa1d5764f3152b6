"""`tact lift` as a person runs it: a table, a page, figures, and an exit code that a script can use."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from features.lakefile import DAY_MS, read_events, write_decisions, write_events
from models.policy import load_policy
from tact.cli import build
from tact.configured import shares_of
from tests.models.deciding import action, text_of
from tests.training.lifting import START_MS, Made, by_hash, decided, event, lift_lake
from training.moments import iso
from training.report_lift import HEAD


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TACT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="module")
def lifted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lift_lake(tmp_path_factory.mktemp("lifted"), Made(lift=0.8))


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    return policy_file(tmp_path, 0.2)


def policy_file(folder: Path, holdout: float) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"policy-{holdout}.yaml"
    path.write_text(text_of(action("x"), holdout=holdout).replace("shop: demo", "shop: s"))
    return path


def tact(*arguments: object) -> Result:
    return CliRunner().invoke(build(), ["lift", *(str(argument) for argument in arguments)])


def test_a_lift_is_told_in_words_figures_and_pictures(lifted: Path, policy: Path, tmp_path: Path) -> None:
    file, page = tmp_path / "f" / "lift.json", tmp_path / "lift.html"
    done = tact("--lake", lifted, "--shop", "s", "--policy", policy, "--plan", 6000, "--json", file, "--html", page)
    assert done.exit_code == 0, done.output
    assert re.search(r"full +4,\d{3}.* better", done.stdout)
    assert "checks: sample ratio, A/A, arms alike before the start fine" in done.stdout
    found = json.loads(file.read_text())
    assert found["alarms"] == [] and found["ratio"]["alarm"] is False and found["aa"]["alarm"] is False
    assert found["outcomes"]["conversion"]["full"]["verdict"] == "better"
    assert len(found["days"]) == 6 and found["days"][-1]["conversion"] == found["outcomes"]["conversion"]
    html = page.read_text()
    assert html.count("<svg") == 3 and all(f'scope="col">{head}' in html for head in HEAD)


def test_the_shares_come_from_the_archived_policy_the_decisions_name(lifted: Path, home: Path) -> None:
    told = tact("--lake", lifted)
    assert told.exit_code == 0
    assert "sample ratio was not checked: policy p1 cannot be read from the archive" in told.stdout


def test_a_ratio_that_is_off_ends_with_1_and_no_verdict(lifted: Path, tmp_path: Path) -> None:
    page = tmp_path / "lift.html"
    done = tact("--lake", lifted, "--policy", policy_file(tmp_path, 0.3), "--html", page)
    assert done.exit_code == 1
    assert "alarm the sample ratio is off (p " in done.stdout and "do not read this" in done.stdout
    assert " better" not in done.stdout
    assert "Do not read this" in page.read_text() and ": better" not in page.read_text()


def test_an_a_a_check_that_fires_ends_with_1(lifted: Path, policy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second hash is made to follow the first digit of what visitors bought: as a broken splitter would."""
    from training import lift_days
    from training.lift_checks import halves

    def broken(visitors, keys, code, asked):  # type: ignore[no-untyped-def]
        place = {int(key): at for at, key in enumerate(keys)}
        return halves(visitors, keys, code, asked, lambda some, _: visitors.bought[[place[int(k)] for k in some]])

    monkeypatch.setattr(lift_days, "halves", broken)
    done = tact("--lake", lifted, "--policy", policy, "--plan", 6000)
    assert done.exit_code == 1
    assert "alarm the A/A check fails: halves of full are told apart in 100% of 200 splits" in done.stdout


def test_a_first_day_has_no_result_yet(lifted: Path, policy: Path) -> None:
    done = tact("--lake", lifted, "--policy", policy, "--until", iso(START_MS + DAY_MS + DAY_MS // 4))
    assert done.exit_code == 0, done.output
    assert re.search(r"no result yet; needs about [\d,]+ more visitors", done.stdout)
    assert "A/A check was not made" in done.stdout


def test_nobody_bought(tmp_path: Path, policy: Path) -> None:
    lake = lift_lake(tmp_path / "lake", Made(visitors=600, rate=0.0, before=0.0))
    done = tact("--lake", lake, "--policy", policy, "--html", tmp_path / "l.html")
    assert done.exit_code == 0, done.output
    assert "Nobody with a decision has bought anything" in done.stdout
    assert "no result yet; nobody in one of the arms has bought" in done.stdout


def test_no_money_in_the_log(tmp_path: Path, policy: Path) -> None:
    lake = lift_lake(tmp_path / "lake", Made(visitors=3000))
    rows = read_events(lake, "s")
    at = rows.schema.get_field_index("value")
    rows = rows.set_column(at, "value", [[None] * len(rows)]).cast(rows.schema)
    write_events(lake, rows, "a")
    done = tact("--lake", lake, "--policy", policy)
    assert done.exit_code == 0, done.output
    assert "No order tells its value" in done.stdout and "revenue per visitor" not in done.stdout.split("Lifts")[0]


def test_several_arms_are_each_compared_with_the_holdout(tmp_path: Path) -> None:
    shares = {"full": 0.5, "holdout": 0.2, "random": 0.15, "rules_only": 0.15}
    lake = lift_lake(tmp_path / "lake", Made(visitors=4000), by_hash(shares))
    done = tact("--lake", lake, "--json", tmp_path / "f.json")
    assert done.exit_code == 0, done.output
    assert list(json.loads((tmp_path / "f.json").read_text())["outcomes"]["revenue"]) == [
        "full",
        "random",
        "rules_only",
    ]
    other = tact("--lake", lake, "--against", "random", "--json", tmp_path / "g.json")
    assert other.exit_code == 0
    assert list(json.loads((tmp_path / "g.json").read_text())["outcomes"]["revenue"]) == [
        "full",
        "holdout",
        "rules_only",
    ]


def test_the_shares_of_a_policy_leave_the_rest_to_full(policy: Path) -> None:
    assert shares_of(load_policy(policy.read_text(), "p.yaml")) == {"full": 0.8, "holdout": 0.2}


def test_another_shop_s_policy_is_refused(tmp_path: Path, policy: Path) -> None:
    lake = lift_lake(tmp_path / "lake", Made(visitors=300))
    text = policy.read_text()
    other = tmp_path / "other.yaml"
    other.write_text(text.replace("shop: s\n", "shop: hats\n"))
    done = tact("--lake", lake, "--policy", other)
    assert done.exit_code == 2 and "is the policy of shop 'hats', not of 's'" in done.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--alpha", "0"), "alpha 0.0 is not between 0 and 1"),
        (("--smallest", "-1"), "--smallest -1.0 is no relative lift"),
        (("--since", "2026-01-02", "--until", "2026-01-01"), "is not before --until"),
        (("--since", "yesterday"), "'yesterday' is no date"),
        (("--policy", "nowhere.yaml"), "cannot read nowhere.yaml"),
        (("--shop", "t"), "holds no shop 't'; it has s"),
        (("--json", "."), "is a folder"),
        (("--against", "hats"), "no visitor in 'hats' to compare with, only in full"),
        (("--since", "2090-01-01"), "no visitor of shop 's' whose first decision lies in that time"),
    ],
)
def test_what_cannot_be_done_ends_with_2(lifted: Path, arguments: tuple[str, ...], words: str) -> None:
    done = tact("--lake", lifted, *arguments)
    assert (done.exit_code, words in done.stderr) == (2, True), done.output


def test_an_empty_lake_and_a_single_arm_are_told(tmp_path: Path) -> None:
    done = tact("--lake", tmp_path / "none")
    assert done.exit_code == 2 and "is not there" in done.stderr
    write_events(tmp_path / "one", [event("a", 1, START_MS, "page_view")], "a")
    done = tact("--lake", tmp_path / "one")
    assert done.exit_code == 2 and "no visitor of shop 's' whose first decision" in done.stderr
    write_decisions(tmp_path / "one", [decided("a", START_MS, "full")], "a")
    done = tact("--lake", tmp_path / "one")
    assert done.exit_code == 2 and "no visitor in 'holdout' to compare with, only in full (1 visitors)" in done.stderr


def test_policies_with_other_shares_are_not_mixed(lifted: Path, home: Path, tmp_path: Path) -> None:
    from models.policy import load_policy

    archive = home / "policies-archive"
    archive.mkdir(parents=True)
    versions = []
    for holdout in (0.2, 0.1):
        text = text_of(action("x"), holdout=holdout)
        versions.append(load_policy(text, "p.yaml").version)
        (archive / f"{versions[-1]}.yaml").write_text(text)
    lake = tmp_path / "lake"
    write_events(lake, [event("a", 1, START_MS, "page_view")], "a")
    rows = [decided(f"v{n}", START_MS + n, by_hash({"full": 0.8, "holdout": 0.2})(f"v{n}")) for n in range(400)]
    write_decisions(lake, [replace(row, policy=versions[0]) for row in rows], "a")
    done = tact("--lake", lake)
    assert done.exit_code == 0 and "checks: sample ratio" in done.stdout, done.output
    write_decisions(lake, [replace(decided("w", START_MS + DAY_MS, "full"), policy=versions[1])], "b")
    done = tact("--lake", lake)
    assert done.exit_code == 0 and "have other shares; start after the change: --since" in done.stdout
