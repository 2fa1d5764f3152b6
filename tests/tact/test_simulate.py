"""`tact simulate`: the lake's decisions under a changed policy, by exact propensities, and what it cannot tell."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer
from msgspec import structs
from typer.testing import CliRunner

from features import lakefile
from models import receipt as receipts
from models.arbitration import Draws, prior_draws
from models.arms import arm_of
from models.decision import decide
from models.inputs import Inputs
from models.policy import load_policy
from models.policy_terms import Policy
from models.stage import STAGES
from tact import verb_simulate
from tact.fail_if import CONDITIONS, shapes
from tests.models.deciding import DAY, NOW, FixedScores, Visitor, action, text_of
from training.whatif import draws_between

app = typer.Typer()
app.callback()(lambda: None)
verb_simulate.register(app)

BADGE = action("badge", value=40)
HINT = action("hint", kind="hint", value=60, placements=["top", "side"])
LATE = action("late", stages=["loyalty"], value=80)
DECISIONS = 240
UNTIL = str(NOW + 1)


def policy_text(*actions: dict[str, Any], **fields: Any) -> str:
    return text_of(*actions, **fields)


OLD = policy_text(BADGE, HINT, LATE)


def inputs() -> Iterator[tuple[Inputs, FixedScores]]:
    """Decisions of 60 visitors over four days, a third of them after three messages, each stage as often."""
    for n in range(DECISIONS):
        visitor = Visitor().did("view_item", 4, item_id="p1")
        for minutes in (3, 2, 1) if n % 3 == 0 else ():
            visitor = visitor.did("view_promotion", minutes, action="badge")
        ago = (n % 4) * DAY
        visitor = replace(visitor, rows=tuple(replace(row, ts_ms=row.ts_ms - ago) for row in visitor.rows))
        on_page = visitor.on("product", item_id="p2")
        made = on_page.inputs("top", "side", decision_id=f"D{n:04d}", now_ms=NOW - ago)
        yield structs.replace(made, visitor_id=f"v{n % 60}"), FixedScores(STAGES[n % 6])


def rows(policy: Policy, degraded: int = 0) -> Iterator[lakefile.DecisionRow]:
    for n, (given, bundle) in enumerate(inputs()):
        given = structs.replace(given, degraded_because="store", tail=None) if n < degraded else given
        made = decide(given, bundle, policy, prior_draws(policy))
        yield lakefile.DecisionRow(
            "demo",
            given.decision_id,
            given.visitor_id,
            given.now_ms,
            made.degraded,
            made.bundle_id,
            policy.version,
            made.stage,
            made.silent,
            made.actions,
            receipts.encode(made),
        )


def lake_of(home: Path, text: str = OLD, archived: bool = True, degraded: int = 0) -> Path:
    """A home whose lake holds what a policy decided; the policy is in the archive."""
    policy = load_policy(text, "old.yaml")
    lakefile.write_decisions(home / "lake", rows(policy, degraded), "a")
    if archived:
        (home / "policies-archive").mkdir()
        (home / "policies-archive" / f"{policy.version}.yaml").write_text(text)
    return home


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lake_of(tmp_path_factory.mktemp("home"))


def run(home: Path, tmp_path: Path, text: str, *arguments: str) -> Any:
    (tmp_path / "new.yaml").write_text(text)
    told = ["simulate", "--policy", str(tmp_path / "new.yaml"), "--until", UNTIL, *arguments]
    env = {"TACT_HOME": str(home), "COLUMNS": "250", "NO_COLOR": "1", "TERM": "dumb"}
    return CliRunner().invoke(app, told, env=env)


def figures(home: Path, tmp_path: Path, text: str, *arguments: str) -> dict[str, Any]:
    result = run(home, tmp_path, text, "--json", str(tmp_path / "f.json"), *arguments)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads((tmp_path / "f.json").read_text())
    return found


def of(found: dict[str, Any], name: str) -> dict[str, Any]:
    (one,) = [one for one in found["actions"] if one["action"] == name]
    return one


def test_the_same_policy_changes_nothing_at_all(home: Path, tmp_path: Path) -> None:
    found = figures(home, tmp_path, OLD)
    assert found["decisions"] == DECISIONS
    assert found["old"] == found["new"]
    assert found["moved"] == []
    assert found["without_draws"] == 0
    for one in found["actions"]:
        assert one["shown"]["old"] == one["shown"]["new"] > 0
        assert one["gates"]["old"] == one["gates"]["new"]


def test_an_edit_elsewhere_in_the_file_changes_nothing_either(home: Path, tmp_path: Path) -> None:
    """The version differs and with it the priors' draws; those of the old policy are used for what is the same."""
    found = figures(home, tmp_path, "# a remark\n" + OLD)
    assert found["old"] == found["new"]
    assert found["moved"] == []


def test_expected_shows_are_the_sums_of_exact_propensities(home: Path, tmp_path: Path) -> None:
    text = policy_text(BADGE, action("late", stages=["loyalty", "purchase"], value=80))
    old, new = load_policy(OLD, "old.yaml"), load_policy(text, "new.yaml")
    draws = draws_between(new, old, prior_draws(old))
    expected = 0.0
    for given, bundle in inputs():
        made = decide(structs.replace(given, placements=("top",)), bundle, new, draws)
        expected += sum(c.propensity or 0.0 for c in made.chosen[0].candidates if c.action == "late")
    found = of(figures(home, tmp_path, text), "late")
    assert found["shown"]["new"] == pytest.approx(expected, abs=1e-9)
    assert found["eligible"] == {"old": DECISIONS // 6, "new": DECISIONS // 3}


def test_who_loses_a_message_is_told_by_stage_and_placement(home: Path, tmp_path: Path) -> None:
    result = run(home, tmp_path, policy_text(BADGE, HINT | {"stages": ["purchase"]}, LATE))
    assert result.exit_code == 0
    found = figures(home, tmp_path, policy_text(BADGE, HINT | {"stages": ["purchase"]}, LATE))
    losses = [one for one in found["moved"] if one["action"] == "hint" and one["change"] < 0]
    assert {one["placement"] for one in losses} == {"top", "side"}
    assert "purchase" not in {one["stage"] for one in losses}
    assert all(one["new"] == 0 for one in losses)
    assert of(found, "hint")["gates"]["new"] == {"stage": DECISIONS * 5 // 6}
    assert re.search(r"hint +\w+ +(top|side) +.*-\d", result.stdout)
    assert f"0 → stage {DECISIONS * 5 // 6}" in result.stdout or f"– → stage {DECISIONS * 5 // 6}" in result.stdout


def test_a_new_a_lost_and_a_gone_action_are_called_that(home: Path, tmp_path: Path) -> None:
    never = HINT | {"when": "session.views > 40"}
    found = figures(home, tmp_path, policy_text(never, LATE, action("fresh", value=90)))
    assert {one["action"]: one["standing"] for one in found["actions"]} == {
        "hint": "lost",
        "late": "same",
        "fresh": "new",
        "badge": "gone",
    }
    assert "hint was eligible before and is eligible nowhere now" in found["notes"]
    assert "badge is not in the new policy" in found["notes"]
    assert of(found, "fresh")["shown"]["new"] > 0
    assert of(found, "badge")["shown"] == {"old": pytest.approx(of(found, "badge")["shown"]["old"]), "new": 0}


def test_caps_hit_by_the_messages_of_the_log_are_counted(home: Path, tmp_path: Path) -> None:
    found = figures(home, tmp_path, policy_text(BADGE | {"caps": {"per_session": 3}}, HINT, LATE))
    hit = DECISIONS // 3
    assert of(found, "badge")["gates"] == {"old": {}, "new": {"cap": hit}}
    assert (found["old"]["limited_share"], found["new"]["limited_share"]) == (0, hit / DECISIONS)


def test_visitors_that_nothing_is_left_for_are_counted(home: Path, tmp_path: Path) -> None:
    found = figures(home, tmp_path, policy_text(LATE | {"placements": ["top"]}))
    served = {n % 60 for n in range(DECISIONS) if STAGES[n % 6] == "loyalty"}
    assert found["old"]["unserved_visitors"] == 0
    assert found["new"]["unserved_visitors"] == 60 - len(served)
    assert found["new"]["optionality"] == pytest.approx(1 / 6)
    assert any("there is little to choose from" in note for note in found["notes"])
    assert found["new"]["silence_share"] > found["old"]["silence_share"]


def test_a_holdout_is_counted_apart(home: Path, tmp_path: Path) -> None:
    text = policy_text(BADGE, HINT, LATE, holdout=0.3)
    found = figures(home, tmp_path, text)
    out = sum(arm_of(load_policy(text, "x"), f"v{n % 60}") == "holdout" for n in range(DECISIONS))
    assert 0 < found["new"]["held_out"] == out
    assert found["old"]["held_out"] == 0


def test_a_placement_that_is_gone_is_silent_and_one_nobody_asked_for_is_told(home: Path, tmp_path: Path) -> None:
    text = policy_text(BADGE, HINT | {"placements": ["other"]}, LATE)
    text = text.replace("- {id: side, kinds: [badge, hint, chat]}", "- {id: other, kinds: [hint]}")
    found = figures(home, tmp_path, text)
    assert all(one["new"] == 0 for one in found["moved"] if one["placement"] == "side")
    assert any("no decision asked for other" in note for note in found["notes"])


def test_products_that_were_not_gathered_are_told(home: Path, tmp_path: Path) -> None:
    content = {"en": {"title": "More"}, "nl": {"title": "Meer"}}
    text = policy_text(BADGE, HINT, LATE, action("row", kind="recommend", content=content))
    notes = figures(home, tmp_path, text)["notes"]
    assert any(note.startswith("row: the products they would recommend are not in these receipts") for note in notes)
    assert not any("not in these receipts" in note for note in figures(home, tmp_path, OLD)["notes"])


def test_a_changed_prior_is_decided_with_its_own_draws(home: Path, tmp_path: Path) -> None:
    found = figures(home, tmp_path, policy_text(BADGE | {"prior": {"mean": 0.9}}, HINT, LATE))
    assert of(found, "badge")["shown"]["new"] > 2 * of(found, "badge")["shown"]["old"]


def test_an_apprentice_is_decided_and_not_shown(home: Path, tmp_path: Path) -> None:
    found = of(figures(home, tmp_path, policy_text(BADGE | {"apprentice": True}, HINT, LATE)), "badge")
    assert (found["eligible"]["new"], found["shown"]["new"]) == (0, 0)
    assert found["gates"]["new"] == {"apprentice": DECISIONS}


def test_learned_draws_are_those_of_the_receipt(tmp_path: Path) -> None:
    """An action that was learned to do harm is not shown by a policy that leaves it as it is, whatever its prior."""
    old, new = load_policy(OLD, "old.yaml"), load_policy("# a remark\n" + OLD, "new.yaml")
    harmful = prior_draws(old).table.copy()
    harmful[0] = -0.5
    learned = Draws.of(harmful)
    table = draws_between(new, old, learned).table
    assert (table == learned.table).all()
    for text in (OLD.replace("value: 40", "value: 41"), policy_text(BADGE | {"prior": {"mean": 0.1}}, HINT, LATE)):
        changed = load_policy(text, "new.yaml")
        same = (draws_between(changed, old, learned).table == learned.table).all(axis=(1, 2)).tolist()
        assert same == [changed.actions[0].prior == old.actions[0].prior, True, True]
    rewarded = load_policy(policy_text(BADGE, HINT, LATE, reward={"revenue": 0.3}), "new.yaml")
    assert not (draws_between(rewarded, old, learned).table[0] < 0).any()


def test_degraded_decisions_stay_degraded(tmp_path: Path) -> None:
    home = lake_of(tmp_path, degraded=60)
    found = figures(home, tmp_path, policy_text(BADGE | {"fallback": True}, HINT, LATE))
    assert of(found, "hint")["gates"]["new"] == {"fallback": 60}
    moved = [one for one in found["moved"] if one["stage"] == ""]
    assert [(one["action"], one["old"], one["new"]) for one in moved] == [("badge", 0, 60)]


def test_decisions_of_a_policy_that_is_gone_are_counted_and_decided_by_priors(tmp_path: Path) -> None:
    home = lake_of(tmp_path, archived=False)
    found = figures(home, tmp_path, OLD)
    assert found["without_draws"] == DECISIONS
    assert any("a policy or draws that are gone" in note for note in found["notes"])


def changed_receipts(home: Path, **fields: object) -> None:
    """Writes a field of every receipt anew."""
    table = lakefile.read_decisions(home / "lake", "demo")
    names = lakefile.DECISION_FIELDS
    made = []
    for values in zip(*(table.column(name).to_pylist() for name in names), strict=True):
        row = dict(zip(names, values, strict=True))
        row["receipt"] = msgspec.msgpack.encode(msgspec.msgpack.decode(row["receipt"]) | fields)
        made.append(lakefile.DecisionRow(**row))
    lakefile.write_decisions(home / "lake", made, "a")


@pytest.mark.parametrize(
    ("fields", "said"), [({"features": "0" * 12}, "another feature table"), ({"version": 99}, "another version")]
)
def test_receipts_that_cannot_be_read_are_counted_and_none_at_all_is_bad_input(
    fields: dict[str, object], said: str, tmp_path: Path
) -> None:
    home = lake_of(tmp_path)
    changed_receipts(home, **fields)
    result = run(home, tmp_path, OLD)
    assert result.exit_code == 2
    assert f"none of the {DECISIONS} decisions can be replayed" in result.output
    assert f"{DECISIONS} are of {said}" in result.output


def test_of_many_decisions_all_of_some_visitors_are_taken(home: Path, tmp_path: Path) -> None:
    found = figures(home, tmp_path, OLD, "--max", "100")
    assert 50 <= found["decisions"] <= 150
    assert found["decisions"] == 4 * found["new"]["visitors"]
    assert re.fullmatch(r"\d+ of 240 decisions: all of 41\.7% of the visitors", found["sampled"])
    assert figures(home, tmp_path, OLD)["sampled"] == ""


def test_of_a_single_visitor_s_many_decisions_every_so_manieth_is_taken(tmp_path: Path) -> None:
    policy = load_policy(OLD, "old.yaml")
    lakefile.write_decisions(tmp_path / "lake", (replace(row, visitor_id="v1") for row in rows(policy)), "a")
    found = figures(tmp_path, tmp_path, OLD, "--max", "100")
    assert found["decisions"] == 80
    assert found["sampled"] == "every 3th of 240 decisions: a few visitors made most of them"


def test_the_time_asked_for_is_the_time_replayed(home: Path, tmp_path: Path) -> None:
    assert figures(home, tmp_path, OLD, "--since", "36h")["decisions"] == DECISIONS // 2
    assert figures(home, tmp_path, OLD, "--since", str(NOW - DAY))["decisions"] == DECISIONS // 2


def test_of_so_few_decisions_the_value_cannot_be_said(home: Path, tmp_path: Path) -> None:
    text = policy_text(BADGE | {"value": 400}, HINT, LATE)
    result = run(home, tmp_path, text)
    assert "expected value: cannot say: " in result.stdout
    assert figures(home, tmp_path, text)["value"]["refused"]


@pytest.mark.parametrize(
    ("condition", "fires"),
    [
        ("silence>0.01", True),
        ("silence > 0.9999", False),
        ("unserved>0", True),
        ("unserved>=0.99", False),
        ("limited>0", False),
        ("options<1", True),
        ("options<0.1", False),
        ("shown:hint<0.5", True),
        ("value<-1", True),  # it cannot be said of so few
        ("shown:late<0.5", False),
        ("lost:hint", True),
        ("lost:late", False),
        ("lost:any", True),
    ],
)
def test_a_condition_that_holds_fails(condition: str, fires: bool, home: Path, tmp_path: Path) -> None:
    text = policy_text(HINT | {"when": "session.views > 40"}, LATE)
    result = run(home, tmp_path, text, "--fail-if", condition)
    assert result.exit_code == int(fires), result.output
    assert (f"failed --fail-if {condition}:" in result.stderr) == fires


def test_every_condition_is_tried_above() -> None:
    here = Path(__file__).read_text()
    assert all(f'("{figure.name}' in here for figure in CONDITIONS)
    assert len(shapes()) == len(CONDITIONS) + 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--fail-if", "sillence>1"], "'sillence>1' is no condition; there are silence>NUMBER"),
        (["--fail-if", "shown<1"], "is no condition"),
        (["--fail-if", "silence:hint<1"], "is no condition"),
        (["--fail-if", "lost:nobody"], "neither policy has an action 'nobody'"),
        (["--since", "last week"], "is no date or time"),
        (["--since", "2020-01-01", "--until", "2020-02-01"], "has no decisions of shop 'demo' from 2020-01-01"),
        (["--since", "2199-01-01"], "that is not before"),
        (["--shop", "other"], "holds no shop 'other'; it has demo"),
        (["--lake", "/nowhere"], "/nowhere is not there"),
        (["--json", "/"], "is a folder"),
        (["--policy", "/nowhere.yaml"], "cannot read /nowhere.yaml"),
    ],
)
def test_bad_input_is_told_and_ends_with_two(arguments: list[str], said: str, home: Path, tmp_path: Path) -> None:
    result = run(home, tmp_path, OLD, *arguments)
    assert result.exit_code == 2, result.output
    assert said in result.stderr
    assert "Traceback" not in result.output


def test_a_policy_with_errors_is_refused(home: Path, tmp_path: Path) -> None:
    result = run(home, tmp_path, OLD.replace("kind: badge", "kind: bagde"))
    assert result.exit_code == 2
    assert "did you mean 'badge'" in result.stderr
