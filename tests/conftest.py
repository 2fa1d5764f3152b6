"""Fixtures of every test: real servers on unix sockets, the shared data. No fakes of Redis."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from hypothesis import settings

from service.embedded import EmbeddedValkey

os.environ["COLUMNS"] = "200"  # before any console is made: what verbs print is compared line by line
settings.register_profile("ci", derandomize=True)  # CI repeats; new examples are for whoever develops
settings.load_profile("ci" if os.environ.get("CI") else "default")

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of one embedded Valkey for all tests of this worker; use `valkey` for an empty one."""
    with EmbeddedValkey(tmp_path_factory.mktemp("valkey"), aof=False) as server:
        yield server.url


@pytest.fixture
def valkey(redis_url: str) -> Iterator["redis.Redis"]:
    """A client (bytes in, bytes out) of the embedded Valkey, emptied first."""
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
        yield client


@pytest.fixture(scope="session", params=["valkey", "redis"])
def any_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """For contract suites: the address of an embedded Valkey, then of the `redis-server` on PATH."""
    if request.param == "valkey":
        yield request.getfixturevalue("redis_url")
        return
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("no redis-server on PATH")
    with EmbeddedValkey(tmp_path_factory.mktemp("redis"), binary=Path(binary), aof=False) as server:
        yield server.url


@pytest.fixture
def redis_server(any_server: str) -> str:
    """The address of each server of `any_server` in turn, emptied first."""
    with redis.Redis.from_url(any_server) as client:
        client.flushall()
    return any_server


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real shop logs, beside the repository or at SHARED_DATA."""
    folder = Path(os.environ.get("SHARED_DATA", SHARED_DATA))
    if not folder.is_dir():
        pytest.skip(f"no shared data in {folder}")
    return folder
