"""Held-out quality on a real shop's log, through the front door: import, train on three days, test on the fourth."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tact.cli import build


@pytest.mark.slow
def test_buying_is_foreseen_on_retailrocket_and_its_probabilities_are_honest(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The floor lies well below what is measured (AUC .855, average precision .236): it guards, it does not boast."""
    monkeypatch.setenv("TACT_HOME", str(tmp_path))
    log, lake = shared_data / "retailrocket" / "events.csv.gz", str(tmp_path / "lake")
    imported = CliRunner().invoke(build(), ["import", str(log), "--lake", lake, "--shop", "rr"])
    assert imported.exit_code == 0, imported.output
    window = [
        "--train-since",
        "2015-06-01T06:00",
        "--train-until",
        "2015-06-04T06:00",
        "--test-until",
        "2015-06-05T06:00",
    ]
    figures = tmp_path / "figures.json"
    command = ["evaluate", "models", "--lake", lake, *window, "--max-prefix", "20", "--json", str(figures)]
    done = CliRunner().invoke(build(), command)
    assert done.exit_code == 0, done.output
    found = json.loads(figures.read_text())
    buy = found["intent"]["buy"]
    assert buy["auc"] > 0.83
    assert buy["average_precision"] > 0.18
    assert buy["ece"] < 0.01
    assert buy["ahead"]["static_map"]["auc_ci"][0] > 0.1
    assert found["stage"]["macro_f1"] > 0.5
