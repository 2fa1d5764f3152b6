"""A cluster of three redis-servers on this machine, for the contract suites."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import redis

SLOTS = 16_384
NODES = 3


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port if port < 55_000 else _free_port()  # the bus listens 10,000 above


@contextmanager
def _server(folder: Path, port: int) -> Iterator[redis.Redis]:
    binary = shutil.which("redis-server")
    assert binary is not None
    folder.mkdir()
    options = {"port": port, "bind": "127.0.0.1", "dir": folder, "save": "", "cluster-enabled": "yes"}
    arguments = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([binary, *arguments], stdout=log, stderr=log)
    try:
        with redis.Redis(port=port) as client:
            _wait(lambda: _answers(client))
            yield client
    finally:
        process.terminate()
        process.wait(60)


@contextmanager
def cluster(folder: Path) -> Iterator[str]:
    """Three masters that share the slots; yields an address for REDIS_URL."""
    ports = [_free_port() for _ in range(NODES)]
    with ExitStack() as stack:
        nodes = [stack.enter_context(_server(folder / str(port), port)) for port in ports]
        edges = [SLOTS * i // NODES for i in range(NODES + 1)]
        for node, first, end in zip(nodes, edges, edges[1:], strict=False):
            node.execute_command("CLUSTER", "ADDSLOTSRANGE", first, end - 1)
        for port in ports[1:]:
            nodes[0].execute_command("CLUSTER", "MEET", "127.0.0.1", port)
        _wait(lambda: all(b"cluster_state:ok" in _info(node) and _knows_all(node) for node in nodes))
        yield f"redis://127.0.0.1:{ports[0]}?cluster=true"


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


def _info(node: redis.Redis) -> bytes:
    raw = node.execute_command("CLUSTER INFO")
    return raw if isinstance(raw, bytes) else "\n".join(f"{k}:{v}" for k, v in raw.items()).encode()


def _knows_all(node: redis.Redis) -> bool:
    return len(node.execute_command("CLUSTER SLOTS")) == NODES


def _wait(holds) -> None:  # type: ignore[no-untyped-def]
    give_up = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < give_up, "the cluster did not come up"
        time.sleep(0.05)
