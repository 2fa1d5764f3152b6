"""Tables on a terminal of 80 columns: nothing is cut off, and what names something stays whole."""

import io

import pytest
from rich.console import Console
from rich.table import Table

from models.policy_terms import Policy
from tact import verb_earned, verb_learn
from tact.grids import LONGEST_ID, grid, lined
from tests.models.deciding import action, shop
from training.attribution import Attribution
from training.learn_policy import Effect

LONG = "questions_welcome_in_the_evening"


def printed(table: Table, width: int = 80) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(table)
    return out.getvalue()


def test_an_id_stays_whole_and_words_wrap() -> None:
    table = grid("action", "why", "n", whole=("action",), right=("n",))
    table.add_row(LONG, "nobody in one of the arms has bought anything until the end of the day", "1")
    text = printed(table)
    assert LONG in text and "…" not in text
    assert all(len(line.rstrip()) <= 80 for line in text.splitlines())
    assert "has bought" in " ".join(text.split())


def test_a_very_long_id_is_cut_into_lines_and_nothing_of_it_is_lost() -> None:
    name = "".join(chr(ord("a") + at % 26) for at in range(LONGEST_ID + 24))
    table = grid("action", "n", whole=("action",))
    table.add_row(lined(name), "1")
    cells = [line.split(" ")[0] for line in printed(table, 60).splitlines()[2:]]
    assert "".join(cells) == name


@pytest.fixture
def policy() -> Policy:
    return shop(action(LONG))


def joined(text: str) -> str:
    """The first column's cells, put together."""
    return "".join(line.split(" ")[0] for line in text.splitlines())


def test_what_was_learned_fits_and_what_was_never_shown_is_counted(
    policy: Policy, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verb_learn, "console", Console(width=80, highlight=False))
    made = Effect(LONG, "consideration", 12_345, -0.01234, -0.0234, 0.01234, 1234.56, 12.34, "not known yet")
    never = Effect(LONG, "loyalty", 0, 0.1, 0.1, 0.1, 1.0, 1.0, "too little data")
    verb_learn.show([made, never], policy)
    text = capsys.readouterr().out
    assert LONG in joined(text) and "…" not in text
    assert all(figure in text for figure in ("12,345", "-0.0123", "[-0.0234, +0.0123]", "1234.56", "12.34"))
    assert "loyalty" not in text and "1 more, never shown" in text


def test_what_was_earned_fits(
    policy: Policy, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verb_earned, "console", Console(width=80, highlight=False))
    verb_earned.show(Attribution(policy).earned(), policy, "last")
    text = capsys.readouterr().out
    assert LONG in joined(text) and "…" not in text and "dismissed" in text and "too little data" in text
