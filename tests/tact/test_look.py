"""`tact skew`, `compare-lakes`, `replay` and `why`: what they say of a small lake, and that they can say no."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from features import lakefile
from features.events import Row
from features.fold import replay
from models import bundle as bundles
from models import receipt
from models.arbitration import prior_draws
from models.decision import decide
from models.policy import load_policy
from models.registry import Registry
from service.settings import Settings
from tact import verb_compare_lakes, verb_replay, verb_skew, verb_why
from tact.receipts import Archive
from tests.features.journeys import row
from tests.models.bundles import parts
from tests.models.deciding import Visitor, action, text_of
from training.as_of import as_of_facts
from training.lake import load_log

app = typer.Typer()
app.callback()(lambda: None)
for verb in (verb_compare_lakes, verb_replay, verb_skew, verb_why):
    verb.register(app)


def run(*arguments: str, home: Path):
    env = {"TACT_HOME": str(home), "COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}
    return CliRunner().invoke(app, list(arguments), env=env)


def events() -> list[Row]:
    return [row("view_item", minute, item_id=str(minute % 4), price=5.0) for minute in range(0, 400, 7)]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    lakefile.write_events(tmp_path / "lake", events(), "a")
    return tmp_path


def test_skew_tells_how_many_events_are_bit_equal(home):
    result = run("skew", "--shop", "demo", home=home)
    assert result.exit_code == 0, result.output
    assert f"{len(events())} events of 1 visitors compared" in result.stdout
    assert "bit-equal at every event" in result.stdout


def test_skew_names_the_feature_that_differs(home):
    log = load_log(home / "lake", "demo")
    facts = as_of_facts(log.records, log.visitor)
    offline = replay(log.records, log.visitor, facts)
    offline.view(np.uint32)[3, 4] ^= 1
    compared, differing = verb_skew.compare(log, facts, offline)
    assert compared == len(events())
    assert differing == {"session_views": 1}


def test_lakes_with_the_same_events_are_equal_whatever_their_files(home, tmp_path):
    other = tmp_path / "other"
    for part, name in ((events()[30:], "b"), (events()[:31], "c")):
        lakefile.write_events(other, part, name)
    result = run("compare-lakes", str(home / "lake"), str(other), "--shop", "demo", home=home)
    assert result.exit_code == 0, result.output
    assert f"equal: {len(events())} rows" in result.stdout


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: rows[:-1], "1 events only in"),
        (
            lambda rows: [*rows[:-1], row("view_item", 399, item_id="3", price=6.0, event_id=rows[-1].event_id)],
            "price in 1",
        ),
    ],
)
def test_lakes_that_differ_are_told_apart(home, tmp_path, change, said):
    other = tmp_path / "other"
    lakefile.write_events(other, change(events()), "a")
    result = run("compare-lakes", str(home / "lake"), str(other), "--shop", "demo", home=home)
    assert result.exit_code == 1
    assert said in result.output


def test_verbs_about_decisions_say_when_there_are_none(home):
    for arguments in (("replay", "--shop", "demo"), ("replay", "X", "--shop", "demo"), ("why", "X", "--shop", "demo")):
        result = run(*arguments, home=home)
        assert result.exit_code == 1
        assert "has no decision" in result.output


@pytest.fixture
def decided(home: Path) -> tuple[Path, list[str]]:
    """Ten decisions in the lake, made by a real bundle in the registry under a policy in the archive."""
    bundle_id = bundles.write(home / "bundle", parts())
    assert Registry(home / "registry").publish(home / "bundle", "demo", "test", "", 0) == bundle_id
    text = text_of(action("guarantee"), action("marks", when="session.views > 3.0"))
    policy = load_policy(text, "shop.yaml")
    (home / "policies-archive").mkdir()
    (home / "policies-archive" / f"{policy.version}.yaml").write_text(text)
    bundle = bundles.load(home / "bundle")
    visitor = Visitor().did("view_item", item_id="p1")
    rows = []
    for i in range(10):
        made = decide(visitor.inputs(decision_id=f"D{i}"), bundle, policy, prior_draws(policy))
        rows.append(
            lakefile.DecisionRow(
                shop="demo",
                decision_id=f"D{i}",
                visitor_id="v1",
                ts_ms=made.inputs.now_ms,
                degraded=False,
                bundle=made.bundle_id,
                policy=policy.version,
                stage=made.stage,
                silent=made.silent,
                actions=made.actions,
                receipt=receipt.encode(made),
            )
        )
    lakefile.write_decisions(home / "lake", rows, "a")
    return home, [made.decision_id for made in rows]


def test_decisions_of_the_lake_replay_to_the_same_bytes(decided):
    home, _ = decided
    result = run("replay", "--shop", "demo", home=home)
    assert result.exit_code == 0, result.output
    assert "identical" in result.stdout
    assert "10" in result.stdout


@pytest.mark.parametrize(("folder", "what"), [("registry/bundles", "bundle"), ("policies-archive", "policy")])
def test_a_decision_whose_bundle_or_policy_is_gone_says_so(decided, folder, what):
    home, ids = decided
    shutil.rmtree(home / folder)
    result = run("replay", ids[3], "--shop", "demo", home=home)
    assert result.exit_code == 1
    assert f"{what} " in result.stdout
    assert "is gone" in result.stdout


def test_a_receipt_that_was_changed_replays_to_something_else(decided):
    home, _ = decided
    table = lakefile.read_decisions(home / "lake", "demo")
    data = table.column("receipt")[0].as_py()
    spelled = receipt.spelled(data)
    altered = spelled.replace(b'"propensity":0.', b'"propensity":1.')
    assert altered != spelled
    changed = receipt.decode(altered)
    archive = Archive(Settings(home=home))
    assert not receipt.replay(changed, archive.bundle, archive.policy).identical


def test_why_shows_each_candidate_and_why_not_names_the_gate(decided):
    home, ids = decided
    shown = run("why", ids[0], "--shop", "demo", home=home)
    assert shown.exit_code == 0, shown.output
    for said in ("guarantee", "marks", "silence", "not so: session.views > 3.0", "moved by"):
        assert said in shown.stdout
    not_shown = run("why", ids[0], "--shop", "demo", "--action", "marks", home=home)
    assert "top: gate rule: not so: session.views > 3.0" in not_shown.stdout
    assert '"action": "marks"' in run("why", ids[0], "--shop", "demo", "--action", "marks", "--json", home=home).stdout


def test_lakes_are_compared_up_to_a_moment(home, tmp_path):
    other = tmp_path / "other"
    lakefile.write_events(other, events()[:-1], "a")
    lakes = (str(home / "lake"), str(other))
    assert run("compare-lakes", *lakes, "--shop", "demo", "--until", str(events()[-1].ts_ms), home=home).exit_code == 0
    assert run("compare-lakes", *lakes, "--shop", "demo", "--until", "never", home=home).exit_code == 2
