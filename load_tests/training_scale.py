"""What `tact train` costs at growing sizes of log: seconds, events a second and the largest memory.

    .venv/bin/python -m load_tests.training_scale --sizes 300000 1000000 10000000 [--lake LAKE --shop yc] [--folder DIR]

Writes simulated lakes (load_tests/simulated_log.py), trains on each in a process of its own, and prints a line for
each, with the processor's time, since others may be at work. With --lake a lake that is there is measured too.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from features.lakefile import rows_by_day
from load_tests.simulated_log import Size, write


@dataclass(frozen=True, slots=True)
class Cost:
    """What one training took. peak_mb: resident memory of the process at its largest."""

    events: int
    seconds: float
    cpu_s: float
    peak_mb: float

    def told(self, name: str) -> str:
        """A line for people."""
        return (
            f"{name:>12} {self.events:>11,} events {self.seconds:>7.1f} s {self.cpu_s:>7.1f} s of processor "
            f"{self.events / self.cpu_s:>9,.0f} events/s of it {self.peak_mb:>7,.0f} MB"
        )


def measure(lake: Path, shop: str, out: Path, arguments: list[str]) -> Cost:
    """Trains once. Raises CalledProcessError if it fails."""
    command = [sys.executable, "-m", "tact", "train", "--lake", str(lake), "--shop", shop, "--out", str(out)]
    began_s = time.monotonic()
    process = subprocess.Popen([*command, *arguments], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise subprocess.CalledProcessError(status, command)
    seconds, events = time.monotonic() - began_s, sum(rows for _, rows in rows_by_day(lake, shop))
    return Cost(events, seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def main() -> None:
    """Make the lakes, train on each."""
    reading = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reading.add_argument("--sizes", type=int, nargs="*", default=[300_000, 1_000_000, 10_000_000])
    reading.add_argument("--lake", type=Path)
    reading.add_argument("--shop", default="")
    reading.add_argument("--folder", type=Path, help="keeps the lakes there, and uses those that are there already")
    told, arguments = reading.parse_known_args()
    with tempfile.TemporaryDirectory() as aside:
        folder = told.folder or Path(aside)
        if told.lake is not None:
            print(measure(told.lake, told.shop, folder / "bundle-own", arguments).told(told.shop), flush=True)
        for events in told.sizes:
            lake = folder / f"lake-{events}"
            if not lake.is_dir():
                write(lake, Size(events))
            print(measure(lake, "sim", folder / f"bundle-{events}", arguments).told(f"{events:,}"), flush=True)


if __name__ == "__main__":
    main()
