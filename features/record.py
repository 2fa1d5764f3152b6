"""EVENT: an event packed into 32 little-endian bytes, the unit of the tail.

| field    | bytes | meaning                                                        |
|----------|-------|----------------------------------------------------------------|
| ts_ms    | 8     | Unix time, milliseconds                                        |
| item     | 8     | hash64 of the item id; of the query (search); of the action (promotions); 0 if none |
| event    | 4     | low half of hash64 of the event id                             |
| price    | 4     | float32, money per unit; of the whole event if it is about no item; NaN if unknown |
| category | 2     | low 16 bits of hash64 of the category, 0 if unknown            |
| kind     | 1     | index in KINDS                                                 |
| line     | 1     | 0 for the event, 1.. for its further items                     |
| quantity | 1     | units, 255 at most; results shown for lists                    |
| page     | 1     | index in PAGE_TYPES                                            |
| source   | 1     | channel in the low, referrer in the high four bits             |
| flags    | 1     | KNOWN 1, device in bits 2 and 3                                |
"""

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from struct import Struct
from struct import error as StructError
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.events import (
    CHANNELS,
    CODE,
    DEVICES,
    MANY_ITEM_KINDS,
    MAX_LINES,
    PAGE_TYPES,
    PER_ITEM_KINDS,
    PROMOTION_KINDS,
    REFERRERS,
    SEARCH_KINDS,
    Row,
)

EVENT: Final = np.dtype(
    {
        "names": ["ts_ms", "item", "event", "price", "category", "kind", "line", "quantity", "page", "source", "flags"],
        "formats": ["<i8", "<u8", "<u4", "<f4", "<u2", "u1", "u1", "u1", "u1", "u1", "u1"],
        "offsets": [0, 8, 16, 20, 24, 26, 27, 28, 29, 30, 31],
        "itemsize": 32,
    }
)
KNOWN, DEVICE_SHIFT = 1, 2

Records = npt.NDArray[np.void]
"""An array of dtype EVENT, shape (n,)."""

_PAGE = {name: i for i, name in enumerate(PAGE_TYPES)}
_CHANNEL = {name: i for i, name in enumerate(CHANNELS)}
_REFERRER = {name: i for i, name in enumerate(REFERRERS)}
_DEVICE = {name: i for i, name in enumerate(DEVICES)}


def hash64(text: str) -> int:
    """A stable 64-bit hash of an id, never 0; 0 for the empty string (RFC 7693, BLAKE2b, 8 bytes)."""
    if not text:
        return 0
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") or 1


@lru_cache(maxsize=1 << 15)
def hash64_again(text: str) -> int:
    """hash64, remembered: for what comes again and again, as items, categories and actions do."""
    return hash64(text)


def category16(text: str) -> int:
    """The category's 16-bit bucket, never 0; 0 for the empty string."""
    return (hash64_again(text) & 0xFFFF) or 1 if text else 0


def subject(row: Row) -> str:
    """What a row is about: its item, or its query (search), or its action (promotions)."""
    if row.event in PROMOTION_KINDS:
        return row.action
    if row.event in SEARCH_KINDS:
        return row.query
    return "" if row.event in MANY_ITEM_KINDS else row.item_id


def _money(row: Row) -> float:
    """Price of the row's item; the value of the whole event where it is about no item."""
    return row.price if row.item_id and row.event not in MANY_ITEM_KINDS else row.value


def in_tail(row: Row) -> bool:
    """Whether a row becomes a record: each event once, and each item of the kinds that are about items."""
    return row.line == 0 or (row.line < MAX_LINES and row.event in PER_ITEM_KINDS)


def pack(rows: Iterable[Row]) -> Records:
    """Records of the rows that belong in a tail, in their order. Shape (n,)."""
    return np.array([_record(row) for row in rows if in_tail(row)], dtype=EVENT)


def packed(rows: Sequence[Row]) -> bytes:
    """The bytes of pack(rows): for a row or two much quicker."""
    try:
        return b"".join([_BYTES(*_record(row)) for row in rows if in_tail(row)])
    except (OverflowError, StructError):  # a price beyond float32, which an array takes for infinite
        with np.errstate(over="ignore"):
            return pack(rows).tobytes()


_BYTES: Final = Struct("<qQIfHBBBBBB").pack


def _record(row: Row) -> tuple[Any, ...]:
    return (
        row.ts_ms,
        hash64_again(subject(row)),
        hash64(row.event_id) & 0xFFFFFFFF,
        _money(row),
        category16(row.category),
        CODE.get(row.event, 0),
        row.line,
        max(0, min(row.quantity, 255)),
        _PAGE.get(row.page_type, _PAGE["other"]),
        _CHANNEL.get(row.channel, _CHANNEL["other"]) | _REFERRER.get(row.referrer, _REFERRER["other"]) << 4,
        (KNOWN if row.user_id else 0) | _DEVICE.get(row.device, 0) << DEVICE_SHIFT,
    )


@dataclass(frozen=True, slots=True)
class Texts:
    """A column of texts by their codes, as a dictionary column of the lake. codes: (n,), positions in `texts`."""

    codes: npt.NDArray[Any]
    texts: Sequence[str]

    def __getitem__(self, rows: npt.NDArray[Any]) -> "Texts":
        """Some of the rows, in the order given."""
        return Texts(self.codes[rows], self.texts)


def pack_columns(columns: Mapping[str, "npt.NDArray[Any] | Texts"]) -> tuple[Records, npt.NDArray[np.int64]]:
    """The same records as pack, from columns named as Row's fields; text as Texts or str objects, "" where unknown.

    columns: each (n,); `event_hash`, hash64 of each event id, may stand for `event_id`.
    Returns records (m,) and the positions (m,) of the rows that became records.
    """
    kinds, kind_of = _distinct(columns["event"])
    codes = np.array([CODE.get(kind, 0) for kind in kinds], np.uint8)
    per_item = np.array([kind in PER_ITEM_KINDS for kind in kinds], bool)[kind_of]
    line = np.asarray(columns["line"])
    kept = np.flatnonzero((line == 0) | ((line < MAX_LINES) & per_item))
    taken: dict[str, Any] = {name: values[kept] for name, values in columns.items()}
    kind_of = kind_of[kept]
    records = np.zeros(kept.size, EVENT)
    records["ts_ms"] = taken["ts_ms"]
    identity = taken["event_hash"] if "event_hash" in taken else _each(taken["event_id"], hash64)
    records["event"] = identity & np.uint64(0xFFFFFFFF)
    records["category"] = _each(taken["category"], category16)
    records["kind"] = codes[kind_of]
    records["line"] = taken["line"]
    records["quantity"] = np.clip(taken["quantity"], 0, 255)
    records["page"] = _each(taken["page_type"], lambda text: _PAGE.get(text, _PAGE["other"]))
    records["source"] = _each(taken["channel"], lambda text: _CHANNEL.get(text, _CHANNEL["other"])) | (
        _each(taken["referrer"], lambda text: _REFERRER.get(text, _REFERRER["other"])) << np.uint64(4)
    )
    known = _each(taken["user_id"], lambda text: int(text != ""))
    records["flags"] = known * KNOWN | _each(taken["device"], lambda text: _DEVICE.get(text, 0)) << np.uint64(
        DEVICE_SHIFT
    )
    _pack_subjects(records, taken, kinds, kind_of)
    return records, kept


def _pack_subjects(
    records: Records, taken: Mapping[str, Any], kinds: Sequence[str], kind_of: npt.NDArray[np.int64]
) -> None:
    """What each record is about and its money, by the kind's rule as in subject and _money."""
    promotion = np.array([kind in PROMOTION_KINDS for kind in kinds], bool)[kind_of]
    search = np.array([kind in SEARCH_KINDS for kind in kinds], bool)[kind_of]
    many = np.array([kind in MANY_ITEM_KINDS for kind in kinds], bool)[kind_of]
    item = _each(taken["item_id"], hash64)
    about = np.where(many, np.uint64(0), item)
    about[promotion] = _each(taken["action"][promotion], hash64)
    about[search] = _each(taken["query"][search], hash64)
    records["item"] = about
    records["price"] = np.where((item != 0) & ~many, taken["price"], taken["value"]).astype(np.float32)


def _distinct(values: "npt.NDArray[Any] | Texts") -> tuple[Sequence[str], npt.NDArray[np.int64]]:
    """The different texts, and for each value the position of its text."""
    if isinstance(values, Texts):
        return values.texts, values.codes
    seen: dict[str, int] = {}
    positions = np.fromiter((seen.setdefault(value, len(seen)) for value in values), np.int64, values.size)
    return list(seen), positions


def _each(values: "npt.NDArray[Any] | Texts", code: Callable[[str], int]) -> npt.NDArray[np.uint64]:
    """code(text) of each text, computed once for each different one. uint64 (n,)."""
    texts, positions = _distinct(values)
    return np.array([code(text) for text in texts], np.uint64)[positions] if len(positions) else np.zeros(0, np.uint64)


def unpack(data: bytes) -> Records:
    """Records from bytes as Redis returns them; an incomplete first record (a cut by range) is dropped."""
    whole = len(data) // EVENT.itemsize
    return np.frombuffer(data, dtype=EVENT, count=whole, offset=len(data) - whole * EVENT.itemsize)


def as_dict(record: Any) -> dict[str, Any]:
    """One record as plain values, for explanations; unknown price is None."""
    values = {name: record[name].item() for name in EVENT.names or ()}
    if math.isnan(values["price"]):
        values["price"] = None
    return values
