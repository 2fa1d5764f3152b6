"""Finding personas: k-means on weighted traits, how stable that is, how many there are, and which is which again.

* k-means++ (Arthur & Vassilvitskii 2007) and Lloyd's steps, the best of several starts, all from one seed.
* Stability: fitted anew on bootstrap samples of the visitors, every visitor assigned by both; the adjusted Rand index
  (Hubert & Arabie 1985) of the two, its mean and the 2.5 and 97.5 % quantiles. Of each persona the Jaccard overlap with
  its best match (Hennig 2007, "Cluster-wise assessment of cluster stability").
* As many personas as are stable (the idea of Tibshirani & Walther 2005), and no more.
* Beside it what the clusters explain, against the same traits shuffled, each by itself: stable cuts through one cloud
  are cuts, not kinds of people.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numba
import numpy as np
import numpy.typing as npt

from models.persona import nearest

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

FEWEST, MOST = 2, 8
"""So many personas are tried."""

BOOTSTRAPS: Final = 20
STARTS: Final = 8
SAMPLE: Final = 3_000
"""Visitors that centres are fitted on; all are assigned."""

STABLE_MEAN, STABLE_LOW, STABLE_EACH = 0.8, 0.6, 0.6
"""Least mean and least lower end of the adjusted Rand index of what is called stable, and the least Jaccard overlap of
each cluster (below .6 Hennig calls a cluster not to be trusted). Fixed beforehand."""

MORE_THAN_SHUFFLED: Final = 1.1
"""Clusters explain at least so many times what they explain of shuffled traits, or there are none."""

SHUFFLES: Final = 5
_ROUNDS: Final = 60
_LEAST_EACH: Final = 10


@dataclass(frozen=True, slots=True)
class Stability:
    """ari: mean, low, high of the bootstraps. jaccard: of each cluster, mean."""

    ari: float
    low: float
    high: float
    jaccard: tuple[float, ...]

    @property
    def stable(self) -> bool:
        """Whether these clusters would be found again."""
        return self.ari >= STABLE_MEAN and self.low >= STABLE_LOW and min(self.jaccard) >= STABLE_EACH


@dataclass(frozen=True, slots=True)
class Clusters:
    """centres: (k, p), the largest cluster first. explained: share of the points' variance; shuffled: that of the
    same points with each column shuffled, the most of SHUFFLES."""

    centres: Floats
    stability: Stability
    explained: float
    shuffled: float

    @property
    def kinds(self) -> bool:
        """Whether there is more in it than columns that have nothing to do with each other would give."""
        return self.explained >= MORE_THAN_SHUFFLED * self.shuffled

    @property
    def verdict(self) -> str:
        """One of: "stable", "not stable", "by degrees"."""
        return "by degrees" if not self.kinds else "stable" if self.stability.stable else "not stable"


def fit(points: Floats, k: int, rng: np.random.Generator, starts: int = STARTS, near: Floats | None = None) -> Floats:
    """Centres (k, p) of points (n, p), n >= k, the largest cluster first. near: centres to start from as well."""
    begins = [near.copy()] if near is not None and near.shape == (k, points.shape[1]) else []
    begins += [_plus_plus(points, k, rng) for _ in range(starts)]
    found = [_lloyd(points, one) for one in begins]
    centres = min(found, key=lambda one: one[1])[0]
    code, _ = nearest(points, centres)
    sizes = np.bincount(code, minlength=k)
    return centres[np.lexsort((*centres.T[::-1], -sizes))]


def _plus_plus(points: Floats, k: int, rng: np.random.Generator) -> Floats:
    chosen = [int(rng.integers(len(points)))]
    far = np.sum((points - points[chosen[0]]) ** 2, axis=1)
    while len(chosen) < k:
        total = far.sum()
        at = int(rng.choice(len(points), p=far / total)) if total > 0 else int(rng.integers(len(points)))
        chosen.append(at)
        far = np.minimum(far, np.sum((points - points[at]) ** 2, axis=1))
    return points[chosen].copy()


def _lloyd(points: Floats, centres: Floats) -> tuple[Floats, float]:
    """Centres after at most _ROUNDS steps, and the sum of squared distances."""
    before = np.inf
    for _ in range(_ROUNDS):
        code, far = nearest(points, centres)
        total = float(far.sum())
        if total >= before * (1 - 1e-6):
            break
        before = total
        centres = _means(points, code, centres)
    return centres, before


@numba.njit(cache=True)
def _means(points, code, centres):  # type: ignore[no-untyped-def]
    """The mean of each cluster; an empty one stays where it was."""
    sums, counts = np.zeros_like(centres), np.zeros(centres.shape[0])
    for i in range(points.shape[0]):
        counts[code[i]] += 1
        for j in range(points.shape[1]):
            sums[code[i], j] += points[i, j]
    out = centres.copy()
    for k in range(centres.shape[0]):
        if counts[k] > 0:
            out[k] = sums[k] / counts[k]
    return out


def rand_index(one: Ints, other: Ints) -> float:
    """The adjusted Rand index of two partitions (n,): 1 the same, 0 as by chance. Hubert & Arabie 1985."""
    table = crossed(one, other)
    pairs = float((table * (table - 1)).sum()) / 2
    rows, columns = (float((s * (s - 1)).sum()) / 2 for s in (table.sum(axis=1), table.sum(axis=0)))
    every = len(one) * (len(one) - 1) / 2
    expected = rows * columns / every if every else 0.0
    most = (rows + columns) / 2
    return 1.0 if most == expected else (pairs - expected) / (most - expected)


def crossed(one: Ints, other: Ints) -> Ints:
    """How many are in each pair of clusters, (k, l)."""
    k, columns = int(one.max(initial=0)) + 1, int(other.max(initial=0)) + 1
    return np.bincount(one * columns + other, minlength=k * columns).reshape(k, columns)


def overlaps(table: Ints) -> Floats:
    """Jaccard overlap of each pair of clusters from crossed(): (k, l)."""
    union = table.sum(axis=1)[:, None] + table.sum(axis=0)[None, :] - table
    return np.asarray(table / np.maximum(union, 1))


def stability(points: Floats, centres: Floats, rng: np.random.Generator, bootstraps: int = BOOTSTRAPS) -> Stability:
    """How alike clusters of bootstrap samples are to those of these centres."""
    own, _ = nearest(points, centres)
    found, overlap = [], []
    for _ in range(bootstraps):
        sample = points[rng.integers(len(points), size=len(points))]
        other, _ = nearest(points, fit(sample, len(centres), rng))
        found.append(rand_index(own, other))
        overlap.append(_best(own, other, len(centres)))
    low, high = np.quantile(found, [0.025, 0.975])
    return Stability(float(np.mean(found)), float(low), float(high), tuple(np.mean(overlap, axis=0).tolist()))


def _best(own: Ints, other: Ints, k: int) -> Floats:
    best = np.zeros(k)
    found = overlaps(crossed(own, other)).max(axis=1)
    best[: len(found)] = found
    return best


def explained(points: Floats, centres: Floats) -> float:
    """Share of the points' variance that lies between clusters."""
    total = float(((points - points.mean(axis=0)) ** 2).sum())
    return 1.0 - float(nearest(points, centres)[1].sum()) / total if total > 0 else 0.0


def clusters(points: Floats, k: int, seed: int, near: Floats | None = None) -> Clusters:
    """k clusters of points (n, p) with their figures; the same points and seed give the same bytes."""
    rng = np.random.default_rng([seed, k])
    centres = fit(points, k, rng, near=near)
    steady = stability(points, centres, rng)
    return Clusters(centres, steady, explained(points, centres), _shuffled(points, k, rng))


def _shuffled(points: Floats, k: int, rng: np.random.Generator) -> float:
    found = []
    for _ in range(SHUFFLES):
        mixed = np.column_stack([rng.permutation(column) for column in points.T])
        found.append(explained(mixed, fit(mixed, k, rng, starts=2)))
    return max(found)


def choose(
    points: Floats,
    seed: int,
    near: Floats | None = None,
    counts: Sequence[int] = tuple(range(MOST, FEWEST - 1, -1)),
    told: Callable[[int], None] = lambda k: None,
) -> tuple[Clusters, dict[int, Clusters]]:
    """The clusters to use, and all that were tried.

    As many as those before (near) while that is stable; else the most that are stable; if none are, those with the
    highest index, whose verdict says so. points: (n, p), n >= 10 for each of the fewest.
    """
    tried: dict[int, Clusters] = {}
    first = [len(near)] if near is not None and len(near) in counts else []
    for k in dict.fromkeys([*first, *counts]):
        if len(points) < _LEAST_EACH * k:
            continue
        told(k)
        tried[k] = clusters(points, k, seed, near)
        if tried[k].verdict == "stable":
            return tried[k], tried
    return max(tried.values(), key=lambda one: (one.kinds, one.stability.ari)), tried


def matched(now: Ints, before: Ints, k: int, least: float = 0.5) -> dict[int, int]:
    """Which clusters are those of before, from both assignments of the same visitors (n,): pairs of the most overlap
    together (Kuhn 1955), where the overlap is `least` or more."""
    from scipy.optimize import linear_sum_assignment

    found = overlaps(crossed(now, before))
    rows, columns = linear_sum_assignment(-found)
    return {int(r): int(c) for r, c in zip(rows, columns, strict=True) if found[r, c] >= least and r < k}
