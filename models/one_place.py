"""A page of one placement, settled in one compiled call, and its candidates put into words when somebody asks.

What models/arbitration.py does step by step with a table of net values between: the effects of the moment, the net
value of each action in each draw, which of them have hope, who wins each draw, and the chance of each. The same numbers
to the bit (tests/models/test_one_place.py). Most pages ask for one placement, and its answer needs the winner alone.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import compress, repeat
from operator import attrgetter, is_
from typing import Final

import msgspec
import numba
import numpy as np
import numpy.typing as npt

from models.arbitration import HOPE, MOST_EXPLORATION, Draws, net_value, shifts_of
from models.arms import LEARNED
from models.bundle import Scores
from models.chosen import Candidate
from models.closed import NO_HOPE, Closed
from models.effects import N_EFFECTS, effects_into, wearier_of
from models.page_plan import Worths, worths_of
from models.policy_terms import Policy

Floats = npt.NDArray[np.float64]

NOBODY: Final = -1
"""Silence, where a winner is named."""

_RANDOM: Final = -1.0
"""In place of a floor: each is as likely."""


@numba.njit(cache=True, nogil=True)
def settle(  # type: ignore[no-untyped-def]
    table, mean, rows, stage, intent, wearier, worths, costs, weariness, shift, least, floor, draw, explore, told
):
    """Settles a placement among the actions that are `rows` of table, mean, worths and costs.

    stage, intent: the scores. least: in how many draws an action has to be above 0 to be tried. floor: the
    least chance of each, or _RANDOM. draw, explore: see lots_of. told: (5, m + 1), silence first: effect,
    cost, mean net value, share of the draws won, chance; the last two are NaN where there is no hope. Returns the
    winner's place in rows or NOBODY, whether the floor decided, and how many had hope.
    """
    at, draws, count = np.empty(N_EFFECTS), table.shape[2], 0
    effects_into(stage, intent, wearier, at)
    small = at.astype(np.float32)
    net, best, winner = np.empty(draws, np.float32), np.zeros(draws, np.float32), np.zeros(draws, np.int32)
    told[3] = np.nan
    for i in range(rows.size):
        row, place = rows[i], i + 1
        worth, cost = worths[row], costs[row] * weariness
        known = shift[i] if shift.size > 0 else np.nan
        effect, lifted = net_value(table[row], mean[row], at, small, worth, cost, known, net)
        told[0, place], told[1, place], told[2, place] = effect, cost, worth * effect - cost
        if lifted < least:
            continue
        count += 1
        told[3, place] = 0.0
        for d in range(draws):
            higher = net[d] > best[d]
            best[d] = net[d] if higher else best[d]
            winner[d] = np.int32(place) if higher else winner[d]
    won = np.zeros((4, rows.size + 1), np.int64)  # four counts in turn: one alone would wait for itself
    for d in range(draws):
        won[d & 3, winner[d]] += 1
    for place in range(rows.size + 1):
        if place == 0 or told[3, place] == 0.0:
            told[3, place] = won[0, place] + won[1, place] + won[2, place] + won[3, place]
    size = count + 1
    each = 0.0
    if count > 0:
        each = 1.0 / size if floor == _RANDOM else min(floor, MOST_EXPLORATION / size)
    for place in range(rows.size + 1):
        told[3, place] = told[3, place] / draws
        told[4, place] = (1.0 - size * each) * told[3, place] + each
    if count == 0:
        return NOBODY, floor == _RANDOM, count
    if explore < size * each:
        return _nth(told[3], min(int(explore / each), size - 1)), True, count
    return winner[draw] - 1, False, count


@numba.njit(cache=True, nogil=True)
def _nth(share, n):  # type: ignore[no-untyped-def]
    """The place in rows of the n-th that has hope, from 1; NOBODY for 0."""
    place = 0
    while n > 0:
        place += 1
        n -= not np.isnan(share[place])
    return place - 1


class Settled(msgspec.Struct, frozen=True, gc=False):
    """How a placement was settled. winner: the action's place in the policy or NOBODY. hopeful: how many actions were
    tried. numbers: (5, m + 1), as `settle` tells it of silence and the eligible. Of the actions considered, in order:
    places in the policy, and what closed each but for hope."""

    winner: int
    explored: bool
    hopeful: int
    draw: int
    propensity: float
    numbers: Floats
    worths: Worths
    places: tuple[int, ...]
    asked: Sequence[Closed | None]

    @classmethod
    def of(
        cls,
        policy: Policy,
        draws: Draws,
        places: tuple[int, ...],
        asked: Sequence[Closed | None],
        scores: Scores,
        weariness: float,
        arm: str,
        lots: tuple[int, float],
    ) -> "Settled":
        """lots: lots_of(decision, placement). arm: none that learns nothing."""
        open_ = list(compress(places, map(is_, asked, repeat(None))))
        worths, told, count = worths_of(policy), np.empty((5, len(open_) + 1)), draws.table.shape[2]
        worth, cost = worths.of(arm)
        winner, explored, hopeful = settle(
            draws.table,
            draws.mean,
            np.array(open_, np.int64),
            scores.stage,
            scores.intent,
            wearier_of(weariness),
            worth,
            cost,
            weariness,
            shifts_of(policy, open_, scores.uplift),
            max(HOPE * count, 1.0) if arm in LEARNED else 0.0,
            _RANDOM if arm == "random" else float(policy.exploration_floor),
            *lots,
            told,
        )
        won = open_[winner] if winner != NOBODY else NOBODY
        return cls(won, explored, hopeful, lots[0], told.item(4, winner + 1), told, worths, places, asked)

    def gates(self) -> list[str]:
        """What closed each of the actions considered, "" for nothing; in no order."""
        hopeless = self.numbers.shape[1] - 1 - self.hopeful
        return [*map(_gate_of, filter(None, self.asked)), *[""] * self.hopeful, *[NO_HOPE.gate] * hopeless]

    def candidates(self) -> tuple[Candidate, ...]:
        """The actions considered, each with its share of the draws and its chance."""
        worths, none = self.worths, repeat("")
        open_ = list(compress(self.places, map(is_, self.asked, repeat(None))))
        effect, cost, net, share, chance = self.numbers[:, 1:].tolist()
        ids, units, levers = (map(of.__getitem__, open_) for of in (worths.ids, worths.units, worths.levers))
        made = list(map(Candidate, ids, none, none, units, effect, levers, cost, net, share, chance))
        if self.hopeful < len(made):
            made = [one if one.share == one.share else blocked(one.action, NO_HOPE) for one in made]
        if len(made) == len(self.places):
            return tuple(made)
        shut = list(compress(self.places, self.asked))
        found = dict(zip(open_, made, strict=True))
        found |= zip(shut, map(blocked, map(worths.ids.__getitem__, shut), filter(None, self.asked)), strict=True)
        return tuple(map(found.__getitem__, self.places))


_gate_of = attrgetter("gate")


@lru_cache(maxsize=4096)
def blocked(action: str, closed: Closed) -> Candidate:
    """A candidate that a gate closed: the same few come again and again."""
    return Candidate(action, closed.gate, closed.detail)
