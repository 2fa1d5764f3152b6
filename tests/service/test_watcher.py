"""What is live, and how it changes."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
import redis

from features.catalog import ITEM_VIEWS, Product
from features.events import Row
from features.record import hash64, pack
from features.stats import ItemStats
from models import bundle
from models import receipt as receipts
from models.persona import Personas
from models.persona_files import live_file, publish
from models.persona_traits import N_TRAITS
from models.policy import load_policy
from models.registry import Registry
from service import keys, snapshots, stream, warm
from service.bundle_watcher import Watcher
from service.core import open_service
from service.metrics import Metrics
from service.shop_live import AT_HAND, arrivals
from service.shop_state import ShopState
from service.suggest import names_of
from service.warm import warm_up
from tests.service.shop import POLICY, SHOP, Shop, constant_parts, make_shop

T = TypeVar("T")


def watch(shop: Shop, body: Callable[[Watcher], Awaitable[T]]) -> T:
    """Run with the watcher of a service that does not serve; the test says when it looks."""

    warm_up(())  # a catalog is built as seldom as it takes long, and the first would compile

    async def inside() -> T:
        assert shop.settings.redis_url is not None
        service = open_service(shop.settings.redis_url, shop.settings)
        try:
            return await body(service.watcher)
        finally:
            await service.store.close()

    return asyncio.run(inside())


def test_a_look_without_a_change_swaps_nothing(home: Path, redis_url: str) -> None:
    async def body(watcher: Watcher) -> None:
        await watcher.refresh()
        live = watcher.get(SHOP)
        await watcher.refresh()
        assert watcher.get(SHOP) is live

    watch(make_shop(home, redis_url), body)


def test_one_part_that_changes_leaves_the_others(home: Path, redis_url: str) -> None:
    shop = make_shop(home, redis_url)

    async def body(watcher: Watcher) -> None:
        await watcher.refresh()
        before = watcher.get(SHOP)
        shop.publish(constant_parts("hesitation"))
        await watcher.refresh()
        after = watcher.get(SHOP)
        assert after.bundle is not before.bundle
        assert after.policy is before.policy
        assert after.draws is before.draws

    watch(shop, body)


def test_a_policy_is_archived_under_its_version(home: Path, redis_url: str) -> None:
    shop = make_shop(home, redis_url)

    async def body(watcher: Watcher) -> None:
        await watcher.refresh()
        old = watcher.get(SHOP).policy.version
        shop.policy_file.write_text(POLICY.replace("value: 100", "value: 7"))
        await watcher.refresh()
        assert watcher.get(SHOP).policy.version != old
        assert watcher.find_policy(old).version == old
        assert load_policy((home / "policies-archive" / f"{old}.yaml").read_text(), "x.yaml").version == old

    watch(shop, body)


def test_a_policy_of_another_shop_is_refused(home: Path, redis_url: str) -> None:
    shop = make_shop(home, redis_url, policy=POLICY.replace("shop: acme", "shop: other"))

    async def body(watcher: Watcher) -> None:
        await watcher.refresh()
        assert not watcher.get(SHOP).has_policy
        assert "other" in str(watcher.readiness()[SHOP]["refused"])

    watch(shop, body)


def test_a_damaged_key_file_leaves_the_keys_as_they_were(home: Path, redis_url: str) -> None:
    shop = make_shop(home, redis_url)

    async def body(watcher: Watcher) -> None:
        await watcher.refresh()
        shop.settings.keys_file.write_text("{")
        await watcher.refresh()
        access = watcher.keys.check(shop.secret)
        assert access is not None
        assert access.kind == "secret"

    watch(shop, body)


def test_a_damaged_pointer_of_one_shop_does_not_stop_the_others(home: Path, redis_url: str) -> None:
    shop = make_shop(home, redis_url)
    keys.create(shop.settings.keys_file, "aaa", "secret")
    pointer = Path(shop.settings.registry) / "live" / "aaa.json"
    pointer.write_text("{")

    async def body(watcher: Watcher) -> None:
        await watcher.refresh()
        assert watcher.readiness()["aaa"]["refused"]
        assert watcher.get(SHOP).bundle is not None

    watch(shop, body)


def test_a_damaged_product_leaves_the_catalog_as_it_was(home: Path, valkey: "redis.Redis", redis_url: str) -> None:
    shop = make_shop(home, redis_url)

    async def body(watcher: Watcher) -> None:
        await watcher.refresh()
        valkey.hset(stream.items_key(SHOP), "bad", b"\xc1")
        valkey.incr(stream.version_key(SHOP))
        await watcher.refresh()
        assert watcher.get(SHOP).catalog.listed == ()
        assert watcher.readiness()[SHOP]["refused"]
        assert watcher.get(SHOP).bundle is not None

    try:
        watch(shop, body)
    finally:
        valkey.delete(stream.items_key(SHOP))


def test_facts_come_from_the_learner_s_snapshot(home: Path, redis_url: str) -> None:
    """An item that only events know has facts, and its id is found by its hash."""
    shop = make_shop(home, redis_url)
    state = ShopState()
    rows = [Row(SHOP, "v", f"e{i}", 1000 + i, "view_item", item_id="only-seen") for i in range(5)]
    for row in rows:
        state.take(stream.decode_lines(stream.encode_event([row])[b"v"]))
    facts = {"shop": SHOP, "as_of_ms": 1004, "events": 5, "duplicates": 0, "items": 1, "cursor": {}}
    snapshots.publish(shop.settings.live / SHOP, state.published(), facts)

    async def body(watcher: Watcher) -> None:
        await watcher.refresh()
        live = watcher.get(SHOP)
        known = live.catalog.facts(pack(rows[:1]))
        assert np.isfinite(known.table[known.rows[0]][ITEM_VIEWS])
        seen = hash64("only-seen")
        assert names_of(np.array([seen, hash64("never-seen")], np.uint64), live) == {seen: "only-seen"}
        assert live.recommender is not None and live.recommender.index.ids[0] == "only-seen"
        assert [s.product.item_id for s in live.popular] == ["only-seen"]

    watch(shop, body)


def test_the_learner_s_line_of_leave_is_served_with_their_own_bundle_only(home: Path, redis_url: str) -> None:
    shop = make_shop(home, redis_url)

    def tell(bundle: str) -> None:
        told = {"bundle": bundle, "line": (0.1, -0.2, 0.05)}
        facts = {"shop": SHOP, "as_of_ms": 1, "events": 1, "duplicates": 0, "items": 0, "cursor": {}, "leave": told}
        snapshots.publish(shop.settings.live / SHOP, ShopState().published(), facts)

    async def body(watcher: Watcher) -> None:
        await watcher.refresh()
        live = watcher.get(SHOP)
        assert live.bundle is not None and live.leave_line == (0.0, 0.0, 0.0)
        tell(live.bundle.id)
        await watcher.refresh()
        assert watcher.get(SHOP).leave_line == (0.1, -0.2, 0.05)
        tell("another")
        await watcher.refresh()
        assert watcher.get(SHOP).leave_line == (0.0, 0.0, 0.0)

    watch(shop, body)


def test_until_there_is_a_snapshot_the_bundle_s_own_index_and_statistics_serve(home: Path, redis_url: str) -> None:
    shop = make_shop(home, redis_url, publish=False)
    row = Row(SHOP, "v", "e", 1000, "view_item", item_id="item-1")
    stats = ItemStats.empty().updated(pack([row]), np.array([hash64("v")], np.uint64)).settled().to_arrays()
    shop.publish(replace(constant_parts(shop=SHOP), arrays={"stats": stats}))

    async def body(watcher: Watcher) -> None:
        await watcher.refresh()
        live = watcher.get(SHOP)
        known = live.catalog.facts(pack([row]))
        assert known.table[known.rows[0]][ITEM_VIEWS] == 1
        assert live.recommender is not None and "item-1" in live.recommender.index.ids

    watch(shop, body)


def test_products_of_the_shop_a_bundle_was_trained_on_are_not_for_sale_in_another(home: Path, redis_url: str) -> None:
    shop = make_shop(home, redis_url, publish=False)
    shop.publish(constant_parts(shop="elsewhere"))

    async def body(watcher: Watcher) -> None:
        await watcher.refresh()
        live = watcher.get(SHOP)
        assert live.bundle is not None
        assert (live.recommender, live.popular) == (None, ())

    watch(shop, body)


def test_the_room_of_a_recommender_is_kept_over_snapshots_and_made_anew_for_a_bundle(
    home: Path, redis_url: str
) -> None:
    shop = make_shop(home, redis_url)

    async def body(watcher: Watcher) -> None:
        await watcher.refresh()
        first = watcher.get(SHOP).recommender
        shop.policy_file.write_text(shop.policy_file.read_text() + "\n# changed\n")
        await watcher.refresh()
        assert watcher.get(SHOP).recommender is first  # a policy does not touch it
        shop.publish(constant_parts(note="another"))
        await until_other(watcher, first)

    async def until_other(watcher: Watcher, first: object) -> None:
        for _ in range(100):
            await watcher.refresh()
            if watcher.get(SHOP).recommender is not first:
                return
            await asyncio.sleep(0.05)
        raise AssertionError("the recommender stayed")

    watch(shop, body)


def test_the_latest_products_of_the_catalog_are_the_arrivals() -> None:
    products = [Product(f"p{i}", added_ms=i * 1000) for i in range(60)]
    found = arrivals(products)
    assert [s.product.item_id for s in found] == [f"p{i}" for i in range(59, 59 - AT_HAND, -1)]
    assert {s.source for s in found} == {"new"}
    assert arrivals(products[:1]) == ()  # 0 is unknown


def test_a_page_of_several_workers_adds_them_up(tmp_path: Path) -> None:
    count = "from service.metrics import Metrics; m = Metrics(); m.event('login', 2); m.live('s', 'b', 'p'); "
    environ = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    for _ in range(2):
        subprocess.run([sys.executable, "-c", count], check=True, env=environ)
    shown = subprocess.run(
        [sys.executable, "-c", count + "print(m.page().decode())"],
        check=True,
        env=environ,
        capture_output=True,
        text=True,
    ).stdout
    assert 'tact_events_total{event="login"} 6.0' in shown
    assert 'tact_bundle_info{bundle="b",shop="s"} 1.0' in shown


def test_a_bundle_that_went_is_on_no_page_of_several_workers(tmp_path: Path) -> None:
    swap = "from service.metrics import Metrics; m = Metrics(); m.live('s', 'one', 'p'); m.live('s', 'two', 'p'); "
    gone = "m.live_age('t', 1.0); m.live('t', 'b', 'p'); m.forget('t'); print(m.page().decode())"
    environ = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    command = [sys.executable, "-W", "error", "-c", swap + gone]
    shown = subprocess.run(command, check=True, env=environ, capture_output=True, text=True).stdout
    assert 'tact_bundle_info{bundle="two",shop="s"} 1.0' in shown
    assert 'bundle="one"' not in shown
    assert 'shop="t"' not in shown


def test_the_metric_of_a_bundle_follows_the_swap() -> None:
    metrics = Metrics()
    metrics.live("s", "one", "p")
    metrics.live("s", "two", "p")
    page = metrics.page().decode()
    assert 'bundle="one"' not in page
    assert 'tact_bundle_info{bundle="two",shop="s"} 1.0' in page
    metrics.live_age("s", 5.0)
    metrics.forget("s")
    assert 'shop="s"' not in metrics.page().decode()


def test_what_is_gone_is_refused_and_stays_live_until_it_is_replaced(home: Path, redis_url: str) -> None:
    """A file deleted to be written anew, a checkout, a mount that goes away: none of them says "serve without"."""
    shop = make_shop(home, redis_url)
    pointer = Path(shop.settings.registry) / "live" / f"{SHOP}.json"
    sources = {"policy": shop.policy_file, "bundle": pointer, "keys": shop.settings.keys_file}

    async def body(watcher: Watcher) -> None:
        await watcher.refresh()
        before = watcher.get(SHOP)
        kept = {what: path.read_bytes() for what, path in sources.items()}
        for path in sources.values():
            path.unlink()
        for _ in range(3):
            await watcher.refresh()
        after = watcher.get(SHOP)
        assert (after.policy, after.bundle, after.has_policy) == (before.policy, before.bundle, True)
        assert watcher.keys.check(shop.secret) is not None
        told = watcher.readiness()[SHOP]["refused"] | watcher.refused()
        assert sorted(told) == ["bundle", "keys", "policy"]
        assert f"{shop.policy_file} is gone" in told["policy"]
        page = watcher._metrics.page().decode()
        assert all(f'tact_reload_failures_total{{what="{what}"}} 1.0' in page for what in sources)
        for what, path in sources.items():
            path.write_bytes(kept[what])
        await watcher.refresh()
        assert watcher.readiness()[SHOP]["refused"] | watcher.refused() == {}

    watch(shop, body)


def test_the_default_s_bundle_does_not_slip_in_for_a_shop_s_own_that_is_gone(home: Path, redis_url: str) -> None:
    shop = make_shop(home, redis_url)
    made = home / "other"
    bundle.write(made, constant_parts("loyalty"))
    default = Registry(shop.settings.registry).publish(made, "default", "test", "", 0)

    async def body(watcher: Watcher) -> None:
        await watcher.refresh()
        own = watcher.get(SHOP).bundle
        assert own is not None
        assert own.id != default
        (Path(shop.settings.registry) / "live" / f"{SHOP}.json").unlink()
        await watcher.refresh()
        assert watcher.get(SHOP).bundle is own
        assert "bundle" in watcher.readiness()[SHOP]["refused"]

    watch(shop, body)


def test_a_policy_that_was_never_any_good_leaves_nothing_to_tell_when_it_goes(home: Path, redis_url: str) -> None:
    shop = make_shop(home, redis_url, policy="shop: [")

    async def body(watcher: Watcher) -> None:
        await watcher.refresh()
        assert "policy" in watcher.readiness()[SHOP]["refused"]
        shop.policy_file.unlink()
        await watcher.refresh()
        assert watcher.readiness()[SHOP]["refused"] == {}
        assert not watcher.get(SHOP).has_policy

    watch(shop, body)


def test_a_shop_without_keys_and_policy_is_forgotten(home: Path, redis_url: str) -> None:
    shop = make_shop(home, redis_url)
    other = keys.create(shop.settings.keys_file, "other", "secret")

    async def body(watcher: Watcher) -> None:
        await watcher.refresh()
        assert sorted(watcher.readiness()) == [SHOP, "other"]
        keys.revoke(shop.settings.keys_file, other)
        await watcher.refresh()
        assert sorted(watcher.readiness()) == [SHOP]
        keys.revoke(shop.settings.keys_file, shop.publishable)
        keys.revoke(shop.settings.keys_file, shop.secret)
        await watcher.refresh()
        assert sorted(watcher.readiness()) == [SHOP]  # its policy is there
        shop.policy_file.unlink()
        await watcher.refresh()
        assert watcher.readiness() == {}
        assert f'shop="{SHOP}"' not in watcher._metrics.page().decode()

    watch(shop, body)


def test_a_refused_policy_is_told_with_its_file_and_line(home: Path, redis_url: str) -> None:
    shop = make_shop(home, redis_url)
    contents = {b"shop: acme\nlocales: [\xff]\n": ":2:", POLICY.replace("acme", "other").encode(): ":2:7:", None: ":1:"}

    async def body(watcher: Watcher) -> None:
        for content, line in contents.items():
            shop.policy_file.unlink()
            if content is None:
                shop.policy_file.mkdir()
            else:
                shop.policy_file.write_bytes(content)
            await watcher.refresh()
            assert f"{shop.policy_file}{line}" in watcher.readiness()[SHOP]["refused"]["policy"]

    watch(shop, body)


def test_of_two_policy_files_the_first_counts_and_the_other_is_told(home: Path, redis_url: str) -> None:
    shop = make_shop(home, redis_url)
    (shop.settings.policies / f"{SHOP}.toml").write_text("shop = 'acme'")
    (shop.settings.policies / f".{SHOP}.swp.yaml").write_text("half a")

    async def body(watcher: Watcher) -> None:
        await watcher.refresh()
        assert watcher.readiness()[SHOP]["warnings"] == ["acme.yaml counts; acme.toml beside it is not read"]
        assert watcher.get(SHOP).has_policy
        assert sorted(watcher.readiness()) == [SHOP]

    watch(shop, body)


def test_the_first_replay_finds_everything_warm(monkeypatch: pytest.MonkeyPatch) -> None:
    done = []
    monkeypatch.setattr(warm, "replay", lambda *given: done.append(receipts.replay(*given).identical))
    warm_up(())
    assert done == [True, True], "of one placement, and of several"


def test_personas_in_use_go_live_and_broken_ones_leave_those_before(home: Path, redis_url: str) -> None:
    shop = make_shop(home, redis_url)
    names = ("by-day", "by-night")
    one, zero = np.ones(N_TRAITS), np.zeros(N_TRAITS)
    made = Personas(SHOP, names, zero, one, one, np.stack([zero, one]))

    async def body(watcher: Watcher) -> None:
        await watcher.refresh()
        assert watcher.get(SHOP).personas is None
        publish(shop.settings.lake, made)
        await watcher.refresh()
        live = watcher.get(SHOP)
        assert live.personas is not None and live.personas.names == names
        live_file(shop.settings.lake, SHOP).write_text("broken")
        await watcher.refresh()
        assert watcher.get(SHOP).personas is live.personas
        assert "personas" in watcher.readiness()[SHOP]["refused"]

    watch(shop, body)
