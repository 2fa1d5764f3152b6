"""The two commands of a nightly job, as a person writes them into a crontab: train, then publish."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from features import lakefile
from features.events import Row
from models import bundle
from models.folders import Folder
from models.registry import Registry
from tact.cli import build
from tests.models import uplifting
from tests.training.logs import DAY, START_MS, shop_lake
from training.hold_out import ENOUGH, held_from
from training.moments import iso
from training.open_log import open_log
from training.table import session_starts_ms
from training.uplift import UPLIFT_S
from training.uplift_bundle import LEARNED_FROM, with_uplift, write_files

EVE = START_MS + 9 * DAY * 1000


pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shop_lake(tmp_path_factory.mktemp("nightly"), 1500, seed=3)


def tact(*arguments: object) -> Result:
    done = CliRunner().invoke(build(), [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done


def test_two_nights_of_train_and_publish(lake: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second night's bundle is compared with the first's on sessions of which neither knew, and goes live."""
    monkeypatch.setenv("TACT_LAKE", str(lake))
    tact("train", "--hold-out", "1d", "--until", iso(EVE))
    tact("publish")
    first = Registry(home / "registry").live("s")
    done = tact("train", "--hold-out", "1d")
    assert "are left for tact publish to compare on" in done.stdout
    tact("publish", "--json", home / "verdict.json")
    verdict = json.loads((home / "verdict.json").read_text())
    assert verdict["compared"] and verdict["passed"]
    live = Registry(home / "registry").live("s")
    assert live not in (None, first)
    trained = bundle.load(Registry(home / "registry").path(str(live))).manifest["window"]["until"]
    log = open_log(lake, "s")
    starts = np.unique(session_starts_ms(log)[np.unique(log.session, return_index=True)[1]])
    assert trained == iso(held_from(log, int(log.records["ts_ms"].max()) + 1 - DAY * 1000, 0))
    assert sum(iso(int(start)) >= trained for start in starts) >= 200


def log_of(tmp_path: Path, sessions: int) -> Any:
    rows = [Row("s", f"v{n}", f"e{n}", START_MS + n * 60_000, "page_view") for n in range(sessions)]
    lakefile.write_events(tmp_path, rows, "a")
    return open_log(tmp_path, "s")


@pytest.mark.parametrize(
    ("sessions", "asked", "left"),
    [(3000, 400, 400), (3000, 10, ENOUGH), (3000, 2000, 600), (1000, 10, 200), (5, 1, 1), (4, 4, None)],
)
def test_so_many_sessions_are_left(tmp_path: Path, sessions: int, asked: int, left: int | None) -> None:
    """As asked, at least enough to compare on, at most a fifth, and none of a log of four."""
    log = log_of(tmp_path, sessions)
    until_ms = START_MS + sessions * 60_000
    begin = held_from(log, until_ms - asked * 60_000, until_ms)
    assert (until_ms - begin) // 60_000 == (left or 0)


def test_the_live_bundle_s_uplift_models_are_taken_over(lake: Path, home: Path, tmp_path: Path) -> None:
    tact("train", "--lake", lake, "--until", iso(EVE), "--out", tmp_path / "a")
    cards = {"chat": {"choice": UPLIFT_S}}
    about = {"shop": "s", "policy": "p", "terms": "t", "until_ms": EVE, "bundle": "b"}
    _, files = with_uplift(bundle.read_files(Folder(tmp_path / "a"))[1], uplifting.part("chat"), cards, about)
    write_files(tmp_path / "b", files)
    live = Registry(home / "registry").publish(tmp_path / "b", "s", "me", "", 0)
    done = tact("train", "--lake", lake, "--until", iso(EVE), "--out", tmp_path / "c")
    assert f"taken over from the live bundle {live}: uplift models of chat" in done.stdout
    made = bundle.load(tmp_path / "c")
    assert made.id == live and made.manifest[LEARNED_FROM] == about  # the same log: the same bytes
    tact("train", "--lake", lake, "--until", iso(EVE), "--out", tmp_path / "d", "--drop-uplift")
    assert LEARNED_FROM not in bundle.load(tmp_path / "d").manifest
    lost = CliRunner().invoke(build(), ["publish", str(tmp_path / "d"), "--lake", str(lake), "--dry-run"])
    assert "the live bundle has uplift models of chat and this one has none" in lost.output
