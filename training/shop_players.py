"""Players of a simulated shop that learn little or nothing: silence, everything, chance, oracles, click rates."""

from dataclasses import dataclass, field

import numpy as np

from models.stage import STAGES
from training.simulated_shop import BEGIN_MS, DAY_MS, Masks, Moments
from training.truth_oracle import Signs, expected, solve
from training.truth_world import MOST_WEARY, SILENCE, Floats, Ints, World


class _Learnless:
    """A player that learns nothing."""

    def met(self, at: Moments, chosen: Ints, clicked: Masks, dismissed: Masks, ordered: Masks) -> None:
        """Nothing to learn."""

    def later(self, now_ms: int) -> None:
        """Nothing to learn."""


class Silence(_Learnless):
    """Shows nothing, ever."""

    def choose(self, at: Moments) -> Ints:
        """Silence."""
        return np.zeros(len(at.number), np.int64)


class Priority(_Learnless):
    """Shows the first open action in the file's order, always: what a shop without a model does."""

    def choose(self, at: Moments) -> Ints:
        """The first open; silence only where nothing is."""
        shows = at.open.copy()
        shows[:, SILENCE] = False
        return np.where(shows.any(axis=1), shows.argmax(axis=1), SILENCE)


class Random(_Learnless):
    """Any open action or silence, each as likely."""

    def choose(self, at: Moments) -> Ints:
        """By the row's uniform number."""
        return uniform(at.open, at.chance)


def uniform(open_: Masks, chance: Floats) -> Ints:
    """One of the open of each row, each as likely."""
    count = open_.cumsum(axis=1)
    nth = np.minimum((chance * count[:, -1]).astype(np.int64), count[:, -1] - 1)
    past = np.asarray(count > nth.reshape(-1, 1))
    return np.asarray(past.argmax(axis=1), np.int64)


@dataclass
class Oracle(_Learnless):
    """The best decision by one who knows the truth (training/truth_oracle.py); `sees` the stage and persona, or not.

    It is worked out anew each day of a truth that drifts.
    """

    world: World
    sees: bool = False
    _signs: Signs | None = None
    _day: int = -1
    _worth: Floats = field(default_factory=lambda: np.zeros(0))
    _value: Floats | None = None

    def choose(self, at: Moments) -> Ints:
        """The open choice of most worth."""
        self._refresh((at.ts_ms - BEGIN_MS) // DAY_MS)
        weary = np.minimum(at.weariness - 1, MOST_WEARY)
        if self.sees:
            worth = self._worth[at.true_stage, at.persona, weary]
        else:
            worth = expected(self._worth, at.belief)[np.arange(len(weary)), weary]
        return np.asarray(np.where(at.open, worth, -np.inf).argmax(axis=1), np.int64)

    def _refresh(self, day: int) -> None:
        if self._day == day or (self._day >= 0 and not self.world.truth.drifts):
            return
        if self._signs is None and not self.sees:
            self._signs = Signs.of(self.world)
        self._worth, self._value = solve(self.world, day + 0.5, self._signs, self._value)
        self._day = day


@dataclass
class ClickRate:
    """Epsilon-greedy on click rates by likeliest stage, what most build: it always shows something.

    epsilon: share shown at random. clicks, shown: (6, 1 + A), begun as if each had been clicked once in 20.
    """

    world: World
    epsilon: float = 0.1
    clicks: Floats = field(default_factory=lambda: np.zeros(0))
    shown: Floats = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        width = self.world.stands.shape[1]
        self.clicks, self.shown = np.ones((len(STAGES), width)), np.full((len(STAGES), width), 20.0)

    def choose(self, at: Moments) -> Ints:
        """The open action most clicked in the likeliest stage, or any; silence where nothing is open."""
        shows = at.open.copy()
        shows[:, SILENCE] = False
        some = shows.any(axis=1)
        rate = (self.clicks / self.shown)[at.stage.argmax(axis=1)]
        best = np.where(shows, rate, -1.0).argmax(axis=1)
        explores = at.chance < self.epsilon
        other = uniform(np.asarray(shows | ~some.reshape(-1, 1)), at.chance / self.epsilon % 1.0)
        return np.asarray(np.where(some, np.where(explores, other, best), SILENCE), np.int64)

    def met(self, at: Moments, chosen: Ints, clicked: Masks, dismissed: Masks, ordered: Masks) -> None:
        """Counts views and clicks."""
        stage = at.stage.argmax(axis=1)
        np.add.at(self.shown, (stage, chosen), chosen != SILENCE)
        np.add.at(self.clicks, (stage, chosen), clicked & (chosen != SILENCE))

    def later(self, now_ms: int) -> None:
        """Clicks are learned at once."""
