"""`tact preview`: the link that the service takes, and what it refuses to make."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.keys import Keys
from service.preview import Ticket, read
from tact.cli import build
from tests.service.shop import SHOP, make_shop


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    make_shop(tmp_path, "redis://127.0.0.1:1", publish=False)
    monkeypatch.setenv("TACT_HOME", str(tmp_path))
    return tmp_path


def run(*arguments: str) -> tuple[int, str]:
    ran = CliRunner().invoke(build(), ["preview", *arguments], env={"COLUMNS": "400"})
    return ran.exit_code, ran.output


def test_the_link_is_one_that_the_service_takes(home: Path) -> None:
    code, said = run("returns", "--url", "https://shop.example/p/1?a=b", "--expires-in-s", "60")
    assert code == 0, said
    token = re.search(r"https://shop\.example/p/1\?a=b&tact_preview=(\S+)", said)
    assert token is not None
    ticket = read(Keys.load(home / "keys.json"), SHOP, token[1], 0)
    assert isinstance(ticket, Ticket)
    assert (ticket.placement, ticket.action) == ("product.badge", "returns")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("gone",), "no action 'gone'"),
        (("returns", "--placement", "global.chat"), "it stands at product.badge"),
        (("returns", "--shop", "other"), "holds no shop 'other'"),
    ],
)
def test_what_cannot_be_shown_is_told_with_what_there_is(home: Path, arguments: tuple[str, ...], said: str) -> None:
    code, output = run(*arguments)
    assert code == 2
    assert said in output
