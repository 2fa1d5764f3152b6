"""JSON to checked values, and to the Problem that names the field or the byte where it is none."""

import json
import re
from bisect import bisect_left
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Raw

from service.errors import Problem

T = TypeVar("T")

_ANY_KEY: Final = "[...]"
_STEP: Final = re.compile(r"\[(\d+)\]|\.([^.\[]+)")


def read_json(decoder: "msgspec.json.Decoder[T]", data: Raw | bytes) -> T:
    """Decode, or raise the Problem that names the field or the byte."""
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        raise invalid(str(error), _key(str(error), decoder, bytes(data))) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _malformed(bytes(data), error) from None
    except RecursionError:
        raise Problem("malformed_json", "The body is nested too deeply.") from None


def invalid(message: str, key: str | None = None) -> Problem:
    """The Problem of a msgspec message such as "Expected `int`, got `str` - at `$.events[0].ts`".

    key: of a mapping, where the message only says that it was one of its values.
    """
    text, _, path = message.replace(" - at `key` in `$", " (as a key) - at `$").partition(" - at `$")
    above, any_key, below = (_pointer(part) for part in path.rstrip("`").partition(_ANY_KEY))
    pointer = above + ("/" + _escaped("*" if key is None else key) if any_key else "") + below
    field = re.search(r"(?:unknown|required) field `([^`]*)`", text)
    if field:
        pointer += "/" + _escaped(field[1])
    name = pointer.rsplit("/", 1)[-1].replace("~1", "/").replace("~0", "~")
    return Problem("invalid_field", f"`{name}`: {text}." if name and not field else f"{text}.", pointer)


def _pointer(path: str) -> str:
    return re.sub(r"\[(\d+)\]", r"/\1", path).replace(_ANY_KEY, "/*").replace(".", "/")


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _key(message: str, decoder: "msgspec.json.Decoder[Any]", data: bytes) -> str | None:
    """msgspec says `$.stores[...]` for whichever key of a mapping; this is the key, None if it cannot be told.

    The first one that fails is found by halving: what holds the first n keys fails just if that one is among them.
    """
    before, found, _ = message.partition(_ANY_KEY)
    if not found:
        return None
    steps = [int(i) if i else name for i, name in _STEP.findall(before.rpartition("`$")[2])]
    try:
        body = json.loads(data)
        held: Any = body
        for step in steps:
            held = held[step]
        items: list[tuple[str, Any]] = list(held.items())

        def fails(first: int) -> bool:
            held.clear()
            held.update(items[: first + 1])
            return _message(decoder, json.dumps(body).encode()) == message

        return items[bisect_left(range(len(items)), True, key=fails)][0]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None


def _message(decoder: "msgspec.json.Decoder[Any]", data: bytes) -> str:
    try:
        decoder.decode(data)
    except msgspec.ValidationError as error:
        return str(error)
    return ""


def _malformed(body: bytes, error: Exception) -> Problem:
    """JSON has no NaN and no infinity: where that is the fault, the field is named."""
    try:
        found = _constant(json.loads(body, parse_constant=_Constant), "")
    except (ValueError, RecursionError):
        found = None
    if found is None:
        return Problem("malformed_json", f"{error}.")
    pointer, constant = found
    return Problem("invalid_field", f"`{pointer.rsplit('/', 1)[-1]}`: {constant} is not a number of JSON.", pointer)


class _Constant(str):
    """NaN, Infinity or -Infinity as json.loads met it."""


def _constant(value: Any, pointer: str) -> tuple[str, str] | None:
    if isinstance(value, _Constant):
        return pointer, str(value)
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return next((found for key, v in pairs if (found := _constant(v, f"{pointer}/{key}"))), None)
