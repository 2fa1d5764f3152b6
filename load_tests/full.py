"""What `tact bench --full` measures beyond a short run: latency against offered load until it breaks, how long it takes
to rank more candidates, and how latency grows with the shop. Figures by name; load_tests/pictures.py draws them.
"""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import msgspec

from load_tests.bench import BASE, Bench
from load_tests.bench_shop import Shop
from load_tests.generator import Job, Measured
from load_tests.install import running, settle
from load_tests.others import others
from load_tests.rows import BY_NAME, OPEN_CONNECTIONS, Crowd, Round, Row
from load_tests.sender import where

RATES: Final = (250, 500, 1000, 1500, 2000, 2500, 3000, 3500, 4000, 5000, 6000)
RATE_S: Final = 4.0
REPEATS: Final = 3
BREAKS_MS: Final = 100.0
"""A p99 beyond which it is broken: a decision degrades at its deadline."""

CANDIDATES: Final = (25, 50, 100, 150, 200, 300)
METARANK: Final[Mapping[int, tuple[float, float]]] = {25: (3.3, 5.9), 100: (7.2, 9.8), 300: (19.9, 23.7)}
"""Items re-ranked, p50 and p99 in ms, as its own documentation shows them (docs.metarank.ai, Performance)."""
CURVE_ROUNDS: Final = 3
CURVE_S: Final = 4.0
NAMES: Final = ("p50_ms", "p90_ms", "p99_ms")


def more(bench: Bench, shop: Shop, folder: Path) -> dict[str, Any]:
    """Everything of a full run that is measured beside the short one. Raises LoadFailed, NotUp."""
    found: dict[str, Any] = {"load": load_curve(bench)}
    found["broken_at"] = {name: breaks_at(points) for name, points in found["load"].items()}
    found["candidates"] = candidates_curve(bench, shop, folder)
    return found | others(folder, bench.say, bench.found.problems)


def load_curve(bench: Bench) -> dict[str, list[dict[str, float]]]:
    """Open loops at rising rates, Tact and floor B in turn, each until it breaks: a point a rate."""
    turn = Round(3000, bench.up, bench.traffic, bench.products, bench.folder, Crowd(short=3000))
    turn.begin(bench.sender)
    curves: dict[str, list[dict[str, float]]] = {BASE: [], "decision": []}
    for rate in RATES:
        for name, points in curves.items():
            if sum(point["broken"] for point in points) < 2:  # one more, so that the picture shows the break
                points.append(_point(bench, BY_NAME[name], turn, rate))
    turn.end()
    return curves


def _point(bench: Bench, row: Row, turn: Round, rate: float) -> dict[str, float]:
    bench.say(f"{rate:,} a second: {row.what}", 0.0)
    runs = [bench.at_rate(row.server, turn.file(row), rate, RATE_S, seed) for seed in range(1, REPEATS + 1)]
    point = {"rate_per_s": float(rate)}
    for name in NAMES:
        values = [getattr(run, name) for run in runs]
        point |= {name: statistics.median(values), f"{name}_low": min(values), f"{name}_high": max(values)}
    point["errors"] = sum(run.errors for run in runs)
    point["degraded"] = sum(run.degraded for run in runs)
    point["broken"] = point["p99_ms"] > BREAKS_MS or point["errors"] + point["degraded"] > 0
    return point


def breaks_at(points: Sequence[Mapping[str, float]]) -> float | None:
    """The first rate with a late, failed or degraded answer too many; None if no rate was."""
    return next((point["rate_per_s"] for point in points if point["broken"]), None)


def candidates_curve(bench: Bench, shop: Shop, folder: Path) -> list[dict[str, float]]:
    """p50 and p99 of decisions with ranked products, by how many candidates are ranked (TACT_CANDIDATES)."""
    points = []
    for candidates in CANDIDATES:
        bench.say(f"ranking {candidates} candidates", 0.0)
        with running(shop, folder, {"candidates": candidates}) as up:
            found = list(_ranked(replace(bench, up=up)))
        point = {"candidates": float(candidates)}
        for name in NAMES:
            values = [getattr(run, name) for run in found]
            point |= {name: statistics.median(values), f"{name}_low": min(values), f"{name}_high": max(values)}
        points.append(point)
    return points


def _ranked(bench: Bench) -> Iterator[Measured]:
    row = BY_NAME["recommend"]
    for number in range(CURVE_ROUNDS):
        turn = Round(4000 + number, bench.up, bench.traffic, bench.products, bench.folder, Crowd(short=400, long=1))
        turn.begin(bench.sender)
        settle(bench.up.processes(), bench.plan.idle_s)
        job = Job(
            **where(bench.up.urls[row.server]),
            requests=str(turn.file(row)),
            seconds=CURVE_S,
            rate_per_s=row.rate_per_s,
            connections=OPEN_CONNECTIONS,
            seed=number + 1,
        )
        bench.sender.measure(msgspec.structs.replace(job, seconds=0.5))  # warm
        yield bench.sender.measure(job)
        turn.end()
