"""How long a decision takes in one process, without HTTP and Redis.

    .venv/bin/python -m load_tests.in_process [--home artifacts] [--placements pdp.trust] [--pause-ms 20]

What the service does between the two: the body read, the event packed, the tail put in order, facts, vector, scores,
gates, arbitration, the answer and the receipt written, with what is live in a home (`./dev demo` makes one) and the
tails of its lake, cut to 20 events that end now. Prints medians by step in microseconds, of the time that the thread
was at work, so that other processes count little; and the scores' beside those of the library called model by model in
the same run.
"""

import argparse
import json
import secrets
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Protocol

from features.catalog import Catalog
from features.events import Row
from features.lake_catalog import read_catalog
from features.lakefile import read_events
from features.record import pack
from features.tail import tail_of
from models import bundle as bundles
from models.answer import answer
from models.arbitration import prior_draws
from models.decision import Known, decide
from models.inputs import Inputs
from models.recommend import with_facts
from models.registry import Registry
from service import policy_files, stream
from service.decide import Seen, entry_of, events_of, inputs_of
from service.ingest import terms
from service.metrics import Metrics
from service.needs import needs_of
from service.settings import Settings
from service.shop_live import Live, arrivals, index_of, popular, recommender_of, stats_of
from service.suggest import Suggester
from service.wire import read_decision

EVENTS = 20
STEPS = ("read", "pack", "tail", "inputs", "scores", "products", "decide", "answer", "receipt")

SUMS = ("answered", "all")
"""To the answer, which is what a page waits for; and with the receipt, which is written behind it."""


@dataclass(frozen=True)
class Visit:
    """A request and the visitor's tail as Redis holds it before."""

    body: bytes
    tail: bytes


def live_of(settings: Settings, shop: str) -> Live:
    """What a shop of a home is served with, without the learner's share."""
    registry = Registry(settings.registry)
    bundle = bundles.load(registry.path(registry.live(shop) or ""))
    policy = policy_files.load(policy_files.find(settings.policies)[shop][0], settings.home / "policies-archive")
    catalog = Catalog.of(read_catalog(settings.lake, shop), stats_of(shop, bundle, None))
    index = index_of(shop, bundle, None)
    recommender = recommender_of(with_facts(index, catalog), bundle) if index is not None else None
    return Live(
        shop=shop,
        bundle=bundle,
        policy=policy,
        has_policy=True,
        draws=prior_draws(policy),
        catalog=catalog,
        recommender=recommender,
        popular=popular(recommender, catalog),
        arrivals=arrivals(catalog.listed),
        needs=needs_of(policy),
    )


def visits(settings: Settings, live: Live, placements: Sequence[str], now_ms: int, most: int) -> list[Visit]:
    """Visitors of the lake with as many events, moved so that the last was three seconds ago."""
    by_visitor: dict[str, list[Row]] = {}
    names = [field.name for field in fields(Row)]
    for found in read_events(settings.lake, live.shop).to_pylist():
        by_visitor.setdefault(found["visitor_id"], []).append(Row(**{name: found[name] for name in names}))
    items = [product.item_id for product in live.catalog.listed]
    made = []
    for number, (visitor, rows) in enumerate(by_visitor.items()):
        latest = sorted(rows, key=lambda row: row.ts_ms)[-EVENTS:]
        if len(latest) < EVENTS or len(made) == most:
            continue
        later = now_ms - latest[-1].ts_ms - 3000
        context = {"page_type": "product", "item_id": items[number % len(items)]}
        body = json.dumps({"visitor_id": visitor, "placements": placements, "context": context}).encode()
        made.append(Visit(body, pack(replace(row, ts_ms=row.ts_ms + later) for row in latest).tobytes()))
    return made


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
) -> None:
    """A decision as service.decide makes it, from the body's bytes to the receipt's."""
    watch.begin()
    request = read_decision(visit.body)
    against = terms(live.shop, live.policy, now_ms, settings, request.clock_ms)
    decision_id = stream.decision_id(now_ms, random(10), 0)
    watch.lap("read")
    own = pack(row for rows in events_of(request, against, live, decision_id) for row in rows).tobytes()
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


def main() -> None:
    """Read the arguments, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, default=Path("artifacts"))
    parser.add_argument("--shop", default="demo")
    parser.add_argument("--placements", default="pdp.trust", help="separated by commas")
    parser.add_argument("--visitors", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pause-ms", type=float, default=0.0, help="before each decision, as at a low rate")
    given = parser.parse_args()
    settings = Settings(home=given.home)
    live, now_ms = live_of(settings, given.shop), time.time_ns() // 1_000_000
    some = visits(settings, live, given.placements.split(","), now_ms, given.visitors)
    suggester, warm, watch = Suggester(Metrics()), Stopwatch(), Stopwatch()
    for stopwatch, rounds in ((warm, 1), (watch, given.rounds)):
        for visit in some * rounds:
            if given.pause_ms:
                time.sleep(given.pause_ms / 1000)
            one(visit, live, settings, suggester, now_ms, stopwatch)
    print(
        f"{len(live.policy.actions)} actions, {EVENTS} events, {given.placements}: {len(watch.took['all'])} decisions"
    )
    for step in (*STEPS, *SUMS):
        took = watch.took[step]
        print(f"{step:9} p50 {statistics.median(took):8.1f} us  p99 {percentile(took, 0.99):8.1f} us")
    bundle = live.bundle
    assert bundle is not None
    vectors = [Known.of(i, bundle).vector for i in (_inputs(visit, live, settings, now_ms) for visit in some)]
    ours = microseconds(lambda n: bundle.score(vectors[n % len(vectors)]), 2000)
    plain = replace(bundle, panel=None)
    theirs = microseconds(lambda n: plain.score(vectors[n % len(vectors)]), 2000)
    print(
        f"scores alone {ours:.1f} us, by the library model by model {theirs:.1f} us: {theirs / ours:.1f} times as long"
    )


def _inputs(visit: Visit, live: Live, settings: Settings, now_ms: int) -> Inputs:
    request = read_decision(visit.body)
    return inputs_of(request, live, now_ms, stream.decision_id(now_ms, bytes(10), 0), Seen(visit.tail, {}))


if __name__ == "__main__":
    main()
