"""What messages earned: three rules of credit, refunds, windows, and what was added beside what is attributed."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from features import lakefile
from models.arbitration import prior_draws
from models.chosen import Decision
from models.policy import load_policy
from models.trial import SILENCE
from tact import verb_earned
from tests.models.deciding import NOW, action, shop, text_of
from tests.training.visits import HOUR, MINUTE, SHOP, decided, event, kept, shown, write_visits
from training.attribution import Attribution, Earned
from training.trials import LakeTrials

TEXT = text_of(
    action("x", placements=["top"], value=5, cost=0), action("y", placements=["top"], value=5, cost=0), currency="USD"
)
POLICY = load_policy(TEXT, "demo.yaml")
DRAWS = prior_draws(POLICY)

app = typer.Typer()
app.callback()(lambda: None)
verb_earned.register(app)


def of(name: str, at_ms: int, policy=POLICY) -> Decision:
    """A decision of visitor v for this action, at a time after NOW; the first number by which the draw is its."""
    numbers = range(10_000 * (at_ms // MINUTE + 1), 10_000 * (at_ms // MINUTE + 2))
    made = (decided(number, policy, DRAWS, visitor="v", at_ms=NOW + at_ms) for number in numbers)
    return next(one for one in made if one.chosen[0].action == name)


def told(lake: Path, decisions: list[Decision], rows: list, policy=POLICY) -> dict[str, Earned]:
    lakefile.write_events(lake, rows, "a")
    lakefile.write_decisions(lake, [kept(one) for one in decisions], "a")
    found = Attribution(policy)
    found.learn(list(LakeTrials(lake, SHOP, policy, now_ms=1 << 62, heed=found.heed)))
    return {row.action: row for row in found.earned()}


@pytest.fixture
def pages() -> list[Decision]:
    return [of("x", 0), of("y", 5 * MINUTE), of("x", 10 * MINUTE)]


def order(made: Decision, after_ms: int = MINUTE, name: str = "o", value: float = 70.0, kind: str = "purchase"):
    return replace(event(kind, made, after_ms, order_id=name, value=value), event_id=f"{kind}{name}{after_ms}")


def test_an_order_goes_to_all_to_the_last_or_by_position(tmp_path, pages):
    rows = [row for page in pages for row in shown(page)]
    found = told(tmp_path, pages, [*rows, order(pages[-1])])
    assert found["x"].orders == {"all": 1.0, "last": 1.0, "position": pytest.approx(5 / 7)}
    assert found["y"].orders == {"all": 1.0, "last": 0.0, "position": pytest.approx(2 / 7)}
    assert found["y"].revenue == {"all": 70.0, "last": 0.0, "position": pytest.approx(20.0)}


def test_what_was_never_shown_or_came_after_gets_nothing(tmp_path, pages):
    _, second, third = pages
    found = told(tmp_path, pages, [*shown(second), order(second), *shown(third)])
    assert found["x"].orders["all"] == 0.0 and found["y"].orders["all"] == 1.0
    assert (found["x"].decided, found["x"].shown) == (2, 1)


def test_an_order_told_twice_counts_once_and_refunds_take_off(tmp_path, pages):
    rows = [*shown(pages[0]), order(pages[0]), order(pages[0], 2 * MINUTE)]
    part = told(tmp_path / "part", pages[:1], [*rows, order(pages[0], 9 * HOUR, value=20.0, kind="refund")])
    assert (part["x"].orders["last"], part["x"].revenue["last"]) == (1.0, 50.0)
    whole = told(tmp_path / "whole", pages[:1], [*rows, order(pages[0], 9 * HOUR, value=70.0, kind="refund")])
    assert (whole["x"].orders["last"], whole["x"].revenue["last"]) == (0.0, 0.0)


def test_the_window_is_the_policy_s(tmp_path, pages):
    rows = [*shown(pages[0]), order(pages[0], 20 * HOUR, value=70.0)]
    assert told(tmp_path / "session", pages[:1], rows)["x"].orders["all"] == 0.0
    day = load_policy(text_of(action("x"), action("y"), attribution={"window": "1d"}), "demo.yaml")
    assert told(tmp_path / "day", pages[:1], rows, day)["x"].orders["all"] == 1.0
    late = [*shown(pages[0]), order(pages[0], 25 * HOUR, value=70.0)]
    assert told(tmp_path / "late", pages[:1], late, day)["x"].orders["all"] == 0.0


def test_rates_are_of_showings(tmp_path, pages):
    rows = [row for page in pages for row in shown(page)] + shown(pages[0], 900, "select_promotion")
    found = told(tmp_path, pages, [*rows, *shown(pages[1], 900, "dismiss_promotion")])
    assert (found["x"].click_rate, found["x"].dismissal_rate, found["y"].dismissal_rate) == (0.5, 0.0, 1.0)
    assert found["x"].added is None


def test_an_action_that_the_policy_has_no_more_is_told_of_last(tmp_path, pages):
    less = shop(action("y", placements=["top"]))
    found = told(tmp_path, pages, shown(pages[0]), less)
    assert list(found) == ["y", "x"] and found["x"].shown == 1


def run(home: Path, *arguments: str):
    env = {"TACT_HOME": str(home), "COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}
    return CliRunner().invoke(app, ["earned", *arguments], env=env)


def test_attributed_stands_beside_what_was_added(tmp_path):
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "demo.yaml").write_text(TEXT)
    write_visits(tmp_path / "lake", range(2_000), POLICY, DRAWS, {SILENCE: 0.3, "x": 0.6, "y": 0.3})
    result = run(tmp_path, "--credit", "last", "--json", str(tmp_path / "j.json"))
    assert result.exit_code == 0, result.output
    assert "orders" in result.output and "(last)" in result.output and "not incremental" in result.output
    figures = json.loads((tmp_path / "j.json").read_text())
    x, y = figures["actions"]
    assert x["orders"]["last"] > 0.5 * x["shown"] and y["orders"]["last"] > 0.25 * y["shown"]
    low, high = (edge / x["shown"] for edge in x["added"]["value_ci"])
    assert 0.0 < low < 0.3 < high
    low, high = (edge / y["shown"] for edge in y["added"]["value_ci"])
    assert low < 0.0 < high
    assert figures["attributed_orders"] == x["orders"]["last"] + y["orders"]["last"]


def test_showings_without_orders_tell_nothing_however_many(tmp_path):
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "demo.yaml").write_text(TEXT)
    write_visits(tmp_path / "lake", range(500), POLICY, DRAWS, {SILENCE: 0.0, "x": 0.0, "y": 0.0})
    result = run(tmp_path, "--json", str(tmp_path / "j.json"))
    assert result.exit_code == 0 and "too little data" in result.output
    rows = json.loads((tmp_path / "j.json").read_text())["actions"]
    assert all(row["shown"] > 30 and row["added"] is None for row in rows)


def test_what_cannot_be_told_is_said(tmp_path):
    assert run(tmp_path, "--credit", "first").exit_code == 2
    nothing = run(tmp_path, "--lake", str(tmp_path / "none"))
    assert nothing.exit_code == 2 and "is not there" in nothing.output
    write_visits(tmp_path / "lake", range(2), POLICY, DRAWS, {SILENCE: 0, "x": 0, "y": 0})
    assert "has no policy" in run(tmp_path).output
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "demo.yaml").write_text(TEXT)
    early = run(tmp_path, "--until", "2020-01-01")
    assert early.exit_code == 1 and "no decisions" in early.output
    few = run(tmp_path)
    assert few.exit_code == 0 and "too little data" in few.output
