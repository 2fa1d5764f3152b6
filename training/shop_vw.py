"""VowpalWabbit's contextual bandit as a player: `--cb_explore_adf` on the numbers that Tact decides by.

Each moment is a shared example of the scores and the weariness, with one line for silence and one for each open action;
`-q sa` crosses them. The cost learned from is the interruption's cost less what the visit ordered from that decision
on, in orders: the reward of Tact, told when the visit is over. vowpalwabbit is no dependency: `missing()` says why it
is not there.
"""

import importlib
import importlib.util
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from models.effects import EFFECTS, effects_of
from training.simulated_shop import Masks, Moments
from training.truth_world import Ints, World

OPTIONS: Final[Mapping[str, str]] = {
    "epsilon": "--epsilon 0.05 --learning_rate 0.005",
    "epsilon_quick": "--epsilon 0.05 --learning_rate 0.05",
    "squarecb": "--squarecb --gamma_scale 500 --learning_rate 0.05",
    "cover": "--cover 4 --epsilon 0.02 --learning_rate 0.005",
}
"""Sets of options. BEST is that of docs/simulation.md: the slower one did better on one shop drawn at random and worse
in `stationary`; the choice is not settled."""
BEST: Final = "epsilon_quick"


def missing() -> str:
    """Why it cannot play; "" if it can."""
    found = importlib.util.find_spec("vowpalwabbit") is not None
    return "" if found else "vowpalwabbit is not installed"


@dataclass(frozen=True, slots=True)
class _Choice:
    """A decision that waits for its visit's end: the lines, which was chosen, its chance, its cost in orders."""

    shared: str
    lines: tuple[str, ...]
    chosen: int
    chance: float
    cost: float


@dataclass
class VowpalWabbit:
    """`--cb_explore_adf` with a set of options. ordered: visits of this batch that ordered."""

    world: World
    options: str = OPTIONS[BEST]
    seed: int = 1
    _open: dict[int, list[_Choice]] = field(default_factory=lambda: defaultdict(list))
    _ordered: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        workspace = importlib.import_module("vowpalwabbit").Workspace
        self._learner: Any = workspace(
            f"--cb_explore_adf --quiet -q sa --cb_type mtr --random_seed {self.seed} {self.options}"
        )
        self._now: list[_Choice] = []

    def choose(self, at: Moments) -> Ints:
        """By the probabilities that it says, and the row's uniform number."""
        self._now = [self._decide(at, row) for row in range(len(at.number))]
        return np.array([choice.chosen for choice in self._now], np.int64)

    def _decide(self, at: Moments, row: int) -> _Choice:
        numbers = effects_of(at.stage[row], at.intent[row], float(at.weariness[row]))
        shared = "shared |s " + " ".join(f"{n}:{v:.4f}" for n, v in zip(EFFECTS, numbers.tolist(), strict=True))
        open_ = np.flatnonzero(at.open[row]).tolist()
        lines = tuple(f"|a a{place}" for place in open_)
        chances = np.array(self._learner.predict([shared, *lines]))
        pick = min(int((chances.cumsum() <= at.chance[row] * chances.sum()).sum()), len(open_) - 1)
        cost = self.world.cost[open_[pick]] * at.weariness[row] / self.world.truth.order_value
        return _Choice(shared, lines, open_[pick], float(chances[pick]), float(cost))

    def met(self, at: Moments, chosen: Ints, clicked: Masks, dismissed: Masks, ordered: Masks) -> None:
        """Keeps the choices until their visit's end."""
        for choice, number, buys in zip(self._now, at.number.tolist(), ordered.tolist(), strict=True):
            self._open[number].append(choice)
            if buys:
                self._ordered.add(number)

    def later(self, now_ms: int) -> None:
        """Learns from every choice of the visits that ended."""
        for number, choices in self._open.items():
            bought = float(number in self._ordered)
            for choice in choices:
                self._learn(choice, choice.cost - bought)
        self._open.clear()
        self._ordered.clear()

    def _learn(self, choice: _Choice, cost: float) -> None:
        own = "|a a" + str(choice.chosen)
        lines = [f"0:{cost:.5f}:{choice.chance:.5f} {line}" if line == own else line for line in choice.lines]
        self._learner.learn([choice.shared, *lines])
