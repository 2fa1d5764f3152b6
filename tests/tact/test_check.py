"""`tact check`: errors with their lines and exit 1, warnings and a summary with exit 0."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from tact.verb_check import register

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "shop" / "policy.yaml"

app = typer.Typer()
app.callback()(lambda: None)
register(app)


def run(*arguments: str, **environ: str):
    return CliRunner().invoke(app, ["check", *arguments], env={"COLUMNS": "200", "NO_COLOR": "1", **environ})


def test_a_good_policy_is_fit_to_serve_and_summed_up():
    result = run(str(EXAMPLE))
    assert result.exit_code == 0
    assert "fit to serve" in result.stdout
    assert "global.chat" in result.stdout
    assert "chat_in_doubt" in result.stdout


def test_every_error_has_its_line_and_the_exit_code_is_one(tmp_path):
    bad = tmp_path / "policy.yaml"
    bad.write_text(EXAMPLE.read_text().replace("kind: chat", "kind: chta").replace("holdout: 0.05", "holdout: 5"))
    result = run(str(bad))
    assert result.exit_code == 1
    assert f"{bad}:11:10: 5 is not from 0 to 0.5" in result.stderr
    assert result.stderr.count("did you mean 'chat'") == 2
    assert "3 errors; not fit to serve: a service refuses it" in result.stderr


def test_an_expired_claim_is_a_warning(tmp_path):
    doubtful = tmp_path / "policy.yaml"
    doubtful.write_text(EXAMPLE.read_text().replace("expires: 2027-12-31", "expires: 2020-01-01"))
    result = run(str(doubtful))
    assert result.exit_code == 0
    assert "has expired; the action is blocked" in result.stderr
    assert "1 warning" in result.stdout


def test_json_lists_each_file_with_its_errors(tmp_path):
    bad = tmp_path / "bad.yaml"
    bad.write_text("shop: }")
    result = run("--json", str(EXAMPLE), str(bad))
    assert result.exit_code == 1
    good, refused = json.loads(result.stdout)
    assert (good["ok"], good["shop"], good["errors"]) == (True, "demo", [])
    assert good["actions"] >= 14
    assert refused["ok"] is False
    assert refused["errors"][0]["line"] == 1


@pytest.mark.parametrize("content", [b"shop: \xff", None])
def test_a_file_that_cannot_be_read_says_so(tmp_path, content):
    path = tmp_path / "policy.yaml"
    if content is not None:
        path.write_bytes(content)
    result = run(str(path))
    assert result.exit_code == (1 if content else 2)
    assert "not valid UTF-8" in result.stderr if content else "cannot read" in result.stderr


def test_in_the_folder_of_policies_a_file_has_to_be_named_after_its_shop(tmp_path):
    path = tmp_path / "policy.yaml"
    path.write_text(EXAMPLE.read_text())
    line = next(n for n, text in enumerate(EXAMPLE.read_text().splitlines(), 1) if text.startswith("shop:"))
    said = f"{path}:{line}:7: `shop` is 'demo': in the folder of policies this file has to be named demo.yaml"
    result = run(str(path), TACT_POLICIES=str(tmp_path))
    assert (result.exit_code, f"error {said}" in result.stderr) == (1, True), result.stderr
    assert "1 error; not fit to serve" in result.stderr
    elsewhere = run(str(path), TACT_POLICIES=str(tmp_path / "policies"))
    assert (elsewhere.exit_code, f"note {said}" in elsewhere.stderr) == (0, True), elsewhere.stderr
    assert "fit to serve" in elsewhere.stdout
    told = json.loads(run("--json", str(path), TACT_POLICIES=str(tmp_path / "policies")).stdout)
    assert [(note["line"], note["column"]) for note in told[0]["notes"]] == [(line, 7)]


def test_a_second_file_of_the_shop_is_a_warning(tmp_path):
    path = tmp_path / "demo.yaml"
    path.write_text(EXAMPLE.read_text())
    assert "demo.toml" not in run(str(path), TACT_POLICIES=str(tmp_path)).stderr
    (tmp_path / "demo.toml").write_text("")
    result = run(str(path), TACT_POLICIES=str(tmp_path))
    assert "demo.yaml counts; demo.toml beside it is not read" in result.stderr
    assert result.exit_code == 0
