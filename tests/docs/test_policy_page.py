"""docs/policy.md says what the policy's tables in the code say."""

import re
from pathlib import Path

from models.action_kinds import KINDS
from models.gates import GATE_NAMES
from models.policy_lint import LINTS
from models.policy_schema import sections
from models.policy_terms import MAX_LIFT, SOURCES
from models.rules import EVENT_NAMES, FUNCTIONS, ITEM_NAMES
from tact.fail_if import CONDITIONS, LOST
from tact.personas import CASE, EXPECTED, TESTS

PAGE = (Path(__file__).parents[2] / "docs" / "policy.md").read_text()


def part(heading: str) -> str:
    """The text under a heading, up to the next."""
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, heading
    return found[1]


def rows(heading: str) -> list[list[str]]:
    return [
        [c.strip() for c in line.strip("|").split("|")] for line in part(heading).splitlines() if line.startswith("| `")
    ]


def test_every_field_of_every_table_is_told_with_its_meaning():
    for title, table in sections():
        told = [(name.strip("`"), bool(must), meaning) for name, must, meaning in rows(title)]
        assert told == [(f.name, f.required, f.doc) for f in table.fields], title


def test_every_kind_is_told_with_its_defaults():
    told = [
        (name.strip("`"), meaning, prior, float(cost)) for name, meaning, prior, cost, *_ in rows("Kinds of action")
    ]
    assert told == [(k.name, k.meaning, " ".join(f"{p:g}" for p in k.prior), k.cost) for k in KINDS]


def test_every_source_of_recommendations_is_told_in_its_order():
    assert [name.strip("`") for name, _ in rows("Sources")] == list(SOURCES)


def test_the_bound_of_the_levers_is_told():
    assert f"score x (1 + min({MAX_LIFT:g}, margin x m + overstock x o))" in part("Levers")


def test_every_function_and_name_of_rules_is_told():
    text = part("Rules")
    names = [*FUNCTIONS, *(f"event.{n}" for n in EVENT_NAMES), *(f"item.{n}" for n in ITEM_NAMES)]
    assert [name for name in names if f"`{name}`" not in text] == []


def test_every_gate_is_told_in_its_order():
    lines = [line.split("|")[1].strip() for line in part("Gates").splitlines() if line.startswith("| ")]
    assert lines[1:] == list(GATE_NAMES)


def test_every_lint_is_told_with_its_severity_and_meaning():
    told = [(code.strip("`"), severity, meaning) for code, severity, meaning in rows("Lints")]
    assert told == [(each.code, each.severity, each.meaning) for each in LINTS]


def test_every_field_of_a_persona_test_is_told_with_its_meaning():
    for title, table in (("A file of tests", TESTS), ("An example visitor", CASE), ("What is expected", EXPECTED)):
        told = [(name.strip("`"), bool(must), meaning) for name, must, meaning in rows(title)]
        assert told == [(f.name, f.required, f.doc) for f in table.fields], title


def test_every_condition_of_a_what_if_is_told():
    told = [(name.strip("`"), meaning) for name, meaning in rows("What-if")]
    there_are = [(f"{f.name}:ACTION" if f.of_action else f.name, f.meaning) for f in CONDITIONS]
    assert told == [*there_are, ("lost:ACTION", LOST)]
