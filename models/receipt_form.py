"""The two forms of a receipt's bytes, and how parts of either are read.

Packed: MessagePack, a candidate as the list of its fields. It is what is kept since it is written in a third of the
time and takes two thirds of the room. Spelled: JSON with a name beside each value and numbers as text, as people and
the API have it, and as receipts were kept before. One begins with a brace and the other cannot.
"""

from collections.abc import Callable
from typing import Final, TypeVar

import msgspec

T = TypeVar("T")
S = TypeVar("S")
_BRACE: Final = b"{"


def is_spelled(data: bytes) -> bool:
    """Whether the bytes are the spelled form."""
    return data[:1] == _BRACE


def part_reader(kind: type[T]) -> Callable[[bytes], T]:
    """Reads a struct with some of a receipt's fields, none of them candidates, out of either form.

    What it returns raises msgspec.MsgspecError for bytes that are no receipt.
    """
    return reader(kind, kind)


def reader(packed: type[T], spelled: type[S]) -> Callable[[bytes], T | S]:
    """The same where the two forms are not of one type."""
    from_packed, from_spelled = msgspec.msgpack.Decoder(packed), msgspec.json.Decoder(spelled)

    def read(data: bytes) -> T | S:
        return from_spelled.decode(data) if is_spelled(data) else from_packed.decode(data)

    return read
