"""Learning from the lake, the gate, promotion, rollback and the audit log, through the command line."""

import json
import time
from pathlib import Path

import pytest
import typer
from prometheus_client import CollectorRegistry
from typer.testing import CliRunner

from models.arbitration import prior_draws
from models.policy import load_policy
from models.trial import SILENCE
from service import audit, draws_store, snapshots
from service.learner import CHECKPOINT
from service.settings import Settings
from service.teacher import Teacher, TeacherMetrics
from tact import verb_audit, verb_learn, verb_promote, verb_rollback
from tests.models.deciding import NOW, action, text_of
from tests.training.visits import SHOP, write_visits
from training import candidate
from training.moments import iso

app = typer.Typer()
app.callback()(lambda: None)
for verb in (verb_audit, verb_learn, verb_promote, verb_rollback):
    verb.register(app)

ODDS = {SILENCE: 0.2, "good": 0.5, "bad": 0.02}
VISITS = 4_000
HALF = NOW + VISITS // 2 * 10_000


def text(good: float = 1.0, bad: float = 1.0, **fields) -> str:
    """The shop's policy; a lever makes an action stand out."""
    actions = (action(name, value=5, cost=0, lever=lever) for name, lever in (("good", good), ("bad", bad)))
    return text_of(*actions, exploration_floor=0.05, **fields)


LIVE = text()


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lake")
    policy = load_policy(LIVE, "demo.yaml")
    write_visits(folder, range(VISITS), policy, prior_draws(policy), ODDS)
    return folder


@pytest.fixture
def home(tmp_path: Path, lake: Path) -> Path:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "demo.yaml").write_text(LIVE)
    (tmp_path / "lake").symlink_to(lake)
    return tmp_path


def run(home: Path, *arguments: str):
    env = {"TACT_HOME": str(home), "COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}
    return CliRunner().invoke(app, list(arguments), env=env)


def offered(home: Path, changed: str, name: str = "new.yaml") -> str:
    (home / name).write_text(changed)
    return str(home / name)


def live(home: Path) -> bytes:
    return (home / "policies" / "demo.yaml").read_bytes()


def logged(home: Path) -> list[audit.Entry]:
    return list(audit.read(home))


def learned(home: Path, *arguments: str) -> Path:
    result = run(home, "learn", "--out", str(home / "candidate"), *arguments)
    assert result.exit_code == 0, result.output
    return home / "candidate"


def test_a_policy_that_shows_a_harmful_message_is_refused_with_the_reason(home):
    result = run(home, "promote", "--policy", offered(home, text(bad=10)), "--json", str(home / "j.json"))
    assert result.exit_code == 1, result.output
    assert "refused the candidate is worse: -0." in result.output
    assert live(home) == LIVE.encode() and logged(home) == []
    told = json.loads((home / "j.json").read_text())
    assert (told["passed"], told["promoted"], told["what"]) == (False, False, "policy")
    assert told["difference"]["value_ci"][1] < 0


def test_one_that_only_says_it_otherwise_passes_and_goes_live(home):
    changed = LIVE.replace("good en", "better en")
    result = run(home, "promote", "--policy", offered(home, changed), "--why", "clearer")
    assert result.exit_code == 0, result.output
    assert "both choose alike" in result.output
    assert live(home) == changed.encode()
    (line,) = logged(home)
    versions = tuple(load_policy(one, "p.yaml").version for one in (LIVE, changed))
    assert (line.what, line.target, (line.before, line.after), line.why) == ("promote", "policy", versions, "clearer")


def test_a_better_one_passes(home):
    result = run(home, "promote", "--policy", offered(home, text(good=10)))
    assert result.exit_code == 0, result.output
    assert "passes" in result.output and "difference" in result.output


def test_a_dry_run_tells_the_verdict_and_changes_nothing(home):
    good, bad = (run(home, "promote", "--dry-run", "--policy", offered(home, text(**{w: 10}))) for w in ("good", "bad"))
    assert (good.exit_code, bad.exit_code) == (0, 1)
    assert live(home) == LIVE.encode() and logged(home) == []


def test_what_is_refused_goes_live_by_force_and_the_log_says_past_what(home):
    path = offered(home, text(bad=10))
    assert run(home, "promote", "--policy", path, "--force").exit_code == 2
    result = run(home, "promote", "--policy", path, "--force", "--why", "the law")
    assert result.exit_code == 0, result.output
    assert live(home) == text(bad=10).encode()
    assert logged(home)[0].why.startswith("the law (forced past: the candidate is worse")


def test_without_decisions_it_cannot_say_and_a_first_policy_has_nothing_to_lose(home):
    none = str(home / "empty")
    refused = run(home, "promote", "--policy", offered(home, text(good=2)), "--lake", none)
    assert refused.exit_code == 1 and "cannot say" in refused.output
    first = run(home, "promote", "--policy", offered(home, LIVE.replace("shop: demo", "shop: new")), "--lake", none)
    assert first.exit_code == 0, first.output
    assert (home / "policies" / "new.yaml").is_file()
    nowhere = run(home, "rollback", "--policy", "--shop", "new")
    assert nowhere.exit_code == 1 and "first policy" in nowhere.output


def test_a_rollback_restores_the_file_byte_for_byte_and_so_does_the_one_before_that(home):
    first = LIVE.replace("\n", "\r\n").encode()
    (home / "policies" / "demo.yaml").write_bytes(first)
    second = LIVE.replace("good en", "2nd en")
    third = LIVE.replace("good en", "3rd en")
    assert run(home, "promote", "--policy", offered(home, second)).exit_code == 0
    assert run(home, "promote", "--policy", offered(home, third)).exit_code == 0
    assert run(home, "rollback", "--policy").exit_code == 0
    assert live(home) == second.encode()
    result = run(home, "rollback", "--policy", "--shop", "demo", "--why", "no good")
    assert result.exit_code == 0, result.output
    assert live(home) == first
    assert [line.what for line in logged(home)] == ["promote", "promote", "rollback", "rollback"]
    again = run(home, "rollback", "--policy")
    assert again.exit_code == 1 and "nothing was promoted" in again.output


def test_a_file_changed_by_hand_since_goes_back_to_the_promoted_one(home):
    second = LIVE.replace("good en", "2nd en")
    run(home, "promote", "--policy", offered(home, second))
    (home / "policies" / "demo.yaml").write_text(LIVE.replace("good en", "by hand"))
    assert run(home, "rollback", "--policy").exit_code == 0
    assert live(home) == second.encode()
    assert run(home, "rollback", "--policy").exit_code == 0
    assert live(home) == LIVE.encode()


def test_a_file_of_another_ending_takes_the_place_of_the_one_before(home):
    (home / "policies" / "demo.yaml").rename(home / "policies" / "demo.yml")
    assert run(home, "promote", "--policy", offered(home, LIVE.replace("good en", "2nd en"))).exit_code == 0
    assert [path.name for path in (home / "policies").iterdir()] == ["demo.yaml"]
    assert run(home, "rollback", "--policy").exit_code == 0
    assert [path.name for path in (home / "policies").iterdir()] == ["demo.yml"]


def test_learning_tells_each_effect_with_its_interval_and_what_it_costs(home):
    result = run(home, "learn", "--json", str(home / "j.json"))
    assert result.exit_code == 0, result.output
    rows = {(row["action"], row["stage"]): row for row in json.loads((home / "j.json").read_text())["effects"]}
    good, bad = rows["good", "evaluation"], rows["bad", "evaluation"]
    assert good["effect_ci"][0] < 0.3 < good["effect_ci"][1] and good["beats_cost"] == "yes"
    assert bad["effect_ci"][0] < -0.18 < bad["effect_ci"][1] and bad["beats_cost"] == "no"
    assert rows["good", "loyalty"]["beats_cost"] == "too little data"
    assert "more, never shown: of them only priors speak" in result.output and f"{VISITS:,} decisions" in result.output


def test_a_candidate_reads_back_and_a_changed_one_is_refused(home):
    folder = learned(home)
    found = candidate.read(folder)
    assert found.facts.trials == VISITS and found.draws.id == found.facts.draws
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert {path.name: path.read_bytes() for path in learned(home).iterdir()} == first
    (folder / "draws.npz").write_bytes(b"x")
    refused = run(home, "promote", "--policy", str(folder))
    assert refused.exit_code == 2 and "damaged" in refused.output
    assert run(home, "promote", "--policy", str(home)).exit_code == 2


def test_learned_draws_are_judged_by_later_decisions_promoted_and_rolled_back(home):
    settings = Settings(home=home)
    folder = learned(home, "--until", iso(HALF))
    result = run(home, "promote", "--policy", str(folder), "--since", iso(HALF))
    assert result.exit_code == 0, result.output
    assert "warning" not in result.output
    found = draws_store.load(settings.live, SHOP)
    assert found is not None and found.facts.source == "promoted"
    assert found.draws.id == candidate.read(folder).draws.id
    assert found.fit(load_policy(LIVE, "demo.yaml"))
    again = run(home, "promote", "--policy", str(folder))
    assert "is live for shop demo already" in again.output
    back = run(home, "rollback", "--policy")
    assert back.exit_code == 0, back.output
    before = draws_store.load(settings.live, SHOP)
    assert before is not None
    assert before.draws.id == prior_draws(load_policy(LIVE, "demo.yaml")).id
    assert [(line.what, line.target) for line in logged(home)] == [("promote", "draws"), ("rollback", "draws")]


def test_a_candidate_judged_by_what_it_learned_from_is_warned_of(home):
    result = run(home, "promote", "--dry-run", "--policy", str(learned(home)))
    assert "warning the candidate was learned from decisions up to" in result.output


def test_a_candidate_of_another_version_of_the_policy_is_not_taken(home):
    folder = learned(home)
    (home / "policies" / "demo.yaml").write_text(text(good=2))
    result = run(home, "promote", "--policy", str(folder))
    assert result.exit_code == 2 and "tact learn" in result.output


def teacher_of(settings: Settings) -> Teacher:
    return Teacher(settings, TeacherMetrics(CollectorRegistry()))


def test_the_learner_goes_on_from_promoted_draws_and_a_rollback_gives_back_what_it_knew(home):
    settings = Settings(home=home)
    pupil = teacher_of(settings)
    pupil._lesson(SHOP)
    few = candidate.read(learned(home, "--until", iso(NOW + 500_000)))
    draws_store.publish_start(settings.live, SHOP, few.posterior.to_arrays(), few.facts.terms)
    pupil.look(time.monotonic(), force=True)
    snapshots.publish(settings.live / CHECKPOINT, pupil.to_arrays(), {})
    folder = learned(home, "--until", iso(HALF))
    assert run(home, "promote", "--policy", str(folder), "--since", iso(HALF)).exit_code == 0
    pupil.look(time.monotonic(), force=True)
    assert pupil._shops[SHOP].posterior.trials == VISITS // 2
    found = draws_store.load(settings.live, SHOP)
    assert found is not None and found.facts.source == "promoted"
    restarted = teacher_of(settings)
    restarted.take_arrays(pupil.to_arrays())
    restarted.look(time.monotonic(), force=True)
    assert restarted._shops[SHOP].since_ms == pupil._shops[SHOP].since_ms > 0
    assert run(home, "rollback", "--policy").exit_code == 0
    pupil.look(time.monotonic(), force=True)
    assert pupil._shops[SHOP].posterior.trials == 50


def test_the_audit_log_is_listed_and_a_changed_line_is_found(home):
    run(home, "promote", "--policy", offered(home, LIVE.replace("good en", "2nd en")))
    run(home, "rollback", "--policy", "--why", "typo")
    result = run(home, "audit", "--json", str(home / "j.json"))
    assert result.exit_code == 0, result.output
    assert "2 changes; the chain of 2 lines is whole" in result.output and "typo" in result.output
    assert [one["what"] for one in json.loads((home / "j.json").read_text())["entries"]] == ["promote", "rollback"]
    assert all(len(line) < 80 for line in result.output.splitlines() if "typo" not in line)
    other = run(home, "audit", "--shop", "other")
    assert other.exit_code == 2 and "holds no shop 'other'; it has demo" in other.output
    path = home / audit.NAME
    path.write_text(path.read_text().replace("typo", "fine"))
    broken = run(home, "audit")
    assert broken.exit_code == 1 and "line 2" in broken.output


def test_what_is_live_already_is_told_in_the_json_too(home):
    result = run(home, "promote", "--policy", offered(home, LIVE), "--json", str(home / "j.json"))
    assert result.exit_code == 0 and "is live for shop demo already" in result.output
    told = json.loads((home / "j.json").read_text())
    version = load_policy(LIVE, "p.yaml").version
    assert (told["before"], told["after"], told["promoted"], told["passed"]) == (version, version, False, True)


def test_refusals_tell_the_same_unit_as_the_table(home):
    result = run(home, "promote", "--policy", offered(home, text(bad=10)))
    (row,) = (line for line in result.output.splitlines() if "│ difference" in line)
    (refused,) = (line for line in result.output.splitlines() if line.startswith("refused "))
    assert f"is worse: {row.split('│')[2].strip()} per decision [" in refused


@pytest.mark.parametrize("margin", ["-0.1", "1.5", "nan"])
def test_a_margin_is_a_share(home, margin):
    assert run(home, "promote", "--policy", offered(home, text(bad=10)), "--margin", margin).exit_code == 2
    assert live(home) == LIVE.encode()


def test_a_candidate_s_folder_that_cannot_be_made_ends_before_the_work(home, monkeypatch):
    (home / "letter").write_text("dear")
    monkeypatch.setattr(verb_learn, "LakeTrials", None)  # the work
    result = run(home, "learn", "--out", str(home / "letter" / "x"))
    assert result.exit_code == 2 and "letter is no folder" in result.output
    (home / "candidates").write_text("no folder")
    assert run(home, "learn").exit_code == 2
