"""Candidate products from what other sessions looked at together, then what is popular.

An index is four arrays and a list of ids, so that a snapshot can be mapped from a file and swapped by one assignment.
Filters (stock, cart, already bought, excluded) are the caller's: ask for more than needed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Arrays = Mapping[str, npt.NDArray[np.generic]]
Hashes = npt.NDArray[np.uint64]

RECENT_ITEMS: Final = 20
"""How many of the visitor's last products are asked for neighbours."""

RECENCY_DECAY: Final = 0.8
"""Each product further back counts this share of the one after it."""

BECAUSE_POPULAR: Final = ""


@dataclass(frozen=True, slots=True)
class Recommended:
    """A candidate: score > 0, comparable within one answer; because: the id of the product that led to it, or ""."""

    item_id: str
    score: float
    because: str


class Ids(Sequence[str]):
    """Item ids read from a block of UTF-8 on demand: mapping a snapshot must not build 100,000 strings."""

    __slots__ = ("_edges", "_text")

    def __init__(self, text: npt.NDArray[np.uint8], edges: npt.NDArray[np.int64]) -> None:
        if len(edges) < 1 or edges[0] != 0 or edges[-1] != len(text) or bool(np.any(np.diff(edges) < 0)):
            raise ValueError("item index: the ids' edges do not cover their text")
        self._text, self._edges = text, edges

    @classmethod
    def of(cls, ids: Iterable[str]) -> "Ids":
        """A block of the ids, in their order."""
        encoded = [item.encode() for item in ids]
        edges = np.cumsum([0, *map(len, encoded)]).astype(np.int64)
        return cls(np.frombuffer(b"".join(encoded), np.uint8), edges)

    def __len__(self) -> int:
        return len(self._edges) - 1

    def __getitem__(self, at: int | slice) -> str | list[str]:  # type: ignore[override]  # one id, or a list of them
        if isinstance(at, slice):
            return [self._one(i) for i in range(*at.indices(len(self)))]
        if not -len(self) <= at < len(self):
            raise IndexError(at)
        return self._one(at % len(self))

    def _one(self, at: int) -> str:
        return self._text[self._edges[at] : self._edges[at + 1]].tobytes().decode()

    def to_arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """`ids_text` and `ids_edges`."""
        return {"ids_text": self._text, "ids_edges": self._edges}


@dataclass(frozen=True, slots=True)
class ItemIndex:
    """Item-item neighbours and popularity of one shop.

    ids: n item ids. hashes: uint64 (n,), hash64 of each, strictly ascending. neighbours: int32 (n, k) rows, -1 for
    none. scores: float32 (n, k) >= 0. popularity: float32 (n,) >= 0. by_popularity: int32 (n,) rows, the most popular
    first.
    """

    ids: Sequence[str]
    hashes: Hashes
    neighbours: npt.NDArray[np.int32]
    scores: npt.NDArray[np.float32]
    popularity: npt.NDArray[np.float32]
    by_popularity: npt.NDArray[np.int32]

    @classmethod
    def of(
        cls,
        ids: Sequence[str],
        hashes: Hashes,
        neighbours: npt.NDArray[np.int32],
        scores: npt.NDArray[np.float32],
        popularity: npt.NDArray[np.float32],
    ) -> "ItemIndex":
        """An index of items in any order: sorts them by hash and renumbers the neighbours. Raises ValueError."""
        order = np.argsort(hashes, kind="stable")
        place = np.empty(len(order) + 1, np.int32)
        place[order] = np.arange(len(order), dtype=np.int32)
        place[-1] = -1  # where a neighbour of -1 points
        popularity = np.ascontiguousarray(popularity[order], np.float32)
        index = cls(
            tuple(ids[i] for i in order.tolist()),
            np.ascontiguousarray(hashes[order]),
            np.ascontiguousarray(place[neighbours[order]]),
            np.ascontiguousarray(scores[order], np.float32),
            popularity,
            np.argsort(-popularity, kind="stable").astype(np.int32),
        )
        index.check()
        return index

    @classmethod
    def empty(cls) -> "ItemIndex":
        """An index of no items."""
        none = np.empty(0, np.float32)
        return cls.of((), np.empty(0, np.uint64), np.empty((0, 1), np.int32), np.empty((0, 1), np.float32), none)

    def __len__(self) -> int:
        return len(self.hashes)

    def check(self) -> None:
        """Raises ValueError where the arrays do not fit each other or hold what a score cannot be."""
        n = len(self.ids)
        shapes = (self.hashes.shape, self.popularity.shape, self.by_popularity.shape)
        if shapes != ((n,),) * 3 or self.neighbours.ndim != 2 or len(self.neighbours) != n:
            raise ValueError(f"item index: arrays of {shapes} do not fit {n} ids")
        if self.scores.shape != self.neighbours.shape:
            raise ValueError("item index: scores and neighbours differ in shape")
        if n and bool(np.any(self.hashes[1:] <= self.hashes[:-1])):
            raise ValueError("item index: hashes are not strictly ascending")
        for name, rows in (("neighbours", self.neighbours), ("by_popularity", self.by_popularity)):
            if rows.size and not -1 <= int(rows.min()) <= int(rows.max()) < n:
                raise ValueError(f"item index: {name} point outside the {n} items")
        for name, numbers in (("scores", self.scores), ("popularity", self.popularity)):
            if not bool(np.all(np.isfinite(numbers) & (numbers >= 0))):
                raise ValueError(f"item index: {name} are not all finite and >= 0")

    def row(self, item_hash: int) -> int:
        """The item's row, or -1."""
        at = int(np.searchsorted(self.hashes, np.uint64(item_hash)))
        return at if at < len(self.hashes) and int(self.hashes[at]) == item_hash else -1

    def to_arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """Arrays for .npy and .npz files."""
        ids = self.ids if isinstance(self.ids, Ids) else Ids.of(self.ids)
        names = ("hashes", "neighbours", "scores", "popularity", "by_popularity")
        return {**ids.to_arrays(), **{name: getattr(self, name) for name in names}}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "ItemIndex":
        """The inverse of to_arrays, without copying (memory-mapped arrays stay so).

        Raises KeyError where an array is missing, ValueError where they do not fit.
        """
        ids = Ids(np.asarray(arrays["ids_text"], np.uint8), np.asarray(arrays["ids_edges"], np.int64))
        index = cls(
            ids,
            np.asarray(arrays["hashes"], np.uint64),
            np.asarray(arrays["neighbours"], np.int32),
            np.asarray(arrays["scores"], np.float32),
            np.asarray(arrays["popularity"], np.float32),
            np.asarray(arrays["by_popularity"], np.int32),
        )
        index.check()
        return index


def recommend(
    indexes: ItemIndex | Sequence[ItemIndex], recent: Sequence[int], k: int, returns: bool = False
) -> tuple[Recommended, ...]:
    """At most k products for a visitor who lately looked at `recent` (item hashes, newest first), best first.

    Neighbours of the recent products first, each product's share fading with its position; what several indexes say
    is added (a bundle's, learned last night, and the live one). Then the popular, scored below any neighbour. The
    newest product itself is never among them, unless returns is set: then the recent products, the newest included,
    stand for themselves as well, as in "recently viewed". Nothing else is filtered.
    """
    several = (indexes,) if isinstance(indexes, ItemIndex) else tuple(indexes)
    scored: dict[str, tuple[float, str]] = {}
    for index in several:
        for item_id, score, because in _neighbours_of(index, recent, k + 1, returns):
            earlier, why = scored.get(item_id, (0.0, because))
            scored[item_id] = (earlier + score, why)
    newest = "" if returns else _newest(several, recent)
    best = sorted((pair for pair in scored.items() if pair[0] != newest), key=lambda pair: (-pair[1][0], pair[0]))[:k]
    found = [Recommended(item_id, score, because) for item_id, (score, because) in best]
    return (*found, *_popular(several, {*scored, newest}, k - len(found), found[-1].score if found else 1.0))


def _newest(indexes: Sequence[ItemIndex], recent: Sequence[int]) -> str:
    """The id of the newest product, "" where no index knows it."""
    for index in indexes:
        row = index.row(recent[0]) if recent else -1
        if row >= 0:
            return index.ids[row]
    return ""


def _neighbours_of(index: ItemIndex, recent: Sequence[int], k: int, returns: bool) -> list[tuple[str, float, str]]:
    """The k best (item id, score, id of the product that added most)."""
    rows = [(row, RECENCY_DECAY**at) for at, item in enumerate(recent[:RECENT_ITEMS]) if (row := index.row(item)) >= 0]
    if not rows:
        return []
    sources, faded = np.array([row for row, _ in rows]), np.array([weight for _, weight in rows])
    candidates = index.neighbours[sources].ravel()
    weights = (index.scores[sources] * faded[:, None]).ravel().astype(np.float64)
    by = np.repeat(sources, index.neighbours.shape[1])
    if returns:  # a product is as similar to itself as can be
        candidates, by = np.concatenate([candidates, sources]), np.concatenate([by, sources])
        weights = np.concatenate([weights, faded])
    real = (candidates >= 0) & (weights > 0)
    candidates, weights, by = candidates[real], weights[real], by[real]
    items, place = np.unique(candidates, return_inverse=True)
    totals = np.bincount(place, weights, len(items))
    strongest = np.lexsort((-weights, place))[np.searchsorted(np.sort(place), np.arange(len(items)))]
    best = np.lexsort((items, -totals))[:k]
    return [(index.ids[int(items[i])], float(totals[i]), index.ids[int(by[strongest[i]])]) for i in best]


def _popular(indexes: Sequence[ItemIndex], taken: set[str], k: int, below: float) -> list[Recommended]:
    """The k most popular that are not taken, the last index (the freshest) first, scored under `below`."""
    found: list[Recommended] = []
    for index in reversed(indexes):
        for row in index.by_popularity[: k + len(taken)].tolist():
            item_id = index.ids[row]
            if len(found) >= k:
                return found
            if item_id not in taken:
                taken.add(item_id)
                found.append(Recommended(item_id, below / (len(found) + 2), BECAUSE_POPULAR))
    return found
