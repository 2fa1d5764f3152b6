"""API keys: a publishable key (browser, bound to origins) and a secret key (server, console), each of one shop.

The file holds only SHA-256 digests (a key has 192 random bits, so a slow hash would add nothing) and is private to the
user: {"shops": {SHOP: {"publishable": [{"hash", "prefix", "origins"}], "secret": [{"hash", "prefix"}]}}}.

* InvalidKeys   the file cannot be read as keys; says where
* UnknownKey    no key has this prefix
* AmbiguousKey  several keys start like this; lists how
"""

import fcntl
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

import msgspec

Kind = Literal["publishable", "secret"]
START: Mapping[Kind, str] = {"publishable": "pk_", "secret": "sk_"}
PREFIX_CHARS = 7
RANDOM_BYTES = 24
"""32 characters of base64."""

ANY_ORIGIN = "*"

SHOP_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""A shop's name is part of keys in Redis and of folders in the lake."""


class InvalidKeys(ValueError):
    """The key file is not what it should be."""


class UnknownKey(LookupError):
    """No key has this prefix."""


class AmbiguousKey(LookupError):
    """Several keys start like this."""


class Stored(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One key as the file holds it."""

    hash: str
    prefix: str
    origins: tuple[str, ...] = ()


class ShopKeys(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A shop's keys."""

    publishable: tuple[Stored, ...] = ()
    secret: tuple[Stored, ...] = ()


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    shops: dict[str, ShopKeys] = {}


@dataclass(frozen=True, slots=True)
class Access:
    """What a key opens: one shop; as a publishable key, from these origins only ("*": from any)."""

    shop: str
    kind: Kind
    origins: tuple[str, ...]

    def allows(self, origin: str) -> bool:
        """Whether a browser on this origin may use the key."""
        return ANY_ORIGIN in self.origins or origin in self.origins


@dataclass(frozen=True, slots=True)
class Listed:
    """A key as a person may see it."""

    shop: str
    kind: Kind
    prefix: str
    origins: tuple[str, ...]


class Keys:
    """An immutable set of keys; a changed file is a new Keys."""

    def __init__(self, shops: Mapping[str, ShopKeys]) -> None:
        self.shops = dict(shops)
        self._by_prefix: dict[str, list[tuple[bytes, Access]]] = {}
        for shop, kind, stored in _each(self.shops):
            entry = (bytes.fromhex(stored.hash), Access(shop, kind, stored.origins))
            self._by_prefix.setdefault(stored.prefix, []).append(entry)

    @classmethod
    def load(cls, path: Path) -> Self:
        """The keys of a file; none if there is no file. Raises InvalidKeys."""
        try:
            return cls(msgspec.json.decode(path.read_bytes(), type=_File).shops)
        except FileNotFoundError:
            return cls({})
        except (msgspec.MsgspecError, ValueError) as error:
            raise InvalidKeys(f"{path}: {error}") from error

    def check(self, token: str) -> Access | None:
        """What a key opens; None if it is not one of ours. Digests are compared in constant time."""
        digest = hashlib.sha256(token.encode()).digest()
        found = None
        for stored, access in self._by_prefix.get(token[:PREFIX_CHARS], ()):
            if hmac.compare_digest(stored, digest):
                found = access
        return found

    def listed(self) -> tuple[Listed, ...]:
        """Every key, without what would let anyone use it."""
        return tuple(Listed(shop, kind, stored.prefix, stored.origins) for shop, kind, stored in _each(self.shops))


def create(path: Path, shop: str, kind: Kind, origins: tuple[str, ...] = ()) -> str:
    """Add a key to the file and return it: it is not stored and cannot be shown again. Raises InvalidKeys."""
    if not SHOP_NAME.fullmatch(shop):
        raise InvalidKeys(f"{shop!r} is not a shop name: letters, digits, . _ -, at most 64")
    origins = tuple(_origin(text) for text in origins)
    with _edit(path) as keys:
        taken = {listed.prefix for listed in keys.listed()}
        token = _new_token(kind, taken)
        stored = Stored(hashlib.sha256(token.encode()).hexdigest(), token[:PREFIX_CHARS], origins)
        shop_keys = keys.shops.get(shop, ShopKeys())
        keys.shops[shop] = msgspec.structs.replace(shop_keys, **{kind: (*getattr(shop_keys, kind), stored)})
    return token


def allow(path: Path, token: str, origins: tuple[str, ...]) -> None:
    """Let a publishable key be used from more origins; those it has stay. Raises InvalidKeys, UnknownKey."""
    digest = hashlib.sha256(token.encode()).hexdigest()
    origins = tuple(_origin(text) for text in origins)
    with _edit(path) as keys:
        found = next(((shop, stored) for shop, kind, stored in _each(keys.shops) if stored.hash == digest), None)
        if found is None:
            raise UnknownKey(f"no key is {token[:PREFIX_CHARS]}…; `tact keys list` shows them")
        shop, stored = found
        wider = msgspec.structs.replace(stored, origins=tuple(dict.fromkeys((*stored.origins, *origins))))
        public = tuple(wider if key == stored else key for key in keys.shops[shop].publishable)
        keys.shops[shop] = msgspec.structs.replace(keys.shops[shop], publishable=public)


def revoke(path: Path, start: str) -> Listed:
    """Take a key out of the file; with its last key a shop goes too. start: the whole key, or how only it starts.

    Raises UnknownKey, AmbiguousKey, InvalidKeys.
    """
    with _edit(path) as keys:
        found = _only(keys.listed(), start[:PREFIX_CHARS])
        shop_keys = keys.shops[found.shop]
        kept = tuple(stored for stored in getattr(shop_keys, found.kind) if stored.prefix != found.prefix)
        left = msgspec.structs.replace(shop_keys, **{found.kind: kept})
        if left == ShopKeys():
            del keys.shops[found.shop]
        else:
            keys.shops[found.shop] = left
    return found


def _only(listed: Iterable[Listed], start: str) -> Listed:
    found = [key for key in listed if start and key.prefix.startswith(start)]
    if not found:
        raise UnknownKey(f"no key starts with {start!r}; `tact keys list` shows them")
    if len(found) > 1:
        which = ", ".join(f"{key.prefix} ({key.shop})" for key in found)
        raise AmbiguousKey(f"{start!r} is ambiguous, {len(found)} keys start so: {which}")
    return found[0]


@contextmanager
def _edit(path: Path) -> Iterator[Keys]:
    """Read, change, replace: one writer at a time, and a reader sees the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        keys = Keys.load(path)
        yield keys
        _replace(path, msgspec.json.format(msgspec.json.encode(_File(keys.shops)), indent=2))
    finally:
        os.close(lock)


def _replace(path: Path, content: bytes) -> None:
    new = path.with_suffix(".new")
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def _new_token(kind: Kind, taken: set[str]) -> str:
    while True:
        token = START[kind] + secrets.token_urlsafe(RANDOM_BYTES)
        if token[:PREFIX_CHARS] not in taken:
            return token


def _origin(text: str) -> str:
    """An origin as browsers send it: scheme, host and port, nothing after. Raises InvalidKeys."""
    parts = urlsplit(text)
    if text != ANY_ORIGIN and (parts.scheme not in ("http", "https") or text != f"{parts.scheme}://{parts.netloc}"):
        raise InvalidKeys(f"{text!r} is not an origin such as https://shop.example (no path, no slash at the end)")
    return text.lower()


def _each(shops: Mapping[str, ShopKeys]) -> Iterator[tuple[str, Kind, Stored]]:
    kinds: tuple[Kind, ...] = ("publishable", "secret")
    for shop, keys in shops.items():
        for kind in kinds:
            for stored in getattr(keys, kind):
                yield shop, kind, stored
