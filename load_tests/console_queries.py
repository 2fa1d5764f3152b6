"""What the console's questions cost on a long log: a lake made of a demo's, many times over, and each question's time.

    .venv/bin/python -m load_tests.console_queries HOME LAKE [--times 16] [--days 1] [--ask messages,journey]

HOME is of a demo that has decided something; LAKE is made if it is not there: every event and decision again under
other ids and visitors, so their mix stays real; with --days the copies lie on as many days, the latest on the demo's
own. Times are processor seconds of one process and one thread of polars,
the middle of three with the first beside it (which reads files that no cache holds, and all that is kept between two
questions), and the middle one by the clock on the wall. Made for cost, and nothing else.
"""

import argparse
import os
import re
import time
from pathlib import Path
from statistics import median

import pyarrow as pa
import pyarrow.compute as pc

from features import lakefile
from models.policy import load_policy

SHOP = "demo"


def grow(home: Path, lake: Path, times: int, days: int = 1) -> None:
    """Writes the lake: copy 0 is the demo's own."""
    events = lakefile.read_events(home / "lake", SHOP)
    decisions = lakefile.read_decisions(home / "lake", SHOP)
    for copy in range(times):
        earlier_ms = copy % days * lakefile.DAY_MS
        told = _earlier(_other(events, ("visitor_id", "event_id", "decision_id"), copy), earlier_ms)
        lakefile.write_events(lake, told, f"copy-{copy}")
        made = _earlier(_other(decisions, ("visitor_id", "decision_id"), copy), earlier_ms)
        lakefile.write_decisions(lake, made, f"copy-{copy}")


def _earlier(table: pa.Table, by_ms: int) -> pa.Table:
    """The table so much earlier, its receipts as well."""
    for name in ("ts_ms", "received_ms"):
        if by_ms and name in table.column_names:
            moved = pc.subtract(table.column(name), by_ms).cast(table.schema.field(name).type)
            table = table.set_column(table.column_names.index(name), name, moved)
    if by_ms and "receipt" in table.column_names:
        moved = [
            _AT.sub(lambda found: found[1] + str(int(found[2]) - by_ms).encode(), one)
            for one in table.column("receipt").to_pylist()
        ]
        table = table.set_column(table.column_names.index("receipt"), "receipt", pa.array(moved, pa.binary()))
    return table


_AT = re.compile(rb'("(?:ts_ms|now_ms)":)(\d+)')


def _other(table: pa.Table, names: tuple[str, ...], copy: int) -> pa.Table:
    """The table with other ids. The ids inside of receipts change as well."""
    for name in names:
        column = table.column(name).cast(pa.string())
        other = pc.if_else(pc.equal(column, ""), column, pc.binary_join_element_wise(f"c{copy}-", column, ""))
        table = table.set_column(table.column_names.index(name), name, other)
    if "receipt" in table.column_names:
        receipts = pc.cast(table.column("receipt"), pa.string())
        for name in ("visitor_id", "decision_id"):
            receipts = pc.replace_substring(receipts, f'"{name}":"', f'"{name}":"c{copy}-')
        table = table.set_column(table.column_names.index("receipt"), "receipt", receipts.cast(pa.binary()))
    return table


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("home", type=Path)
    parser.add_argument("lake", type=Path)
    parser.add_argument("--times", type=int, default=16)
    parser.add_argument("--days", type=int, default=1)
    parser.add_argument("--ask", default="messages,decisions,experiments")
    given = parser.parse_args()
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    from training.console_queries import Asked, answer

    if not given.lake.exists():
        grow(given.home, given.lake, given.times, given.days)
    rows = {
        kind: sum(count for _, count in lakefile.rows_by_day(given.lake, SHOP, kind == "decisions"))
        for kind in ("events", "decisions")
    }
    print(f"{rows['events']:,} rows of events, {rows['decisions']:,} decisions")
    path = next((given.home / "policies").glob(f"{SHOP}.*"))
    policy = load_policy(path.read_text(), str(path))
    for name in given.ask.split(","):
        took, waited = [], []
        for _ in range(3):
            began, began_wall = time.process_time(), time.perf_counter()
            answer(name, Asked(given.lake, SHOP, {}, policy, now_ms=time.time_ns() // 1_000_000))
            took.append(time.process_time() - began)
            waited.append(time.perf_counter() - began_wall)
        print(f"{name:16} {median(took):7.2f} s (first {took[0]:.2f} s), wall {median(waited):.1f} s", flush=True)


if __name__ == "__main__":
    main()
