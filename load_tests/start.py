"""How long a service process takes from its start to ready, and how much memory it then holds.

    python -m load_tests.start --registry DIR --policies DIR --catalog FILE.ndjson [--workers 2] [--repeats 3]

Starts a server, uploads the catalog through a first service (which also leaves numba's cache warm), stops it, and then
starts `tact service` processes, timed from before the process is made to the first answer 200 of /readyz. Resident
bytes are told as the system counts them: rss; pss, which divides pages that processes share; and anonymous, which are
the process's own alone. Processor seconds until ready are told, because a busy machine does not move them.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from load_tests.parts import ONE_THREAD, cpu_s_of, free_port, memory
from service.embedded import EmbeddedValkey
from service.keys import create

READY_S = 300.0


@dataclass(frozen=True)
class Ready:
    """One process that became ready: seconds by the clock, processor seconds, bytes by kind (load_tests.parts)."""

    seconds: float
    cpu_s: float
    memory: dict[str, int]


@dataclass(frozen=True)
class Shop:
    """What is served: name, folder of published bundles, folder of policies, products as an upload (NDJSON)."""

    name: str
    registry: Path
    policies: Path
    catalog: bytes


def figures(shop: Shop, workers: int = 2, repeats: int = 3) -> dict[str, Any]:
    """Median seconds to ready of one process by itself, and the memory of `workers` at once."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedValkey(Path(folder) / "valkey", aof=False) as server:
        home = Path(folder)
        key = create(home / "keys.json", shop.name, "secret")
        environ = (
            os.environ
            | ONE_THREAD
            | {
                "REDIS_URL": server.url,
                "TACT_HOME": folder,
                "TACT_REGISTRY": str(shop.registry.resolve()),
                "TACT_POLICIES": str(shop.policies.resolve()),
            }
        )
        with _serving(environ, home, shop.name) as (url, _):
            upload(url, key, shop.catalog)
        alone = [_ready(environ, home, shop.name) for _ in range(repeats)]
        return {
            "seconds_to_ready": median(one.seconds for one in alone),
            "cpu_s_to_ready": median(one.cpu_s for one in alone),
            "one_worker": alone[-1].memory,
            "each_of_several": _together(environ, home, shop.name, workers),
            "load": os.getloadavg()[0],
        }


def _ready(environ: dict[str, str], home: Path, shop: str) -> Ready:
    with _serving(environ, home, shop) as (_, ready):
        return ready


def _together(environ: dict[str, str], home: Path, shop: str, workers: int) -> list[dict[str, int]]:
    """Memory of each of several processes on the same files."""
    if not workers:
        return []
    with _serving(environ, home, shop) as (_, ready):
        others = _together(environ, home, shop, workers - 1)
        return [ready.memory, *others]


@contextmanager
def _serving(environ: dict[str, str], home: Path, shop: str) -> Iterator[tuple[str, Ready]]:
    """A `tact service` that is ready. Raises SystemExit with its log where it is not."""
    port = free_port()
    url, began_s = f"http://127.0.0.1:{port}", time.perf_counter()
    with (home / "service.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tact", "service"], env=environ | {"TACT_PORT": str(port)}, stdout=log, stderr=log
        )
    try:
        while not _is_ready(url, shop):
            if process.poll() is not None or time.perf_counter() - began_s > READY_S:
                raise SystemExit(f"the service is not ready:\n{(home / 'service.log').read_text()[-2000:]}")
            time.sleep(0.01)
        seconds, used_s = time.perf_counter() - began_s, cpu_s_of(process.pid)
        time.sleep(1.0)  # what is made for the start alone has gone
        yield url, Ready(seconds, used_s, memory(process.pid))
    finally:
        process.terminate()
        process.wait(60)


def _is_ready(url: str, shop: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def upload(url: str, key: str, lines: bytes) -> None:
    """Sends products. Raises SystemExit with the answer where it is no 200."""
    request = urllib.request.Request(f"{url}/v1/catalog/items", lines, method="PUT")
    request.add_header("Authorization", f"Bearer {key}")
    request.add_header("Content-Type", "application/x-ndjson")
    try:
        urllib.request.urlopen(request, timeout=120).close()
    except urllib.error.HTTPError as error:
        raise SystemExit(f"the catalog was answered {error.code}: {error.read()[:500]!r}") from error


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description="From start to ready, and the memory of a service process.")
    parser.add_argument("--shop", default="bench")
    parser.add_argument("--registry", type=Path, required=True)
    parser.add_argument("--policies", type=Path, required=True)
    parser.add_argument("--catalog", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    shop = Shop(given.shop, given.registry, given.policies, given.catalog.read_bytes())
    found = figures(shop, given.workers, given.repeats)
    print(f"ready after {found['seconds_to_ready']:.2f} s, {found['cpu_s_to_ready']:.2f} s of processor")
    for name, one in [("alone", found["one_worker"]), *((f"of {given.workers}", m) for m in found["each_of_several"])]:
        print(f"  {name:<8}", ", ".join(f"{kind} {size / 1e6:,.0f} MB" for kind, size in one.items()))
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
