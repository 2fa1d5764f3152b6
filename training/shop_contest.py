"""The contest of a truth: every player on the same visits, and each one's gain over silence as a share of the oracle's.

Shares are told at checkpoints in two ways: `now`, of the gain over the tenth of the decisions before it (5,000 at
least), which is what the policy is worth by then; and `so_far`, from the first decision on, with what learning cost.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import numpy as np

from training.shop_players import ClickRate, Oracle, Priority, Random, Silence
from training.shop_tact import Tact
from training.shop_vw import VowpalWabbit, missing
from training.simulated_shop import Earned, Player, batches_for, play
from training.truth import Truth
from training.truth_world import Floats, World

CHECKPOINTS: Final = (5_000, 20_000, 50_000, 100_000, 200_000)
WARM_UP: Final = 5_000
"""Decisions in which a policy may earn less than silence."""
WINDOW: Final = 5_000
POINTS: Final = 100

Step = Callable[[str, float], None]

MAKERS: Final[Mapping[str, Callable[[World, int], Player]]] = {
    "silence": lambda world, seed: Silence(),
    "oracle": lambda world, seed: Oracle(world),
    "seeing_oracle": lambda world, seed: Oracle(world, sees=True),
    "tact": lambda world, seed: Tact.of(world, seed),
    "vowpal_wabbit": lambda world, seed: VowpalWabbit(world, seed=seed),
    "click_rate": lambda world, seed: ClickRate(world),
    "priority": lambda world, seed: Priority(),
    "random": lambda world, seed: Random(),
}
"""In the table's order."""


@dataclass(frozen=True, slots=True)
class Run:
    """One seed: what each player earned. skipped: who could not play, and why."""

    seed: int
    earned: Mapping[str, Earned]
    skipped: Mapping[str, str] = field(default_factory=dict)

    def gain(self, player: str) -> Floats:
        """Gain over silence by batch."""
        return self.earned[player].value - self.earned["silence"].value

    @property
    def decisions(self) -> Floats:
        """Decisions so far, as a silent shop counts them, by batch: one clock for all players."""
        return np.cumsum(self.earned["silence"].decisions).astype(np.float64)

    def share(self, player: str, since: float, until: float) -> float:
        """Of the oracle's gain, over the batches that end in (since, until]."""
        inside = (self.decisions > since) & (self.decisions <= until)
        best = float(self.gain("oracle")[inside].sum())
        return float(self.gain(player)[inside].sum()) / best if best > 0 else float("nan")


def run(truth: Truth, decisions: int, seed: int, step: Step, players: Sequence[str] = tuple(MAKERS)) -> Run:
    """All players on one seed's visits."""
    world = World(truth)
    batches = batches_for(world, decisions)
    earned, skipped = {}, {}
    for name in players:
        if name == "vowpal_wabbit" and missing():
            skipped[name] = missing()
            continue
        told = partial(step, f"{truth.name}, seed {seed}: {name.replace('_', ' ')}")
        earned[name] = play(world, MAKERS[name](world, seed), batches, seed, told)
    return Run(seed, earned, skipped)


def figures(truth: Truth, runs: Sequence[Run]) -> dict[str, Any]:
    """Every player's figures over the seeds, and its curve."""
    last = min(float(one.decisions[-1]) for one in runs)
    at = [point for point in CHECKPOINTS if point <= last * 1.02]
    players = {name: _of(name, runs, at, last) for name in runs[0].earned}
    gain = np.array([one.gain("oracle").sum() / one.earned["silence"].value.sum() for one in runs])
    return {
        "truth": truth.name,
        "description": truth.description,
        "decisions": int(last),
        "seeds": [one.seed for one in runs],
        "oracle_gain_over_silence": float(gain.mean()),
        "players": players,
        "skipped": dict(runs[0].skipped),
    }


def _of(name: str, runs: Sequence[Run], at: Sequence[int], last: float) -> dict[str, Any]:
    now = {str(p): _spread([one.share(name, p - max(WINDOW, p / 10), p) for one in runs]) for p in at}
    so_far = {str(p): _spread([one.share(name, 0, p) for one in runs]) for p in at}
    lowest = [_lowest(one, name, last) for one in runs]
    return {"now": now, "so_far": so_far, "lowest_after_warm_up": min(lowest), "curve": _curve(name, runs, last)}


def _spread(values: Sequence[float]) -> dict[str, float | None]:
    """Mean and, of two seeds or more, standard deviation."""
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return {"mean": float(np.mean(values)), "sd": spread}


def _lowest(one: Run, name: str, last: float) -> float:
    """The lowest gain of any WINDOW decisions in a row after the warm-up, as a share of the oracle's mean gain there.

    Windows begin every fifth of WINDOW. Below 0: for so long it earned less than silence would have.
    """
    usual = float(one.gain("oracle").sum()) * WINDOW / float(one.decisions[-1])
    begins = np.arange(WARM_UP, last - WINDOW + 1, WINDOW / 5)
    gains = [float(one.gain(name)[(one.decisions > b) & (one.decisions <= b + WINDOW)].sum()) for b in begins]
    return min(gains) / usual if gains and usual > 0 else float("nan")


def _curve(name: str, runs: Sequence[Run], last: float) -> dict[str, list[float]]:
    """Cumulative regret against the oracle per 1,000 decisions' worth, mean over seeds, at evenly spaced points."""
    points = np.linspace(0, last, POINTS + 1)
    rows = []
    for one in runs:
        regret = np.cumsum(one.gain("oracle") - one.gain(name))
        rows.append(np.interp(points, np.r_[0.0, one.decisions], np.r_[0.0, regret]))
    return {"decisions": points.round(0).tolist(), "regret": np.mean(rows, axis=0).round(4).tolist()}
