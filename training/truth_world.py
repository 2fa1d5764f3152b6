"""World: a truth as arrays, and what follows from it: chances of ordering and leaving, scores, beliefs.

A visit is a row of moments. At each it has a stage; something may be shown; it orders and ends, or leaves, or moves on
to the next stage. Axes: s stage (6), p persona, l placement, a action (0 is silence), k weariness so far (messages
shown in the visit + `dismissal_weighs` for each dismissed).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from models.action_kinds import BY_NAME
from models.stage import STAGES
from training.truth import Truth

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MOST_WEARY: Final = 12
"""Weariness so far counts no further."""
SILENCE: Final = 0
_S: Final = len(STAGES)


@dataclass(frozen=True)
class World:
    """A truth's arrays."""

    truth: Truth

    @cached_property
    def share(self) -> Floats:
        """Of the personas, (P,)."""
        return np.array([p.share for p in self.truth.personas])

    @cached_property
    def moves(self) -> Floats:
        """(6, 6)."""
        return np.array(self.truth.moves)

    @cached_property
    def order(self) -> Floats:
        """Chance of ordering at a moment in silence, (6, P)."""
        return np.array([p.order for p in self.truth.personas]).T

    @cached_property
    def leave(self) -> Floats:
        """Chance of leaving after a moment in silence, (6, P)."""
        return np.array([p.leave for p in self.truth.personas]).T

    @cached_property
    def impatience(self) -> Floats:
        """(P,)."""
        return np.array([p.impatience for p in self.truth.personas])

    @cached_property
    def at_place(self) -> Floats:
        """Share of each stage's moments at each placement, (6, L)."""
        return np.array([row for _, row in self.truth.placements]).T

    @cached_property
    def stands(self) -> npt.NDArray[np.bool_]:
        """Which action may stand where, (L, 1 + A); silence everywhere."""
        places = [name for name, _ in self.truth.placements]
        own = [[name in a.placements for a in self.truth.actions] for name in places]
        return np.array([[True, *row] for row in own])

    @cached_property
    def cost(self) -> Floats:
        """Of an interruption, (1 + A,)."""
        return np.array([0.0, *(BY_NAME[a.kind].cost if a.cost is None else a.cost for a in self.truth.actions)])

    @cached_property
    def click(self) -> Floats:
        """(1 + A,)."""
        return np.array([0.0, *(a.click for a in self.truth.actions)])

    @cached_property
    def dismissal(self) -> Floats:
        """(1 + A,)."""
        return np.array([0.0, *(a.dismissal for a in self.truth.actions)])

    @cached_property
    def _fresh(self) -> Floats:
        """Effects before weariness and drift, (6, P, 1 + A)."""
        effect = np.zeros((_S, len(self.share), 1 + len(self.truth.actions)))
        for at, action in enumerate(self.truth.actions, 1):
            answers = np.array([p.answers.get(action.kind, 1.0) for p in self.truth.personas])
            effect[:, :, at] = np.outer(action.effect, answers)
        return effect

    def _drift(self, day: float) -> Floats:
        return np.array([1.0, *(a.drift.at(day) if a.drift else 1.0 for a in self.truth.actions)])

    def ordering(self, day: float) -> Floats:
        """Chance of ordering at a moment, by what is shown and how weary the visitor is: (6, P, K, 1 + A)."""
        harm, weary = self.truth.harm, np.arange(MOST_WEARY + 1.0)
        effect = (self._fresh * self._drift(day))[:, :, None, :]
        faded = np.where(effect > 0, effect / (1 + harm.effect_fades * weary[:, None]), effect)
        irritated = harm.irritates * weary[None, :] * self.impatience[:, None]
        shown = np.arange(effect.shape[-1]) != SILENCE
        chance = self.order[:, :, None, None] + faded - irritated[None, :, :, None] * shown
        return np.asarray(np.clip(chance, 0.0, 0.98))

    @cached_property
    def leaving(self) -> Floats:
        """Chance of leaving after a moment, likewise: (6, P, K, 2), the last axis whether something was shown."""
        weary = np.arange(MOST_WEARY + 1.0)
        more = self.truth.harm.leaves_more * (1 + weary)[None, :] * self.impatience[:, None]
        silent = np.broadcast_to(self.leave[:, :, None], (_S, len(self.share), weary.size))
        return np.stack([silent, np.minimum(silent + more[None], 1.0)], axis=-1)

    @cached_property
    def usual(self) -> Floats:
        """How the moments of silent visits are spread over stages and personas, (6, P), summing to 1."""
        now = np.outer(self.truth.start, self.share)
        total = np.zeros_like(now)
        for _ in range(self.truth.most_moments):
            total += now
            now = self.moves.T @ (now * (1 - self.order) * (1 - self.leave))
        return np.asarray(total / total.sum())

    @cached_property
    def silent_orders(self) -> Floats:
        """Chance of ordering in the rest of a silent visit, (6, P)."""
        chance = np.zeros_like(self.order)
        for _ in range(self.truth.most_moments):
            chance = self.order + (1 - self.order) * (1 - self.leave) * (self.moves @ chance)
        return np.asarray(chance)

    @cached_property
    def signals(self) -> tuple[Floats, ...]:
        """Chance of each value of channel, device and returning by persona, (P, values) each."""
        personas = self.truth.personas
        tables = []
        for shares in ([p.channel for p in personas], [p.device for p in personas]):
            names = sorted({name for one in shares for name in one})
            tables.append(np.array([[one.get(name, 0.0) for name in names] for one in shares]))
        back = np.array([p.returning for p in personas])
        return (*tables, np.stack([1 - back, back], axis=1))

    def belief(self, seen: Ints, place: Ints, noisy: Floats) -> Floats:
        """What is to be believed of stage and persona, (n, 6, P), from one moment's signs: exact, so calibrated.

        seen: (n, 3), values of the signals. place: (n,). noisy: (n, 6), the stage's sign (1 at the stage) times
        `stage_signal`, with standard normal noise.
        """
        chance = (
            np.log(np.maximum(self.usual, 1e-300))[None] + np.log(np.maximum(self.at_place.T[place], 1e-300))[..., None]
        )
        chance = chance + (self.truth.stage_signal * noisy)[..., None]
        for column, table in enumerate(self.signals):
            chance = chance + np.log(np.maximum(table[:, seen[:, column]].T, 1e-300))[:, None, :]
        chance = np.exp(chance - chance.max(axis=(1, 2), keepdims=True))
        return np.asarray(chance / chance.sum(axis=(1, 2), keepdims=True))

    def scores(self, belief: Floats) -> tuple[Floats, Floats]:
        """The scores of a decision: stage (n, 6) and intent (n, 4): buy, cart, leave, help."""
        intent = np.zeros((len(belief), 4))
        intent[:, 0] = np.tensordot(belief, self.silent_orders, 2)
        intent[:, 1] = np.minimum(3 * intent[:, 0], 1.0)
        intent[:, 2] = np.tensordot(belief, self.leave, 2)
        return belief.sum(axis=2), intent
