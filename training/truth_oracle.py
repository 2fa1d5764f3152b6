"""The oracle of a truth: the best that can be decided by one who knows the truth and sees what a decision sees.

It knows the whole file: every effect, how visits move, who the visitors are, what too many messages do, the day. Of the
visitor before it, it knows what a decision knows at that moment: the exact belief in stage and persona that the scores
and the signals allow, and the weariness so far. It does not see the stage or the persona, and it does not add up what
earlier moments of the visit told. It looks ahead to the end of the visit (value iteration over stage, persona and
weariness, with the deciding done on sampled signs), not to caps and budgets. The seeing oracle sees stage and persona.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from training.truth_world import MOST_WEARY, SILENCE, Floats, Ints, World

SAMPLES: Final = 100
"""Sampled signs of each stage, persona and placement."""
MOST_SWEEPS: Final = 200
CLOSE: Final = 1e-5
_CHANCE: Final = 20_260_101

Masked = npt.NDArray[np.bool_]


def worth(world: World, day: float, value: Floats) -> Floats:
    """What each choice is worth, now and to the end of the visit: (6, P, K, 1 + A). value: of going on, (6, P, K)."""
    truth, weary = world.truth, np.arange(MOST_WEARY + 1)
    order = world.ordering(day)
    onward = np.tensordot(world.moves, value, (1, 0))
    one, dismissed = (np.minimum(weary + n, MOST_WEARY) for n in (1, 1 + truth.harm.dismissal_weighs))
    shown = onward[:, :, one, None] * (1 - world.dismissal) + onward[:, :, dismissed, None] * world.dismissal
    shown[..., SILENCE] = onward
    is_shown = (np.arange(order.shape[-1]) != SILENCE).astype(int)
    stays = 1 - world.leaving[..., is_shown]
    return np.asarray(truth.order_value * order - world.cost * (1 + weary)[:, None] + (1 - order) * stays * shown)


@dataclass(frozen=True, slots=True)
class Signs:
    """Sampled moments. belief: (n, 6, P). shape: stage, persona, placement and sample that the rows go through."""

    belief: Floats
    place: Ints
    shape: tuple[int, int, int, int]

    @classmethod
    def of(cls, world: World) -> "Signs":
        """Samples that are the same every time."""
        random = np.random.Generator(np.random.Philox(key=np.array([_CHANCE, 0], np.uint64)))
        shape = (*world.order.shape, world.at_place.shape[1], SAMPLES)
        stage, persona, place, _ = (axis.ravel() for axis in np.indices(shape))
        noisy = random.standard_normal((stage.size, 6))
        noisy[np.arange(stage.size), stage] += world.truth.stage_signal
        seen = np.stack([drawn(table[persona], random.random(stage.size)) for table in world.signals], axis=1)
        return cls(world.belief(seen, place, noisy), place, shape)


def drawn(chances: Floats, uniform: Floats) -> Ints:
    """One value for each row of chances (n, values), by a uniform number each."""
    place = (chances.cumsum(axis=1) <= uniform[:, None]).sum(axis=1)
    return np.asarray(np.minimum(place, chances.shape[1] - 1), np.int64)


def solve(world: World, day: float, signs: Signs | None, value: Floats | None = None) -> tuple[Floats, Floats]:
    """Worth (6, P, K, 1 + A) and value (6, P, K) of deciding best; signs None: by one who sees stage and persona.

    value: of a day before, to begin from.
    """
    if value is None:
        value = np.zeros((*world.order.shape, MOST_WEARY + 1))
    choices = worth(world, day, value)
    for _ in range(MOST_SWEEPS):
        fresh = _seeing(world, choices) if signs is None else _by_signs(world, choices, signs)
        gap = float(np.abs(fresh - value).max())
        value, choices = fresh, worth(world, day, fresh)
        if gap < CLOSE * world.truth.order_value:
            break
    return choices, value


def _seeing(world: World, choices: Floats) -> Floats:
    best = np.stack([np.where(open_, choices, -np.inf).max(axis=-1) for open_ in world.stands])
    return np.asarray(np.einsum("sl,lspk->spk", world.at_place, best))


def _by_signs(world: World, choices: Floats, signs: Signs) -> Floats:
    """The value of taking, at each sampled sign, what is best by its belief; earned in the stage that gave the sign."""
    s, p, places, n = signs.shape
    k = choices.shape[2]
    pick = expected(choices, signs.belief)
    pick = np.where(world.stands[signs.place][:, None, :], pick, -np.inf).argmax(axis=2).reshape(s, p, places * n, k)
    earned = np.take_along_axis(choices.transpose(0, 1, 3, 2), pick, axis=2)
    return np.asarray(np.einsum("sl,splk->spk", world.at_place, earned.reshape(s, p, places, n, k).mean(axis=3)))


def expected(choices: Floats, belief: Floats) -> Floats:
    """Worth of each choice under beliefs (n, 6, P): (n, K, 1 + A)."""
    s, p, k, a = choices.shape
    return np.asarray((belief.reshape(-1, s * p) @ choices.reshape(s * p, k * a)).reshape(-1, k, a))
