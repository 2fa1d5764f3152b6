"""Everything that is measured, started: a whole Tact as `tact serve` runs it, and the floors on the same Redis.

* NotUp   a server did not come up; carries the end of its log
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import redis

from load_tests.bench_shop import Shop
from load_tests.policy import SHOP
from service import keys
from service.process import Program, spawn_kept, stop
from service.settings import Settings
from tact.supervisor import Supervisor, child_environ

UP_S: Final = 300.0
"""The first start in a checkout compiles."""
IDLE_SHARE: Final = 0.04
HERTZ: Final = os.sysconf("SC_CLK_TCK")


class NotUp(RuntimeError):
    """A server that is to be measured does not answer."""


@dataclass(frozen=True, slots=True)
class Up:
    """What runs. urls, pids: by "tact", "floor_a", "floor_b", "feast"; key: the shop's."""

    urls: Mapping[str, str]
    pids: Mapping[str, int]
    redis_url: str
    key: str
    supervisor: Supervisor
    redis_pid: int

    def processes(self) -> dict[str, int]:
        """Every process that is no generator, by name."""
        return {**self.pids, **self.supervisor.pids, "redis": self.redis_pid}


@contextmanager
def running(shop: Shop, folder: Path, others: Mapping[str, Any] | None = None) -> Iterator[Up]:
    """A Tact of its own with default settings, and the floors. others: settings that differ, by name.

    Raises NotUp, and what the supervisor raises.
    """
    folder.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(dir=folder, prefix="run-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        settings = Settings(
            home=home, registry=str(shop.registry), policies=shop.policies, port=0, **dict(others or {})
        )
        key = keys.create(settings.keys_file, SHOP, "secret")
        supervisor = stack.enter_context(Supervisor(settings))
        supervisor.wait_answering(UP_S)
        _upload(supervisor.url, key, shop)
        supervisor.wait_ready(UP_S, SHOP)
        floors = {name: stack.enter_context(floor(name[-1], supervisor)) for name in ("floor_a", "floor_b")}
        urls = {"tact": supervisor.url} | {name: url for name, (url, _) in floors.items()}
        pids = {name: pid for name, (_, pid) in floors.items()}
        yield Up(urls, pids, supervisor.redis_url, key, supervisor, _server_pid(supervisor.redis_url))


def _server_pid(url: str) -> int:
    with redis.Redis.from_url(url) as client:
        return int(client.info("server")["process_id"])


def _upload(url: str, key: str, shop: Shop) -> None:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/x-ndjson"}
    request = urllib.request.Request(f"{url}/v1/catalog/items", shop.catalog, headers, method="PUT")
    try:
        urllib.request.urlopen(request, timeout=60).close()
    except urllib.error.HTTPError as error:
        raise NotUp(f"the catalog was refused: {error.read().decode(errors='replace')}") from error


@contextmanager
def floor(name: str, supervisor: Supervisor) -> Iterator[tuple[str, int]]:
    """Floor A or B in a process of its own: its address and process id."""
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as free:
        port = free.getsockname()[1]
        argv = (sys.executable, "-m", "load_tests.floors", name, "--fd", str(free.fileno()))
        log = supervisor.settings.logs / f"floor-{name}.log"
        with server(argv, child_environ(supervisor.settings), log, port, (free.fileno(),)) as pid:
            yield f"http://127.0.0.1:{port}", pid


@contextmanager
def server(
    argv: tuple[str, ...],
    environ: Mapping[str, str],
    log: Path,
    port: int,
    inherit: tuple[int, ...] = (),
    cwd: Path | None = None,
) -> Iterator[int]:
    """A server as a child process: its process id once it answers HTTP. Raises NotUp."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        process = spawn_kept(Program(argv, environ, cwd, inherit, signal.SIGTERM), file)
    try:
        _wait(process, port, log)
        yield process.pid
    finally:
        stop(process, 5.0)


def _wait(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    give_up = time.monotonic() + UP_S
    while time.monotonic() < give_up and process.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
    lines = log.read_text(errors="replace").splitlines()[-12:]
    raise NotUp("\n".join((f"{log.stem} does not answer", *lines)))


def cpu_s(pid: int) -> float:
    """Processor time of a process so far, its threads and living children included; 0 for one that is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / HERTZ + sum(cpu_s(int(child)) for child in children)


def settle(pids: Mapping[str, int], at_most_s: float) -> None:
    """Wait until what was measured before has done its work behind the answers, so that the next row does not pay."""
    give_up = time.monotonic() + at_most_s
    while time.monotonic() < give_up:
        before = {name: cpu_s(pid) for name, pid in pids.items()}
        time.sleep(0.1)
        if all(cpu_s(pid) - before[name] <= IDLE_SHARE * 0.1 + 1 / HERTZ for name, pid in pids.items()):
            return


def remember(url: str, visitors: list[str], state: bytes) -> None:
    """What floor B reads of its visitors."""
    client = redis.Redis.from_url(url)
    with client.pipeline(transaction=False) as pipe:
        for visitor in visitors:
            pipe.set(f"floor:{visitor}", state)
        pipe.execute()
    client.close()
