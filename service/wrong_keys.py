"""The limit on wrong keys at the console's login. Nobody who lacks a key can close the door on who has one.

A key that does not even begin like one of this install cannot be right: such tries are counted by client, and for
everybody together, and above the limits they are refused unseen. One that begins like a key is counted by client and
by that beginning (which is no secret: `tact keys list` shows it), and above the limit is not looked at either. So a
stranger, also one behind the same proxy as the operator, fills counts that a right key does not meet; who knows the
beginning closes it for their own address only. A link (`tact console --link`) opens all the while: its token is looked
for first, and only wrong ones are counted.

Each process counts its own: with four workers a client has up to four times as many tries. Against a key's 192 random
bits no number of tries matters: the limit keeps guessing visible and cheap.
"""

import ipaddress
import math
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Final

from service.errors import Problem

WINDOW_S: Final = 300.0
MOST_EACH: Final = 10
"""Wrong keys of a client within the window."""
MOST_ALL: Final = 300
"""Wrong keys of everybody within the window that begin like none."""
MOST_CLIENTS: Final = 10_000
"""Counts kept; the one that was added to the longest ago goes first."""
LINK: Final = "link"
"""What a link's token counts as: no key begins so."""
EVERYBODY: Final = ("", "")


@dataclass
class WrongKeys:
    """What was tried lately. Times are Unix seconds, or of any clock that only goes forward."""

    _tries: OrderedDict[tuple[str, str], deque[float]] = field(default_factory=OrderedDict)

    def check(self, client: str, claim: str, now_s: float) -> None:
        """Before a key is looked at. claim: how the key begins where one of the install does, else "".

        Raises Problem too_many_logins, with the seconds until there is room again.
        """
        self._room((client, claim), MOST_EACH, now_s)
        if not claim:
            self._room(EVERYBODY, MOST_ALL, now_s)

    def wrong(self, client: str, claim: str, now_s: float) -> None:
        """Counts a key that was wrong."""
        for name in ((client, claim), *(() if claim else (EVERYBODY,))):
            tries = self._tries.setdefault(name, deque())
            tries.append(now_s)
            self._tries.move_to_end(name)
        while len(self._tries) > MOST_CLIENTS:
            self._tries.popitem(last=False)

    def _room(self, name: tuple[str, str], most: int, now_s: float) -> None:
        tries = self._tries.get(name, deque())
        while tries and tries[0] <= now_s - WINDOW_S:
            tries.popleft()
        if len(tries) >= most:
            wait_s = max(1, math.ceil(tries[0] + WINDOW_S - now_s))
            who = "this address" if name != EVERYBODY else "many addresses"
            raise Problem(
                "too_many_logins",
                f"{len(tries)} wrong keys came from {who} within {WINDOW_S / 60:g} minutes; try again in {wait_s} s.",
                retry_after_s=wait_s,
            )


def client_of(host: str) -> str:
    """Whom an address stands for: of IPv6 its /64, which is one household's; anything else is itself."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host[:64]
    if isinstance(address, ipaddress.IPv4Address):
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((int(address), 64), strict=False))
