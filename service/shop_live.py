"""What one shop is served with, put together of its parts and never changed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from heapq import nlargest
from typing import Final

from features.catalog import Catalog, Product
from features.products import Packed
from features.record import Records
from features.stats import ItemStats
from models.arbitration import Draws
from models.bundle import Bundle
from models.inputs import Suggestion
from models.item_index import ItemIndex
from models.leave_level import NO_LINE, Line
from models.persona import Personas
from models.policy_terms import Policy
from models.recommend import Recommender
from models.rules import PERSONA
from service.live import LiveStats
from service.needs import WIDE, Needs

AT_HAND: Final = WIDE
"""Popular products, and as many arrivals, at hand for every decision that recommends."""


@dataclass(frozen=True, slots=True)
class Live:
    """Everything one shop is served with. bundle: None if none is live.

    policy: an empty one if the shop has none (`has_policy` False). recommender: over the learner's index, else the
    bundle's; None if there is neither. popular: best first. arrivals: the latest first. needs: by placement,
    of those that may hold recommendations. switches: what was switched by hand. personas: those in use, None for none.
    leave_line: of the bundle, as the learner last told.
    """

    shop: str
    bundle: Bundle | None
    policy: Policy
    has_policy: bool
    draws: Draws
    catalog: Catalog
    recommender: Recommender | None = None
    popular: tuple[Suggestion, ...] = ()
    arrivals: tuple[Suggestion, ...] = ()
    needs: Mapping[str, Needs] = field(default_factory=dict)
    switches: tuple[tuple[str, str], ...] = ()
    personas: Personas | None = None
    leave_line: Line = NO_LINE

    def product(self, item_id: str) -> Product:
        """The catalog's product; of one that only events know, its id."""
        return self.catalog.product(item_id) or Product(item_id)

    def persona(self, placements: Iterable[str], tail: Records | None) -> str:
        """The visitor's persona, where a rule at these placements asks for one; "" where none is known or asked."""
        if self.personas is None or tail is None:
            return ""
        asked = any(PERSONA in self.policy.names_at.get(placement, ()) for placement in placements)
        return self.personas.of(tail) if asked else ""


def recommender_of(
    index: ItemIndex | None, bundle: Bundle | None, before: Recommender | None = None
) -> Recommender | None:
    """A recommender of the index that ranks as the bundle does. before: one of the same bundle, whose room is kept."""
    if index is None:
        return None
    if before is not None:
        return before.on(index)
    return Recommender.of(index, bundle.factors, bundle.ranker) if bundle is not None else Recommender.of(index)


def index_of(shop: str, bundle: Bundle | None, live: LiveStats | None) -> ItemIndex | None:
    """The learner's index, else what the bundle learned in this very shop: another's products are not for sale here."""
    if live is not None:
        return live.index
    return bundle.items if bundle is not None and _is_own(shop, bundle) else None


def stats_of(shop: str, bundle: Bundle | None, live: LiveStats | None) -> ItemStats | None:
    """The learner's item statistics, else those at the end of the bundle's window; None if neither knows the shop."""
    if live is not None:
        return live.stats
    arrays = bundle.arrays.get("stats") if bundle is not None and _is_own(shop, bundle) else None
    return ItemStats.from_arrays(dict(arrays)) if arrays is not None else None


def leave_line_of(bundle: Bundle | None, live: LiveStats | None) -> Line:
    """What the learner makes of this bundle's `leave`; another's says nothing of it."""
    told = live.facts.leave if live is not None else None
    return told.line if told is not None and bundle is not None and told.bundle == bundle.id else NO_LINE


def _is_own(shop: str, bundle: Bundle) -> bool:
    return bool(bundle.manifest.get("shop", shop) == shop)


def popular(recommender: Recommender | None, catalog: Catalog) -> tuple[Suggestion, ...]:
    """The products looked at most, the first the most; their scores fall with their rank."""
    if recommender is None:
        return ()
    index = recommender.index
    ids = (str(index.ids[row]) for row in index.by_popularity[:AT_HAND].tolist())
    found = (catalog.product(item_id) or Product(item_id) for item_id in ids)
    return tuple(Suggestion(product, 1.0 / (at + 1), "", "popular") for at, product in enumerate(found))


def arrivals(products: Iterable[Product]) -> tuple[Suggestion, ...]:
    """The products that came into the catalog last, of those of which the shop told when."""
    if isinstance(products, Packed):
        latest = products.latest(AT_HAND)
    else:
        latest = nlargest(AT_HAND, (product for product in products if product.added_ms), key=lambda p: p.added_ms)
    return tuple(Suggestion(product, 1.0 / (at + 1), "", "new") for at, product in enumerate(latest))
