"""A learner without a history of its own begins with what the shop's live bundle was trained on."""

import json
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from features.events import Row
from features.record import hash64, pack
from features.stats import ItemStats
from models import bundle
from models.registry import Registry
from models.session_index import SessionIndex
from service import learner, snapshots, stream
from service.consumer import Delivery
from service.live import load_live
from service.seed import Seed, grown, joined, learn_again
from service.settings import Settings
from tests.service.shop import constant_parts

DAY_MS = 86_400_000
UNTIL_MS = 1_433_030_400_000
UNTIL = "2015-05-31T00:00:00Z"
BEFORE_MS = UNTIL_MS - DAY_MS


def looks(*visits: tuple[str, str, int], since_ms: int = BEFORE_MS, event: str = "view_item") -> list[Row]:
    """visits: (visitor, item, seconds after since_ms)."""
    return [
        Row("demo", visitor, f"{visitor}-{item}-{at}-{since_ms}", since_ms + at * 1000, event, item_id=item, price=9.5)
        for visitor, item, at in visits
    ]


TRAINED_ON = looks(("v1", "tent", 0), ("v1", "mat", 60), ("v2", "tent", 100), ("v2", "mat", 160), ("v3", "lamp", 200))


def counted(rows: Sequence[Row]) -> ItemStats:
    visitors = np.array([hash64(row.visitor_id) for row in rows], np.uint64)
    return ItemStats.empty().updated(pack(rows), visitors)


def publish(settings: Settings, rows: Sequence[Row] = TRAINED_ON, live_for: str = "demo", **about: object) -> str:
    """A bundle trained on the rows, live for the shop."""
    index = SessionIndex()
    index.learn([r.item_id for r in rows], [hash64(r.visitor_id) for r in rows], [r.ts_ms for r in rows])
    stats = counted(rows)
    window = {"since": "2015-05-01T00:00:00Z", "until": UNTIL}
    made = constant_parts(**{"shop": "demo", "window": window, **about})
    parts = replace(made, items=index.index(), arrays={"stats": stats.settled().to_arrays()})
    folder = settings.home / "made"
    bundle.write(folder, parts)
    return Registry(settings.registry).publish(folder, live_for, "test", "", 0)


def entries(rows: Sequence[Row], seq: int = 1) -> list[Delivery]:
    return [(b"log:{p00}", f"{seq + i}-0".encode(), stream.encode_event([row])) for i, row in enumerate(rows)]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, redis_url="redis://unused", partitions=1)


def learner_of(settings: Settings, rows: Sequence[Row]) -> learner.Learner:
    """A learner that took the rows and published."""
    working = learner.Learner(settings, threading.Event(), learner.LearnerMetrics())
    working.restore()
    working.take(entries(rows))
    working._publish()
    return working


def seeded(working: learner.Learner) -> float:
    return working.metrics.registry.get_sample_value("tact_learner_seeded_total") or 0.0


OWN = looks(("v9", "tent", 0), ("v9", "stove", 30), since_ms=UNTIL_MS)


def test_the_first_snapshot_holds_what_the_bundle_knew_and_what_came_since(settings: Settings) -> None:
    published = publish(settings)
    working = learner_of(settings, OWN)
    live = load_live(settings.live, "demo")
    assert live is not None
    assert set(live.index.ids) == {"tent", "mat", "lamp", "stove"}
    assert live.facts.seeded_from == published
    assert (live.facts.events, seeded(working)) == (2, 1)
    whole = counted([*TRAINED_ON, *OWN])
    found = {int(item): counts for item, counts in zip(live.stats.items, live.stats.counts, strict=True)}
    for item, counts in zip(whole.items, whole.counts, strict=True):
        np.testing.assert_allclose(found[int(item)][:3], counts[:3], rtol=1e-9)


def test_a_learner_whose_history_began_before_the_bundle_ended_keeps_to_its_own(settings: Settings) -> None:
    publish(settings)
    working = learner_of(settings, looks(("v9", "stove", 0), since_ms=UNTIL_MS - 5000))
    live = load_live(settings.live, "demo")
    assert live is not None and set(live.index.ids) == {"stove"}
    assert (live.facts.seeded_from, seeded(working)) == ("", 0)


def test_a_bundle_that_goes_live_later_still_stands_before_what_was_learned(settings: Settings) -> None:
    working = learner_of(settings, OWN)
    publish(settings)
    working._seed()
    working._publish()
    live = load_live(settings.live, "demo")
    assert live is not None and set(live.index.ids) == {"tent", "mat", "lamp", "stove"}
    working._seed()
    assert seeded(working) == 1  # once


def test_another_shop_s_bundle_is_no_seed(settings: Settings) -> None:
    publish(settings, live_for="default", shop="elsewhere")
    live_after = learner_of(settings, OWN)
    assert seeded(live_after) == 0
    live = load_live(settings.live, "demo")
    assert live is not None and set(live.index.ids) == {"tent", "stove"}


def test_an_index_without_views_is_no_seed(settings: Settings) -> None:
    folder = settings.home / "made"
    bundle.write(folder, constant_parts(shop="demo", window={"until": UNTIL}))
    Registry(settings.registry).publish(folder, "demo", "test", "", 0)
    assert seeded(learner_of(settings, OWN)) == 0


def test_a_registry_that_is_broken_does_not_stop_the_learner(settings: Settings) -> None:
    live = Path(settings.registry) / "live"
    live.mkdir(parents=True)
    (live / "demo.json").write_text("{")
    assert seeded(learner_of(settings, OWN)) == 0
    assert load_live(settings.live, "demo") is not None


def test_a_restart_remembers_that_it_was_seeded(settings: Settings) -> None:
    published = publish(settings)
    working = learner_of(settings, OWN)
    working.cursor = {"log:{p00}": learner.Bookmark(b"2-0", 2)}
    working._checkpoint()
    again = learner_of(settings, looks(("v9", "lamp", 90), since_ms=UNTIL_MS))
    assert again.shops["demo"].seeded_from == published
    assert seeded(again) == 0
    assert again.shops["demo"].events == 3


def test_a_checkpoint_of_another_form_is_left_and_said_so(settings: Settings) -> None:
    working = learner_of(settings, OWN)
    working.cursor = {"log:{p00}": learner.Bookmark(b"2-0", 2)}
    working._checkpoint()
    [folder] = settings.live.glob(".learner/0*")
    arrays = {path.stem: np.load(path) for path in folder.glob("*.npy") if "before" not in path.stem}
    facts = json.loads((folder / "manifest.json").read_bytes())["facts"]
    snapshots.publish(settings.live / learner.CHECKPOINT, arrays, facts)
    anew = learner.Learner(settings, threading.Event(), learner.LearnerMetrics())
    anew.restore()
    assert (anew.shops, anew.cursor) == ({}, {})
    assert anew.metrics.registry.get_sample_value("tact_learner_anew_total") == 1


def test_an_index_learned_again_from_its_views_has_the_same_views_and_neighbours() -> None:
    first, again = SessionIndex(max_entries=64), SessionIndex(max_entries=64)
    chance = np.random.default_rng(5)
    items = [f"i{n}" for n in chance.integers(0, 12, 100)]
    first.learn(items, chance.integers(1, 9, 100).tolist(), (BEFORE_MS + np.arange(100) * 20_000).tolist())
    learn_again(again, first.index())
    a, b = first.index(), again.index()
    order = np.argsort(a.tables.at, kind="stable"), np.argsort(b.tables.at, kind="stable")
    assert [a.ids[r] for r in a.tables.item[order[0]]] == [b.ids[r] for r in b.tables.item[order[1]]]
    assert len(b.tables.item) == 64


def index_of(rows: Sequence[Row]) -> SessionIndex:
    index = SessionIndex()
    index.learn([r.item_id for r in rows], [hash64(r.visitor_id) for r in rows], [r.ts_ms for r in rows])
    return index


def links(index: SessionIndex) -> list[tuple[str, bool, str]]:
    """Each view's product, whether it begins a session, and the product its visitor looked at before."""
    found = index.index()
    t = found.tables
    names = [found.ids[row] for row in t.item.tolist()]
    return [
        (name, root == at, names[before] if before >= 0 else "")
        for at, (name, root, before) in enumerate(zip(names, t.root.tolist(), t.before.tolist(), strict=True))
    ]


def test_in_a_seeded_index_strangers_stay_strangers_and_a_visitor_s_visits_stay_linked() -> None:
    seed_rows = looks(("a", "tent", 0), ("a", "mat", 7200), ("b", "lamp", 86_300))
    own_rows = looks(("c", "stove", 0), ("d", "rope", 10), ("c", "pan", 7200), since_ms=UNTIL_MS)
    seed = Seed("b", UNTIL_MS, index_of(seed_rows).index(), ItemStats.empty())
    new, _ = grown(seed, index_of(own_rows), ItemStats.empty())
    assert links(new) == links(index_of([*seed_rows, *own_rows]))
    assert ("mat", True, "tent") in links(new) and ("pan", True, "stove") in links(new)


def test_a_session_goes_on_and_is_forgotten_whole_after_the_seed_came() -> None:
    seed = Seed("b", UNTIL_MS, index_of(TRAINED_ON).index(), ItemStats.empty())
    new, _ = grown(seed, index_of(OWN), ItemStats.empty())
    new.learn(["lamp"], [hash64("v9")], [UNTIL_MS + 60_000])
    assert links(new)[-1] == ("lamp", False, "stove")
    new.forget(hash64("v9"))
    assert (new.index().tables.root < 0).sum() == len(OWN) + 1


def test_after_the_ring_came_round_views_still_have_their_visitors() -> None:
    chance = np.random.default_rng(6)
    index, n = SessionIndex(max_entries=64), 500
    visitors = chance.integers(1, 9, n)
    index.learn([f"i{k}" for k in range(n)], visitors.tolist(), (BEFORE_MS + np.arange(n) * 300_000).tolist())
    expected = [int(visitors[int(index.index().ids[row][1:])]) for row in index.index().tables.item.tolist()]
    assert index.owners().tolist() == expected
    again = SessionIndex(max_entries=64)
    learn_again(again, index.index())
    same = {(int(a), int(b)) for a, b in zip(np.roll(expected, -int(n % 64)), again.owners(), strict=True)}
    assert len(same) == len(set(expected))


def test_joined_statistics_are_those_of_the_whole_time() -> None:
    whole = counted([*TRAINED_ON, *OWN])
    both = joined(counted(TRAINED_ON), counted(OWN))
    order = np.argsort(whole.items)
    np.testing.assert_array_equal(both.items, whole.items[order])
    np.testing.assert_array_equal(both.touched_ms, whole.touched_ms[order])
    np.testing.assert_allclose(both.counts[:, :3], whole.counts[order][:, :3], rtol=1e-12)
    np.testing.assert_array_equal(joined(ItemStats.empty(), both).counts, both.counts)
