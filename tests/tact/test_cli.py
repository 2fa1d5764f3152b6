"""The command line: the table of verbs, help without imports, and what a wrong word gets."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tact.cli import VERBS, Verb

ROOT = Path(__file__).parents[2]
HEAVY = ("sklearn", "lightgbm", "numba", "pyarrow", "polars", "implicit", "fastapi", "numpy")


def tact(*arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    """Run the command as a person would, in a wide terminal."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TACT_")}
    inherited.pop("REDIS_URL", None)
    return subprocess.run(
        [sys.executable, "-m", "tact", *arguments],
        cwd=ROOT,
        env=inherited | {"COLUMNS": "200", "NO_COLOR": "1", "TERMINAL_WIDTH": "200"} | environ,
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_help_lists_every_verb_with_its_line() -> None:
    shown = tact("--help").stdout
    assert [name for name, verb in VERBS.items() if name not in shown or verb.help not in shown] == []


def imported(script: str, packages: tuple[str, ...]) -> str:
    """Which of these packages are imported after a script ran."""
    script += f"\nimport sys; print(*sorted(set(sys.modules) & {set(packages)!r}), file=sys.stderr, end='')"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=300)
    return done.stderr


def test_help_imports_nothing_heavy() -> None:
    script = "import contextlib\nfrom tact.cli import build\nwith contextlib.suppress(SystemExit): build()(['--help'])"
    assert imported(script, HEAVY) == ""


@pytest.mark.parametrize("verb", ["serve", "up", "keys", "service", "recorder", "learner", "console"])
def test_running_does_not_import_what_only_training_needs(verb: str) -> None:
    assert imported(f"from tact.cli import load\nload({verb!r})", ("training", "sklearn", "polars", "implicit")) == ""


@pytest.mark.parametrize("verb", [v for v in VERBS if (ROOT / (Verb.module(v).replace(".", "/") + ".py")).exists()])
def test_every_verb_has_help_of_its_own(verb: str) -> None:
    done = tact(verb, "--help")
    assert done.returncode == 0, done.stderr
    assert f"tact {verb}" in done.stdout


def test_an_unknown_verb_is_answered_with_the_one_that_was_meant() -> None:
    done = tact("tarin")
    assert done.returncode == 2
    assert "No such verb 'tarin'. Did you mean train?" in done.stderr


def test_a_verb_that_is_not_installed_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import typer

    from tact import cli

    monkeypatch.setattr(cli, "VERBS", {"absent": Verb("", "")})
    with pytest.raises(typer.Exit):
        cli.load("absent")
    assert "this install has no such verb" in capsys.readouterr().err


def test_a_wrong_setting_ends_a_verb_with_every_problem_and_no_traceback() -> None:
    done = tact("keys", "list", TACT_PORT="eighty", TACT_LAKES="x")
    assert done.returncode == 2
    assert "2 settings are wrong" in done.stderr
    assert "Traceback" not in done.stderr


def test_up_without_a_server_says_what_to_do() -> None:
    done = tact("up")
    assert done.returncode == 2
    assert "tact up needs REDIS_URL" in done.stderr


def test_a_part_on_its_own_without_a_server_says_what_to_do(tmp_path: Path) -> None:
    done = tact("recorder", TACT_HOME=str(tmp_path))
    assert done.returncode == 1
    assert "no server for the visitors' state" in done.stderr


def test_keys_are_created_listed_and_revoked(tmp_path: Path) -> None:
    home = {"TACT_HOME": str(tmp_path)}
    made = tact("keys", "create", "--shop", "fashion", "--origin", "https://shop.example", **home).stdout
    publishable = next(word for word in made.split() if word.startswith("pk_"))
    assert "sk_" in made
    listed = tact("keys", "list", **home).stdout
    assert "https://shop.example" in listed
    assert publishable not in listed
    assert "revoked" in tact("keys", "revoke", publishable[:7], **home).stdout
    assert publishable[:7] not in tact("keys", "list", **home).stdout


def test_a_wrong_origin_is_refused_without_a_key_made(tmp_path: Path) -> None:
    done = tact("keys", "create", "--shop", "s", "--origin", "https://shop.example/path", TACT_HOME=str(tmp_path))
    assert done.returncode == 2
    assert "is not an origin" in done.stderr
    assert not (tmp_path / "keys.json").exists()
