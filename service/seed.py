"""A shop's beginning: what its live bundle was trained on, for a learner that has no history of its own.

A shop that imported its log and trained on it has taught the bundle, not the learner; without a seed the learner's
first snapshot would hide all of that from serving. A learner is seeded once, and only with what happened before
anything it has seen itself: nothing counts twice.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
import numpy.typing as npt
import structlog

from features.stats import HALF_LIFE_MS, ItemStats
from models import bundle as bundles
from models.bundle import Bundle
from models.item_index import ItemIndex
from models.registry import Registry
from models.session_index import SessionIndex

AT_ONCE: Final = 50_000
"""Views that are learned at a time."""

_log = structlog.get_logger("tact.learner")


@dataclass(frozen=True, slots=True)
class Seed:
    """What a bundle knows of its shop. until_ms: everything in it happened before."""

    bundle: str
    until_ms: int
    index: ItemIndex
    stats: ItemStats


class Seeds:
    """Looks for seeds in the registry. A bundle that is none is read once and its reason told once."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._none: set[tuple[str, str]] = set()

    def of(self, shop: str) -> Seed | None:
        """The seed in the shop's live bundle; None if there is none."""
        found = ""
        try:
            found = self._registry.live(shop) or ""
            if not found or (shop, found) in self._none:
                return None
            return seed_of(bundles.load(self._registry.path(found)), shop)
        except Exception as error:  # noqa: BLE001  # a registry of any content must not end the learner
            self._tell(shop, found, f"{type(error).__name__}: {error}")
            return None

    def decline(self, shop: str, seed: Seed, reason: str) -> None:
        """Not to be offered again."""
        self._tell(shop, seed.bundle, reason)

    def _tell(self, shop: str, bundle: str, reason: str) -> None:
        if (shop, bundle) not in self._none:
            self._none.add((shop, bundle))
            _log.info("no_seed", shop=shop, bundle=bundle, reason=reason)


def seed_of(bundle: Bundle, shop: str) -> Seed:
    """The seed in a bundle. Raises ValueError where it has none for this shop."""
    learned_in = bundle.manifest.get("shop", shop)
    if learned_in != shop:
        raise ValueError(f"the bundle was trained on {learned_in}: its products are not this shop's")
    window = bundle.manifest.get("window")
    if not isinstance(window, dict) or "until" not in window:
        raise ValueError("the bundle does not say up to when it learned")
    until_ms = round(datetime.fromisoformat(str(window["until"])).timestamp() * 1000)
    if not len(bundle.items.tables.item):
        raise ValueError("the bundle's index keeps no views")
    arrays = bundle.arrays.get("stats")
    stats = ItemStats.from_arrays(dict(arrays)) if arrays is not None else ItemStats.empty()
    return Seed(bundle.id, until_ms, bundle.items, stats)


def grown(seed: Seed, index: SessionIndex, stats: ItemStats) -> tuple[SessionIndex, ItemStats]:
    """A state that learned the seed first and then what the learner has seen itself.

    Visitors of the seed have no name there: what they do later is another's. The learner's own keep theirs.
    """
    new = SessionIndex()
    learn_again(new, seed.index)
    learn_again(new, index.index(), index.owners(), len(seed.index.tables.item))
    return new, joined(seed.stats, stats)


def learn_again(
    index: SessionIndex, found: ItemIndex, owners: npt.NDArray[np.uint64] | None = None, above: int = 0
) -> None:
    """Learns the views that an index keeps, in their order.

    owners: uint64 (m,), the visitor of each entry (SessionIndex.owners). Where it is 0 or not given, views that one
    visitor made are those of a number above `above`.
    """
    table = found.tables
    place = int(table.clock[0])
    order = np.roll(np.arange(len(table.item)), -place)  # the ring's oldest entry first
    visitors = (_visitors(table.before, order) + (above + 1)).astype(np.uint64)
    if owners is not None:
        visitors = np.where(owners > 0, owners, visitors)
    order = order[(table.item[order] >= 0) & (table.root[order] >= 0)]
    for start in range(0, order.size, AT_ONCE):
        at = order[start : start + AT_ONCE]
        items = [str(found.ids[row]) for row in table.item[at].tolist()]
        rows = table.item[at]
        index.learn(
            items,
            visitors[at].tolist(),
            (table.at[at].astype(np.int64) * 1000).tolist(),
            table.price[rows].tolist(),
            table.category[rows].tolist(),
        )


def _visitors(before: npt.NDArray[np.int32], order: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """A number of each entry's visitor, below m: the place of the first of the entries that `before` links. (m,)."""
    age = np.empty(order.size, np.int64)
    age[order] = np.arange(order.size)
    linked = (before >= 0) & (age[before] < age)  # else the ring came round since
    first, links = list(range(order.size)), before.tolist()
    for place in order[linked[order]].tolist():
        first[place] = first[links[place]]
    return np.array(first, np.int64)


def joined(one: ItemStats, other: ItemStats) -> ItemStats:
    """The statistics of two stretches of time, one after the other, as one; sessions under way are the second's."""
    items, rows = np.unique(np.concatenate([one.items, other.items]), return_inverse=True)
    times = np.concatenate([one.touched_ms, other.touched_ms])
    touched_ms = np.zeros(items.size, np.int64)
    np.maximum.at(touched_ms, rows, times)
    faded = 0.5 ** ((touched_ms[rows] - times) / HALF_LIFE_MS)
    both = np.concatenate([one.counts, other.counts])
    counts = np.zeros((items.size, both.shape[1]))
    np.add.at(counts, rows, both * faded[:, None])
    under_way = other.visits.renumbered(rows[one.items.size :].astype(np.int32))
    return ItemStats(items, counts, touched_ms, under_way)
