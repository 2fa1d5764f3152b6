"""What a full run takes from modules that measure by themselves: memory, growth, start, replay. Each writes JSON.

The figures that objectives ask for are picked out by path, or by the ratio of two; the whole is kept beside them.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any, Final

from load_tests.bench_shop import Size, ensure

LARGE: Final = Size(products=100_000, sessions=60_000)
MB: Final = 1e6


@dataclass(frozen=True, slots=True)
class Other:
    """A module, what it is told, and its figures: as objectives name them, by path ("a.b") or ratio ("a.b / a.c").

    scale: what the figures are divided by.
    """

    name: str
    module: str
    arguments: tuple[str, ...]
    figures: Mapping[str, str]
    scale: float = 1.0


GROWTH: Final = Other(
    "growth",
    "load_tests.growth",
    (
        *("--actions", "10", "30", "100", "300", "1000"),
        *("--products", "10000", "100000", "1000000"),
        *("--visitors", "1000", "10000", "100000", "1000000"),
    ),
    {
        "growth.actions_ratio": "actions.1000 / actions.10",
        "growth.products_ratio": "products.1000000 / products.10000",
        "growth.visitors_ratio": "visitors.1000000 / visitors.1000",
    },
)
MEMORY: Final = tuple(
    Other(f"memory_{server}", "load_tests.memory", ("--server", server), {f"memory.{server}_mb": "used_mb"})
    for server in ("valkey", "redis")
)

OFFLINE: Final = Other(
    "offline",
    "load_tests.offline",
    (),
    {"parts.replay_per_s": "replay_per_s", "parts.import_per_s": "import_per_s"},
)


def in_process(folder: Path) -> Other:
    """A decision without HTTP and Redis, one at a time and in batches."""
    names = ("in_process.p50_us", "in_process.batch_us")
    return Other("in_process", "load_tests.in_process", ("--folder", str(folder)), {name: name for name in names})


def start(folder: Path, say: Callable[[str, float], None]) -> tuple[Other, Other]:
    """Start and memory of a service with 100,000 products; its shop is made once."""
    shop = ensure(folder, LARGE, lambda what: say(f"training a shop of {LARGE.products:,} products, once: {what}", 0.0))
    catalog = shop.policies.parent / "catalog.ndjson"
    catalog.write_bytes(shop.catalog)
    told = ("--registry", str(shop.registry), "--policies", str(shop.policies), "--catalog", str(catalog))
    return (
        Other("start", "load_tests.start", told, {"start.ready_s": "seconds_to_ready"}),
        Other("start_memory", "load_tests.start", told, {"start.rss_mb": "one_worker.rss"}, MB),
    )


def others(folder: Path, say: Callable[[str, float], None], problems: list[str]) -> dict[str, Any]:
    """All of them. What fails is told among the problems, and its figures are left out."""
    found: dict[str, Any] = {"others": {}}
    known: dict[tuple[str, ...], Any] = {}
    for other in (in_process(folder), OFFLINE, GROWTH, *MEMORY, *start(folder, say)):
        command = (other.module, *other.arguments)
        say(" ".join(command[:3]), 0.0)
        if command not in known:
            known[command] = ran(other.module, other.arguments, problems)
        if known[command] is not None:
            found["others"][other.name] = known[command]
            pick(found, other, known[command])
    return found


def pick(found: dict[str, Any], other: Other, told: Mapping[str, Any]) -> None:
    """Puts a module's figures where objectives look for them. Raises KeyError where it no longer has one."""
    for name, path in other.figures.items():
        row, _, figure = name.partition(".")
        above, _, below = path.partition(" / ")
        value = at(told, above) / (at(told, below) if below else other.scale)
        found.setdefault(row, {})[figure] = round(value, 4)


def at(told: Mapping[str, Any], path: str) -> float:
    """The figure at a path."""
    return float(reduce(getitem, path.split("."), told))  # type: ignore[arg-type]  # the last is a number


def ran(module: str, arguments: Sequence[str], problems: list[str]) -> Any:
    """What a module wrote; None if it failed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "found.json"
        command = [sys.executable, "-m", module, *arguments, "--json", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0 and path.is_file():
            return json.loads(path.read_text())
        last = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
        problems.append(f"{module}: {last}")
        return None
