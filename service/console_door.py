"""The console's door: who comes with which key or link, and what is counted of it."""

import asyncio
from typing import Final, NoReturn

from service import console_access as access
from service.console_access import Session
from service.core import Service
from service.errors import Problem
from service.keys import PREFIX_CHARS
from service.wrong_keys import LINK, WrongKeys

MOST_LOGIN: Final = 4_096
"""Bytes of a login: a key, or a link's token."""


class Door:
    """Opens sessions. One for a process: it remembers what was wrong lately (service/wrong_keys.py)."""

    def __init__(self, service: Service) -> None:
        self._service, self._tries = service, WrongKeys()

    def by_key(self, client: str, key: str) -> Session:
        """Raises Problem missing_key, too_many_logins, unknown_key, secret_key_needed. The key is told to nobody."""
        if not key:
            raise Problem("missing_key", "No key was given.")
        keys, begin = self._service.watcher.keys, key[:PREFIX_CHARS]
        claim = begin if any(one.prefix == begin for one in keys.listed()) else ""
        self._check(client, claim)
        found = keys.check(key)
        if found is None:
            self._wrong(client, claim, Problem("unknown_key", "This is no key of this install."))
        if found.kind != "secret":
            told = "This is a publishable key (pk_…); the console takes the secret one (sk_…)."
            raise Problem("secret_key_needed", told)
        return self._opened(Session(found.shop, begin, int(self._now_s()) + access.SESSION_S))

    async def by_link(self, client: str, token: str) -> Session:
        """Raises Problem link_spent, too_many_logins. A good one opens however many wrong ones came before it."""
        home, keys = self._service.settings.home, self._service.watcher.keys
        try:
            return self._opened(await asyncio.to_thread(access.use_link, home, token, keys, self._now_s()))
        except Problem as spent:
            self._check(client, LINK)
            self._wrong(client, LINK, spent)

    def _check(self, client: str, claim: str) -> None:
        try:
            self._tries.check(client, claim, self._now_s())
        except Problem:
            self._service.metrics.logged_in("limited")
            raise

    def _wrong(self, client: str, claim: str, problem: Problem) -> NoReturn:
        self._tries.wrong(client, claim, self._now_s())
        self._service.metrics.logged_in("wrong")
        raise problem

    def _opened(self, session: Session) -> Session:
        self._service.metrics.logged_in("opened")
        return session

    def _now_s(self) -> float:
        return self._service.now_ms() / 1000
