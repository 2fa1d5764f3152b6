"""Which products a page may need: what the recommend actions of its placements ask for, and no more of it.

A receipt keeps everything a decision is given, so what no action can show is not given.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Final

from models.policy_terms import Policy, Recommend

WIDE: Final = 40
"""Products at most, where a row is choosy: about prices or categories."""


@dataclass(frozen=True, slots=True)
class Needs:
    """rankings: whether the visitor's own products may be in them; each that is needed. recent: products of the tail.

    at_most: products of each kind, more than a row shows: what is sold out, bought or in the cart is left out later.
    """

    rankings: frozenset[bool] = frozenset()
    popular: bool = False
    arrivals: bool = False
    recent: bool = False
    at_most: int = 0

    def __or__(self, other: "Needs") -> "Needs":
        return Needs(
            self.rankings | other.rankings,
            self.popular or other.popular,
            self.arrivals or other.arrivals,
            self.recent or other.recent,
            max(self.at_most, other.at_most),
        )


def needs_of(policy: Policy) -> dict[str, Needs]:
    """By placement, of those that may hold recommendations."""
    rows = {at: [r for i in places if (r := policy.actions[i].recommend)] for at, places in policy.at.items()}
    return {at: together(map(_of, found)) for at, found in rows.items() if found}


def needed(by_placement: Mapping[str, Needs], placements: Iterable[str]) -> Needs:
    """What a page with these placements needs."""
    return together(by_placement[placement] for placement in placements if placement in by_placement)


def together(needs: Iterable[Needs]) -> Needs:
    return reduce(Needs.__or__, needs, Needs())


def _of(row: Recommend) -> Needs:
    choosy = bool(row.max_per_category or row.price_band)
    return Needs(
        rankings=frozenset({row.returns} if row.ranked else ()),
        popular="popular" in row.in_turn,
        arrivals="new" in row.in_turn,
        recent="recently_viewed" in row.in_turn,
        at_most=WIDE if choosy else min(WIDE, 3 * row.count + 8),
    )
