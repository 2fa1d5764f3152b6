"""Signed previews: a link that shows its holder one chosen message in its place, and leaves no trace.

A token is `base64url(JSON [shop, placement, action, expires_s]) . base64url(HMAC-SHA256)`. Its key is derived from the
digest of one of the shop's secret keys, which only this install keeps (service/keys.py): it holds on every replica
that shares the key file, and ends with that key. A preview is made from what is known of the visitor, as a decision
is, but nothing is stored: no event, no receipt, no trial.

* NoSecretKey   the shop has no secret key to sign with
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Final, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec
from msgspec import Meta

from service.keys import Keys
from service.wire import MAX_ID

MAX_AGE_S: Final = 30 * 86_400
MAX_TOKEN: Final = 1024
PARAMETER: Final = "tact_preview"
"""Of the page's address; the browser client reads it."""

_PURPOSE: Final = b"tact preview 1"

Refusal = Literal["expired", "forged"]
Id = Annotated[str, Meta(min_length=1, max_length=MAX_ID)]


class PreviewBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to show where, for how long (seconds), and the page to open."""

    placement: Id
    action: Id
    expires_in_s: Annotated[int, Meta(ge=1, le=MAX_AGE_S)] = 3600
    url: Annotated[str, Meta(max_length=2000)] = ""


class NoSecretKey(LookupError):
    """There is nothing to sign with."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a token shows. expires_s: Unix seconds."""

    shop: str
    placement: str
    action: str
    expires_s: int


def sign(keys: Keys, ticket: Ticket) -> str:
    """The ticket's token. Raises NoSecretKey."""
    key = next(_signing_keys(keys, ticket.shop), None)
    if key is None:
        raise NoSecretKey(f"shop {ticket.shop} has no secret key; make one with `tact keys create`")
    said = msgspec.json.encode([ticket.shop, ticket.placement, ticket.action, ticket.expires_s])
    return f"{_text(said)}.{_text(_mac(key, said))}"


def read(keys: Keys, shop: str, token: str, now_ms: int) -> Ticket | Refusal:
    """The ticket of a token of this shop, or why there is none. MACs are compared in constant time."""
    try:
        said, mac = (_bytes(part) for part in token[:MAX_TOKEN].split("."))
    except ValueError:
        return "forged"
    genuine = [hmac.compare_digest(_mac(key, said), mac) for key in _signing_keys(keys, shop)]
    if not any(genuine):
        return "forged"
    ticket = Ticket(*msgspec.json.decode(said, type=tuple[str, str, str, int]))
    if ticket.shop != shop:
        return "forged"
    return ticket if now_ms < ticket.expires_s * 1000 else "expired"


def with_token(url: str, token: str) -> str:
    """The address with the token in its query, in place of one that was there. Raises ValueError for what is no
    address of a page."""
    parts = urlsplit(url)
    if parts.scheme not in ("", "http", "https"):
        raise ValueError(f"{parts.scheme!r} is no address of a page")
    query = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name != PARAMETER]
    return parts._replace(query=urlencode([*query, (PARAMETER, token)])).geturl()


def _signing_keys(keys: Keys, shop: str) -> Iterator[bytes]:
    """One for each secret key of the shop: not the digest itself, which opens more than a preview."""
    stored = keys.shops[shop].secret if shop in keys.shops else ()
    return (_mac(bytes.fromhex(one.hash), _PURPOSE) for one in stored)


def _mac(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    """Raises ValueError."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None
