"""How long recommendations take inside a decision: one thread, a made-up shop of many products, tails of two lengths.

    python -m load_tests.recommend_bench [--products 100000] [--views 1000000] [--bundle FOLDER] [--json FILE]

Prints p50 and p99 in milliseconds of the ranking alone (`rank`), of everything a decision computes after its round trip
to Redis (`decision`, answer and receipt included), and of the same without a recommender (`floor`), in one process.
Without --bundle nothing is re-ranked and the scores are constants.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from features.catalog import Catalog, Product
from features.events import Row
from features.record import Records, pack
from features.tail import tail_of
from models import bundle as bundles
from models import receipt
from models.arbitration import prior_draws
from models.bundle import MODELS, Bundle, Parts
from models.calibration import Calibration
from models.decision import Decision, Known, answer
from models.item_index import ItemIndex
from models.policy import load_policy
from models.session_index import SessionIndex
from models.stage import STAGES
from service.decide import Seen, inputs_of, made
from service.metrics import Metrics
from service.needs import needs_of
from service.shop_live import Live, popular, recommender_of
from service.suggest import Suggester, rank
from service.wire import DecisionRequest, RequestContext

NOW_MS = 1_795_435_200_000
POLICY = """
shop: bench
locales: [en]
consent: {assumed: [analytics, personalization]}
placements:
  - {id: pdp.recommend, kinds: [recommend]}
actions:
  - id: next
    kind: recommend
    placements: [pdp.recommend]
    value: 100
    cost: 0
    prior: {mean: 0.5, strength: 1000}
    recommend: {source: next, count: 4, levers: {margin: 0.2}}
    content: {en: {title: More}}
"""
ID = "0" * 26 + "-00"


def constant() -> Parts:
    """A bundle that says the same of everybody and ranks by the sources' own scores."""
    rates = {name: np.full(len(STAGES) if name == "stage" else 1, 1 / len(STAGES)) for name in MODELS}
    calibrations = {name: Calibration.identity(len(rates[name])) for name in MODELS}
    return Parts(rates, calibrations, ItemIndex.empty(), {"seed": 1})


def made_up_index(products: int, views: int, rng: np.random.Generator) -> SessionIndex:
    """Visitors who stay near a product: popularity by Zipf, sessions of about five views in its neighbourhood."""
    index, at = SessionIndex(), 20_000
    start_ms = NOW_MS - 3 * 86_400_000
    for begin in range(0, views, at):
        n = min(at, views - begin)
        visitors = np.repeat(np.arange(n // 5 + 1), 5)[:n] + begin
        centre = np.minimum(rng.zipf(1.2, n // 5 + 1) * 37, 10**12) % products
        items = (np.repeat(centre, 5)[:n] + rng.integers(0, 30, n)) % products
        times = start_ms + (begin + np.arange(n)) * (3 * 86_400_000 // views)
        index.learn(
            [f"p{i}" for i in items.tolist()], visitors.tolist(), times.tolist(), rng.uniform(5, 99, n).tolist()
        )
    return index


def tail_of_views(events: int, products: int, rng: np.random.Generator) -> Records:
    """A visitor with so many views, the last eight of them in this session."""
    items = (int(rng.integers(0, products)) + rng.integers(0, 200, events)) % products
    ago_ms = np.concatenate([np.arange(events, 8, -1) * 3_600_000, np.arange(min(8, events), 0, -1) * 30_000])[-events:]
    rows = (
        Row("bench", "v", f"e{i}", int(NOW_MS - ago), "view_item", item_id=f"p{item}", price=20.0)
        for i, (item, ago) in enumerate(zip(items.tolist(), ago_ms.tolist(), strict=True))
    )
    return pack(rows)


def live_of(index: SessionIndex, products: int, bundle: Bundle | None) -> Live:
    policy = load_policy(POLICY, "bench.yaml")
    catalog = Catalog.of(
        Product(f"p{i}", f"Product {i}", price=20.0 + i % 50, margin=5.0, stock=9, category=f"c{i % 200}")
        for i in range(products)
    )
    recommender = recommender_of(index.index(), bundle)
    return Live(
        shop="bench",
        bundle=bundle,
        policy=policy,
        has_policy=True,
        draws=prior_draws(policy),
        catalog=catalog,
        recommender=recommender,
        popular=popular(recommender, catalog),
        needs=needs_of(policy),
    )


def milliseconds(work: Callable[[int], object], times: int) -> dict[str, float]:
    """p50 and p99 of so many runs, after a tenth as many to warm up: by the clock, and what this thread worked."""
    for i in range(times // 10 + 1):
        work(i)
    took, worked = np.empty(times), np.empty(times)
    for i in range(times):
        began, work_began = time.perf_counter(), time.thread_time()
        work(i)
        took[i], worked[i] = time.perf_counter() - began, time.thread_time() - work_began
    wall, own = np.percentile(took * 1000, [50, 99]), np.percentile(worked * 1000, [50, 99])
    names = ("p50_ms", "p99_ms", "cpu_p50_ms", "cpu_p99_ms")
    return {name: round(float(number), 3) for name, number in zip(names, (*wall, *own), strict=True)}


def decided(live: Live, tail: Records, suggester: Suggester) -> Decision:
    request = DecisionRequest(
        visitor_id="v",
        placements=["pdp.recommend"],
        context=RequestContext(page_type="product", item_id=""),
    )
    inputs = inputs_of(request, live, NOW_MS, ID, Seen(tail.tobytes(), {}), tail)
    decision = made(inputs, live, tail, suggester, 1.0)
    receipt.encode(decision, answer(decision))
    return decision


def measured(live: Live, products: int, events: int, times: int, rng: np.random.Generator) -> dict[str, object]:
    """Figures for tails of so many events."""
    tails = [tail_of(tail_of_views(events, products, rng).tobytes()) for _ in range(200)]
    suggester, without = Suggester(Metrics()), replace(live, needs={})
    assert live.bundle is not None
    first = DecisionRequest(visitor_id="v", placements=["pdp.recommend"])
    knowns = [Known.of(inputs_of(first, live, NOW_MS, ID, Seen(t.tobytes(), {}), t), live.bundle, t) for t in tails]
    inputs = [inputs_of(first, live, NOW_MS, ID, Seen(t.tobytes(), {}), t) for t in tails]
    return {
        "rank": milliseconds(lambda i: rank(inputs[i % 200], knowns[i % 200], live), times),
        "decision": milliseconds(lambda i: decided(live, tails[i % 200], suggester), times),
        "floor": milliseconds(lambda i: decided(without, tails[i % 200], suggester), times),
        "found": int(np.median([len(rank(inputs[i], knowns[i], live)[False]) for i in range(200)])),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--products", type=int, default=100_000)
    parser.add_argument("--views", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=3000)
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    rng = np.random.default_rng(1)
    bundle = bundles.load(given.bundle) if given.bundle else bundles.decode(*bundles.encode(constant()))
    live = live_of(made_up_index(given.products, given.views, rng), given.products, bundle)
    figures = {f"tail_{n}": measured(live, given.products, n, given.times, rng) for n in (20, 256)}
    for name, parts in figures.items():
        for what, numbers in parts.items():
            print(name, what, numbers)
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
