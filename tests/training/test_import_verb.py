"""`tact import` at the terminal: understood first, imported then, accounted for at the end."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from features.lakefile import read_events
from tests.training.importing import T0

ROOT = Path(__file__).parents[2]
LOG = f"ts;uid;action;sku;price\n{T0};u;view;a;9,50\n{T0};u;zig;a;\n{T0};u;view;a;9,50\n"


def tact(folder: Path, *args: str) -> "subprocess.CompletedProcess[str]":
    environ = {k: v for k, v in os.environ.items() if not k.startswith("TACT_")}
    environ |= {"TACT_HOME": str(folder), "NO_COLOR": "1", "COLUMNS": "160"}
    command = [sys.executable, "-m", "tact", *args]
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)


def test_it_says_what_it_understood_then_accounts_for_every_row(tmp_path: Path) -> None:
    log = tmp_path / "my shop.csv"
    log.write_text(LOG)
    done = tact(tmp_path, "import", str(log), "--json", str(tmp_path / "out.json"))
    assert done.returncode == 0, done.stderr
    understood, _, account = done.stdout.partition("Rows")
    for words in (
        "separator semicolon",
        "uid",
        "ms since 1970",
        "decimal comma",
        "zig",
        "unknown: rejected",
        "my-shop",
    ):
        assert words in understood
    assert '--event-map "zig=KIND"' in understood
    assert "duplicate" in account and "unknown_event" in account and "my shop.csv.ndjson" in account
    figures = json.loads((tmp_path / "out.json").read_text())
    assert figures["rows"] == {"read": 3, "imported": 1, "rejected": 2}
    assert figures["rejects"] == {"duplicate": 1, "unknown_event": 1}
    table = read_events(tmp_path / "lake", "my-shop")
    assert table.column("price").to_pylist() == [9.5] and table.column("received_ms").to_pylist() == [T0]
    rejects = (tmp_path / "lake" / "rejects" / "my shop.csv.ndjson").read_text().splitlines()
    assert [json.loads(line)["row"] for line in rejects] == [3, 4]


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    log = tmp_path / "e.csv"
    log.write_text(LOG)
    assert tact(tmp_path, "import", str(log), "--dry-run").returncode == 0
    assert list(tmp_path.iterdir()) == [log]


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        (f"{T0};;view;a;\n{T0};;view;b;\n", "none of the 2 rows of"),
        (f"{T0};;view;a;\n", "none of the 1 row of"),
    ],
)
def test_an_import_that_brought_nothing_fails_and_says_why(tmp_path: Path, rows: str, why: str) -> None:
    (tmp_path / "e.csv").write_text("ts;uid;action;sku;price\n" + rows)
    done = tact(tmp_path, "import", str(tmp_path / "e.csv"))
    assert done.returncode == 1, done.stdout
    assert "nothing was imported" in done.stderr and why in done.stderr and "Traceback" not in done.stderr
    assert "(no visitor: " in done.stderr and ": 0" not in done.stderr


@pytest.mark.parametrize(
    ("text", "args", "says"),
    [
        ("", (), "is empty"),
        ("a,b\n1,2\n", (), "visitor"),
        (LOG, ("--map", "item=nothing"), "no column 'nothing'"),
        (LOG, ("--map", "item"), "not NAME=VALUE"),
        (LOG, ("--event-map", "zig=zag"), "'zag' is no event"),
        (LOG, ("--shop", "a/b"), "a/b"),
        (None, (), "not there"),
    ],
)
def test_what_cannot_be_imported_ends_with_code_2_and_what_to_do(
    tmp_path: Path, text: str | None, args: tuple[str, ...], says: str
) -> None:
    if text is not None:
        (tmp_path / "e.csv").write_text(text)
    done = tact(tmp_path, "import", str(tmp_path / "e.csv"), *args)
    assert done.returncode == 2, done.stdout
    assert says in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--lake", "{}/e.csv"), "e.csv is no folder"),
        (("--rejects", "{}/e.csv/r.ndjson"), "e.csv is no folder"),
        (("--rejects", "{}"), "is a folder"),
        (("--json", "{}/e.csv/f.json"), "e.csv is no folder"),
        (("--json", "{}"), "is a folder"),
    ],
)
def test_where_nothing_can_be_written_is_told_before_the_work(tmp_path: Path, args: tuple[str, str], says: str) -> None:
    log = tmp_path / "e.csv"
    log.write_text(LOG)
    done = tact(tmp_path, "import", str(log), args[0], args[1].format(tmp_path))
    assert done.returncode == 2 and says in done.stderr and "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == [log]


def test_folders_that_are_missing_are_made(tmp_path: Path) -> None:
    log = tmp_path / "e.csv"
    log.write_text(LOG)
    paths = [tmp_path / "new" / name for name in ("lake", "a/r.ndjson", "b/f.json")]
    options = zip(("--lake", "--rejects", "--json"), map(str, paths), strict=True)
    done = tact(tmp_path, "import", str(log), *(word for pair in options for word in pair))
    assert done.returncode == 0, done.stderr
    assert all(path.exists() for path in paths)
