"""What a changed policy is worth, in `tact simulate`: right where the truth is known, unsaid where nobody can know."""

import json
from dataclasses import replace
from math import isnan
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from features import lakefile
from features.events import Row
from models import receipt as receipts
from models.arbitration import prior_draws
from models.decision import decide
from models.policy import load_policy
from models.trial import read_trials
from tact import verb_simulate
from tests.models.deciding import MINUTE, NOW, FixedScores, Visitor, action, text_of
from training.whatif_rewards import Line, Terms, followed

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
        given = replace(Visitor().inputs(decision_id=f"D{n:05d}"), visitor_id=f"v{n % 1500}", now_ms=at, tail=b"")
        made = decide(replace(given, facts=None), bundle, policy, draws)
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


def line(event: str, ts_ms: int, **fields: Any) -> Line:
    known = {"visitor_id": "v1", "event_id": f"{event}{ts_ms}", "item_id": "", "quantity": 1, "order_id": ""}
    others = {"decision_id": "", "action": "", "price": None, "value": None}
    return Line(event=event, ts_ms=ts_ms, **{**known, **others, **fields})


def trials_of(at: int) -> list[Any]:
    """The trials of a decision for two placements."""
    policy = load_policy(text_of(BADGE | {"placements": ["top"]}, action("b", placements=["side"])), "p.yaml")
    made = decide(
        Visitor().inputs("top", "side", decision_id=f"D{at}", now_ms=at), FixedScores(), policy, prior_draws(policy)
    )
    return list(read_trials(receipts.encode(made)))


def terms(**reward: float) -> Terms:
    return Terms.of(load_policy(text_of(BADGE, reward=reward), "p.yaml"), lambda item: {"p1": 4.0}.get(item))


def test_what_follows_the_page_and_what_its_message_met_with_are_told_apart() -> None:
    trials = [msgspec.structs.replace(trial, chosen="badge") for trial in trials_of(0)]
    lines = [
        line("select_promotion", 10, action="badge", decision_id="D0"),
        line("purchase", 20, order_id="o", value=30.0, item_id="p1", quantity=2),
    ]
    found = followed(trials, lines, terms(revenue=0.5, margin=1, click=2), 10_000_000)
    assert found.of_page("D0") == 0.5 * 30 + 2 * 4
    assert [found.of_placement("D0", trial.placement) for trial in trials] == [
        0,
        2,
    ]  # the page's last message of that name


def test_an_order_of_a_later_session_does_not_count_and_an_open_session_is_not_known() -> None:
    hour = 3_600_000
    lines = [line("page_view", 60_000), line("purchase", 2 * hour, order_id="o", value=30.0)]
    first, second = trials_of(0), trials_of(2 * hour - 1)
    known = followed([*first, *second], lines, terms(order=1), 9 * hour)
    assert (known.of_page("D0"), known.of_page(f"D{2 * hour - 1}")) == (0, 1)
    early = followed([*first, *second], lines, terms(order=1), 2 * hour + 60_000)
    assert early.of_page("D0") == 0
    assert isnan(early.of_page(f"D{2 * hour - 1}"))
    assert isnan(early.of_placement("unheard of", "top"))
