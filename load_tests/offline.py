"""How fast a log is read: `features.replay` on a core, and an import, of made-up events of many visitors.

    python -m load_tests.offline [--events 1000000] [--days 30] [--repeats 5] [--json FILE]

The events are those of `load_tests.simulated_log`. Replay: one thread, its processor time, because a busy machine
hardly moves that. Import: `training.importers` in this process, from a CSV as a shop exports it (time, visitor, event,
product, category, price) to files on the disk; by the clock, beside it the processor time of all its threads.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np
import polars as pl

from features.catalog import no_facts
from features.fold import replay
from features.lakefile import read_events
from load_tests.simulated_log import Size, write
from training.importers import load
from training.importers.reader import NoRejects, read
from training.lake import load_log

COLUMNS: Final = {
    "ts_ms": "timestamp",
    "visitor_id": "visitor_id",
    "event": "event",
    "item_id": "item_id",
    "category": "category",
    "price": "price",
}
A_PIECE: Final = 65_536


def figures(size: Size, repeats: int) -> dict[str, Any]:
    """Events a second of processor by `replay`, rows a second by the clock and of processor of an import."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        write(home / "made", size)
        found = _replayed(home / "made", size.shop, repeats) | _imported(home, size, repeats)
    return found | {"load": os.getloadavg()[0]}


def _replayed(lake: Path, shop: str, repeats: int) -> dict[str, Any]:
    log = load_log(lake, shop)
    ends = np.flatnonzero(np.diff(log.visitor, append=-1)) + 1
    cuts = [0, *(int(end) for end in ends[np.searchsorted(ends, np.arange(A_PIECE, len(log), A_PIECE))]), len(log)]
    pieces = [slice(start, end) for start, end in pairwise(cuts) if start < end]
    facts = [no_facts(log.records[piece]) for piece in pieces]

    def all_of_it() -> None:
        for at, known in zip(pieces, facts, strict=True):
            replay(log.records[at], log.visitor[at], known)

    all_of_it()  # loads the compiled code
    used = [_seconds(all_of_it, time.thread_time) for _ in range(repeats)]
    return {"replay_events": len(log), "replay_per_s": round(len(log) / min(used)), "replay_s": used}


def _imported(home: Path, size: Size, repeats: int) -> dict[str, Any]:
    path = home / "events.csv"
    table = pl.from_arrow(read_events(home / "made", columns=list(COLUMNS)))
    assert isinstance(table, pl.DataFrame)
    table.sort("ts_ms").rename(COLUMNS).write_csv(path)
    clock, used = [], []
    for number in range(repeats):
        began_s = time.process_time()
        clock.append(_seconds(lambda n=number: _import(path, home / f"lake-{n}", size.shop), time.perf_counter))
        used.append(time.process_time() - began_s)
    rows = len(table)
    return {
        "import_rows": rows,
        "import_per_s": round(rows / median(clock)),
        "import_s": clock,
        "import_per_cpu_s": round(rows / min(used)),
    }


def _import(path: Path, lake: Path, shop: str) -> None:
    load(read(path, shop=shop, now_ms=time.time_ns() // 1_000_000), path, lake, NoRejects())


def _seconds(work: Callable[[], None], clock: Callable[[], float]) -> float:
    began_s = clock()
    work()
    return clock() - began_s


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description="Events a second of replay and import.")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    found = figures(Size(given.events, given.days), given.repeats)
    print(f"replay {found['replay_per_s']:,} events/s of processor ({found['replay_events']:,} events)")
    print(f"import {found['import_per_s']:,} rows/s, {found['import_per_cpu_s']:,} a second of processor")
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
