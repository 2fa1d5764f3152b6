"""The keys of Redis and the entries of the event stream: the only place that knows their shape.

Keys (p is the visitor's partition, written with two digits; it is the hash tag, so one visitor's keys share a slot):

| key                        | type   | holds                                                    |
|----------------------------|--------|----------------------------------------------------------|
| `t:{pNN}:shop:visitor`     | string | the tail: packed records (features/record.py)            |
| `a:{pNN}:shop:visitor`     | hash   | attributes to JSON; `~no:HASH` of an action to a no's ms  |
| `s:{shop}:switches`        | hash   | what was switched by hand (service/switchboard.py)       |
| `r:{pNN}:shop:decision_id` | string | a decision's receipt                                     |
| `m:{pNN}:shop:visitor`     | zset   | ids of the visitor's decisions, by when they were kept   |
| `log:{pNN}`                | stream | events, decisions and erasures, in the order of arrival  |
| `c:{shop}:items`           | hash   | the catalog, item id to MessagePack                      |
| `c:{shop}:version`         | string | counts changes of the catalog                            |

Entries: `k` is e (event), d (decision) or x (erase), `s` the shop, `v` the payload, `m` a decision's heading.
An event's payload is a MessagePack list of lines, each the fields of Row after `shop`, in order; NaN is nil.
A newer writer may append fields: readers ignore what they do not know and take defaults for what is missing.
"""

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from typing import Annotated, Any, Final

import msgspec

from features.events import Row
from features.record import hash64

KIND, SHOP, VALUE, HEADING = b"k", b"s", b"v", b"m"
EVENT, DECISION, ERASE = b"e", b"d", b"x"
EVENT_FIELDS: Final = (KIND, SHOP, VALUE)
"""What encode_event fills."""

MAX_MS: Final = 253_402_300_799_999
"""The last millisecond of the year 9999: later times have no day in the lake."""

_SHOP_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HASH = re.compile(rb"[0-9a-f]{16}")
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = tuple(high + low for high in _CROCKFORD for low in _CROCKFORD)
_ROW_FIELDS = dataclasses.fields(Row)[1:]
_ROW_NAMES = tuple(field.name for field in _ROW_FIELDS)
_NAN_FIELDS = tuple(i for i, field in enumerate(_ROW_FIELDS) if field.type is float)
_row_values = attrgetter(*_ROW_NAMES)

_Ms = Annotated[int, msgspec.Meta(ge=0, le=MAX_MS)]
_Int32 = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]


def _wire_field(field: "dataclasses.Field[Any]") -> tuple[str, Any] | tuple[str, Any, Any]:
    if field.type is float:
        return field.name, float | None, None
    kind = str if field.type is str else _Ms if field.name.endswith("_ms") else _Int32
    return (field.name, kind) if field.default is dataclasses.MISSING else (field.name, kind, field.default)


Line = msgspec.defstruct("Line", [_wire_field(f) for f in _ROW_FIELDS], array_like=True, frozen=True, gc=False)
"""A line as it travels: a Row without its shop, None for NaN. Made from Row, so the two cannot drift apart."""

_lines = msgspec.msgpack.Decoder(Annotated[list[Line], msgspec.Meta(min_length=1)])  # type: ignore[valid-type]
_encoder = msgspec.msgpack.Encoder()


class _Heading(msgspec.Struct, array_like=True, frozen=True, gc=False):
    decision_id: str
    visitor_id: str
    ts_ms: _Ms
    degraded: bool
    bundle: str
    policy: str
    stage: str
    silent: bool
    actions: tuple[str, ...]


_heading = msgspec.msgpack.Decoder(_Heading)
_heading_values = attrgetter(*_Heading.__struct_fields__)


@dataclass(frozen=True, slots=True)
class EventEntry:
    """All lines of one event."""

    shop: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class DecisionEntry:
    """A decision on its way to the lake. actions: "placement=action" each; receipt: JSON bytes (models/receipt.py)."""

    shop: str
    decision_id: str
    visitor_id: str
    ts_ms: int
    degraded: bool
    bundle: str
    policy: str
    stage: str
    silent: bool
    actions: tuple[str, ...]
    receipt: bytes

    @property
    def size(self) -> int:
        """Bytes of the receipt."""
        return len(self.receipt)

    def entry(self) -> "DecisionEntry":
        """Itself: as service/receipts.py takes what is in words already."""
        return self


@dataclass(frozen=True, slots=True)
class EraseEntry:
    """A visitor asked to be forgotten: what was recorded before this entry goes."""

    shop: str
    visitor_id: str


@dataclass(frozen=True, slots=True)
class BadEntry:
    """An entry nobody can read, as it was found, and why."""

    fields: Mapping[bytes, bytes]
    reason: str


Entry = EventEntry | DecisionEntry | EraseEntry | BadEntry


def partition(visitor_id: str, partitions: int) -> int:
    """The visitor's partition, 0 .. partitions - 1. The same for all shops."""
    return hash64(visitor_id) % partitions


def tail_key(p: int, shop: str, visitor_id: str) -> str:
    """Key of a visitor's tail."""
    return f"t:{{p{p:02d}}}:{shop}:{visitor_id}"


def attributes_key(p: int, shop: str, visitor_id: str) -> str:
    """Key of a visitor's attributes."""
    return f"a:{{p{p:02d}}}:{shop}:{visitor_id}"


def dismissal_field(action: str) -> str:
    """Field of a visitor's hash that remembers the last no to an action."""
    return f"~no:{hash64(action):016x}"


def dismissed_action(field: bytes) -> int | None:
    """The action's hash in such a field; None if it is an attribute."""
    return int(field[4:], 16) if field[:4] == b"~no:" and _HASH.fullmatch(field[4:]) else None


def decisions_key(p: int, shop: str, visitor_id: str) -> str:
    """Key of the ids of a visitor's decisions, so that export and erasure find their receipts."""
    return f"m:{{p{p:02d}}}:{shop}:{visitor_id}"


def receipt_key(shop: str, decision_id: str, p: int | None = None) -> str:
    """Key of a decision's receipt; the partition is read from the id. Raises ValueError as partition_of.

    p: the partition, where it is known.
    """
    return f"r:{{p{partition_of(decision_id) if p is None else p:02d}}}:{shop}:{decision_id}"


def log_key(p: int) -> str:
    """Key of a partition's stream."""
    return f"log:{{p{p:02d}}}"


def log_keys(partitions: int) -> tuple[str, ...]:
    """Keys of all streams."""
    return tuple(log_key(p) for p in range(partitions))


def items_key(shop: str) -> str:
    """Key of a shop's catalog."""
    return f"c:{{{shop}}}:items"


def version_key(shop: str) -> str:
    """Key of the counter of the catalog's changes."""
    return f"c:{{{shop}}}:version"


def decision_id(now_ms: int, random: bytes, p: int) -> str:
    """A new decision's id: 26 characters that sort by time (as a ULID), then its visitor's partition.

    random: 10 bytes. Example: 01KAF3Z7W90123456789ABCDEF-07
    """
    if len(random) != 10 or not 0 <= now_ms < 1 << 48:
        raise ValueError("a decision id needs 10 random bytes and a time in milliseconds below 2^48")
    number = int.from_bytes(random, "big")
    last = "".join([_PAIRS[number >> shift & 1023] for shift in range(70, -1, -10)])
    return f"{_beginning(now_ms)}{last}-{p:02d}"


@lru_cache(maxsize=64)
def _beginning(now_ms: int) -> str:
    """What ids of a millisecond begin with."""
    return "".join([_PAIRS[now_ms >> shift & 1023] for shift in range(40, -1, -10)])


def partition_of(decision_id: str) -> int:
    """The partition a decision's receipt is in. Raises ValueError if the id does not end in one."""
    _, dash, digits = decision_id.rpartition("-")
    if not dash or not (digits.isascii() and digits.isdigit() and 2 <= len(digits) <= 4):
        raise ValueError(f"{decision_id!r} is not a decision id: it does not end in a partition such as -07")
    return int(digits)


def encode_event(rows: Sequence[Row]) -> dict[bytes, bytes]:
    """Stream fields of one event: all its lines, which share a shop. Raises ValueError if there are none."""
    parts = event_parts(rows)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def event_parts(rows: Sequence[Row]) -> tuple[bytes, ...]:
    """The same as a command is given them: name, value, name, value …"""
    if not rows:
        raise ValueError("an event has at least one line")
    lines = []
    for row in rows:
        values = list(_row_values(row))
        for i in _NAN_FIELDS:
            if values[i] != values[i]:
                values[i] = None
        lines.append(values)
    return (KIND, EVENT, SHOP, rows[0].shop.encode(), VALUE, _encoder.encode(lines))


def encode_decision(entry: DecisionEntry) -> dict[bytes, bytes]:
    """Stream fields of a decision."""
    parts = decision_parts(entry)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def decision_parts(entry: DecisionEntry) -> tuple[bytes, ...]:
    """The same as a command is given them: name, value, name, value …, the receipt last."""
    heading = _encoder.encode(_heading_values(entry))
    return (KIND, DECISION, SHOP, entry.shop.encode(), HEADING, heading, VALUE, entry.receipt)


def encode_erase(shop: str, visitor_id: str) -> dict[bytes, bytes]:
    """Stream fields that make recorder and learner forget a visitor."""
    return {KIND: ERASE, SHOP: shop.encode(), VALUE: visitor_id.encode()}


def decode(fields: Mapping[bytes, bytes]) -> Entry:
    """The entry of stream fields (bytes, as a client without decode_responses returns them); never raises for data."""
    try:
        return _decode(fields)
    except KeyError as error:
        return BadEntry(fields, f"field {error.args[0].decode()} is missing")
    except (msgspec.MsgspecError, ValueError) as error:
        return BadEntry(fields, str(error))


def decode_lines(payload: bytes) -> Sequence[Any]:
    """Lines (as Line) of an event's payload, for readers that need speed. Raises msgspec.MsgspecError."""
    lines: Sequence[Any] = _lines.decode(payload)
    return lines


def event_values(fields: Mapping[bytes, bytes]) -> list[tuple[Any, ...]] | None:
    """An event's lines as values in the order of Row's fields, None for NaN: for the recorder, to whom rows cost half.

    None for what is no event or cannot be read; `decode` says what it is.
    """
    try:
        if fields[KIND] != EVENT:
            return None
        shop = shop_of(fields)
        return [(shop, *msgspec.structs.astuple(line)) for line in _lines.decode(fields[VALUE])]
    except (KeyError, ValueError, msgspec.MsgspecError):
        return None


def shop_of(fields: Mapping[bytes, bytes]) -> str:
    """The entry's shop. Raises KeyError, or ValueError for a name that could leave its folder in the lake."""
    return _shop(fields[SHOP])


@lru_cache(maxsize=1024)
def _shop(name: bytes) -> str:
    shop = name.decode()
    if not _SHOP_NAME.fullmatch(shop):
        raise ValueError(f"{shop!r} is not a shop name: letters, digits, . _ -, at most 64")
    return shop


def _decode(fields: Mapping[bytes, bytes]) -> Entry:
    kind, shop, value = fields[KIND], shop_of(fields), fields[VALUE]
    if kind == EVENT:
        return EventEntry(shop, tuple(_row(shop, line) for line in decode_lines(value)))
    if kind == DECISION:
        heading = msgspec.structs.asdict(_heading.decode(fields[HEADING]))
        return DecisionEntry(shop=shop, receipt=value, **heading)
    if kind == ERASE:
        return EraseEntry(shop, value.decode())
    raise ValueError(f"kind {kind!r} is unknown")


def _row(shop: str, line: Any) -> Row:
    values = list(_row_values(line))
    for i in _NAN_FIELDS:
        if values[i] is None:
            values[i] = math.nan
    return Row(shop, *values)
