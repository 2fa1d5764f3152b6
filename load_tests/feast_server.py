"""Feast's feature server, its own fast settings, on the same Redis: 30 features of one visitor, read only.

Installed from the package index into a venv of its own, once. What was tried is in docs/performance.md; what runs here
is the fastest of it: one worker as everything else has, no access log, no restart after so many requests (a default),
the registry read once an hour, features named one by one.

* NoFeast   it cannot be measured here; says why
"""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import redis

from load_tests.bench import Say
from load_tests.bodies import Door
from load_tests.feast_repo import FEATURES
from load_tests.install import NotUp, Up, server
from load_tests.rows import Round, Row

VERSION: Final = "0.67.0"
VISITORS: Final = 1500
INSTALL_S: Final = 900
NAMED: Final[Mapping[str, Any]] = {"features": [f"visitors:f{n}" for n in range(FEATURES)]}
SERVICE: Final[Mapping[str, Any]] = {"feature_service": "bench"}
FAST: Final = ("--no-access-log", "--workers", "1", "--max-requests", "0", "--registry_ttl_sec", "3600")


class NoFeast(RuntimeError):
    """Feast is not measured in this run."""


@contextmanager
def serving(
    folder: Path, up: Up, say: Say, options: tuple[str, ...] = FAST, tcp: bool = False
) -> Iterator[tuple[str, int]]:
    """The server: its address and process id. tcp: reach Redis over TCP instead of its socket. Raises NoFeast."""
    venv, home = installed(folder, say), up.supervisor.settings.home / "feast"
    say("filling Feast's store", 0.0)
    address = _over_tcp(up.redis_url) if tcp else _over_socket(up.redis_url)
    _run([str(venv / "bin/python"), str(Path(__file__).with_name("feast_repo.py")), str(home), address, str(VISITORS)])
    port = _free_port()
    argv = (str(venv / "bin/python"), str(venv / "bin/feast"), "-c", str(home), "serve", "--port", str(port), *options)
    try:
        with server(argv, _environ(), up.supervisor.settings.logs / "feast.log", port) as pid:
            yield f"http://127.0.0.1:{port}", pid
    except NotUp as error:
        raise NoFeast(str(error)) from error


def installed(folder: Path, say: Say) -> Path:
    """Feast's venv, made if it is not there. Raises NoFeast without a package index."""
    venv = folder.resolve() / f"venv-{VERSION}"
    if (venv / "bin/feast").is_file():
        return venv
    say(f"installing Feast {VERSION}, once", 0.0)
    shutil.rmtree(venv, ignore_errors=True)
    try:
        _run([sys.executable, "-m", "venv", str(venv)])
        _run([str(venv / "bin/python"), "-m", "pip", "install", "--quiet", f"feast[redis]=={VERSION}"])
    except NoFeast:
        shutil.rmtree(venv, ignore_errors=True)
        raise
    return venv


def reads(features: Mapping[str, Any] = NAMED) -> list[bytes]:
    """Bodies of reads, a visitor each, without their address."""
    return [{**features, "entities": {"visitor_id": [f"v{n}"]}} for n in range(VISITORS)]  # type: ignore[misc]


def _reads(turn: Round) -> list[bytes]:
    door: Door = turn.door("feast")
    return [door.post("/get-online-features", body) for body in reads()]


ROW: Final = Row("feast", "Feast's feature server, 30 features, read only", "feast", _reads)


def _run(argv: list[str]) -> None:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=INSTALL_S, env=_environ(), check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoFeast(str(error)) from error
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise NoFeast(f"{Path(argv[1]).name}: {lines[-1] if lines else f'ended with {done.returncode}'}")


def _environ() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"FEAST_USAGE": "False"}


def _over_socket(url: str) -> str:
    """Feast's way to say where Redis is. Where it listens on TCP only, there."""
    with redis.Redis.from_url(url) as client:
        path = client.connection_pool.connection_kwargs.get("path")
    return f"localhost:6379,unix_socket_path={path}" if path else _over_tcp(url)


def _over_tcp(url: str) -> str:
    """The same over TCP: the server here is told to listen there, too."""
    with redis.Redis.from_url(url) as client:
        kwargs = client.connection_pool.connection_kwargs
        if not kwargs.get("path"):
            return f"{kwargs.get('host', 'localhost')}:{kwargs.get('port', 6379)}"
        port = _free_port()
        client.config_set("bind", "127.0.0.1")
        client.config_set("port", port)
        return f"127.0.0.1:{port}"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])
