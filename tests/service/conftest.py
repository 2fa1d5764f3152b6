"""A running service for the tests of this folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.shop import Running, make_shop, running


@pytest.fixture(scope="session")
def live(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One service for many tests: use a visitor of your own in each."""
    with running(make_shop(tmp_path_factory.mktemp("shop"), redis_url)) as service:
        yield service


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty folder for a shop of the test's own."""
    return tmp_path / "home"
