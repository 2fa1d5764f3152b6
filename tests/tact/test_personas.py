"""`tact test-policy`: example visitors are decided for as the service would, and what differs is told with its line."""

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from models import bundle as bundles
from models.arms import arm_of
from models.policy import load_policy
from tact.persona_visitor import VISITOR
from tact.verb_test_policy import register
from tests.models.bundles import parts

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "shop"

app = typer.Typer()
app.callback()(lambda: None)
register(app)

POLICY = """\
shop: demo
locales: [en, nl]
holdout: 0.5
consent: {assumed: [analytics, personalization]}
custom_events: [size_guide_view]
placements:
  - {id: top, kinds: [badge, bar, recommend]}
  - {id: side, kinds: [badge]}
actions:
  - id: always
    kind: badge
    placements: [top, side]
    value: 1000
    content: {en: {text: a}, nl: {text: b}}
  - id: tents
    kind: bar
    placements: [top]
    when: session.views >= 2 && item.stock > 3
    value: 900
    content: {en: {text: c}, nl: {text: d}}
  - id: late
    kind: badge
    placements: [top]
    stages: [loyalty]
    value: 30
    content: {en: {text: e}, nl: {text: f}}
  - id: dear
    kind: bar
    placements: [top]
    value: 1
    cost: 1000
    content: {en: {text: g}, nl: {text: h}}
  - id: alike
    kind: recommend
    placements: [top]
    value: 50
    recommend: {source: similar}
    content: {en: {title: i}, nl: {title: j}}
"""

HEAD = """\
now: 2026-11-23T12:00:00Z
catalog:
  - {item_id: t1, category: tents, price: 100, stock: 5}
  - {item_id: t2, category: tents, price: 120, stock: 2}
cases:
"""

TWO_TENTS = """\
  - name: Two tents
    events:
      - {event: view_item, ago_s: 60, item_id: t2}
    context: {page_type: product, item_id: t1}
    stage: evaluation
    expect:
"""


def run(folder: Path, tests: str, *arguments: str, policy: str = POLICY) -> Any:
    (folder / "policy.yaml").write_text(policy)
    (folder / "tests.yaml").write_text(tests)
    paths = [str(folder / "policy.yaml"), str(folder / "tests.yaml")]
    env = {"COLUMNS": "200", "NO_COLOR": "1"}
    return CliRunner().invoke(app, ["test-policy", *paths, *arguments], env=env)


def case(expect: str, head: str = TWO_TENTS) -> str:
    """A file of one visitor with these expectations at `top`."""
    return f"{HEAD}{head}      top:\n        {expect}\n"


def test_the_example_shop_s_visitors_see_what_they_should() -> None:
    arguments = ["test-policy", str(EXAMPLE / "policy.yaml"), str(EXAMPLE / "policy_tests.yaml")]
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert result.exit_code == 0, result.output
    assert "passed 9 visitors, 37 expectations, 0 failed" in result.stdout


@pytest.mark.parametrize(
    "expect",
    [
        "sees: [always, tents, alike]",
        "never: [late, {late: stage}]",
        "chosen: always",
        "silence: false",
    ],
)
def test_what_holds_passes(expect: str, tmp_path: Path) -> None:
    result = run(tmp_path, case(expect))
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("expect", "said"),
    [
        ("sees: [late]", ":13:16: Two tents: top: late cannot show: gate stage: "),
        ("sees: [always, late]", ":13:24: "),
        ("never: [tents]", "tents can show, with propensity 0."),
        ("never: [{tents: cap}]", "and gate cap is open"),
        ("never: [{late: rule}]", "gate rule does not block late: gate stage:"),
        ("chosen: silence", "always (0."),
        ("chosen: tents", "tents: its gates are open, its net value is"),
        ("silence: true", "always, tents, alike can show"),
    ],
)
def test_what_does_not_hold_fails_at_its_line_with_the_reason(expect: str, said: str, tmp_path: Path) -> None:
    result = run(tmp_path, case(expect))
    assert result.exit_code == 1, result.output
    assert said in result.stderr
    assert f"failed {tmp_path / 'tests.yaml'}:13:" in result.stderr
    assert "1 failed" in result.stdout


def test_a_closed_rule_tells_what_its_names_were_and_where_the_action_stands(tmp_path: Path) -> None:
    tests = case("sees: [tents]", TWO_TENTS.replace("item_id: t1}", "item_id: t2}"))
    result = run(tmp_path, tests)
    assert result.exit_code == 1
    assert "gate rule: " in result.stderr
    assert "session.views 2" in result.stderr
    assert f"({tmp_path / 'policy.yaml'}:15)" in result.stderr


def test_what_has_no_hope_of_beating_silence_is_never_seen_and_the_gate_says_so(tmp_path: Path) -> None:
    assert run(tmp_path, case("never: [{dear: no_hope}]")).exit_code == 0
    result = run(tmp_path, case("sees: [dear]"))
    assert result.exit_code == 1
    assert "dear cannot show: gate no_hope: " in result.stderr


def test_every_visitor_can_be_shown_something_whatever_the_holdout(tmp_path: Path) -> None:
    held_out = 0
    for name in "abcdefgh":
        policy = POLICY.replace("shop: demo", f"shop: {name}")
        held_out += arm_of(load_policy(policy, "p.yaml"), VISITOR) == "holdout"
        assert run(tmp_path, case("sees: [always]"), policy=policy).exit_code == 0
    assert held_out > 0


def test_the_page_is_an_event_unless_the_case_has_one_of_its_own(tmp_path: Path) -> None:
    on_page = "  - name: A page\n    context: {page_type: product, item_id: t1}\n    stage: evaluation\n    expect:\n"
    assert "session.views 1" in run(tmp_path, case("sees: [tents]", on_page)).stderr
    own = on_page.replace("    stage", "    events: [{event: custom, name: size_guide_view}]\n    stage")
    assert "session.views 0" in run(tmp_path, case("sees: [tents]", own)).stderr


def test_without_consent_the_history_is_not_used_and_a_no_still_holds(tmp_path: Path) -> None:
    refused = TWO_TENTS.replace("    stage", "    consent: [analytics]\n    stage")
    assert "session.views 1" in run(tmp_path, case("sees: [tents]", refused)).stderr
    said_no = refused.replace("t2}", "t2}\n      - {event: dismiss_promotion, ago_s: 90, action: dear}")
    assert run(tmp_path, case("never: [{dear: cooldown}]", said_no)).exit_code == 0


def test_recommended_products_are_those_given_else_the_catalog_s(tmp_path: Path) -> None:
    assert run(tmp_path, case("sees: [alike]", TWO_TENTS.replace("t2}", "t9}"))).exit_code == 0
    none = TWO_TENTS.replace("    stage", "    recommended: []\n    stage")
    popular_off = POLICY.replace("{source: similar}", "{source: similar, fill: false}")
    assert run(tmp_path, case("never: [{alike: content}]", none), policy=popular_off).exit_code == 0
    given = TWO_TENTS.replace("    stage", "    recommended: [t7]\n    stage")
    assert run(tmp_path, case("sees: [alike]", given), policy=popular_off).exit_code == 0


def test_a_bundle_scores_in_place_of_the_case(tmp_path: Path) -> None:
    bundles.write(tmp_path / "made", parts())
    scored = TWO_TENTS.replace("stage: evaluation", "bundle: made")
    assert run(tmp_path, case("sees: [always]", scored)).exit_code == 0
    assert run(tmp_path, case("sees: [always]", scored.replace("made", "none"))).exit_code == 2


def test_probabilities_by_stage_reach_rules_and_values(tmp_path: Path) -> None:
    given = TWO_TENTS.replace("stage: evaluation", "stage: {loyalty: 0.6, purchase: 0.4}\n    intent: {buy: 0.5}")
    assert run(tmp_path, case("sees: [late]", given)).exit_code == 0
    ruled = POLICY.replace("    stages: [loyalty]\n", "    when: intent.buy > 0.4 && stage.purchase > 0.3\n")
    assert run(tmp_path, case("sees: [late]", given), policy=ruled).exit_code == 0


def test_a_degraded_decision_shows_fallbacks_alone(tmp_path: Path) -> None:
    degraded = TWO_TENTS.replace("stage: evaluation", "degraded: true")
    safe = POLICY.replace("placements: [top, side]", "fallback: true\n    placements: [top, side]")
    tests = case("{chosen: always, never: [{tents: fallback}]}", degraded)
    assert run(tmp_path, tests, policy=safe).exit_code == 0
    assert run(tmp_path, tests).exit_code == 1


def test_json_lists_every_visitor(tmp_path: Path) -> None:
    result = run(tmp_path, case("{sees: [always, late], never: [dear]}"), "--json")
    assert result.exit_code == 1
    (told,) = json.loads(result.stdout)
    assert (told["case"], told["expectations"], len(told["failures"])) == ("Two tents", 3, 1)
    assert told["failures"][0]["at"].endswith("tests.yaml:13:25")


@pytest.mark.parametrize(
    ("tests", "said"),
    [
        ("cases: []", "'now' is missing"),
        (case("sees: [allways]"), "the policy has no action 'allways'"),
        (case("sees: [always]").replace("      top:", "      tpo:"), "the policy has no placement 'tpo'"),
        (case("see: [always]"), "unknown field 'see'"),
        (case("never: [{late: stages}]"), "did you mean 'stage'"),
        (case("sees: [always]").replace("stage: evaluation", "stage: evaluating"), "did you mean 'evaluation'"),
        (case("sees: [always]").replace("    stage: evaluation\n", ""), "a case gives 'stage' or 'bundle'"),
        (case("sees: [always]").replace("stage: evaluation", "stage: {loyalty: 0.5}"), "do not sum to 1"),
        (case("sees: [always]").replace("stage: evaluation", "stage: {royalty: 1}"), "unknown stage 'royalty'"),
        (case("sees: [always]").replace("view_item", "veiw_item"), "No event is called `veiw_item`"),
        (case("sees: [always]").replace("ago_s: 60", "ago_s: -1"), "expected seconds, 0 or more"),
        (case("sees: [always]").replace("ago_s: 60", "itemid: a"), "itemid"),
        (case("sees: [always]").replace("page_type: product", "page_type: porduct"), "`porduct` is none of"),
        (case("sees: [always]").replace("price: 100", "price: -100"), "product 1 of the catalog"),
        (HEAD.replace("catalog:\n", "catalog: none.ndjson\nx:\n"), "unknown field 'x'"),
        ("now: 2026-11-23\ncatalog: none.ndjson\n" + case("sees: [always]").split("stock: 2}\n")[1], "none.ndjson"),
        ("]", "not valid YAML"),
    ],
)
def test_a_file_that_cannot_be_run_is_refused_with_its_reason(tests: str, said: str, tmp_path: Path) -> None:
    result = run(tmp_path, tests)
    assert result.exit_code == 2, result.output
    assert said in result.stderr
    assert "Traceback" not in result.output


def test_a_policy_with_errors_is_refused(tmp_path: Path) -> None:
    result = run(tmp_path, case("sees: [always]"), policy=POLICY.replace("kind: badge", "kind: bagde"))
    assert result.exit_code == 2
    assert "did you mean 'badge'" in result.stderr
