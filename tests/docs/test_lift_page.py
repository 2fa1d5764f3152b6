"""The numbers on the lift's page are the code's, and every option it names is one."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tact.cli import build
from tests.docs.test_service_pages import table
from training import lift, lift_found
from training.lift_checks import ALARM_ALPHA, SPLITS, most_by_chance
from training.sequential import RATIO_WEIGHT, Plan, boundary

PAGE = (Path(__file__).parents[2] / "docs" / "lift.md").read_text()
PLAN = Plan()


def test_every_verdict_is_on_the_page() -> None:
    told = " ".join(row[0] for row in table(PAGE, "verdict | meaning"))
    assert all(words in told for words in (lift.BETTER, lift.WORSE, lift.NOT_APART, lift.NONE_YET, lift.OFF))


def test_every_option_on_the_page_is_one_of_the_verb() -> None:
    shown = CliRunner().invoke(build(), ["lift", "--help"], env={"COLUMNS": "200"}).stdout
    named = set(re.findall(r"--[a-z]+", PAGE))
    assert len(named) >= 7
    assert {option for option in named if option not in shown} == set()


def test_the_numbers_are_the_code_s() -> None:
    assert f"under {PLAN.people} visitors or under {PLAN.buyers} buyers" in PAGE
    assert f"`--plan` visitors ({PLAN.visitors:,})" in PAGE
    assert f"the {lift.WINSOR:.0%} quantile".replace("%", " %") in PAGE
    assert f"worth {RATIO_WEIGHT:,.0f} visitors" in PAGE
    assert f"p < {ALARM_ALPHA}".replace("0.", ".") in PAGE
    assert f"by {SPLITS} other hashes" in PAGE and f"({most_by_chance(SPLITS)} of {SPLITS})" in PAGE
    assert f"Those above {lift_found.MANY:,} are always named" in PAGE


@pytest.mark.parametrize(("visitors", "told"), [(100_000, "3.04"), (20_000, "3.35"), (1_000_000, "3.25")])
def test_the_widths_told_are_the_code_s(visitors: int, told: str) -> None:
    assert f"{boundary(visitors, PLAN):.2f}" == told and told in PAGE
