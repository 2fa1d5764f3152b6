"""What a decision costs as a shop grows: more actions, more products, more visitors. In one process.

    python -m load_tests.growth [--actions 10 100 1000] [--products 10000 1000000] [--visitors 1000 1000000]

* actions    a decision for one placement; ten actions stand in each placement, and `together` puts all in that one
* products   a decision by a visitor of 20 views of a shop with so many products, none of them recommended
* visitors   append an event and read the tail back through the service's store, of visitors with 8 events; in turn with
             it `visitors_bare`: the same client asks the same server for a key that is not there

Sizes take turns, so that other work on the machine meets all of them. Times are medians in microseconds: of this
thread at work for the first two, by the clock for the round trip.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from features.record import Records, pack
from features.tail import tail_of
from load_tests.memory import event, open_store
from load_tests.parts import SHOP
from load_tests.recommend_bench import ID, NOW_MS, constant, decided, live_of, tail_of_views
from models import bundle as bundles
from models import receipt
from models.arbitration import prior_draws
from models.decision import answer
from models.policy import load_policy
from models.session_index import SessionIndex
from service.decide import Seen, inputs_of, made
from service.embedded import EmbeddedValkey
from service.metrics import Metrics
from service.needs import needs_of
from service.shop_live import Live
from service.store import Store
from service.stream import tail_key
from service.suggest import Suggester
from service.wire import DecisionRequest, RequestContext

A_PLACEMENT = 10
EVENTS = 8
TURNS, EACH = 20, 40
A_TRIP, TTL_MS = 1000, 30 * 86_400_000
Curve = dict[str, float]
"""A median in microseconds by size."""


def actions(sizes: Sequence[int]) -> dict[str, Curve]:
    """Decisions by the number of actions: in placements of ten, and all in one."""
    shop = live_of(SessionIndex(), 100, bundles.decode(*bundles.encode(constant())))
    tail = tail_of(tail_of_views(20, 100, np.random.default_rng(1)).tobytes())
    spread = {n: _deciding(shop, policy_text(n, A_PLACEMENT), tail) for n in sizes}
    together = {n: _deciding(shop, policy_text(n, n), tail) for n in sizes}
    return {"actions": in_turns(spread), "actions_together": in_turns(together)}


def policy_text(count: int, each: int) -> str:
    """A policy with so many badges, `each` to a placement."""
    places = [f"page.place{i}" for i in range(-(-count // each))]
    head = ["shop: bench", "locales: [en]", "consent: {assumed: [analytics, personalization]}", "placements:"]
    body = [
        f"  - {{id: a{i}, kind: badge, placements: [{places[i // each]}], value: {5 + i % 7}, "
        f"cost: 0.1, when: session.views >= {i % 4}.0, content: {{en: {{title: A}}}}}}"
        for i in range(count)
    ]
    return "\n".join([*head, *(f"  - {{id: {place}, kinds: [badge]}}" for place in places), "actions:", *body])


def _deciding(shop: Live, text: str, tail: Records) -> Callable[[int], object]:
    policy = load_policy(text, "growth.yaml")
    live = replace(shop, policy=policy, draws=prior_draws(policy), needs=needs_of(policy))
    suggester = Suggester(Metrics())
    request = DecisionRequest("v", [policy.placements[0].id], context=RequestContext(page_type="product"))

    def one(_: int) -> object:
        inputs = inputs_of(request, live, NOW_MS, ID, Seen(tail.tobytes(), {}), tail)
        decision = made(inputs, live, tail, suggester, 1.0)
        return receipt.encode(decision, answer(decision))

    return one


def products(sizes: Sequence[int]) -> dict[str, Curve]:
    """Decisions by the number of products, and the seconds that making such a catalog takes."""
    bundle = bundles.decode(*bundles.encode(constant()))
    work, made_s = {}, {}
    for n in sizes:
        began_s = time.thread_time()
        live = replace(live_of(SessionIndex(), n, bundle), needs={})
        made_s[str(n)] = time.thread_time() - began_s
        work[n] = _looking(live, n)
    return {"products": in_turns(work), "catalog_made_s": made_s}


def _looking(live: Live, count: int) -> Callable[[int], object]:
    rng = np.random.default_rng(1)
    tails = [tail_of(tail_of_views(20, count, rng).tobytes()) for _ in range(200)]
    suggester = Suggester(Metrics())
    return lambda i: decided(live, tails[i % 200], suggester)


def in_turns(work: Mapping[int, Callable[[int], object]]) -> Curve:
    """Medians of the thread's own time, in microseconds."""
    took: dict[int, list[float]] = {n: [] for n in work}
    for turn in range(TURNS + 1):
        for n, one in work.items():
            for i in range(EACH):
                began_ns = time.thread_time_ns()
                one(i)
                if turn:  # the first only warms up
                    took[n].append((time.thread_time_ns() - began_ns) / 1000)
    return _medians(took)


def visitors(sizes: Sequence[int]) -> dict[str, Curve]:
    """Round trips by the number of visitors that the server holds."""
    with ExitStack() as stack:
        servers = {}
        for n in sizes:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            servers[n] = stack.enter_context(EmbeddedValkey(folder, aof=False)).url
        return asyncio.run(_visitors(servers))


async def _visitors(servers: Mapping[int, str]) -> dict[str, Curve]:
    stores = {n: open_store(url) for n, url in servers.items()}
    for n, store in stores.items():
        await _fill(store, n)
    rng = np.random.default_rng(1)
    took: dict[int, list[float]] = {n: [] for n in stores}
    bare: dict[int, list[float]] = {n: [] for n in stores}
    for turn in range(TURNS + 1):
        for n, store in stores.items():
            for visitor in rng.integers(0, n, EACH).tolist():
                work = store.append_and_read(SHOP, _name(visitor), [[event(_name(visitor), turn, NOW_MS)]])
                for each, asked in ((took, work), (bare, store.client.get("nothing"))):
                    began_s = time.perf_counter()
                    await asked
                    if turn:
                        each[n].append((time.perf_counter() - began_s) * 1e6)
    for store in stores.values():
        await store.close()
    return {"visitors": _medians(took), "visitors_bare": _medians(bare)}


def _medians(took: Mapping[int, Sequence[float]]) -> Curve:
    return {str(n): statistics.median(each) for n, each in took.items()}


async def _fill(store: Store, count: int) -> None:
    """Tails of EVENTS events each, set as the store would leave them, which is many times as quick as by events."""
    tail = pack(event("", i, NOW_MS) for i in range(EVENTS)).tobytes()
    for at in range(0, count, A_TRIP):
        names = (_name(v) for v in range(at, min(at + A_TRIP, count)))
        pipe = store.client.pipeline(transaction=False)
        for name in names:
            pipe.set(tail_key(store.partition(name), SHOP, name), tail, px=TTL_MS)
        await pipe.execute()


def _name(visitor: int) -> str:
    return f"{visitor:032x}"


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description="What a decision costs as a shop grows.")
    parser.add_argument("--actions", type=int, nargs="*", default=(10, 100, 1000))
    parser.add_argument("--products", type=int, nargs="*", default=(10_000, 1_000_000))
    parser.add_argument("--visitors", type=int, nargs="*", default=(1000, 1_000_000))
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    found: dict[str, Any] = {}
    for measure, sizes in ((actions, given.actions), (products, given.products), (visitors, given.visitors)):
        curves = measure(sizes) if sizes else {}
        for name, curve in curves.items():
            first = next(iter(curve.values()))
            shown = ", ".join(f"{int(n):,}: {value:,.1f} ({value / first:.2f} x)" for n, value in curve.items())
            print(f"{name:<17} {shown}", flush=True)
        found |= curves
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
