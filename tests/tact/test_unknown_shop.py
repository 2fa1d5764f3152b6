"""A shop or a home that is not there: every verb ends with code 2 and says what there is."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from features import lakefile
from features.events import Row
from models import bundle as written
from models.registry import Registry
from service.embedded import EmbeddedValkey
from tact.cli import build
from tests.models.bundles import parts
from tests.models.deciding import action, text_of

OF_THE_LAKE = (
    ("learn",),
    ("earned",),
    ("lift",),
    ("why", "D"),
    ("replay",),
    ("skew",),
    ("check-data",),
    ("train",),
    ("evaluate", "models", "--train-until", "2026-01-02", "--test-until", "2026-01-03"),
    ("simulate", "--policy", "POLICY"),
)
OF_THE_HOME = (("audit",), ("rollback", "--policy"))
OF_THE_REGISTRY = (("rollback",), ("card",), ("drift",))


def tact(home: Path, *arguments: str) -> Any:
    env = {"TACT_HOME": str(home), "COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}
    return CliRunner().invoke(build(), list(arguments), env=env)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home of the shop `demo`: an event, a policy, a bundle."""
    home = tmp_path / "home"
    (home / "policies").mkdir(parents=True)
    (home / "policies" / "demo.yaml").write_text(text_of(action("badge")))
    lakefile.write_events(home / "lake", [Row("demo", "v", "e", 1_767_225_600_000, "page_view")], "a")
    written.write(home / "bundle", parts())
    Registry(home / "registry").publish(home / "bundle", "demo", "test", "", 0)
    return home


def named(home: Path, verb: tuple[str, ...]) -> list[str]:
    policy = str(home / "policies" / "demo.yaml")
    return [policy if word == "POLICY" else word for word in verb] + ["--shop", "nope"]


@pytest.mark.parametrize("verb", OF_THE_LAKE + OF_THE_HOME + OF_THE_REGISTRY, ids=" ".join)
def test_a_shop_that_is_not_there(verb: tuple[str, ...], home: Path) -> None:
    result = tact(home, *named(home, verb))
    assert result.exit_code == 2, result.output
    where = {True: str(home / "lake"), verb in OF_THE_HOME: str(home), verb in OF_THE_REGISTRY: "the registry"}[True]
    assert f"error {where} holds no shop 'nope'; it has demo\n" in result.stderr


@pytest.mark.parametrize("verb", OF_THE_LAKE, ids=" ".join)
def test_a_home_that_is_not_there(verb: tuple[str, ...], home: Path, tmp_path: Path) -> None:
    result = tact(tmp_path / "none", *named(home, verb))
    assert result.exit_code == 2, result.output
    assert f"error {tmp_path / 'none' / 'lake'} is not there. Look at --lake or TACT_LAKE" in result.stderr
    assert not (tmp_path / "none").exists()


def test_switches_of_a_shop_that_is_not_there(home: Path) -> None:
    with EmbeddedValkey(home / "valkey", aof=False):
        for words in (["switch"], ["stop"], ["switch", "shop", "stopped"]):
            result = tact(home, *words, "--shop", "nope")
            assert result.exit_code == 2, result.output
            assert f"{home} holds no shop 'nope'; it has demo" in result.stderr
        assert tact(home, "audit").stdout == "0 changes; the chain of 0 lines is whole\n"
        assert tact(home, "stop").exit_code == 0
        (home / "policies" / "demo.yaml").unlink()  # the shop has gone; what was switched there can still be undone
        assert "stopped" in tact(home, "switch", "--shop", "demo").stdout
        assert tact(home, "switch", "shop", "off", "--shop", "demo").exit_code == 0
        assert tact(home, "switch", "--shop", "demo").exit_code == 2
        assert tact(home, "audit", "--shop", "demo").stdout.endswith("2 changes; the chain of 2 lines is whole\n")
