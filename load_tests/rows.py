"""The rows of the table: what is sent, where to, and what an answer is worth."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from load_tests import bodies
from load_tests.bodies import BATCH, FOUR, ONE, PRODUCTS, Door
from load_tests.floors import STATE
from load_tests.generator import Job, write_requests
from load_tests.install import Up, remember
from load_tests.sender import Sender, where
from load_tests.traffic import Traffic, steady

SHORT, LONG = 20, 256
CONNECTIONS: Final = 16
OPEN_CONNECTIONS: Final = 128


@dataclass(frozen=True, slots=True)
class Row:
    """One row. server: in Up.urls, or "redis". requests: by what of a round they are made. units: events a request.

    expected: the status of a good answer. latency: whether it is measured in an open loop, too: at rate_per_s where
    that is given, else at half of what floor B reached (at_base), or of what this row reached where that is less.
    """

    name: str
    what: str
    server: str
    requests: Callable[["Round"], list[bytes]]
    expected: int = 200
    units: int = 1
    latency: bool = True
    at_base: bool = False
    rate_per_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Crowd:
    """Who is sent in a round: visitors with a short and with a long past, requests with events of others."""

    short: int = 1500
    long: int = 150
    batches: int = 1000
    singles: int = 8000


MANY: Final = Crowd()
FEW: Final = Crowd(40, 4, 20, 100)


@dataclass
class Round:
    """One turn of everything, with visitors of its own, so that their tails are as long as the row says."""

    number: int
    up: Up
    traffic: Traffic
    products: int
    folder: Path
    crowd: Crowd = FEW
    made: dict[str, Path] = field(default_factory=dict)

    @property
    def short(self) -> list[str]:
        return [f"s{self.number}-{n}" for n in range(self.crowd.short)]

    @property
    def long(self) -> list[str]:
        return [f"l{self.number}-{n}" for n in range(self.crowd.long)]

    def door(self, server: str) -> Door:
        """Where a row's requests go."""
        return Door(self.up.urls[server], self.up.key if server == "tact" else "")

    def begin(self, sender: Sender) -> None:
        """Give the visitors their past, through the front door. Raises LoadFailed."""
        now_ms = time.time_ns() // 1_000_000
        remember(self.up.redis_url, self.short, STATE)
        door = self.door("tact")
        for visitors, events in ((self.short, SHORT - 1), (self.long, LONG)):
            past = bodies.pasts(visitors, events, self.traffic, self.products, now_ms, 100 + self.number)
            send_all(sender, door, bodies.batches(door, past), self.folder / f"past-{self.number}")

    def items(self, count: int) -> list[int]:
        """Products looked at, by the model."""
        rng = np.random.default_rng(200 + self.number)
        return [int(rank) for rank in self.traffic.items(rng, count, self.products)]

    def file(self, row: Row) -> Path:
        """The row's requests of this round."""
        if row.name not in self.made:
            self.made[row.name] = write_requests(self.folder / f"{row.name}-{self.number}", row.requests(self))
        return self.made[row.name]

    def end(self) -> None:
        """Forget the requests."""
        for path in self.made.values():
            path.unlink(missing_ok=True)


def send_all(sender: Sender, door: Door, requests: list[bytes], aside: Path) -> None:
    """Each request once. Raises LoadFailed, ValueError where one was refused."""
    path = write_requests(aside, requests)
    job = Job(**where(door.url), requests=str(path), seconds=300, connections=8, expected=202, once=True)
    found = sender.measure(job)
    path.unlink()
    if found.errors:
        raise ValueError(f"{found.errors} of {len(requests)} requests failed: {found.statuses}")


def _decisions(
    server: str, placements: tuple[str, ...], long: bool = False, path: str = "/v1/decisions"
) -> Callable[[Round], list[bytes]]:
    def made(turn: Round) -> list[bytes]:
        visitors = turn.long if long else turn.short
        return bodies.decisions(turn.door(server), visitors, turn.items(len(visitors)), placements, path)

    return made


def _events(turn: Round) -> list[bytes]:
    made = bodies.fresh_events(
        f"e{turn.number}-", turn.crowd.batches * BATCH, turn.traffic, turn.products, 300 + turn.number
    )
    return bodies.batches(turn.door("tact"), made)


def _event(turn: Round) -> list[bytes]:
    made = bodies.fresh_events(f"o{turn.number}-", turn.crowd.singles, turn.traffic, turn.products, 400 + turn.number)
    return bodies.single(turn.door("tact"), made)


def _keys(turn: Round) -> list[bytes]:
    return [f"floor:{visitor}".encode() for visitor in turn.short]


ROWS: Final = (
    Row("floor_a", "floor A: the server answers a constant", "floor_a", _decisions("floor_a", ONE), at_base=True),
    Row("floor_b", "floor B: FastAPI, Pydantic, one redis-py GET", "floor_b", _decisions("floor_b", ONE), at_base=True),
    Row(
        "floor_b_append",
        "the same, appending and reading a tail",
        "floor_b",
        _decisions("floor_b", ONE, path="/append"),
    ),
    Row("floor_c", "floor C: a bare Redis round trip", "redis", _keys, at_base=True),
    Row("decision", "decision, 1 placement, tail of 20", "tact", _decisions("tact", ONE), at_base=True),
    Row("decision_4", "decision, 4 placements, tail of 20", "tact", _decisions("tact", FOUR)),
    Row("decision_256", "decision, 1 placement, tail of 256", "tact", _decisions("tact", ONE, True)),
    Row("decision_4_256", "decision, 4 placements, tail of 256", "tact", _decisions("tact", FOUR, True), latency=False),
    Row("recommend", "decision with 20 products re-ranked", "tact", _decisions("tact", PRODUCTS), rate_per_s=50.0),
    Row("events", f"events, in batches of {BATCH}", "tact", _events, 202, BATCH),
    Row("event", "events, one a request", "tact", _event, 202, latency=False),
)
BY_NAME: Final[Mapping[str, Row]] = {row.name: row for row in ROWS}


def traffic_requests(turn: Round, sender: Sender, rate_per_s: float, seconds: float, seed: int) -> Path:
    """Decisions as visitors of the model cause them, whose earlier pages are stored first. Raises LoadFailed."""
    before, inside = steady(turn.traffic, rate_per_s, seconds, turn.products, seed)
    door, now_ms = turn.door("tact"), time.time_ns() // 1_000_000
    names = [f"t{seed}-{visitor}" for visitor in before.visitor.tolist()]
    past = [
        bodies.event(name, f"{name}-{n}", "view_item", int(item), int(now_ms + 1000 * at_s))
        for n, (name, item, at_s) in enumerate(zip(names, before.item.tolist(), before.at_s.tolist(), strict=True))
    ]
    if past:
        send_all(sender, door, bodies.batches(door, past), turn.folder / f"past-traffic-{seed}")
    visitors = [f"t{seed}-{visitor}" for visitor in inside.visitor.tolist()]
    requests = bodies.decisions(door, visitors, inside.item.tolist(), ONE)
    return write_requests(turn.folder / f"traffic-{seed}", requests)
