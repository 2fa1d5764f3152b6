"""The Qini curve and coefficient: whether a score puts first those whom an action changes most.

Rows are sorted by falling score. Down to a row, with N_t, N_c the treated and silent rows and R_t, R_c their rewards,

    gain = R_t - R_c N_t / N_c                  what the action added so far (Radcliffe 2007, "Using control groups to
                                                target on predicted lift", Direct Marketing Analytics Journal 1)
    Qini = (A(score) - A(random)) / (A(perfect) - A(random))

A is the area under gain over N_t + N_c, joined by straight lines between the ends of equal scores; random is the
straight line to the last gain; perfect knows the rewards: those treated by falling reward, then those silent by rising
reward, negative effects included. 0 is as good as chance, 1 is as good as knowing.

Where chances of treatment differ between rows, each row counts by its inverse propensity, times the share of treated
rows (or of silent ones), so that a fair experiment has weights of 1 (Robins, Hernán & Brumback 2000, "Marginal
structural models", Epidemiology 11, stabilised weights).

Intervals come from resampling whole visitors, the scores unchanged, the same resamples for every score: differences are
paired.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

RESAMPLES: Final = 200


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What came of rows that were treated or not. treated: bool, weight and reward: float64, each (n,)."""

    treated: Flags
    weight: Floats
    reward: Floats

    @classmethod
    def of(cls, treated: Flags, propensity: Floats, reward: Floats) -> "Outcomes":
        """Each row weighted by the inverse of its chance. propensity: of being treated, above 0 and below 1, (n,)."""
        share = float(treated.mean()) if len(treated) else 0.0
        weight = np.where(treated, share / propensity, (1.0 - share) / (1.0 - propensity))
        return cls(treated, weight, reward)

    def __len__(self) -> int:
        return len(self.treated)

    def at(self, rows: Ints) -> "Outcomes":
        """Some of the rows, with the weights they have among all."""
        return Outcomes(self.treated[rows], self.weight[rows], self.reward[rows])


@dataclass(frozen=True, slots=True)
class Curve:
    """A Qini curve from (0, 0) on. rows: weighted rows so far; gain: reward added so far; each (k,)."""

    rows: Floats
    gain: Floats

    @property
    def above_random(self) -> float:
        """The area between the curve and the straight line to its end."""
        whole = float(np.trapezoid(self.gain, self.rows))
        return whole - 0.5 * float(self.gain[-1] * self.rows[-1])


@dataclass(frozen=True, slots=True)
class Ranked:
    """Rows by falling score. order: their places; ends: where the last of equal scores stands; outcomes: in order."""

    order: Ints
    ends: Ints
    outcomes: Outcomes

    @classmethod
    def of(cls, score: Floats, outcomes: Outcomes) -> "Ranked":
        """score: (n,), finite."""
        order = np.argsort(-score, kind="stable")
        falling = score[order]
        ends = np.append(np.flatnonzero(falling[1:] != falling[:-1]), len(order) - 1)
        return cls(order, ends.astype(np.int64), outcomes.at(order))

    def curve(self, counts: Floats | None = None) -> Curve:
        """The curve. counts: how often each row is drawn, (n,) in the order of before the sorting; once if left out."""
        one = self.outcomes
        weight = one.weight if counts is None else one.weight * counts[self.order]
        treated = np.where(one.treated, weight, 0.0)
        silent = weight - treated
        n_t, n_c, r_t, r_c = (self._so_far(x) for x in (treated, silent, treated * one.reward, silent * one.reward))
        ratio = np.divide(n_t, n_c, out=np.zeros_like(n_t), where=n_c > 0)
        return Curve(n_t + n_c, r_t - r_c * ratio)

    def _so_far(self, values: Floats) -> Floats:
        return np.concatenate([[0.0], np.cumsum(values)[self.ends]])


def perfect(outcomes: Outcomes) -> Ranked:
    """The rows as one who knew the rewards would rank them."""
    return Ranked.of(np.where(outcomes.treated, outcomes.reward, -outcomes.reward), outcomes)


def coefficient(ranked: Ranked, best: Ranked, counts: Floats | None = None) -> float:
    """The Qini coefficient. best: perfect() of the same outcomes. NaN where nobody could rank: one side, one reward."""
    most = best.curve(counts).above_random
    return ranked.curve(counts).above_random / most if most > 0 else float("nan")


def qini(score: Floats, outcomes: Outcomes) -> float:
    """The Qini coefficient of a score, (n,), or NaN (see coefficient)."""
    return coefficient(Ranked.of(score, outcomes), perfect(outcomes)) if len(outcomes) else float("nan")


@dataclass(frozen=True, slots=True)
class Held:
    """Scores of rows that the scoring models never saw. rows: places among all, (m,); scores: by name, (m,) each."""

    rows: Ints
    scores: Mapping[str, Floats]


@dataclass(frozen=True, slots=True)
class Compared:
    """Qini of each score. parts: of each held part, (p,). runs: the parts' mean in each resample, (r,)."""

    parts: Mapping[str, Floats]
    runs: Mapping[str, Floats]

    def mean(self, name: str) -> float:
        """Of the parts."""
        return float(np.mean(self.parts[name]))

    def interval(self, name: str) -> tuple[float, float]:
        """The 95 % interval of the mean, NaN where there is none."""
        return _interval(self.runs[name])

    def difference(self, name: str, other: str) -> tuple[float, float]:
        """The paired 95 % interval of how far name's mean lies above the other's."""
        return _interval(self.runs[name] - self.runs[other])


def _interval(runs: Floats) -> tuple[float, float]:
    if not len(runs) or not bool(np.all(np.isfinite(runs))):
        return float("nan"), float("nan")
    low, high = np.quantile(runs, [0.025, 0.975])
    return float(low), float(high)


def compare(
    held: Sequence[Held],
    outcomes: Outcomes,
    visitor: Ints,
    seed: int,
    resamples: int = RESAMPLES,
    told: Callable[[float], None] = lambda share: None,
) -> Compared:
    """Qini of the held parts' scores beside each other. outcomes, visitor: of all rows, (n,). told: 0 to 1."""
    names = tuple(held[0].scores)
    sets = [_Set.of(one, outcomes) for one in held]
    parts = np.array([one.coefficients(names, None) for one in sets])
    runs = np.empty((resamples, len(names)))
    for run, counts in enumerate(_draws(visitor, seed, resamples)):
        runs[run] = np.mean([one.coefficients(names, counts) for one in sets], axis=0)
        told((run + 1) / resamples)
    by_name = list(enumerate(names))
    return Compared({name: parts[:, at] for at, name in by_name}, {name: runs[:, at] for at, name in by_name})


def _draws(visitor: Ints, seed: int, resamples: int) -> Iterator[Floats]:
    """How often each row is drawn where its visitor is, (n,) a resample."""
    known, place = np.unique(visitor, return_inverse=True)
    rng = np.random.default_rng(seed)
    for _ in range(resamples):
        drawn = np.bincount(rng.integers(0, len(known), len(known)), minlength=len(known))
        yield drawn[place].astype(np.float64)


@dataclass(frozen=True, slots=True)
class _Set:
    """A held part, sorted once by each score."""

    rows: Ints
    ranked: Mapping[str, Ranked]
    best: Ranked

    @classmethod
    def of(cls, held: Held, outcomes: Outcomes) -> "_Set":
        here = outcomes.at(held.rows)
        return cls(held.rows, {name: Ranked.of(score, here) for name, score in held.scores.items()}, perfect(here))

    def coefficients(self, names: tuple[str, ...], counts: Floats | None) -> list[float]:
        here = None if counts is None else counts[self.rows]
        most = self.best.curve(here).above_random
        return [self.ranked[name].curve(here).above_random / most if most > 0 else float("nan") for name in names]
