"""Switches in Redis: what somebody stopped, made an apprentice or switched on by hand; every worker looks often.

`s:{shop}:switches` is a hash from target to state (models/switches.py). What is unknown to the policy is refused when
it is set; a switch whose action has gone since does nothing.
"""

from typing import Any, Final

import msgspec

from models.policy_terms import Policy
from models.switches import SHOP, STATES
from service.errors import Problem
from service.reading import read_json
from service.store import ask
from service.wire import Text

PERIOD_S: Final = 0.25
"""How often a worker looks: a stop holds everywhere well within a second."""
MOST: Final = 1000

Switched = tuple[tuple[str, str], ...]


class SwitchRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of PUT /v1/switches/{target}."""

    state: str
    who: Text = ""
    why: Text = ""


_request = msgspec.json.Decoder(SwitchRequest)


def read_switch(body: bytes) -> SwitchRequest:
    """The body. Raises Problem malformed_json, invalid_field."""
    request: SwitchRequest = read_json(_request, body)
    if request.state not in STATES:
        raise Problem("invalid_field", f"`state`: `{request.state}` is none of {', '.join(STATES)}.", "/state")
    return request


def check_target(target: str, policy: Policy, state: str = "stopped") -> None:
    """Raises Problem unknown_target for what the policy has not, invalid_field for a state that target cannot take."""
    kind, _, name = target.partition(":")
    if kind == "placement" and state != "stopped":
        raise Problem("invalid_field", f"`state`: a placement can be stopped, not be {state}.", "/state")
    known = {"placement": tuple(policy.at), "action": tuple(action.id for action in policy.actions)}
    if target == SHOP or (kind in known and name in known[kind]):
        return
    there_are = ", ".join(known.get(kind, ())) or "shop, placement:ID, action:ID"
    raise Problem("unknown_target", f"`{target[:100]}`: there are {there_are}.")


def key(shop: str) -> str:
    """Key of a shop's switches."""
    return f"s:{{{shop}}}:switches"


class Switchboard:
    """The switches of all shops. client: of Redis."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def read(self, shop: str) -> Switched:
        """Sorted pairs of target and state. Raises StoreUnavailable."""
        found: dict[bytes, bytes] = await ask(self._client.hgetall(key(shop)))
        return tuple(sorted((target.decode(), state.decode()) for target, state in found.items()))[:MOST]

    async def set(self, shop: str, target: str, state: str) -> str:
        """Sets a switch; returns its state before, "" for none. Raises StoreUnavailable."""
        before = await ask(self._client.hget(key(shop), target))
        await ask(self._client.hset(key(shop), target, state))
        return before.decode() if before else ""

    async def clear(self, shop: str, target: str) -> str:
        """Takes a switch away; returns its state before. Raises StoreUnavailable."""
        before = await ask(self._client.hget(key(shop), target))
        await ask(self._client.hdel(key(shop), target))
        return before.decode() if before else ""
