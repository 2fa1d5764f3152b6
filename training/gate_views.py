"""What two bundles would have recommended before each next product view of the same later sessions."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from features.catalog import EMPTY_CATALOG, Catalog
from features.events import CODE
from models.bundle import Bundle
from models.item_index import ItemIndex
from models.recommend import Asked, Recommender
from training.moments import parse_moment
from training.table import Log, session_starts_ms

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int32]

DEPTH: Final = 20
MOST_TARGETS: Final = 5000
"""Next views looked at: whole sessions, evenly spread over the window."""

MOST_VIEWS: Final = 50


@dataclass(frozen=True, slots=True)
class Views:
    """Views of later sessions, session by session. targets: rows that have an earlier view in their session.

    item: uint64 (n,); ts_ms: (n,); begin: (m,), of each target's session; target: (m,) rows; session: (m,). facts: what
    the shop told of its products, as the service would rank with.
    """

    item: npt.NDArray[np.uint64]
    ts_ms: Ints
    begin: Ints
    target: Ints
    session: Ints
    facts: Catalog = EMPTY_CATALOG

    def __len__(self) -> int:
        return len(self.target)


def later_views(log: Log, since_ms: int, facts: Catalog = EMPTY_CATALOG) -> Views:
    """The first MOST_VIEWS views of the sessions that began from since_ms on; about MOST_TARGETS targets at most."""
    records = log.records
    rows = (records["kind"] == CODE["view_item"]) & (records["item"] != 0) & (session_starts_ms(log) >= since_ms)
    item, ts_ms, session = records["item"][rows], records["ts_ms"][rows], log.session[rows]
    _, begin = np.unique(session, return_index=True)
    length = np.diff(np.append(begin, len(session)))
    first = np.repeat(begin, length)
    place = np.arange(len(session)) - first
    target = np.flatnonzero((place > 0) & (place < MOST_VIEWS))
    _, number = np.unique(session[target], return_inverse=True)
    kept = number % max(1, -(-len(target) // MOST_TARGETS)) == 0
    target = target[kept]
    return Views(item, ts_ms.astype(np.int64), first[target], target, session[target], facts)


def shared_index(candidate: Bundle, live: Bundle) -> ItemIndex:
    """What both rank over: the index of the later window, the candidate's if they end together; not an empty one."""
    later = _until_ms(live) > _until_ms(candidate)
    first, second = (live, candidate) if later else (candidate, live)
    return first.items if len(first.items) else second.items


def _until_ms(bundle: Bundle) -> int:
    return parse_moment(str(bundle.manifest["window"]["until"]))


def places_of(bundle: Bundle, index: ItemIndex, views: Views) -> Places:
    """The place of each next view among the bundle's recommendations, 1 the best, 0 for a miss. Shape (m,).

    The bundle's ranker and factors over a given index, for in service both would rank over what the learner knows: an
    index that is fresher by a day says nothing of a bundle. Asked at the moment of the view before; the session's own
    products are among the candidates. What the learner would have added since, stage and intent count for neither.
    """
    facts = None if views.facts is EMPTY_CATALOG else views.facts
    recommender = Recommender.of(index, bundle.factors, bundle.ranker, facts)
    out = np.zeros(len(views), np.int32)
    for at, (begin, target) in enumerate(zip(views.begin.tolist(), views.target.tolist(), strict=True)):
        asked = Asked(views.item[begin:target], views.ts_ms[begin:target], 0, int(views.ts_ms[target - 1]))
        found = np.flatnonzero(recommender.rank(asked, DEPTH) == views.item[target])
        out[at] = found[0] + 1 if len(found) else 0
    return out


def gains(places: Places, measure: str) -> Floats:
    """What each target adds to hr20 or mrr20. Shape (m,)."""
    hit = places > 0
    return hit.astype(np.float64) if measure == "hr20" else np.where(hit, 1 / np.maximum(places, 1), 0.0)
