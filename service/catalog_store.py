"""The shop's catalog in Redis: written by uploads line by line, read as a whole when its version changes.

`c:{shop}:items` holds each product as it was uploaded, `c:{shop}:stock` the latest word on stock: a field is an item
id, or item id, unit separator and store. Both uploads write stock there: the later one counts and neither reads first.
Stock of an item that no product line has named is kept for when one does, and told to the caller.

An upload is a stream of NDJSON lines of any length in all. A bad line is refused on its own and listed.
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, structs

from features.catalog import Product
from service import stream
from service.errors import Problem
from service.reading import read_json
from service.store import ask
from service.wire import MAX_MONEY, MAX_QUANTITY, Id, Money, OptionalId, Text, check_id, time_ms

CHUNK: Final = 500
"""Lines written at once."""

MAX_LINE_BYTES: Final = 65_536
MAX_LISTED: Final = 100
"""Refused lines, and unknown items, listed in the answer; further refused ones are counted."""

SEPARATOR: Final = "\x1f"
MAX_TAGS: Final = 50
MAX_STORES: Final = 10_000

Stock = Annotated[int, Meta(ge=0, le=MAX_QUANTITY)]
Url = Annotated[str, Meta(max_length=2048)]
_WEB: Final = ("http://", "https://", "/")


class ItemLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line of PUT /v1/catalog/items: the whole product; `deleted` removes it."""

    item_id: Id
    title: Text = ""
    item_name: Text = ""
    url: Url = ""
    image: Url = ""
    category: OptionalId = ""
    item_category: OptionalId = ""
    price: Money | None = None
    margin: Annotated[float, Meta(ge=-MAX_MONEY, le=MAX_MONEY)] | None = None
    stock: Stock | None = None
    stores: Annotated[dict[Id, Stock], Meta(max_length=MAX_STORES)] = {}
    tags: Annotated[list[Id], Meta(max_length=MAX_TAGS)] = []
    rating: Annotated[float, Meta(ge=0, le=100)] | None = None
    reviews: Stock | None = None
    added: int | str | None = None
    deleted: bool = False


class StockLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line of PUT /v1/stock: what is left of an item, in one store or (without `store`) to be sent."""

    item_id: Id
    stock: Stock
    store: OptionalId = ""


_item = msgspec.json.Decoder(ItemLine)
_stock = msgspec.json.Decoder(StockLine)
_encode = msgspec.msgpack.Encoder().encode
_product = msgspec.msgpack.Decoder(Product)


@dataclass(slots=True)
class Upload:
    """What became of an upload's lines. unknown: items of stock lines that the catalog does not have (yet)."""

    accepted: int = 0
    rejected: int = 0
    listed: list[Problem] = field(default_factory=list)
    unknown: dict[str, None] | None = None

    def refuse(self, problem: Problem) -> None:
        """Count a line that was refused, and list it while there is room."""
        self.rejected += 1
        if len(self.listed) < MAX_LISTED:
            self.listed.append(problem)

    def as_json(self) -> bytes:
        """The answer's body."""
        rejected = [problem.rejection() for problem in self.listed]
        told: dict[str, object] = {"accepted": self.accepted, "rejected": self.rejected, "errors": rejected}
        if self.unknown is not None:
            told["unknown"] = list(self.unknown)[:MAX_LISTED]
        return msgspec.json.encode(told)


@dataclass(slots=True)
class _Changes:
    """Lines checked and not yet written."""

    items: dict[str, bytes] = field(default_factory=dict)
    stock: dict[str, int] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)


class CatalogStore:
    """The catalogs of all shops. client: redis.asyncio, replies as bytes."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def put_items(self, shop: str, lines: AsyncIterator[bytes], now_ms: int) -> Upload:
        """Write products. Raises StoreUnavailable; what was written before stays."""

        def take(changes: _Changes, line: bytes) -> None:
            item = read_json(_item, line)
            product = _checked(item, now_ms)
            if item.deleted:
                changes.deleted.append(item.item_id)
                changes.items.pop(item.item_id, None)
                return
            changes.items[item.item_id] = _encode(product)
            changes.stock |= {f"{item.item_id}{SEPARATOR}{store}": left for store, left in item.stores.items()}
            if item.stock is not None:
                changes.stock[item.item_id] = item.stock

        return await self._put(shop, lines, take, Upload())

    async def put_stock(self, shop: str, lines: AsyncIterator[bytes]) -> Upload:
        """Write stock. Raises StoreUnavailable; what was written before stays."""

        def take(changes: _Changes, line: bytes) -> None:
            item = read_json(_stock, line)
            check_id("item_id", item.item_id, "/item_id")
            check_id("store", item.store, "/store")
            name = f"{item.item_id}{SEPARATOR}{item.store}" if item.store else item.item_id
            changes.stock[name] = item.stock

        return await self._put(shop, lines, take, Upload(unknown={}))

    async def version(self, shop: str) -> int:
        """How often the catalog was changed."""
        return int(await ask(self._client.get(stream.version_key(shop))) or 0)

    async def products(self, shop: str) -> Iterator[Product]:
        """All products with their latest stock, read in pieces: one large reply would hold up decisions.

        They are made while they are taken, which is work for a thread and raises as `joined` does.
        """
        items = {name: value async for name, value in self._fields(stream.items_key(shop))}
        stock = {name: left async for name, left in self._fields(stock_key(shop))}
        return joined(items, stock)

    async def _fields(self, key: str) -> AsyncIterator[tuple[bytes, bytes]]:
        cursor = -1
        while cursor != 0:
            cursor, found = await ask(self._client.hscan(key, cursor=max(cursor, 0), count=CHUNK))
            for name, value in found.items():
                yield name, value

    async def _put(self, shop: str, lines: AsyncIterator[bytes], take: Any, upload: Upload) -> Upload:
        changes, waiting, index = _Changes(), 0, -1
        async for line in lines:
            index += 1
            if not line.strip():
                continue
            try:
                take(changes, line)
            except Problem as problem:
                upload.refuse(problem.at(index, under="/lines"))
                continue
            waiting += 1
            if waiting >= CHUNK:
                await self._write(shop, changes, upload)
                upload.accepted, changes, waiting = upload.accepted + waiting, _Changes(), 0
        if waiting:
            await self._write(shop, changes, upload)
        upload.accepted += waiting
        return upload

    async def _write(self, shop: str, changes: _Changes, upload: Upload) -> None:
        items, stock = stream.items_key(shop), stock_key(shop)
        if upload.unknown is not None and len(upload.unknown) < MAX_LISTED:
            named = list(dict.fromkeys(name.partition(SEPARATOR)[0] for name in changes.stock))
            pipe = self._client.pipeline(transaction=False)
            for item_id in named:
                pipe.hexists(items, item_id)
            there = await ask(pipe.execute())
            upload.unknown |= dict.fromkeys(name for name, known in zip(named, there, strict=True) if not known)
        if changes.items:
            await ask(self._client.hset(items, mapping=changes.items))
        if changes.stock:
            await ask(self._client.hset(stock, mapping=changes.stock))
        if changes.deleted:
            await ask(self._client.hdel(items, *changes.deleted))
            await ask(self._client.hdel(stock, *changes.deleted))
        await ask(self._client.incr(stream.version_key(shop)))


async def lines_of(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The lines of a body as it arrives. Raises Problem body_too_large for a line over MAX_LINE_BYTES."""
    rest = b""
    async for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line
        if len(rest) > MAX_LINE_BYTES:
            raise Problem("body_too_large", f"A line is longer than {MAX_LINE_BYTES:,} bytes.")
    if rest:
        yield rest


def stock_key(shop: str) -> str:
    """Key of a shop's latest stock."""
    return f"c:{{{shop}}}:stock"


def product_of(line: bytes, now_ms: int) -> Product:
    """The product of one line of an upload. Raises Problem."""
    return _checked(read_json(_item, line), now_ms)


def _checked(item: ItemLine, now_ms: int) -> Product:
    check_id("item_id", item.item_id, "/item_id")
    for name in ("url", "image"):
        address = getattr(item, name)
        if address and not address.startswith(_WEB):
            raise Problem("invalid_field", f"`{name}`: has to begin with one of {' '.join(_WEB)}.", f"/{name}")
    known = {name: value for name, value in structs.asdict(item).items() if name in _COPIED}
    return Product(
        **known,
        title=item.title or item.item_name,
        category=item.category or item.item_category,
        stock=-1 if item.stock is None else item.stock,
        tags=tuple(item.tags),
        added_ms=0 if item.added is None else _added_ms(item.added, now_ms),
    )


def _added_ms(added: int | str, now_ms: int) -> int:
    try:
        return time_ms(added, now_ms)
    except Problem:
        raise Problem("invalid_field", "`added`: neither milliseconds nor ISO 8601.", "/added") from None


_COPIED: Final = frozenset({"item_id", "url", "image", "price", "margin", "stores", "rating", "reviews"})


def joined(items: Mapping[bytes, bytes], stock: Mapping[bytes, bytes]) -> Iterator[Product]:
    """The products from the fields of both hashes, one by one. For a thread: 100,000 take longer than a decision.

    Raises msgspec.MsgspecError and ValueError for fields that this module did not write.
    """
    stores: dict[bytes, dict[str, int]] = {}
    for name, left in stock.items():
        item_id, _, store = name.partition(SEPARATOR.encode())
        stores.setdefault(item_id, {})[store.decode()] = int(left)
    for name, value in items.items():
        yield _with_stock(_product.decode(value), stores.get(name, {}))


def _with_stock(product: Product, latest: Mapping[str, int]) -> Product:
    if not latest:
        return product
    named = {store: left for store, left in latest.items() if store}
    return structs.replace(product, stock=latest.get("", product.stock), stores={**product.stores, **named})


def encode_lines(values: Iterable[Mapping[str, Any]]) -> bytes:
    """NDJSON of the values, for callers of the uploads."""
    return b"".join(msgspec.json.encode(value) + b"\n" for value in values)
