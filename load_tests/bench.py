"""A run: everything side by side, in rounds whose order rotates, so that what else the machine does meets all alike.

Each round measures every row in a closed loop (CONNECTIONS connections: throughput), then in an open loop at half of
what floor B reached in this round, or half of its own where that is less (latency). Before each the machine is waited
for to be idle: what one row left to do behind its answers must not slow down the next.
"""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from load_tests.generator import Job, Measured
from load_tests.install import Up, cpu_s, settle
from load_tests.rows import BY_NAME, CONNECTIONS, MANY, OPEN_CONNECTIONS, ROWS, Crowd, Round, Row, traffic_requests
from load_tests.sender import Sender, where
from load_tests.traffic import Traffic

Say = Callable[[str, float], None]
"""Told what is done now, and how much of the whole that is, in seconds."""

BASE: Final = "floor_b"
FIXED_PER_S: Final = 1000.0
PERCENTILES: Final = ("p50_ms", "p90_ms", "p99_ms")


@dataclass(frozen=True, slots=True)
class Plan:
    """How long a run measures. rows: names; fixed_*: of decisions at FIXED_PER_S.

    idle_s: how long at most the machine is waited for before each measurement.
    """

    rounds: int = 5
    closed_s: float = 1.5
    open_s: float = 2.5
    fixed_s: float = 10.0
    fixed_rounds: int = 3
    crowd: Crowd = MANY
    idle_s: float = 4.0
    rows: tuple[str, ...] = tuple(row.name for row in ROWS)

    @property
    def seconds(self) -> float:
        """About how long it takes, without starting and making up the past."""
        latency = sum(BY_NAME[name].latency for name in self.rows)
        each = len(self.rows) * (self.closed_s + 0.3) + latency * (self.open_s + 0.3)
        return self.rounds * each + self.fixed_rounds * (self.fixed_s + 1)


@dataclass
class Found:
    """What was measured, a list over the rounds each: by row, then by figure."""

    figures: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def add(self, row: str, figures: Mapping[str, float]) -> None:
        """One round's figures of a row."""
        of = self.figures.setdefault(row, {})
        for name, value in figures.items():
            of.setdefault(name, []).append(value)

    def last(self, row: str, name: str) -> float:
        """The figure of this round."""
        return self.figures[row][name][-1]

    def note(self, row: str, measured: Measured) -> None:
        """Keep what went wrong."""
        wrong = {name: getattr(measured, name) for name in ("wrong", "lost", "unsent", "degraded")}
        if any(wrong.values()):
            told = ", ".join(f"{count} {name}" for name, count in wrong.items() if count)
            self.problems.append(f"{row}: {told} of {measured.answers} {measured.statuses or ''}".rstrip())


@dataclass
class Bench:
    """One run under way."""

    up: Up
    sender: Sender
    redis: Sender
    plan: Plan
    products: int
    folder: Path
    extra: Sequence[Row] = ()
    say: Say = lambda what, seconds: None
    found: Found = field(default_factory=Found)
    traffic: Traffic = field(default_factory=Traffic.of)

    def run(self) -> Found:
        """All rounds. Raises LoadFailed."""
        self._warm()
        for number in range(self.plan.rounds):
            crowd = self.plan.crowd
            self._round(Round(number, self.up, self.traffic, self.products, self.folder, crowd))
        for number in range(self.plan.fixed_rounds):
            self._fixed(number)
        return self.found

    def _rows(self) -> list[Row]:
        return [BY_NAME[name] for name in self.plan.rows] + list(self.extra)

    def _warm(self) -> None:
        """Every server has answered some hundred requests before anything counts."""
        turn = Round(1_000, self.up, self.traffic, self.products, self.folder)
        turn.begin(self.sender)
        for row in self._rows():
            self.say(f"warming up: {row.what}", 0.0)
            self._measure(row, turn, min(0.5, self.plan.closed_s), 0.0)
        turn.end()

    def _round(self, turn: Round) -> None:
        rows = self._rows()
        shift = turn.number % len(rows)
        turn.begin(self.sender)
        told = f"round {turn.number + 1} of {self.plan.rounds}"
        for row in [*rows[shift:], *rows[:shift]]:
            self.say(f"{told}, throughput: {row.what}", self.plan.closed_s + 0.3)
            self._closed(row, turn)
        for row in [*rows[shift:], *rows[:shift]]:
            if row.latency:
                self.say(f"{told}, latency: {row.what}", self.plan.open_s + 0.3)
                self._open(row, turn)
        turn.end()

    def _closed(self, row: Row, turn: Round) -> None:
        measured, cpu = self._measure(row, turn, self.plan.closed_s, 0.0)
        figures = {f"closed_{name}": getattr(measured, name) for name in PERCENTILES}
        figures |= {"throughput": measured.throughput * row.units, "requests_per_s": measured.throughput}
        each = {name: 1e6 * used / max(1, measured.answers) for name, used in cpu.items()}
        figures |= {f"cpu_us_{name}": used for name, used in each.items()}
        figures["server_us"] = each.get("service" if row.server == "tact" else row.server, 0.0)
        self.found.add(row.name, figures)

    def _open(self, row: Row, turn: Round) -> None:
        own = self.found.last(row.name, "requests_per_s")
        base = self.found.last(BASE, "requests_per_s") if BASE in self.found.figures else own
        rate = row.rate_per_s or (base if row.at_base else min(base, own)) / 2
        measured, _ = self._measure(row, turn, self.plan.open_s, rate)
        figures = {name: getattr(measured, name) for name in (*PERCENTILES, "p999_ms", "max_ms", "late_p99_ms")}
        figures |= {"rate_per_s": rate, "errors": measured.errors, "degraded": measured.degraded}
        self.found.add(row.name, figures)

    def _fixed(self, number: int) -> None:
        """Decisions at FIXED_PER_S by the traffic model, for objective 2."""
        self.say(f"{FIXED_PER_S:g} decisions a second, {number + 1} of {self.plan.fixed_rounds}", self.plan.fixed_s + 1)
        turn = Round(2000 + number, self.up, self.traffic, self.products, self.folder)
        path = traffic_requests(turn, self.sender, FIXED_PER_S, self.plan.fixed_s, 500 + number)
        measured = self.at_rate("tact", path, FIXED_PER_S, self.plan.fixed_s, number)
        path.unlink()
        names = (*PERCENTILES, "p999_ms", "max_ms", "throughput", "late_p99_ms", "errors", "degraded")
        self.found.add("fixed", {name: getattr(measured, name) for name in names})
        self.found.note(f"{FIXED_PER_S:g} decisions/s", measured)

    def at_rate(self, server: str, path: Path, rate: float, seconds: float, seed: int = 1) -> Measured:
        """An open loop at a rate. Raises LoadFailed."""
        settle(self.up.processes(), self.plan.idle_s)
        at, open_ = where(self.up.urls[server]), OPEN_CONNECTIONS
        job = Job(**at, requests=str(path), seconds=seconds, rate_per_s=rate, connections=open_, seed=seed)
        return self.sender.measure(job)

    def _measure(self, row: Row, turn: Round, seconds: float, rate: float) -> tuple[Measured, dict[str, float]]:
        """What came back, and the processor time that each process took for it, s."""
        at = where("" if row.server == "redis" else self.up.urls[row.server])
        job = Job(
            **at,
            requests=str(turn.file(row)),
            seconds=seconds,
            rate_per_s=rate,
            connections=OPEN_CONNECTIONS if rate else CONNECTIONS,
            expected=row.expected,
            seed=turn.number + 1,
            skip_s=0.15 if not rate and seconds >= 1 else 0.0,
        )
        pids = self.up.processes()
        settle(pids, self.plan.idle_s)
        before = {name: cpu_s(pid) for name, pid in pids.items()}
        measured = (self.redis if row.server == "redis" else self.sender).measure(job)
        used = {name: cpu_s(pid) - before[name] for name, pid in pids.items()}
        self.found.note(row.name, measured)
        return measured, {name: s for name, s in used.items() if s > 0} | {"generator": measured.cpu_s}


def others_share(began: Mapping[str, float], pids: Mapping[str, int]) -> float:
    """How much of the machine processes other than ours took meanwhile, 0..1. began: of `stamp`."""
    now = stamp(pids)
    wall = (now["wall_s"] - began["wall_s"]) * (os.cpu_count() or 1)
    ours = now["ours_s"] - began["ours_s"]
    return max(0.0, (now["busy_s"] - began["busy_s"] - ours) / wall)


def stamp(pids: Mapping[str, int]) -> dict[str, float]:
    """The clock, the processor time of the machine and of these processes and this one, s."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    idle = int(fields[3]) + int(fields[4])
    busy = (sum(map(int, fields[:8])) - idle) / os.sysconf("SC_CLK_TCK")
    return {"wall_s": time.monotonic(), "busy_s": busy, "ours_s": sum(map(cpu_s, pids.values())) + time.process_time()}
