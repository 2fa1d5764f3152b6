"""The personas of a shop out of its log: traits, clusters, names that last, words and figures.

* TooFewVisitors   fewer than LEAST_VISITORS have done enough to tell anything from; says how many there are
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.record import hash64
from models.persona import Personas
from models.persona_traits import LEAST_STEPS, N_TRAITS, TRAITS, traits_of_log
from training.lake import Log
from training.persona_fit import SAMPLE, STABLE_EACH, Clusters, choose, matched
from training.persona_profile import Known, business_like, orders_of, profile
from training.persona_words import name, sentence, standing_out, title

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LEAST_VISITORS: Final = 200
LEAST_SPREAD: Final = 0.05
"""A trait that differs less among visitors, or is known of fewer of them than this share, is not used."""

GROUP_WEIGHT: Final = {
    "return": 1.0,
    "effort": 1.0,
    "look": 1.0,
    "money": 1.0,
    "source": 0.7,
    "when": 0.5,
    "device": 0.5,
}
"""How much a group of traits counts: how people travel more than the hour, the way in and the device. A judgement."""

LEAST_KNOWN: Final = 0.2
"""A trait that is known of a smaller share of a persona's visitors gets no word."""

EARLY: Final = 5
"""After so many records it is told how many visitors already have the persona they end with."""

Progress = Callable[[str, float], None]


class TooFewVisitors(ValueError):
    """There are too few visitors to find personas among."""


@dataclass(frozen=True, slots=True)
class Found:
    """personas: to publish, their `told` filled. codes: of the log's visitors, -1 for none yet, (v,)."""

    personas: Personas
    codes: Ints

    @property
    def stable(self) -> bool:
        """Whether the names may be used in rules."""
        return bool(self.personas.told["verdict"] == "stable")


def find(
    log: Log,
    seed: int = 1,
    before: Personas | None = None,
    utc_offset_h: float = 0.0,
    progress: Progress = lambda step, share: None,
) -> Found:
    """before: those of the run before, whose names stay with those they are. Raises TooFewVisitors."""
    progress("traits", 0.0)
    bounds = np.searchsorted(log.visitor, np.arange(len(log.visitors) + 1)).astype(np.int64)
    values, steps = traits_of_log(log.records, bounds, utc_offset_h)
    enough = np.flatnonzero(steps >= LEAST_STEPS)
    if len(enough) < LEAST_VISITORS:
        raise TooFewVisitors(
            f"{len(enough):,} of {len(log.visitors):,} visitors have done {LEAST_STEPS} steps or more; "
            f"personas need {LEAST_VISITORS:,}"
        )
    frame = _frame(log.shop, values[enough], utc_offset_h)
    progress("traits", 1.0)
    points = frame.points(values[enough[_spread(log, enough)]])
    near = None if before is None else frame.points(_raw(before)) if before.utc_offset_h == utc_offset_h else None
    chosen, tried = choose(points, seed, near, told=lambda k: progress(f"{k} clusters", 0.0))
    k = len(chosen.centres)
    unnamed = replace(frame, names=tuple(f"p{n}" for n in range(k)), centres=chosen.centres)
    codes = unnamed.codes(values, steps)
    effects = _effects(frame, values, codes, k)
    kept = _kept(codes, before, values, steps, k)
    names, outs = _names(effects, frame.weight > 0, kept)
    progress("figures", 0.0)
    known = Known(log, codes, values, orders_of(log), utc_offset_h)
    told = _told(known, chosen, tried, names, outs, kept)
    told["early"] = _early(log, bounds, unnamed, codes)
    told["window"] = {"events": len(log), "visitors": len(log.visitors), "without": int((steps < LEAST_STEPS).sum())}
    progress("figures", 1.0)
    return Found(replace(unnamed, names=tuple(names), told=told), codes)


def _frame(shop: str, values: Floats, utc_offset_h: float) -> Personas:
    """Middle, spread and weight of the traits; one made-up centre."""
    known = np.isfinite(values)
    counts = known.sum(axis=0)
    filled = np.where(known, values, 0.0)
    middle = filled.sum(axis=0) / np.maximum(counts, 1)
    left = np.where(known, values - middle, 0.0)
    spread = np.sqrt((left**2).sum(axis=0) / np.maximum(counts, 1))
    used = (spread >= LEAST_SPREAD) & (counts >= LEAST_SPREAD * len(values))
    weight = _weights(np.where(used, left / np.where(used, spread, 1.0), 0.0), used)
    none = np.zeros((1, N_TRAITS))
    return Personas(shop, ("x",), middle, np.where(used, spread, 1.0), weight, none, utc_offset_h)


def _weights(moved: Floats, used: npt.NDArray[np.bool_]) -> Floats:
    """Of each trait, so that no group counts more for telling the same several times: a group's main direction has the
    variance of its GROUP_WEIGHT squared (Escofier & Pagès 1994, "Multiple factor analysis")."""
    weight = np.zeros(N_TRAITS)
    for group, counts in GROUP_WEIGHT.items():
        own = np.array([trait.group == group for trait in TRAITS]) & used
        if own.any():
            columns = moved[:, own]
            weight[own] = counts / np.sqrt(np.linalg.eigvalsh(columns.T @ columns / len(columns))[-1])
    return weight


def _spread(log: Log, rows: Ints) -> Ints:
    """SAMPLE of the rows at the most, chosen by a hash of the visitor: the same ones in every run."""
    if len(rows) <= SAMPLE:
        return np.arange(len(rows))
    keys = np.fromiter((hash64("persona|" + log.visitors[row]) for row in rows.tolist()), np.uint64, len(rows))
    return np.sort(np.argsort(keys, kind="stable")[:SAMPLE])


def _raw(before: Personas) -> Floats:
    """Centres as traits; those not used lie at the middle."""
    used = before.weight > 0
    return np.where(used, before.centres / np.where(used, before.weight, 1.0) * before.spread, 0.0) + before.middle


def _effects(frame: Personas, values: Floats, codes: Ints, k: int) -> Floats:
    """How far each persona lies from the average, by trait, in spreads. (k, N_TRAITS)."""
    moved = np.clip((values - frame.middle) / frame.spread, -3.0, 3.0)
    found = np.zeros((k, N_TRAITS))
    for n in range(k):
        own = moved[codes == n]
        seen = np.isfinite(own)
        mean = np.where(seen, own, 0.0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
        found[n] = np.where(seen.sum(axis=0) >= LEAST_KNOWN * len(own), mean, 0.0)
    return found


def _kept(codes: Ints, before: Personas | None, values: Floats, steps: Ints, k: int) -> dict[int, str]:
    """The names that stay, by cluster."""
    if before is None:
        return {}
    earlier = before.codes(values, steps)
    both = (codes >= 0) & (earlier >= 0)
    return {now: before.names[then] for now, then in matched(codes[both], earlier[both], k).items()}


def _names(effects: Floats, used: Any, kept: dict[int, str]) -> tuple[list[str], list[Any]]:
    outs = [standing_out(row, used.tolist()) for row in effects]
    names: dict[int, str] = dict(kept)
    for at, out in enumerate(outs):
        if at not in names:
            names[at] = name(out, names.values())
    return [names[at] for at in range(len(outs))], outs


def _early(log: Log, bounds: Ints, personas: Personas, codes: Ints) -> dict[str, Any]:
    """Of visitors with twice EARLY records or more: the share whose persona after EARLY is the one they end with, and
    the share that would agree by chance."""
    long = np.flatnonzero((np.diff(bounds) >= 2 * EARLY) & (codes >= 0))
    rows = (bounds[long][:, None] + np.arange(EARLY)[None, :]).ravel()
    edges = np.arange(len(long) + 1, dtype=np.int64) * EARLY
    then = personas.codes(*traits_of_log(log.records[rows], edges, personas.utc_offset_h))
    both = then >= 0
    n, k = int(both.sum()), len(personas.names)
    if not n:
        return {"records": EARLY, "visitors": 0, "agree": None, "by_chance": None}
    one, other = (np.bincount(c[both], minlength=k) / n for c in (then, codes[long]))
    agree = float((then[both] == codes[long][both]).mean())
    return {"records": EARLY, "visitors": n, "agree": agree, "by_chance": float((one * other).sum())}


def _told(
    known: Known, chosen: Clusters, tried: dict[int, Clusters], names: list[str], outs: list[Any], kept: dict[int, str]
) -> dict[str, Any]:
    everybody = profile(known, None)
    rows = []
    for at, persona in enumerate(names):
        figures = profile(known, at)
        rows.append(
            {
                "persona": persona,
                "title": title(persona),
                "words": sentence(outs[at]),
                "since_before": at in kept,
                "stands_out": [{"trait": trait, "spreads": round(far, 2)} for trait, far, _ in outs[at]],
                "jaccard": round(chosen.stability.jaccard[at], 3),
                "trusted": chosen.stability.jaccard[at] >= STABLE_EACH,
                "business_like": business_like(figures, everybody),
                **figures,
            }
        )
    return {
        "verdict": chosen.verdict,
        "stability": _stability(chosen),
        "tried": [{"personas": k, "verdict": one.verdict, **_stability(one)} for k, one in sorted(tried.items())],
        "traits": [trait.name for trait, used in zip(TRAITS, _used(known), strict=True) if used],
        "personas": rows,
        "everybody": everybody,
    }


def _stability(one: Clusters) -> dict[str, Any]:
    steady = one.stability
    index = {"rand": round(steady.ari, 3), "rand_ci": [round(steady.low, 3), round(steady.high, 3)]}
    return index | {"explained": round(one.explained, 3), "shuffled": round(one.shuffled, 3)}


def _used(known: Known) -> list[bool]:
    used = _frame("", known.values[known.codes >= 0], 0.0).weight > 0
    return [bool(one) for one in used]
