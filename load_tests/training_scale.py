"""What `tact train` costs at growing sizes of log: seconds, processor time and the largest memory, stage by stage.

    .venv/bin/python -m load_tests.training_scale [--sizes 100000 1000000 10000000] [--folder DIR]
        [--lake LAKE --shop yc]

Writes simulated lakes (load_tests/simulated_log.py), trains on each in a process of its own, and prints a table for
each: a line for each stage, as the verb names it while it works, and one for all. Other arguments are the verb's.
Beside the wall clock stands the processor's time, since others may be at work. Of stages that run at a time each peak
of memory is that of both: with `--at-once 1` every stage is alone. With --lake a lake that is there is
measured too.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import get_ident
from typing import Final
from unittest.mock import patch

from features.lakefile import rows_by_day
from load_tests.simulated_log import Size, write

READING: Final = "read"
"""The stage before the verb names one."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What something took. peak_mb: resident memory of the process at its largest meanwhile."""

    name: str
    seconds: float
    cpu_s: float
    peak_mb: float

    def told(self) -> str:
        """A line for people."""
        return f"  {self.name:<20} {self.seconds:>7.1f} s {self.cpu_s:>7.1f} s of processor {self.peak_mb:>7,.0f} MB"


@dataclass(slots=True)
class _Open:
    """A stage under way in a thread: its name, when it began, what it has taken when it was heard of last."""

    name: str
    wall_s: float = field(default_factory=time.monotonic)
    cpu_s: float = field(default_factory=time.thread_time)
    so_far: Cost | None = None

    def heard(self) -> None:
        """It goes on."""
        taken = time.monotonic() - self.wall_s, time.thread_time() - self.cpu_s
        self.so_far = Cost(self.name, *taken, _peak_mb())


@dataclass(slots=True)
class Stages:
    """Takes the verb's progress and keeps what each named stage took, a thread's after another.

    Of stages in two threads at a time each has its own thread's processor time; the memory is the process's.
    """

    costs: list[Cost] = field(default_factory=list)
    _open: dict[int, _Open] = field(default_factory=lambda: {get_ident(): _Open(READING)})

    def __call__(self, name: str, share: float) -> None:
        now = self._open.get(get_ident())
        if now is not None:
            now.heard()
        if now is None or name != now.name:
            self._keep(now)
            self._open[get_ident()] = _Open(name)

    def end(self) -> None:
        """The last stage of each thread has ended."""
        self._open[get_ident()].heard()
        for one in self._open.values():
            self._keep(one)

    def _keep(self, stage: _Open | None) -> None:
        if stage is not None and stage.so_far is not None:
            self.costs.append(stage.so_far)
            Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew: proc(5)


def _peak_mb() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def _work(told: Path, arguments: list[str]) -> None:
    """`tact train` in this process, its progress watched."""
    from tact import cli, verb_train

    stages = Stages()

    @contextmanager
    def watched() -> Iterator[Stages]:
        yield stages

    with patch.object(verb_train, "steps", watched), patch.object(sys, "argv", ["tact", "train", *arguments]):
        try:
            cli.main()
        finally:
            stages.end()
            told.write_text(json.dumps([asdict(cost) for cost in stages.costs]))


def measure(lake: Path, shop: str, out: Path, arguments: list[str]) -> list[Cost]:
    """Trains once; the stages, and last all together. Raises CalledProcessError if it fails."""
    told = out.with_suffix(".json")
    command = [sys.executable, "-m", "load_tests.training_scale", "--work", str(told)]
    command += ["--lake", str(lake), "--shop", shop, "--out", str(out), *arguments]
    began_s = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise subprocess.CalledProcessError(status, command)
    seconds = time.monotonic() - began_s
    stages = [Cost(**cost) for cost in json.loads(told.read_text())]
    peak_mb = max(cost.peak_mb for cost in stages)
    return [*stages, Cost("all", seconds, used.ru_utime + used.ru_stime, peak_mb)]


def show(lake: Path, shop: str, out: Path, arguments: list[str]) -> None:
    """Trains once and prints the table."""
    load = os.getloadavg()[0]
    costs = measure(lake, shop, out, arguments)
    events = sum(rows for _, rows in rows_by_day(lake, shop))
    print(f"{shop}: {events:,} events, {events / costs[-1].cpu_s:,.0f} a second of processor; ", end="")
    print(f"load average {load:.1f} before, {os.getloadavg()[0]:.1f} after")
    for cost in costs:
        print(cost.told(), flush=True)


def main() -> None:
    """Make the lakes, train on each."""
    if "--work" in sys.argv[1:2]:
        _work(Path(sys.argv[2]), sys.argv[3:])
        return
    reading = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reading.add_argument("--sizes", type=int, nargs="*", default=[100_000, 1_000_000, 10_000_000])
    reading.add_argument("--lake", type=Path)
    reading.add_argument("--shop", default="")
    reading.add_argument("--folder", type=Path, help="keeps the lakes there, and uses those that are there already")
    told, arguments = reading.parse_known_args()
    with tempfile.TemporaryDirectory() as aside:
        folder = told.folder or Path(aside)
        if told.lake is not None:
            show(told.lake, told.shop, folder / "bundle-own", arguments)
        for events in told.sizes:
            lake = folder / f"lake-{events}"
            if not lake.is_dir():
                write(lake, Size(events))
            show(lake, "sim", folder / f"bundle-{events}", arguments)


if __name__ == "__main__":
    main()
