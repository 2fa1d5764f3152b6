"""The page on learning names the verbs, options, words and limits of the code."""

import re
from pathlib import Path

import pytest

from models.credit import Told
from models.policy_terms import CREDITS, WINDOWS
from tact import cli
from tact.verb_promote import MOST
from tests.docs.test_service_pages import table
from training.learn_policy import BEATS, ENOUGH, ENOUGH_REWARDED, LOSES, OPEN, TOO_LITTLE
from training.promotion import MARGIN

PAGE = (Path(__file__).parents[2] / "docs" / "learning.md").read_text()


@pytest.mark.parametrize("verb", ["earned", "learn", "promote", "rollback", "audit"])
def test_every_option_on_the_page_is_the_verb_s(verb: str) -> None:
    asked = re.findall(rf"tact {verb} [^`#\n]*", PAGE)
    named = {option for line in asked for option in re.findall(r"--[a-z-]+", line)}
    known = {option for parameter in cli.load(verb).params for option in parameter.opts}
    assert asked and named <= known


def test_the_words_are_the_code_s() -> None:
    told = [row[0].strip("`") for row in table(PAGE, "told | meaning")]
    assert told == [one.value for one in (Told.COUNTED, Told.UNKNOWN, Told.LATE, Told.AGAIN)]
    assert [row[0].strip("`") for row in table(PAGE, "`credit` | who gets the order")] == list(CREDITS)
    windows = " ".join(row[0] for row in table(PAGE, "`attribution.window` | ends"))
    assert re.findall(r"`(\w+)`", windows) == list(WINDOWS)
    assert all(f"`{word}`" in PAGE for word in (BEATS, LOSES, OPEN, TOO_LITTLE))


def test_the_limits_are_the_code_s() -> None:
    assert f"below {ENOUGH} showings of it there, or {ENOUGH_REWARDED} decisions with any reward" in PAGE
    assert f"−{MARGIN * 100:.0f} % (`--margin`)" in PAGE
    assert f"more than {MOST:,} decisions" in PAGE
