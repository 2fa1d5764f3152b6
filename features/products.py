"""Many products kept packed, as bytes in one piece, and made into objects when they are asked for.

An object a product, with its texts, is about 600 bytes; packed it is what it says. What was asked for lately is kept.
"""

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final, overload

import msgspec
import numpy as np
import numpy.typing as npt

from features.record import category16, hash64
from features.table import HashIndex, Keys, find

KEPT: Final = 10_000
"""As many products are kept as objects at most (about 6 MB)."""


class Product(msgspec.Struct, frozen=True):
    """What a shop tells of a product. price, margin: money per unit; None, "" or -1 (stock) where unknown."""

    item_id: str
    title: str = ""
    url: str = ""
    image: str = ""
    category: str = ""
    price: float | None = None
    margin: float | None = None
    stock: int = -1
    stores: Mapping[str, int] = msgspec.field(default_factory=dict)
    tags: tuple[str, ...] = ()
    rating: float | None = None
    reviews: int | None = None
    added_ms: int = 0


_NAMES: Final = Product.__struct_fields__
_TAGS: Final = _NAMES.index("tags")
_values: Final = attrgetter(*_NAMES)
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder().decode


@dataclass(frozen=True, slots=True)
class Told:
    """Of n products the hash of the id, the price (NaN: unknown) and the 16-bit category bucket. Each (n,)."""

    hashes: Keys
    price: npt.NDArray[np.float64]
    category: npt.NDArray[np.uint16]


class Packed(Sequence[Product]):
    """Products in their order. Each is made anew when it is asked for. added_ms: when each was added, 0 unknown."""

    def __init__(self, pieces: Sequence[bytes], added_ms: npt.NDArray[np.int64]) -> None:
        self._added_ms = added_ms
        self._bytes = b"".join(pieces)
        ends = np.cumsum([0, *map(len, pieces)], dtype=np.int64)
        self._ends = array("q", ends.tobytes())

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, at: int) -> Product: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Product]: ...
    def __getitem__(self, at: int | slice) -> Product | Sequence[Product]:
        if isinstance(at, slice):
            return tuple(self[i] for i in range(*at.indices(len(self))))
        at = range(len(self))[at]  # raises IndexError
        values: list[Any] = _decode(self._bytes[self._ends[at] : self._ends[at + 1]])
        values[_TAGS] = tuple(values[_TAGS])
        return Product(*values)

    def latest(self, n: int) -> list[Product]:
        """Those added last, of those of which the shop told when; of equal times the first."""
        order = np.argsort(-self._added_ms, kind="stable")[:n]
        return [self[i] for i in order[self._added_ms[order] > 0].tolist()]

    def __iter__(self) -> Iterator[Product]:
        return (self[i] for i in range(len(self)))


class ById(Mapping[str, Product]):
    """Packed products by id. hashes: of their ids, uint64 (n,)."""

    def __init__(self, listed: Packed, hashes: Keys) -> None:
        self._listed = listed
        self._index = HashIndex.of(hashes)
        self._kept: dict[str, Product] = {}
        find(self._index.slots, self._index.rows, hashes[0])  # loads compiled code now, not in a decision

    def __len__(self) -> int:
        return len(self._listed)

    def __iter__(self) -> Iterator[str]:
        return (product.item_id for product in self._listed)

    def __getitem__(self, item_id: str) -> Product:
        found = self.get(item_id)
        if found is None:
            raise KeyError(item_id)
        return found

    @overload
    def get(self, item_id: str, /) -> Product | None: ...
    @overload
    def get(self, item_id: str, /, default: Any) -> Any: ...
    def get(self, item_id: str, default: Any = None) -> Any:
        """As of a dict; what was asked for lately costs no more than there."""
        found = self._kept.get(item_id)
        return found if found is not None else self._made(item_id) or default

    def _made(self, item_id: str) -> Product | None:
        row = find(self._index.slots, self._index.rows, np.uint64(hash64(item_id)))
        product = self._listed[row] if row >= 0 else None
        if product is None or product.item_id != item_id:
            return None
        if len(self._kept) >= KEPT:
            self._kept.clear()  # the popular are soon here again
        self._kept[item_id] = product
        return product


def told_of(products: Sequence[Product]) -> Told:
    """What the facts need of some products."""
    return Told(
        np.array([hash64(product.item_id) for product in products], np.uint64),
        np.array([_price(product) for product in products], np.float64),
        np.array([category16(product.category) for product in products], np.uint16),
    )


def packed(products: Iterable[Product]) -> tuple[Packed, Told]:
    """Products packed as they come, without all as objects at once. Of an id given twice the last stays."""
    place: dict[str, int] = {}
    pieces: list[bytes] = []
    price, category, added_ms = array("d"), array("H"), array("q")
    for product in products:
        at = place.setdefault(product.item_id, len(pieces))
        if at == len(pieces):
            pieces.append(b"")
            for column in (price, category, added_ms):
                column.append(0)
        pieces[at] = _encode(_values(product))
        price[at], category[at], added_ms[at] = _price(product), category16(product.category), product.added_ms
    hashes = np.fromiter((hash64(item_id) for item_id in place), np.uint64, len(place))
    return Packed(pieces, np.array(added_ms)), Told(hashes, np.array(price), np.array(category))


def _price(product: Product) -> float:
    return np.nan if product.price is None else product.price
