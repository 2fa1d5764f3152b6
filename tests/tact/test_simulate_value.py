"""What a changed policy is worth, in `tact simulate`: right where the truth is known, unsaid where nobody can know."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from msgspec import structs
from typer.testing import CliRunner

from features import lakefile
from features.events import Row
from models import receipt as receipts
from models.arbitration import prior_draws
from models.decision import decide
from models.policy import load_policy
from tact import verb_simulate
from tests.models.deciding import MINUTE, NOW, FixedScores, Visitor, action, text_of

app = typer.Typer()
app.callback()(lambda: None)
verb_simulate.register(app)

THEN = NOW - 60 * 24 * 60 * MINUTE
"""Long enough ago for every window to have ended."""
DECISIONS = 3000
SHOWN, SILENT = 0.3, 0.1
"""Chances of an order after the badge, and after silence."""
BADGE = action("badge", value=6, cost=0.03, prior={"mean": 0.005, "strength": 200})
OLD = text_of(BADGE)
MORE = text_of(BADGE | {"value": 12})


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Decisions an hour and more apart of 1,500 visitors, each followed by an order or not."""
    home = tmp_path_factory.mktemp("home")
    policy, bundle, random = load_policy(OLD, "old.yaml"), FixedScores(), np.random.default_rng(7)
    draws, decided, events = prior_draws(policy), [], []
    for n in range(DECISIONS):
        at = THEN + n * 30_000
        given = structs.replace(
            Visitor().inputs(decision_id=f"D{n:05d}"), visitor_id=f"v{n % 1500}", now_ms=at, tail=b""
        )
        made = decide(structs.replace(given, facts=None), bundle, policy, draws)
        row = (made.bundle_id, policy.version, made.stage, made.silent, made.actions, receipts.encode(made))
        decided.append(lakefile.DecisionRow("demo", f"D{n:05d}", given.visitor_id, at, False, *row))
        if random.random() < (SILENT if made.silent else SHOWN):
            events.append(Row("demo", given.visitor_id, f"e{n}", at + MINUTE, "purchase", order_id=f"o{n}", value=50.0))
    lakefile.write_decisions(home / "lake", decided, "a")
    lakefile.write_events(home / "lake", events, "a")
    (home / "policies-archive").mkdir()
    (home / "policies-archive" / f"{policy.version}.yaml").write_text(OLD)
    return home


def run(home: Path, tmp_path: Path, text: str, *arguments: str) -> tuple[Any, dict[str, Any]]:
    (tmp_path / "new.yaml").write_text(text)
    told = ["simulate", "--policy", str(tmp_path / "new.yaml"), "--since", "7d", "--until", str(THEN + 7 * 86_400_000)]
    env = {"TACT_HOME": str(home), "COLUMNS": "250", "NO_COLOR": "1", "TERM": "dumb"}
    result = CliRunner().invoke(app, [*told, "--json", str(tmp_path / "f.json"), *arguments], env=env)
    return result, json.loads((tmp_path / "f.json").read_text())


def test_the_interval_covers_the_truth_and_tells_a_gain(home: Path, tmp_path: Path) -> None:
    result, found = run(home, tmp_path, MORE, "--fail-if", "value<-0.01")
    assert result.exit_code == 0, result.output
    (badge,) = found["actions"]
    shares = {side: badge["shown"][side] / DECISIONS for side in ("old", "new")}
    truth = (shares["new"] - shares["old"]) * (SHOWN - SILENT)
    value = found["value"]
    assert truth > 0.02
    assert value["unit"] == "orders"
    assert value["difference"][1] <= truth <= value["difference"][2]
    assert value["difference"][1] > 0
    assert value["old"][1] <= SILENT + shares["old"] * (SHOWN - SILENT) <= value["old"][2]
    assert "expected value difference: +0." in result.stdout
    assert found["value"]["decisions"] == DECISIONS


def test_a_loss_makes_the_condition_fail(home: Path, tmp_path: Path) -> None:
    result, found = run(home, tmp_path, text_of(BADGE | {"value": 2}), "--fail-if", "value<-0.01")
    assert found["value"]["difference"][2] < 0
    assert result.exit_code == 1
    assert "failed --fail-if value<-0.01: it is -0." in result.stderr


def test_the_same_choices_differ_by_nothing(home: Path, tmp_path: Path) -> None:
    result, found = run(home, tmp_path, "# a remark\n" + OLD, "--fail-if", "value<0")
    assert result.exit_code == 0, result.output
    assert found["value"]["same"] is True
    assert "both choose alike in every decision" in result.stdout


def test_of_what_was_never_tried_nothing_can_be_said(home: Path, tmp_path: Path) -> None:
    never = action("never", value=1000)
    result, found = run(home, tmp_path, text_of(BADGE, never), "--fail-if", "value<-1")
    assert "are never made in the log" in result.stdout
    assert "expected value: cannot say" in result.stdout
    assert found["value"]["difference"] is None
    assert result.exit_code == 1
    assert "value<-1: it cannot be said" in result.stderr


def test_the_policy_s_reward_is_the_unit(home: Path, tmp_path: Path) -> None:
    prior = BADGE["prior"]
    reward = text_of(BADGE | {"value": 12, "prior": prior}, reward={"revenue": 1})
    _, found = run(home, tmp_path, reward)
    assert found["value"]["unit"] == "EUR"
    assert 0.1 * 50 < found["value"]["old"][0] < 0.3 * 50


def test_an_even_part_of_the_visitors_comes_with_what_followed_them(home: Path, tmp_path: Path) -> None:
    """The figure of a part is that of the whole within its interval: orders of the others are not asked about."""
    _, found = run(home, tmp_path, MORE, "--max", "2400")
    value, decisions = found["value"], found["value"]["decisions"]
    assert 2000 < decisions < 2800
    shares = {side: found["actions"][0]["shown"][side] / decisions for side in ("old", "new")}
    assert value["old"][1] <= SILENT + shares["old"] * (SHOWN - SILENT) <= value["old"][2]
    assert value["difference"][1] > 0
