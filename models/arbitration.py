"""Arbitration: candidates against silence over posterior draws, with the exact probability of each.

A decision takes one draw of the policy's, picked by a hash of its id; the candidate with the highest net value in that
draw wins if it is above 0, the worth of silence. Over all ids each candidate wins in a known share of the draws, so:

    propensity = (1 - m e) share + e      m eligible candidates with silence, e the exploration floor, m e <= 0.2

net value = value x lever x effect - cost x weariness, the effect over silence at this moment, mixed over the
visitor's stages; weariness = 1 + messages already shown in this session + w x actions dismissed in 30 days. A draw may
also say that a message does harm: then its number is negative. The arms of models/arms.py leave out parts of this.
Compiled, in plain float32 steps without fused or reordered operations: the same bits on every machine, so that a
receipt replays.

Where an action has an uplift model (models/uplift.py) its draws keep their spread and get the model's effect as centre:
effect in draw d = mixed draw d - mean of the mixed draws + tau.
"""

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import msgspec
import numba
import numpy as np
import numpy.typing as npt

from features.record import hash64
from models.effects import N_EFFECTS
from models.page_plan import worths_of
from models.policy_terms import Policy

DRAWS: Final = 512
MOST_EXPLORATION: Final = 0.2
HOPE: Final = 0.03
"""The share of draws in which an action must be worth more than silence to be tried there at all: what hardly any draw
speaks for would otherwise cost the floor for ever."""
SILENCE: Final = 0
"""Silence's place among the candidates of a placement; candidate i stands at i + 1."""

_WHOLE: Final = float(1 << 64)

Table = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Draws:
    """Draws of each action's incremental effect, by the numbers of models/effects.py, in units of the action's value
    (in money, where the policy has a `reward`).

    id: first 16 hex digits of the table's SHA-256. table: float32 (n_actions, C, D), in the policy's order of actions.
    mean: float64 (n_actions, C).
    """

    id: str
    table: Table
    mean: Floats

    @classmethod
    def of(cls, table: Table) -> "Draws":
        """Draws from a table (n, C, D) of effects. Raises ValueError where it is none."""
        if table.ndim != 3 or table.shape[1] != N_EFFECTS or table.shape[2] < 1:
            raise ValueError(f"draws: shape {table.shape} instead of (actions, {N_EFFECTS}, draws)")
        if not bool(np.all(np.isfinite(table))):
            raise ValueError("draws: an effect is not a finite number")
        table = np.ascontiguousarray(table, np.float32)
        table.setflags(write=False)
        identity = hashlib.sha256(str(table.shape).encode() + table.tobytes()).hexdigest()[:16]
        return cls(identity, table, table.mean(axis=2, dtype=np.float64))

    @property
    def count(self) -> int:
        """How many draws."""
        return int(self.table.shape[2])


def prior_draws(policy: Policy, count: int = DRAWS) -> Draws:
    """Draws from the policy's priors, the same for the same policy: seeded by its version and each action's id."""
    table = np.zeros((len(policy.actions), N_EFFECTS, count), np.float32)
    for place, action in enumerate(policy.actions):
        random = np.random.Generator(np.random.Philox(key=[hash64(policy.version), action.hash]))
        for stage, mean in enumerate(action.prior.mean):
            scale = 1.0 if policy.reward is None else action.value
            table[place, stage] = scale * _beta(random, mean, action.prior.strength, count)
    return Draws.of(table)


def _beta(random: np.random.Generator, mean: float, strength: float, count: int) -> Floats:
    """Draws of a probability with a mean and a weight in visitors; a mean of 0 or 1 is certain."""
    if mean in (0.0, 1.0):
        return np.full(count, mean)
    return random.beta(mean * strength, (1.0 - mean) * strength, count)


@numba.njit(cache=True, nogil=True)
def net_value(draws, mean, at, stage, worth, cost, shift, net):  # type: ignore[no-untyped-def]
    """net[d] = worth * sum over s of at[s] * draws[s, d] - cost, in float32. stage: at, in float32. Returns the effect,
    the sum over s of mean[s] * at[s] in that order, and in how many draws net is above 0.

    Where shift is a number it is the effect instead, and net moves with it, its spread over the draws unchanged.
    """
    effect = 0.0
    for s in range(at.size):
        effect += mean[s] * at[s]
    for d in range(net.size):
        net[d] = -np.float32(cost)
    size = np.float32(worth)
    for s in range(0, stage.size - 2, 3):  # three at a time, added in the same order, so that net is written less often
        a, b, c = size * stage[s], size * stage[s + 1], size * stage[s + 2]
        one, two, three = draws[s], draws[s + 1], draws[s + 2]
        for d in range(net.size):
            net[d] = net[d] + a * one[d] + b * two[d] + c * three[d]
    for s in range(stage.size - stage.size % 3, stage.size):
        weight, one = size * stage[s], draws[s]
        for d in range(net.size):
            net[d] += weight * one[d]
    if not np.isnan(shift):
        by = np.float32(worth * (shift - effect))
        for d in range(net.size):
            net[d] += by
        effect = shift
    count = np.int32(0)
    for d in range(net.size):
        count = np.int32(count + np.int32(net[d] > 0))  # sums of 64 bits would be worked out half as many at once
    return effect, count


@numba.njit(cache=True, nogil=True)
def _net_values(table, mean, rows, at, worths, costs, weariness, shift, out, numbers, lifted):  # type: ignore[no-untyped-def]
    """out[i]: the net value in each draw of the action that is row rows[i] of table, mean, worths and costs; its cost
    is costs[row] * weariness. numbers[:, i]: its effect, its cost, and the mean of its net value. lifted[i]: in how
    many draws it is above 0. shift: empty, or of each action the effect that is known better, NaN where none is.
    """
    stage = at.astype(np.float32)
    for i in range(rows.size):
        row = rows[i]
        worth, cost = worths[row], costs[row] * weariness
        known = shift[i] if shift.size > 0 else np.nan
        effect, lifted[i] = net_value(table[row], mean[row], at, stage, worth, cost, known, out[i])
        numbers[0, i], numbers[1, i], numbers[2, i] = effect, cost, worth * effect - cost


@numba.njit(cache=True, nogil=True)
def _winners(net, rows, draw, floor, out):  # type: ignore[no-untyped-def]
    """Who is highest in a draw: 0 for silence or i + 1 for rows[i]. out[0]: the share of the draws that each wins.
    out[1]: the chance of each, where each of them has at least `floor`."""
    draws = net.shape[1]
    best, winner = np.zeros(draws, np.float32), np.zeros(draws, np.int32)
    for i in range(rows.size):
        values, place = net[rows[i]], np.int32(i + 1)
        for d in range(draws):
            higher = values[d] > best[d]
            best[d] = values[d] if higher else best[d]
            winner[d] = place if higher else winner[d]
    share, chance = out[0], out[1]
    share[:] = 0.0
    for d in range(draws):
        share[winner[d]] += 1.0
    for i in range(share.size):
        share[i] = share[i] / draws
        chance[i] = (1.0 - share.size * floor) * share[i] + floor
    return winner[draw]


class Contest(msgspec.Struct, frozen=True):
    """Net values of a page's eligible actions in every draw.

    actions: positions in the policy. numbers: float64 (3, m), mean effect, cost with what was already shown, and mean
    net value. net: float32 (m, D). lifted: int64 (m,), in how many draws each is above 0. arm: how it is decided.
    """

    actions: tuple[int, ...]
    numbers: Floats
    net: Table
    lifted: npt.NDArray[np.int64]
    arm: str = "full"

    @classmethod
    def of(
        cls,
        policy: Policy,
        draws: Draws,
        actions: tuple[int, ...],
        at: Floats,
        weariness: float = 1.0,
        arm: str = "full",
        shift: Mapping[int, float] = MappingProxyType({}),
    ) -> "Contest":
        """The contest of the actions at a moment, effects_of (C,). weariness: by which costs are multiplied.

        shift: where an action's effect is known better than by stage, that effect, by the action's hash.
        """
        count = len(actions)
        worth, cost = worths_of(policy).of(arm)
        net, numbers = np.empty((count, draws.table.shape[2]), np.float32), np.empty((3, count))
        lifted, rows = np.empty(count, np.int64), np.array(actions, np.int64)
        known = shifts_of(policy, actions, shift)
        _net_values(draws.table, draws.mean, rows, at, worth, cost, weariness, known, net, numbers, lifted)
        return cls(actions, numbers, net, lifted, arm)

    @property
    def probability(self) -> Floats:
        """The mean effect of each action, (m,)."""
        effects: Floats = self.numbers[0]
        return effects

    def hopeful(self, place: int) -> bool:
        """Whether enough draws lift the action at a place above silence: a share HOPE of them, and at least one."""
        return self.all_hopeful()[place]

    def all_hopeful(self) -> list[bool]:
        """The same of each action."""
        told: list[bool] = (self.lifted >= max(HOPE * self.net.shape[1], 1)).tolist()
        return told


_UNSHIFTED: Final = np.empty(0)


def shifts_of(policy: Policy, actions: Iterable[int], shift: Mapping[int, float]) -> Floats:
    """What net_value shifts each action's effect to, NaN where it does not; empty where it shifts none."""
    if not shift:
        return _UNSHIFTED
    return np.array([shift.get(policy.actions[place].hash, math.nan) for place in actions], np.float64)


def lots_of(decision_id: str, placement: str, draws: int) -> tuple[int, float]:
    """The draw that decides a placement, and a number from 0 to 1 that decides where it explores."""
    key = f"{decision_id}|{placement}"
    return hash64(key) % draws, hash64(f"{key}|explore") / _WHOLE


class Outcome(msgspec.Struct, frozen=True):
    """Who won a placement. winner: SILENCE or place + 1. share, propensity: (m + 1,), silence first, each summing to 1.

    explored: whether the exploration floor decided, not the draw.
    """

    winner: int
    share: tuple[float, ...]
    propensity: tuple[float, ...]
    draw: int
    explored: bool


def arbitrate(contest: Contest, places: tuple[int, ...], decision_id: str, placement: str, floor: float) -> Outcome:
    """Decides a placement among the contest's places (positions in `contest.actions`) and silence."""
    if contest.arm == "rules_only":
        return _first(len(places))
    draw, explore = lots_of(decision_id, placement, contest.net.shape[1])
    if not places:  # silence alone, for certain
        return Outcome(SILENCE, (1.0,), (1.0,), draw, contest.arm == "random")
    count = len(places) + 1
    each = 1.0 / count if contest.arm == "random" else floor_of(count, floor)
    out = np.empty((2, count))
    winner = _winners(contest.net, np.array(places, np.int64), draw, each, out)
    share, propensity = out.tolist()
    if explore < count * each:
        return Outcome(min(int(explore / each), count - 1), tuple(share), tuple(propensity), draw, True)
    return Outcome(int(winner), tuple(share), tuple(propensity), draw, False)


def _first(eligible: int) -> Outcome:
    """The first of the eligible for certain; silence if there is none."""
    winner = min(eligible, 1)
    sure = tuple(1.0 if place == winner else 0.0 for place in range(eligible + 1))
    return Outcome(winner, sure, sure, 0, False)


def floor_of(eligible: int, floor: float) -> float:
    """The least chance of each of the eligible, silence included: 0 for silence alone, together at most 0.2."""
    return min(floor, MOST_EXPLORATION / eligible) if eligible > 1 else 0.0


def warm_up() -> None:
    """Compiles what a decision runs, so that the first one is as quick as the next."""
    table, rows, one = np.zeros((1, N_EFFECTS, 2), np.float32), np.zeros(1, np.int64), np.zeros(1)
    table.setflags(write=False)
    net, numbers, out = np.empty((1, 2), np.float32), np.empty((3, 1)), np.empty((2, 2))
    _net_values(
        table, np.zeros((1, N_EFFECTS)), rows, np.zeros(N_EFFECTS), one, one, 1.0, one, net, numbers, rows.copy()
    )
    _winners(net, rows, 0, 0.0, out)
