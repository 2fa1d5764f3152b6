"""Moments of friction: how many sessions meet each, and what the visitor did next. Pure, over a journeys table."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.events import CODE, KINDS, PAGE_TYPES
from training.journey_map import FEWEST
from training.journey_sessions import BOUGHT, Journeys, Sessions
from training.wilson import wilson

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

MOMENTS: Final = ("zero_results", "form_error", "payment_error", "rage_click", "policy", "policy_again", "cart_emptied")
"""In the order a visitor meets them. policy: the return policy read; policy_again: read again in the same session."""

NEXT: Final = ("left", "friction", "search", "list", "product", "policy", "cart", "checkout", "bought", "chat", "other")
"""What the step after is."""

_GROUP: Final[dict[str, tuple[str, ...]]] = {
    "friction": ("zero_results", "form_error", "payment_error", "rage_click"),
    "search": ("search",),
    "list": ("view_item_list", "select_item"),
    "product": ("view_item", "review_view", "add_to_wishlist"),
    "policy": ("return_policy_view",),
    "cart": ("add_to_cart", "remove_from_cart", "view_cart"),
    "checkout": ("begin_checkout", "add_shipping_info", "add_payment_info"),
    "bought": ("purchase",),
    "chat": ("chat_open", "chat_message"),
}
_NEXT_OF: Final = np.array(
    [next((NEXT.index(g) for g, kinds in _GROUP.items() if k in kinds), NEXT.index("other")) for k in KINDS]
)
_NEXT_OF_PAGE: Final = np.array(
    [NEXT.index({"list": "list", "search": "search", "product": "product", "returns": "policy", "delivery": "policy",
                 "cart": "cart", "checkout": "checkout"}.get(p, "other")) for p in PAGE_TYPES]
)  # fmt: skip
_PAGE_VIEW: Final = CODE["page_view"]


@dataclass(frozen=True, slots=True)
class Moment:
    """times: how often; sessions, visitors: with it at least once. next: by NEXT, what came after the session's last
    of them. bought: sessions that bought after the first of them; came_back: of those that did not, with a later one.
    """

    name: str
    times: int
    sessions: int
    visitors: int
    next: dict[str, int]
    bought: int
    came_back: int

    def as_dict(self, of_sessions: int) -> dict[str, Any]:
        """Plain JSON values; shares with intervals where there are sessions enough."""
        enough, not_bought = self.sessions >= FEWEST, self.sessions - self.bought
        return {
            "moment": self.name,
            "times": self.times,
            "sessions": self.sessions,
            "visitors": self.visitors,
            "share": self.sessions / of_sessions if of_sessions else None,
            "next": {name: n for name, n in sorted(self.next.items(), key=lambda one: -one[1]) if n},
            "bought": self.bought,
            "bought_share": self.bought / self.sessions if enough else None,
            "bought_ci": list(wilson(self.bought, self.sessions)) if enough else None,
            "came_back": self.came_back,
            "came_back_share": self.came_back / not_bought if not_bought >= FEWEST else None,
        }


def moments(found: Journeys, sessions: Sessions) -> list[Moment]:
    """Those of MOMENTS that occur in these sessions."""
    lengths = sessions.end - sessions.first
    session = np.repeat(np.arange(len(sessions)), lengths)
    step = sessions.first[session] + np.arange(len(session)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    rows = found.steps.row[step]
    kind = found.log.records["kind"][rows].astype(np.int64)
    page = found.log.records["page"][rows].astype(np.int64)
    follows = np.where(kind == _PAGE_VIEW, _NEXT_OF_PAGE[page], _NEXT_OF[kind])
    at = _Steps(session, step, kind, page, follows, _bought_later(found, sessions, session, step, kind))
    found_moments = (_moment(name, flags, at, sessions) for name, flags in _flags(found, at).items())
    return [one for one in found_moments if one.times]


@dataclass(frozen=True, slots=True)
class _Steps:
    session: Ints
    step: Ints
    kind: Ints
    page: Ints
    follows: Ints
    buys: Flags


def _bought_later(found: Journeys, sessions: Sessions, session: Ints, step: Ints, kind: Ints) -> Flags:
    """Whether the session buys after each step."""
    last = np.full(len(sessions), -1, np.int64)
    bought = kind == CODE["purchase"]
    np.maximum.at(last, session[bought], step[bought])
    return step < last[session]


def _flags(found: Journeys, at: _Steps) -> dict[str, Flags]:
    """Where each moment happens."""
    kinds = {name: at.kind == CODE[name] for name in MOMENTS[:4]}
    policy = (at.kind == CODE["return_policy_view"]) | (
        (at.kind == _PAGE_VIEW) & (at.page == PAGE_TYPES.index("returns"))
    )
    reload = np.zeros(len(policy), bool)
    reload[1:] = policy[1:] & policy[:-1] & (at.session[1:] == at.session[:-1])
    policy &= ~reload
    count = np.cumsum(policy)
    begins = np.flatnonzero(np.diff(at.session, prepend=-1))
    before = (count - policy)[begins]
    so_far = count - np.repeat(before, np.diff(np.append(begins, len(policy))))
    open_cart = found.steps.open_cart[at.step]
    emptied = (at.kind == CODE["remove_from_cart"]) & ~open_cart
    return {**kinds, "policy": policy & (so_far == 1), "policy_again": policy & (so_far > 1), "cart_emptied": emptied}


def _moment(name: str, flags: Flags, at: _Steps, sessions: Sessions) -> Moment:
    hits = np.flatnonzero(flags)
    met, last_back = np.unique(at.session[hits][::-1], return_index=True)
    last = hits[::-1][last_back]
    first = hits[np.unique(at.session[hits], return_index=True)[1]]
    after = last + 1
    stays = after < len(at.session)
    stays &= at.session[np.minimum(after, len(at.session) - 1)] == at.session[last]
    follows = np.where(stays, at.follows[np.minimum(after, len(at.session) - 1)], NEXT.index("left"))
    counts = np.bincount(follows, minlength=len(NEXT)) if len(hits) else np.zeros(len(NEXT), np.int64)
    bought = at.buys[first]
    visitors = len(np.unique(sessions.visitor[met]))
    back = int((sessions.returned[met] & (sessions.outcome[met] != BOUGHT) & ~bought).sum())
    told = {name: int(n) for name, n in zip(NEXT, counts, strict=True)}
    return Moment(name, len(hits), len(met), visitors, told, int(bought.sum()), back)
