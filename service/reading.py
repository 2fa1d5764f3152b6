"""JSON to checked values, and to the Problem that names the field or the byte where it is none."""

import json
import re
from typing import Any, TypeVar

import msgspec
from msgspec import Raw

from service.errors import Problem

T = TypeVar("T")


def read_json(decoder: "msgspec.json.Decoder[T]", data: Raw | bytes) -> T:
    """Decode, or raise the Problem that names the field or the byte."""
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        raise invalid(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _malformed(bytes(data), error) from None
    except RecursionError:
        raise Problem("malformed_json", "The body is nested too deeply.") from None


def invalid(message: str) -> Problem:
    """The Problem of a msgspec message such as "Expected `int`, got `str` - at `$.events[0].ts`"."""
    text, _, path = message.replace(" - at `key` in `$", " (as a key) - at `$").partition(" - at `$")
    pointer = re.sub(r"\[(\d+)\]", r"/\1", path.rstrip("`")).replace("[...]", "/*").replace(".", "/")
    field = re.search(r"(?:unknown|required) field `([^`]*)`", text)
    if field:
        pointer += "/" + field[1].replace("~", "~0").replace("/", "~1")
    name = pointer.rsplit("/", 1)[-1]
    return Problem("invalid_field", f"`{name}`: {text}." if name and not field else f"{text}.", pointer)


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
