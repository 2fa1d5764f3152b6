"""A simulated shop with a known truth: the same visits served by one player after another, and what each earned.

Visits come in batches of about a quarter of an hour, moment by moment side by side. Stages, signs, and the uniform
numbers behind orders, leaving, clicks and dismissals are drawn before anything is shown, so every player meets the same
visitors with the same luck. What a player earns is counted as what was to be expected of each choice given the true
stage and persona (order value x chance of ordering - cost x weariness), not as what luck made of it: players differ by
what they choose, and curves are smooth. Players themselves see only signs, clicks, dismissals and orders.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from models.action_kinds import BY_NAME
from training.truth_oracle import drawn
from training.truth_world import MOST_WEARY, SILENCE, Floats, Ints, World

BEGIN_MS: Final = 1_767_225_600_000
"""2026-01-01 00:00 UTC."""
DAY_MS: Final = 86_400_000
STEP_MS: Final = 20_000
BATCHES_A_DAY: Final = 96
LEAST, MOST = 64, 512
"""Visits of a batch."""

Masks = npt.NDArray[np.bool_]
Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Moments:
    """What a player sees of the visits that are at a moment: n rows.

    number: of the visit. step: which moment of it. place: of the placement. stage (n, 6), intent (n, 4): the scores.
    seen: (n, 3) values of channel, device, returning. weariness: as models/moment.py has it. open: (n, 1 + A), what may
    be shown, silence first. chance: a uniform number each. belief (n, 6, P), true_stage, persona: for oracles alone.
    """

    ts_ms: int
    number: Ints
    step: int
    place: Ints
    stage: Floats
    intent: Floats
    seen: Ints
    weariness: Ints
    open: Masks
    chance: Floats
    belief: Floats
    true_stage: Ints
    persona: Ints


class Player(Protocol):
    """A way of deciding, with what it learns."""

    def choose(self, at: Moments) -> Ints:
        """An action for each row, 0 for silence; only what is open."""

    def met(self, at: Moments, chosen: Ints, clicked: Masks, dismissed: Masks, ordered: Masks) -> None:
        """What the choices met with there and then."""

    def later(self, now_ms: int) -> None:
        """The visits of the batch are over."""


@dataclass(frozen=True, slots=True)
class Earned:
    """By batch: decisions made and value earned, in money. decisions, value: (batches,)."""

    decisions: Ints
    value: Floats


@dataclass(frozen=True, slots=True)
class Visits:
    """A batch, drawn before anything is shown. stage, place: (B, T). belief: (B, T, 6, P). luck: (B, T, 5)."""

    number: Ints
    persona: Ints
    seen: Ints
    stage: Ints
    place: Ints
    belief: Floats
    luck: Floats

    @classmethod
    def of(cls, world: World, seed: int, batch: int, size: int) -> "Visits":
        """A batch of `size` visits; the same for the same seed and number."""
        random = np.random.Generator(np.random.Philox(key=np.array([seed, batch], np.uint64)))
        steps = world.truth.most_moments
        persona = drawn(np.tile(world.share, (size, 1)), random.random(size))
        seen = np.stack([drawn(table[persona], random.random(size)) for table in world.signals], axis=1)
        stage = _path(world, random.random((size, steps)))
        place = drawn(world.at_place[stage.ravel()], random.random(size * steps))
        noisy = random.standard_normal((size * steps, 6))
        noisy[np.arange(size * steps), stage.ravel()] += world.truth.stage_signal
        belief = world.belief(np.repeat(seen, steps, axis=0), place, noisy)
        shape = (size, steps)
        number = np.arange(batch * size, (batch + 1) * size)
        luck = random.random((size, steps, 5))
        return cls(number, persona, seen, stage, place.reshape(shape), belief.reshape(*shape, 6, -1), luck)


def _path(world: World, uniform: Floats) -> Ints:
    """The stages that a visit would go through if it neither orders nor leaves, (B, T)."""
    stage = np.empty(uniform.shape, np.int64)
    stage[:, 0] = drawn(np.tile(world.truth.start, (len(uniform), 1)), uniform[:, 0])
    for step in range(1, uniform.shape[1]):
        stage[:, step] = drawn(world.moves[stage[:, step - 1]], uniform[:, step])
    return stage


def size_of(world: World) -> int:
    """Visits of a batch."""
    return int(np.clip(world.truth.visits_per_day / BATCHES_A_DAY, LEAST, MOST))


def batches_for(world: World, decisions: int) -> int:
    """Batches in which silent visits have about so many decisions."""
    now, moments = np.outer(world.truth.start, world.share), 0.0
    for _ in range(world.truth.most_moments):
        moments += now.sum()
        now = world.moves.T @ (now * (1 - world.order) * (1 - world.leave))
    return max(1, int(np.ceil(decisions / (moments * size_of(world)))))


def day_of(world: World, batch: int) -> float:
    """The day a batch begins on."""
    return batch * size_of(world) / world.truth.visits_per_day


def play(world: World, player: Player, batches: int, seed: int, progress: Progress | None = None) -> Earned:
    """Serves the batches with a player."""
    decisions, value = np.zeros(batches, np.int64), np.zeros(batches)
    for batch in range(batches):
        visits = Visits.of(world, seed, batch, size_of(world))
        decisions[batch], value[batch] = _serve(world, player, visits, day_of(world, batch))
        player.later(BEGIN_MS + int(day_of(world, batch + 1) * DAY_MS))
        if progress is not None:
            progress((batch + 1) / batches)
    return Earned(decisions, value)


@dataclass(slots=True)
class _Going:
    """The visits still going on. rows: of the batch. shown: (n, 1 + A) times. refused: (n, 1 + A)."""

    rows: Ints
    weary: Ints
    shown: Ints
    refused: Masks

    def keep(self, still: Masks) -> None:
        self.rows, self.weary = self.rows[still], self.weary[still]
        self.shown, self.refused = self.shown[still], self.refused[still]


def _serve(world: World, player: Player, visits: Visits, day: float) -> tuple[int, float]:
    """One batch; returns decisions and value."""
    size, width = len(visits.number), world.stands.shape[1]
    order = world.ordering(day)
    going = _Going(
        np.arange(size), np.zeros(size, np.int64), np.zeros((size, width), np.int64), np.zeros((size, width), np.bool_)
    )
    begin_ms = BEGIN_MS + int(day * DAY_MS)
    decisions, value = 0, 0.0
    for step in range(world.truth.most_moments):
        if not going.rows.size:
            break
        at = _moments(world, visits, going, step, begin_ms + step * STEP_MS)
        chosen = player.choose(at)
        weary = np.minimum(going.weary, MOST_WEARY)
        chance = order[at.true_stage, at.persona, weary, chosen]
        is_shown = chosen != SILENCE
        leave = world.leaving[at.true_stage, at.persona, weary, is_shown.astype(int)]
        decisions += len(chosen)
        value += float((world.truth.order_value * chance - world.cost[chosen] * at.weariness).sum())
        luck = visits.luck[going.rows, step]
        ordered, gone = luck[:, 0] < chance, luck[:, 1] < leave
        clicked = luck[:, 2] < world.click[chosen]
        dismissed = luck[:, 2] >= 1 - world.dismissal[chosen]
        player.met(at, chosen, clicked, dismissed & is_shown, ordered)
        going.weary += is_shown + world.truth.harm.dismissal_weighs * (dismissed & is_shown)
        going.shown[np.arange(len(chosen)), chosen] += is_shown
        going.refused[np.arange(len(chosen)), chosen] |= dismissed & is_shown
        going.keep(~(ordered | gone))
    return decisions, value


def _moments(world: World, visits: Visits, going: _Going, step: int, ts_ms: int) -> Moments:
    rows = going.rows
    belief = visits.belief[rows, step]
    stage, intent = world.scores(belief)
    place = visits.place[rows, step]
    return Moments(
        ts_ms=ts_ms,
        number=visits.number[rows],
        step=step,
        place=place,
        stage=stage,
        intent=intent,
        seen=visits.seen[rows],
        weariness=1 + going.weary,
        open=world.stands[place] & _polite(world, going),
        chance=visits.luck[rows, step, 3],
        belief=belief,
        true_stage=visits.stage[rows, step],
        persona=visits.persona[rows],
    )


def _polite(world: World, going: _Going) -> Masks:
    """What caps, the budget and the rest after a dismissal leave open, as the policy's gates do: (n, 1 + A)."""
    actions = world.truth.actions
    caps = np.array([np.inf, *(np.inf if a.per_session is None else a.per_session for a in actions)])
    rests = np.array([False, *(BY_NAME[a.kind].cooldown_after_dismissal_s > 0 for a in actions)])
    open_ = (going.shown < caps) & ~(going.refused & rests)
    if world.truth.session_budget is not None:
        open_[going.shown.sum(axis=1) >= world.truth.session_budget] = False
    open_[:, SILENCE] = True
    return np.asarray(open_)


def windows(earned: Earned, width: int) -> Iterator[slice]:
    """Slices of batches with about `width` decisions each, in order; a shorter rest is left out."""
    begin, sofar = 0, 0
    for batch, count in enumerate(earned.decisions.tolist()):
        sofar += count
        if sofar >= width:
            yield slice(begin, batch + 1)
            begin, sofar = batch + 1, 0
