"""A made-up shop, its table, and one evaluation of it, made once for all tests of training/."""

from pathlib import Path

import pytest

from tests.training.logs import DAY, START_MS, shop_lake
from training.evaluate import Evaluation, evaluate
from training.lake import Log
from training.open_log import open_log
from training.split import Window
from training.table import Table, build
from training.train import Trained, train

TRAIN = Window(START_MS, START_MS + 7 * DAY * 1000)
TEST = Window(START_MS + 7 * DAY * 1000, START_MS + 10 * DAY * 1000)


def untold(name: str, share: float) -> None:
    """Progress nobody watches."""


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shop_lake(tmp_path_factory.mktemp("lake"))


@pytest.fixture(scope="session")
def log(lake: Path) -> Log:
    return open_log(lake, "s")


@pytest.fixture(scope="session")
def table(log: Log) -> Table:
    return build(log, untold)


@pytest.fixture(scope="session")
def trained(log: Log, table: Table) -> Trained:
    return train(log, table, TRAIN, 1, untold)


@pytest.fixture(scope="session")
def evaluation(log: Log, table: Table) -> Evaluation:
    return evaluate(log, table, TRAIN, log, table, TEST, 1, untold)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of verbs that a test runs, in a terminal that is wide."""
    monkeypatch.setenv("TACT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path / "home"
