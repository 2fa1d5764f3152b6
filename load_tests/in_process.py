"""How long a decision takes in one process, without HTTP and Redis.

    .venv/bin/python -m load_tests.in_process [--json FILE] [--home artifacts --placements pdp.trust] [--pause-ms 20]

What the service does between the two: the body read, the event packed, the tail put in order, facts, vector, scores,
gates, arbitration, the answer and the receipt written, one after another and in batches of 64. Without a home it is
what objective 4 is about: the load tests' shop with 20 messages at one placement, all of them open, and visitors with
20 events. With one: what is live there (`./dev demo` makes a home) and the tails of its lake, cut to 20 events that end
now. Prints medians by step in microseconds, of the time that the thread was at work, so that other processes count
little; and the scores' beside those of the library called model by model in the same run.
"""

import argparse
import json
import secrets
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from features.record import packed
from features.tail import tail_of
from load_tests.in_process_shop import EVENTS, Visit, bench_live, bench_visits, live_of, visits
from models.answer import answer
from models.decision import Decision, Known, decide
from models.inputs import Inputs
from models.many import BATCH, decide_many
from service import stream
from service.decide import Seen, entry_of, events_of, inputs_of
from service.ingest import terms
from service.memory import Keeper
from service.metrics import Metrics
from service.settings import Settings
from service.shop_live import Live
from service.suggest import Suggester
from service.wire import read_decision

STEPS = ("read", "pack", "tail", "inputs", "scores", "products", "decide", "answer", "receipt")

SUMS = ("answered", "all")
"""To the answer, which is what a page waits for; and with the receipt, which is written behind it."""


class Stopwatch:
    """Time at work by step, in microseconds."""

    def __init__(self) -> None:
        self.took: dict[str, list[float]] = {step: [] for step in (*STEPS, *SUMS)}
        self._began = self._last = 0

    def begin(self) -> None:
        self._began = self._last = time.thread_time_ns()

    def lap(self, step: str) -> None:
        now = time.thread_time_ns()
        self.took[step].append((now - self._last) / 1000)
        if step == STEPS[-2]:
            self.took["answered"].append((now - self._began) / 1000)
        if step == STEPS[-1]:
            self.took["all"].append((now - self._began) / 1000)
        self._last = time.thread_time_ns()


class Watch(Protocol):
    """Who is told where a decision is."""

    def begin(self) -> None: ...

    def lap(self, step: str) -> None: ...


def one(
    visit: Visit,
    live: Live,
    settings: Settings,
    suggester: Suggester,
    now_ms: int,
    watch: Watch,
    random: Callable[[int], bytes] = secrets.token_bytes,
) -> Decision:
    """A decision as service.decide makes it, from the body's bytes to the receipt's."""
    watch.begin()
    request = read_decision(visit.body)
    against = terms(live.shop, live.policy, now_ms, settings, request.clock_ms)
    decision_id = stream.decision_id(now_ms, random(10), 0)
    watch.lap("read")
    own = packed([row for rows in events_of(request, against, live, decision_id) for row in rows])
    watch.lap("pack")
    seen = Seen(visit.tail + own, {})
    tail = tail_of(seen.tail or b"")
    watch.lap("tail")
    inputs = inputs_of(request, live, now_ms, decision_id, seen, tail)
    watch.lap("inputs")
    assert live.bundle is not None
    known = Known.of(inputs, live.bundle, tail)
    watch.lap("scores")
    if any(placement in live.needs for placement in inputs.placements):
        inputs = suggester.add(inputs, known, live, 1.0)
    watch.lap("products")
    decision = decide(inputs, live.bundle, live.policy, live.draws, known)
    watch.lap("decide")
    body = answer(decision)
    watch.lap("answer")
    stream.encode_decision(entry_of(decision, body))
    watch.lap("receipt")
    return decision


def microseconds(work: Callable[[int], object], times: int) -> float:
    """The median time at work of a call."""
    took = []
    for number in range(times):
        began = time.thread_time_ns()
        work(number)
        took.append((time.thread_time_ns() - began) / 1000)
    return statistics.median(took)


def percentile(figures: Iterable[float], share: float) -> float:
    ordered = sorted(figures)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@dataclass(frozen=True)
class Load:
    """What is measured: a shop, its visitors and when they come."""

    settings: Settings
    live: Live
    visits: Sequence[Visit]
    now_ms: int

    @classmethod
    def of(cls, given: argparse.Namespace) -> "Load":
        """As the command line asks."""
        now_ms = time.time_ns() // 1_000_000
        if given.home is None:
            live = bench_live(given.folder)
            return cls(Settings(), live, bench_visits(live, now_ms, given.visitors), now_ms)
        settings = Settings(home=given.home)
        live = live_of(settings, given.shop)
        found = visits(settings, live, given.placements.split(","), now_ms, given.visitors)
        return cls(settings, live, found, now_ms)


def singly(load: Load, rounds: int, pause_s: float) -> tuple[Stopwatch, list[Decision]]:
    """Every visit, again and again, each after the one before; what was decided the last time."""
    suggester, watch = Suggester(Metrics()), Stopwatch()
    for turn in range(rounds + 1):
        if turn == 1:
            watch = Stopwatch()  # the first only warms up
        made = []
        for visit in load.visits:
            if pause_s:
                time.sleep(pause_s)
            made.append(one(visit, load.live, load.settings, suggester, load.now_ms, watch))
    return watch, made


def in_batches(load: Load, rounds: int) -> list[float]:
    """Microseconds a decision, batch by batch: from what the service gathers for it (the tail's bytes, facts, the page)
    to the answer's bytes, as replays decide."""
    inputs, took = list(_inputs(load)), []
    for turn in range(rounds + 1):
        for first in range(0, len(inputs) - BATCH + 1, BATCH):
            began = time.thread_time_ns()
            made = decide_many(inputs[first : first + BATCH], load.live.bundle, load.live.policy, load.live.draws)
            list(map(answer, made))
            if turn:  # the first only warms up
                took.append((time.thread_time_ns() - began) / 1000 / BATCH)
    return took


def main() -> None:
    """Read the arguments, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("artifacts/bench"), help="where the load tests' shop is")
    parser.add_argument("--home", type=Path, help="a home, instead of the load tests' shop")
    parser.add_argument("--shop", default="demo", help="of the home")
    parser.add_argument("--placements", default="pdp.trust", help="of the home's shop, separated by commas")
    parser.add_argument("--visitors", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pause-ms", type=float, default=0.0, help="before each decision, as at a low rate")
    parser.add_argument("--json", type=Path, help="a file to write the figures to, as objectives.toml names them")
    given = parser.parse_args()
    load = Load.of(given)
    Keeper().begin()  # the garbage collector as the service has it
    watch, made = singly(load, given.rounds, given.pause_ms / 1000)
    figures = {"p50_us": statistics.median(watch.took["answered"]), "receipt_us": statistics.median(watch.took["all"])}
    _print(load, watch, made)
    batches = in_batches(load, given.rounds)
    if batches:
        figures["batch_us"] = statistics.median(batches)
        print(f"in batches of {BATCH}, from a decision's inputs to its answer: {figures['batch_us']:.1f} us")
    if given.json:
        given.json.write_text(json.dumps({"in_process": figures}, indent=1))


def _print(load: Load, watch: Stopwatch, made: Sequence[Decision]) -> None:
    considered = [chosen.candidates for decision in made for chosen in decision.chosen]
    open_ = statistics.median(sum(not candidate.gate for candidate in each) for each in considered)
    print(f"{statistics.median(map(len, considered)):g} actions, {open_:g} of them open, {EVENTS} events")
    for step in (*STEPS, *SUMS):
        took = watch.took[step]
        print(f"{step:9} p50 {statistics.median(took):8.1f} us  p99 {percentile(took, 0.99):8.1f} us")
    bundle = load.live.bundle
    assert bundle is not None
    vectors = [Known.of(inputs, bundle).vector for inputs in _inputs(load)]
    ours = microseconds(lambda n: bundle.score(vectors[n % len(vectors)]), 2000)
    plain = replace(bundle, panel=None)
    theirs = microseconds(lambda n: plain.score(vectors[n % len(vectors)]), 2000)
    print(
        f"scores alone {ours:.1f} us, by the library model by model {theirs:.1f} us: {theirs / ours:.1f} times as long"
    )


def _inputs(load: Load) -> Iterable[Inputs]:
    identifier = stream.decision_id(load.now_ms, bytes(10), 0)
    for visit in load.visits:
        yield inputs_of(read_decision(visit.body), load.live, load.now_ms, identifier, Seen(visit.tail, {}))


if __name__ == "__main__":
    main()
