"""A whole run: the shop made if need be, everything started, measured, stopped; figures as `--json` has them."""

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from load_tests.bench import Bench, Plan, Say, others_share, stamp
from load_tests.bench_shop import Shop, Size, ensure
from load_tests.install import Up, running
from load_tests.results import figures_of, result
from load_tests.rows import FEW
from load_tests.sender import Sender

SECONDS: Final = 300.0
"""How long a run measures if nothing else is said."""

After = Callable[[Bench, Shop, Path], Mapping[str, Any]]
"""More that is measured while everything runs; its figures by name."""


def plan_of(seconds: float) -> Plan:
    """The plan that takes about so long: fewer and shorter rounds below SECONDS."""
    share = min(1.0, seconds / SECONDS)
    if share < 0.1:
        return Plan(1, max(0.2, 2 * share), max(0.2, 2 * share), max(0.5, 20 * share), 1, FEW)
    if share < 1:
        return Plan(max(2, round(5 * share)), 1.0, 1.5, 5.0, 1)
    return Plan()


def run(
    folder: Path,
    seconds: float,
    say: Say,
    feast: bool = True,
    shop: Shop | None = None,
    after: After | None = None,
    plan: Plan | None = None,
) -> dict[str, Any]:
    """Measures everything once; folder: of what is made once and kept. Raises NotUp, LoadFailed."""
    plan = plan or plan_of(seconds)
    shop = shop or ensure(folder, Size(), lambda what: say(f"training the shop's models, once: {what}", 0.0))
    with ExitStack() as stack:
        say("starting", 0.0)
        up = stack.enter_context(running(shop, folder))
        extra, because = (), "left out"
        if feast:
            up, extra, because = _with_feast(stack, up, folder, say)
        sender = stack.enter_context(Sender())
        trips = stack.enter_context(Sender("load_tests.floor_redis", {"REDIS_URL": up.redis_url}))
        bench = Bench(up, sender, trips, plan, shop.products, up.supervisor.settings.home, extra, say)
        pids = up.processes() | {"generator": sender.pid, "trips": trips.pid}
        began, load = stamp(pids), os.getloadavg()[0]
        figures: dict[str, Any] = figures_of(bench.run())
        share = others_share(began, pids)
        if after is not None:
            figures |= after(bench, shop, folder)
        if not extra:
            figures["feast"] = {"because": because}
        about = {
            "rounds": plan.rounds,
            "seconds": round(plan.seconds),
            "products": shop.products,
            "load_average": round(load, 2),
            "others_share": round(share, 3),
            "problems": bench.found.problems,
        }
        return result(figures, about)


def _with_feast(stack: ExitStack, up: Up, folder: Path, say: Say) -> tuple[Up, tuple[Any, ...], str]:
    """Feast beside the others, or why not."""
    from load_tests import feast_server

    try:
        url, pid = stack.enter_context(feast_server.serving(folder / "feast", up, say))
    except feast_server.NoFeast as error:
        return up, (), str(error)
    up = replace(up, urls={**up.urls, "feast": url}, pids={**up.pids, "feast": pid})
    return up, (feast_server.ROW,), ""
