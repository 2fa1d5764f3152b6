"""`tact skew`: online and offline features of a shop's whole log, compared bit by bit at every event."""

import time
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import typer
from rich.progress import track

from features.catalog import Facts
from features.events import TAIL_EVENTS
from features.fold import Matrix, fold, replay
from features.record import EVENT
from features.schema import FEATURES
from features.tail import event_ends, tail_of
from tact.console import console, fail, load_settings
from tact.learning import shop_of
from training.as_of import as_of_facts
from training.lake import Log, load_log

REPEATS = 5


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("skew")(run)


def run(
    shop: Annotated[str, typer.Option(help="The shop.")],
    lake: Annotated[Path | None, typer.Option(help="The lake's folder; default: this install's.")] = None,
) -> None:
    """Fold each tail from its bytes, as the service does, and compare with the replay of the log."""
    root = lake or load_settings().lake
    log = load_log(root, shop_of(root, shop))
    if not len(log):
        fail(f"the lake has no events of shop {shop!r}")
    facts = as_of_facts(log.records, log.visitor)
    offline = replay(log.records, log.visitor, facts)
    compared, differing = compare(log, facts, offline)
    console.print(f"{compared:,} events of {len(log.visitors):,} visitors compared, {len(FEATURES)} features each")
    speeds = sorted(len(log) / _seconds(log, facts) for _ in range(REPEATS))
    middle = speeds[REPEATS // 2]
    console.print(
        f"replay: {middle:,.0f} events/s on one core (median of {REPEATS}; {speeds[0]:,.0f} to {speeds[-1]:,.0f})"
    )
    if differing:
        fail("differences: " + ", ".join(f"{name} at {count} events" for name, count in differing.items()))
    console.print("bit-equal at every event")


def compare(log: Log, facts: Facts, offline: Matrix) -> tuple[int, dict[str, int]]:
    """How many events were compared, and at how many each feature differs (those that do)."""
    ends = np.flatnonzero(event_ends(log.records))
    starts = np.searchsorted(log.visitor, log.visitor[ends])
    data = log.records.tobytes()
    wrong = np.zeros(len(FEATURES), np.int64)
    for end, start in track(list(zip(ends.tolist(), starts.tolist(), strict=True)), "comparing", console=console):
        first = max(start, end + 1 - TAIL_EVENTS)
        online = _online(
            data[first * EVENT.itemsize : (end + 1) * EVENT.itemsize], facts.table, facts.rows[first : end + 1]
        )
        wrong += online.view(np.uint32) != offline[end].view(np.uint32)
    names = {FEATURES[i].name: int(wrong[i]) for i in np.flatnonzero(wrong)}
    return len(ends), names


def _online(data: bytes, table: npt.NDArray[np.float32], rows: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
    """The vector as the service makes it: from the bytes of a visitor's tail, at the last event's time."""
    tail = tail_of(data)
    return fold(tail, int(tail["ts_ms"][-1]), Facts(table, rows))


def _seconds(log: Log, facts: Facts) -> float:
    """The processor's time for one replay of the log: what others do on the machine does not count."""
    began = time.thread_time()
    replay(log.records, log.visitor, facts)
    return time.thread_time() - began
