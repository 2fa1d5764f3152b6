"""Who may use the operators' console: a signed session in a cookie, got with the shop's secret key or a link used once.

The cookie holds the shop, the first letters of the key, and when it ends, signed by a secret of the install that lies
in the home (`console.secret`, readable by this user only). Revoking the key ends its sessions. A link's token stands
behind the `#` of its address, so no server and no log sees it; the home keeps only its digest.
"""

import base64
import contextlib
import hashlib
import hmac
import os
import secrets
import time
from pathlib import Path
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from service.auth import same_origin
from service.errors import Problem
from service.keys import Keys

COOKIE: Final = "tact_console"
PATH: Final = "/console"
SESSION_S: Final = 12 * 3600
LINK_S: Final = 3600
SECRET_FILE: Final = "console.secret"
LINKS: Final = "console-links"
_PURPOSE: Final = b"console session, 1"


class Session(msgspec.Struct, frozen=True, array_like=True):
    """Who is logged in. prefix: the first letters of the secret key. until_s: Unix seconds."""

    shop: str
    prefix: str
    until_s: int


class _Link(msgspec.Struct, frozen=True):
    shop: str
    prefix: str
    until_s: int


class Sessions:
    """Makes and reads session cookies. The install's secret is made when it is first needed."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._key = b""

    def cookie_for(self, session: Session) -> str:
        """The cookie's value."""
        body = base64.urlsafe_b64encode(msgspec.json.encode(session)).decode()
        return f"{body}.{self._signature(body)}"

    def of(self, request: Request, keys: Keys, now_s: float) -> Session:
        """The request's session. Raises Problem login_needed where it has none, a forged or an ended one."""
        given = request.cookies.get(COOKIE, "")
        if not given:
            raise Problem("login_needed", "The request has no session.")
        body, _, signature = given.partition(".")
        if not hmac.compare_digest(self._signature(body).encode(), signature.encode()):
            raise Problem("login_needed", "The session is not one of this install's.")
        session = msgspec.json.decode(base64.urlsafe_b64decode(body), type=Session)
        if session.until_s <= now_s:
            raise Problem("login_needed", "The session has ended.")
        if not listed(keys, session.shop, session.prefix):
            raise Problem("login_needed", "The key that this session was opened with was revoked.")
        return session

    def _signature(self, body: str) -> str:
        self._key = self._key or hmac.digest(install_secret(self._home), _PURPOSE, "sha256")
        return hmac.new(self._key, body.encode(), hashlib.sha256).hexdigest()


def listed(keys: Keys, shop: str, prefix: str) -> bool:
    """Whether the shop still has a secret key that begins so."""
    return any(key.kind == "secret" and key.shop == shop and key.prefix == prefix for key in keys.listed())


def check_origin(request: Request) -> None:
    """Raises Problem foreign_origin unless a page of this very service sent the request."""
    if not same_origin(request.headers):
        raise Problem("foreign_origin", f"`Origin` is {request.headers.get('origin', 'missing')[:100]!r}.")


def set_cookie(answer: Response, request: Request, value: str) -> Response:
    """Keeps the session in the browser; "" takes it away."""
    secure = request.url.scheme == "https" or request.headers.get("x-forwarded-proto", "") == "https"
    age_s = SESSION_S if value else 0
    answer.set_cookie(COOKIE, value, max_age=age_s, path=PATH, httponly=True, samesite="strict", secure=secure)
    return answer


def make_link(home: Path, shop: str, prefix: str, for_s: int = LINK_S) -> str:
    """A token that logs in once. Raises OSError."""
    token = secrets.token_urlsafe(24)
    folder = home / LINKS
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _forget_old(folder)
    link = _Link(shop, prefix, int(time.time()) + for_s)
    _write_private(folder / _digest(token), msgspec.json.encode(link))
    return token


def use_link(home: Path, token: str, keys: Keys, now_s: float) -> Session:
    """The session of a link, which opens nothing afterwards. Raises Problem link_spent."""
    path = home / LINKS / _digest(token)
    taken = path.with_suffix(f".{secrets.token_hex(8)}")
    try:
        path.rename(taken)  # of two that come at once one gets it
        link = msgspec.json.decode(taken.read_bytes(), type=_Link)
    except (OSError, msgspec.MsgspecError):
        raise Problem("link_spent", "The link was used before, or never was one.") from None
    finally:
        with contextlib.suppress(OSError):
            taken.unlink()
    if link.until_s <= now_s or not listed(keys, link.shop, link.prefix):
        raise Problem("link_spent", "The link is too old, or its key was revoked.")
    return Session(link.shop, link.prefix, int(now_s) + SESSION_S)


def install_secret(home: Path) -> bytes:
    """32 random bytes of this install; made once, whoever comes first. Raises OSError."""
    path = home / SECRET_FILE
    with contextlib.suppress(FileNotFoundError):
        return path.read_bytes()
    aside = path.with_suffix(f".{secrets.token_hex(8)}")
    home.mkdir(parents=True, exist_ok=True)
    _write_private(aside, secrets.token_bytes(32))
    try:
        with contextlib.suppress(FileExistsError):
            os.link(aside, path)
    finally:
        aside.unlink()
    return path.read_bytes()


def _write_private(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)


def _forget_old(folder: Path) -> None:
    for path in folder.iterdir():
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > 2 * LINK_S:
                path.unlink()


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
