"""An install to measure: a server for the visitors' state, and the parts of Tact as processes of their own.

Processor time is read from /proc, so it is that of each process alone, however busy the machine is. Linux only.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis

from service.embedded import EmbeddedValkey
from service.keys import create

SHOP = "bench"
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OPENBLAS", "OMP", "MKL", "NUMBA")} | {
    "OMP_WAIT_POLICY": "passive"
}
_TICKS_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Install:
    """url: of the service, "" without one. pids: by part, the server among them."""

    home: Path
    redis_url: str
    url: str
    secret_key: str
    pids: Mapping[str, int]

    def cpu_s(self) -> dict[str, float]:
        """Processor seconds of each part so far, its children's included."""
        return {part: sum(map(cpu_s_of, (pid, *children(pid)))) for part, pid in self.pids.items()}


@contextmanager
def install(
    home: Path,
    parts: Sequence[str] = ("recorder", "learner"),
    server: str = "valkey",
    env: Mapping[str, str] | None = None,
) -> Iterator[Install]:
    """Starts the server and the parts in a new home; ends all of them. server: valkey (embedded) or redis (on PATH)."""
    with ExitStack() as stack:
        own = stack.enter_context(EmbeddedValkey(home / "valkey", binary=binary(server), aof=False))
        port = free_port()
        key = create(home / "keys.json", SHOP, "secret")
        environment = os.environ | ONE_THREAD | {"REDIS_URL": own.url, "TACT_HOME": str(home), "TACT_PORT": str(port)}
        pids = {"redis": own.pid or 0}
        for part in parts:
            pids[part] = stack.enter_context(_started(part, home, environment | dict(env or {}))).pid
        url = f"http://127.0.0.1:{port}" if "service" in parts else ""
        if url:
            wait_ready(url)
        yield Install(home, own.url, url, key, pids)


@contextmanager
def _started(part: str, home: Path, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    with (home / f"{part}.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tact", part], env=dict(environment), stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


def binary(server: str) -> Path | None:
    """The program of a server by name; None is the embedded one. Raises SystemExit where it is not installed."""
    if server == "valkey":
        return None
    found = shutil.which("redis-server")
    if found is None:
        raise SystemExit("redis-server is not on PATH; use --server valkey")
    return Path(found)


def wait_ready(url: str, at_most_s: float = 240.0) -> float:
    """Waits until the service answers at /healthz. Returns how long that took, in seconds."""
    began_s = time.perf_counter()
    while time.perf_counter() - began_s < at_most_s:
        try:
            with urllib.request.urlopen(f"{url}/healthz", timeout=1):
                return time.perf_counter() - began_s
        except OSError:
            time.sleep(0.01)
    raise SystemExit(f"{url} does not answer")


def pending(client: "redis.Redis") -> int:
    """Entries of all streams that the recorder has not made durable; on Redis 6.2 those it has been given."""
    groups = [
        g for key in client.scan_iter(match="log:*") for g in client.xinfo_groups(key) if g["name"] == b"recorder"
    ]
    return sum(group["pending"] + (group.get("lag") or 0) for group in groups)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def children(pid: int) -> list[int]:
    """Processes that a process has started, and theirs."""
    try:
        own = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return [each for child in own for each in (child, *children(child))]


def memory(pid: int) -> dict[str, int]:
    """Bytes of a process: rss, pss (pages shared with others divided among them), and anonymous (its own alone)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    sizes = {name: int(value.split()[0]) * 1024 for name, _, value in (line.partition(":") for line in lines)}
    return {"rss": sizes["Rss"], "pss": sizes["Pss"], "anonymous": sizes["Anonymous"]}


def cpu_s_of(pid: int) -> float:
    """Processor seconds of a process so far; 0 if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS_S
