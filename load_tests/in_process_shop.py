"""What load_tests/in_process.py decides about: a home's shop with its visitors, or the load tests' own."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Final

import msgspec

from features.catalog import Catalog, Product
from features.events import Row
from features.lake_catalog import read_catalog
from features.lakefile import read_events
from features.record import pack
from load_tests import bodies
from load_tests.bench_shop import Size, ensure, products
from load_tests.policy import SHOP, policy
from load_tests.traffic import Traffic
from models import bundle as bundles
from models.arbitration import prior_draws
from models.policy import load_policy
from models.policy_terms import Policy
from models.recommend import with_facts
from models.registry import Registry
from service import policy_files
from service.needs import needs_of
from service.settings import Settings
from service.shop_live import Live, arrivals, index_of, popular, recommender_of, stats_of

EVENTS: Final = 20


@dataclass(frozen=True)
class Visit:
    """A request and the visitor's tail as Redis holds it before."""

    body: bytes
    tail: bytes


def live_of(settings: Settings, shop: str) -> Live:
    """What a shop of a home is served with, without the learner's share."""
    found = policy_files.load(policy_files.find(settings.policies)[shop][0], settings.home / "policies-archive")
    return _live(Path(settings.registry), found, read_catalog(settings.lake, shop))


def bench_live(folder: Path) -> Live:
    """The load tests' shop with its 20 messages all open; made in the folder if it is not there yet."""
    size = Size()
    shop = ensure(folder, size, print)
    return _live(shop.registry, load_policy(policy(all_open=True), f"{SHOP}.yaml"), products(size))


def _live(registry: Path, policy: Policy, listed: Sequence[Product]) -> Live:
    models = Registry(str(registry))
    bundle = bundles.load(models.path(models.live(policy.shop) or ""))
    catalog = Catalog.of(listed, stats_of(policy.shop, bundle, None))
    index = index_of(policy.shop, bundle, None)
    recommender = recommender_of(with_facts(index, catalog), bundle) if index is not None else None
    return Live(
        shop=policy.shop,
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


def bench_visits(live: Live, now_ms: int, most: int) -> list[Visit]:
    """Visitors by the traffic model who did as much, the last of it three seconds ago, on a product page each."""
    names, count = [f"s{n}" for n in range(most)], len(live.catalog.listed)
    past: dict[str, list[Row]] = {name: [] for name in names}
    for event in bodies.pasts(names, EVENTS, Traffic.of(), count, now_ms, seed=5):
        about = {
            name: event[name] for name in ("visitor_id", "event_id", "event", "item_id", "price", "page_type", "device")
        }
        past[event["visitor_id"]].append(Row(shop=live.shop, ts_ms=event["ts"], received_ms=event["ts"], **about))
    pages = (bodies.decision(name, 37 * n % count, bodies.ONE) for n, name in enumerate(names))
    return [
        Visit(msgspec.json.encode(page), pack(past[name]).tobytes()) for name, page in zip(names, pages, strict=True)
    ]
