"""Drift: how far features and scores seen now are spread differently from those a bundle was trained on.

The measure is the population stability index, sum over bins of (q - p) ln(q / p), p then and q now: Lewis 1994, "An
Introduction to Credit Scoring"; Siddiqi 2006, "Credit Risk Scorecards", from which the usual levels are: below .1
stable, to .25 worth watching, above it a shift. Without any drift it is still about (bins - 1)(1/n + 1/m) for n and m
independent rows (Yurdakul & Naranjo 2020, "Statistical properties of the population stability index"): that much is
taken off. Rows of one session resemble each other, so n and m are counted in sessions, the careful side.

Bins are fixed when a bundle is trained: one for unknown (NaN); of a number with few values one each, and between them
those for values never seen; else ten quantiles.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numba
import numpy as np
import numpy.typing as npt

from features.events import CHANNELS, CODE, DEVICES, KINDS, PAGE_TYPES, REFERRERS
from features.schema import FEATURES
from models.intent import INTENTS
from models.stage import STAGES

Level = Literal["stable", "watch", "alert", "few"]

WATCH, ALERT = 0.1, 0.25
MIN_SESSIONS: Final = 200
"""With fewer sessions then or now there is no level."""

QUANTILES: Final = 10
FEW_VALUES: Final = 12
NARROWEST: Final = 0.005
"""No bin of a score is narrower: that a rare stage is twice as likely at .001 changes no decision."""
NEAR, CROWDED = 0.025, 0.15
"""No cut of a feature stands where more than CROWDED of the numbers lie within NEAR of it, in shares, but beside it."""
SMOOTHING: Final = 0.5
"""Added to each bin: an empty one would make the index infinite."""

SCORES: Final = (*(f"stage_{name}" for name in STAGES), *(f"intent_{name}" for name in INTENTS))
NAMES: Final = (*(feature.name for feature in FEATURES), *SCORES)
"""What is watched: a row is a vector followed by its stage probabilities and intents."""

CALENDAR: Final = frozenset({"time_hour", "time_weekday", "visitor_since_first_s", "shop_buy_rate", "shop_cart_rate"})
"""Spread by the hours looked at and by how far back a log goes, not by the visitors (all rows of a moment share a
shop's rates): shown, but never a level."""

_AT_PAGES: Final = (
    "page_view",
    "view_item_list",
    "view_item",
    "search",
    "view_cart",
    "begin_checkout",
    "review_view",
    "return_policy_view",
    "purchase",
)
AT_PAGES: Final = np.isin(np.array(tuple(CODE)), _AT_PAGES)
"""By code of the kind: whether a page is seen with it. Decisions are asked for there, so training is compared there."""

Floats = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


@numba.njit(cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def _count(matrix: Matrix, cuts: Matrix, starts: Ints, weight: float, counts: Floats) -> None:
    """Adds weight to the bin of each number. Quantity q has its cuts at starts[q] and its bins at starts[q] + 2 q."""
    for i in range(matrix.shape[0]):
        for q in range(matrix.shape[1]):
            value = matrix[i, q]
            low, high = starts[q], starts[q + 1]
            first = starts[q] + 2 * q
            if value != value:
                counts[first] += weight
                continue
            while low < high:
                middle = (low + high) // 2
                if cuts[middle] <= value:
                    low = middle + 1
                else:
                    high = middle
            counts[first + 1 + low - starts[q]] += weight


@dataclass(frozen=True, slots=True)
class Bins:
    """Where numbers fall. cuts: float32, ascending for each quantity; starts: int64 (Q + 1,), where each one's begin.

    A quantity with c cuts has c + 2 bins: unknown, below the first cut, from each cut to the next.
    """

    names: tuple[str, ...]
    cuts: Matrix
    starts: Ints

    @classmethod
    def of(cls, names: Sequence[str], columns: Sequence[Matrix]) -> "Bins":
        """Bins after the values of each quantity, (n,) each; NaN where unknown."""
        cuts = [
            _cuts(np.asarray(column, np.float32), NARROWEST if name in SCORES else 0.0)
            for name, column in zip(names, columns, strict=True)
        ]
        starts = np.concatenate([[0], np.cumsum([len(one) for one in cuts])]).astype(np.int64)
        return cls(tuple(names), np.concatenate([*cuts, np.zeros(0, np.float32)]).astype(np.float32), starts)

    @property
    def edges(self) -> Ints:
        """Where the bins of each quantity begin among all, and last how many there are. Shape (Q + 1,)."""
        return self.starts + 2 * np.arange(len(self.starts))

    def empty(self) -> Floats:
        """Counts of nothing."""
        return np.zeros(int(self.edges[-1]))

    def add(self, counts: Floats, rows: Matrix, weight: float = 1.0) -> None:
        """Adds rows, float32 (n, Q), to counts."""
        _count(np.ascontiguousarray(rows, np.float32), self.cuts, self.starts, weight, counts)

    def label(self, quantity: int, place: int) -> str:
        """A bin in words, `place` counted from the quantity's first."""
        cuts = self.cuts[self.starts[quantity] : self.starts[quantity + 1]]
        if place == 0:
            return "unknown"
        low = cuts[place - 2] if place > 1 else None
        high = cuts[place - 1] if place <= len(cuts) else None
        if low is not None and high is not None and np.nextafter(low, np.float32(np.inf)) == high:
            return _value(self.names[quantity], float(low))
        if self.names[quantity] in _VOCABULARY:
            return "another"
        if place > 2 and low is not None and np.nextafter(cuts[place - 3], np.float32(np.inf)) == low:
            return f"over {_short(float(cuts[place - 3]))}" + ("" if high is None else f", below {_short(float(high))}")
        if low is None:
            return "any value" if high is None else f"below {_short(float(high))}"
        return f"{_short(float(low))} or more" if high is None else f"{_short(float(low))} to {_short(float(high))}"


def _cuts(values: Matrix, narrowest: float) -> Matrix:
    """Where bins begin; none is narrower than that."""
    known = values[~np.isnan(values)]
    distinct = np.unique(known)
    if len(distinct) <= FEW_VALUES or _are_codes(distinct):
        return np.unique(np.concatenate([distinct, np.nextafter(distinct, np.float32(np.inf))]))
    quantiles = np.quantile(known, np.linspace(0, 1, QUANTILES + 1)[1:-1], method="inverted_cdf")
    cuts = np.unique(quantiles.astype(np.float32))
    return _apart(cuts, narrowest) if narrowest else _in_the_open(cuts, known)


def _apart(cuts: Matrix, narrowest: float) -> Matrix:
    """The cuts but for those that would make a bin above 0 narrower than that."""
    kept = [0.0]
    for cut in cuts.tolist():
        if cut - kept[-1] >= narrowest:
            kept.append(cut)
    return np.array(kept[1:], np.float32)


def _in_the_open(cuts: Matrix, known: Matrix) -> Matrix:
    """The cuts but for those amid numbers nearly equal: there a hair's breadth moves many from bin to bin.

    Rates of rare products all lie close to the shop's mean, which moves a little every day.
    """
    ordered = np.sort(known)
    reach = np.abs(cuts) * np.float32(NEAR)

    def below(value: Matrix, side: Literal["left", "right"]) -> Ints:
        return np.searchsorted(ordered, value, side).astype(np.int64)

    near = below(cuts + reach, "right") - below(cuts - reach, "left")
    equal = below(cuts, "right") - below(cuts, "left")
    return cuts[near - equal <= CROWDED * len(known)]


def _are_codes(distinct: Matrix) -> bool:
    """Whether a number can be a code: few whole numbers, below the longest vocabulary."""
    return len(distinct) <= len(KINDS) and bool(np.all((distinct == np.floor(distinct)) & (distinct < len(KINDS))))


@dataclass(frozen=True, slots=True)
class Reference:
    """How numbers were spread in training. counts: float64, by bin; sessions: int64 (Q,), how many made them."""

    bins: Bins
    counts: Floats
    sessions: Ints

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """For models.bundle, under the name `reference`."""
        return {
            "names": np.array(self.bins.names),
            "cuts": self.bins.cuts,
            "starts": self.bins.starts,
            "counts": self.counts,
            "sessions": self.sessions,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> "Reference":
        """The inverse. Raises KeyError or ValueError where the arrays do not fit."""
        names = tuple(arrays["names"].tolist())
        bins = Bins(names, np.asarray(arrays["cuts"], np.float32), np.asarray(arrays["starts"], np.int64))
        counts, sessions = np.asarray(arrays["counts"], np.float64), np.asarray(arrays["sessions"], np.int64)
        ascending = bool(np.all(np.diff(bins.starts) >= 0)) and len(bins.starts) > 0 and bins.starts[0] == 0
        if not ascending or len(bins.starts) != len(names) + 1 or bins.starts[-1] != len(bins.cuts):
            raise ValueError("reference: the cuts do not fit the names")
        if counts.shape != (int(bins.edges[-1]),) or sessions.shape != (len(names),):
            raise ValueError("reference: the counts do not fit the cuts")
        return cls(bins, counts, sessions)


@dataclass(frozen=True, slots=True)
class Shift:
    """One quantity then and now.

    psi: with what chance alone makes taken off, at least 0. chance: that part. sessions: now. words: the bin that moved
    most.
    """

    name: str
    psi: float
    chance: float
    level: Level
    sessions: int
    words: str

    @property
    def is_score(self) -> bool:
        """Whether it is a score and no feature."""
        return self.name in SCORES

    def as_json(self) -> dict[str, Any]:
        """Plain values; `n` counts sessions."""
        psi, chance = round(self.psi, 4), round(self.chance, 4)
        return {
            "name": self.name,
            "psi": psi,
            "chance": chance,
            "level": self.level,
            "n": self.sessions,
            "words": self.words,
        }


def psi(then: Floats, now: Floats) -> float:
    """The index of two spreads over the same bins; 0 where either is empty. Bins empty in both say nothing."""
    seen = (then > 0) | (now > 0)
    if not then.any() or not now.any():
        return 0.0
    p, q = _shares(then[seen]), _shares(now[seen])
    return float(np.sum((q - p) * np.log(q / p)))


def _shares(counts: Floats) -> Floats:
    smoothed = counts + SMOOTHING
    shares: Floats = smoothed / smoothed.sum()
    return shares


def by_chance(bins: int, n: float, m: float) -> float:
    """What the index is about, without drift, for n and m independent rows over so many bins."""
    return max(0, bins - 1) * (1.0 / n + 1.0 / m) if n > 0 and m > 0 else 0.0


def level_of(value: float, then: float, now: float) -> Level:
    """The level of an index from so many sessions then and now."""
    if min(then, now) < MIN_SESSIONS:
        return "few"
    return "alert" if value > ALERT else "watch" if value > WATCH else "stable"


def compare(reference: Reference, counts: Floats, sessions: float) -> tuple[Shift, ...]:
    """Every quantity, the one that moved most first. counts: by the reference's bins, from so many sessions."""
    edges = reference.bins.edges.tolist()
    found = [_shift(reference, at, counts[edges[at] : edges[at + 1]], sessions) for at in range(len(edges) - 1)]
    return tuple(sorted(found, key=lambda shift: (shift.name in CALENDAR, -shift.psi, shift.name)))


def _shift(reference: Reference, at: int, now: Floats, sessions: float) -> Shift:
    name, before = reference.bins.names[at], float(reference.sessions[at])
    edges = reference.bins.edges
    then = reference.counts[edges[at] : edges[at + 1]]
    chance = by_chance(int(np.sum((then > 0) | (now > 0))), before, sessions)
    value = max(0.0, psi(then, now) - chance)
    level: Level = level_of(value, before, sessions) if name not in CALENDAR else "stable"
    return Shift(name, value, chance, level, int(sessions), _words(reference.bins, at, then, now))


def _words(bins: Bins, at: int, then: Floats, now: Floats) -> str:
    """The bin that adds most to the index, with its share then and now."""
    if not then.any() or not now.any():
        return "never seen" if not now.any() else "not seen in training"
    p, q = _shares(then), _shares(now)
    parts = (q - p) * np.log(q / p)
    place = int(np.argmax(parts))
    if parts[place] <= 0:
        return ""
    before, after = then[place] / then.sum(), now[place] / now.sum()
    return f"{bins.label(at, place)}: {_percent(float(before))} to {_percent(float(after))}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.1 or share == 0 else f"{100 * share:.1f} %"


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


_VOCABULARY: Final[Mapping[str, Sequence[str]]] = {
    "event_kind": tuple(CODE),
    "source_landing_kind": tuple(CODE),
    "event_page": PAGE_TYPES,
    "source_landing_page": PAGE_TYPES,
    "source_channel": CHANNELS,
    "source_referrer": REFERRERS,
    "source_device": DEVICES,
}


def _value(name: str, value: float) -> str:
    words = _VOCABULARY.get(name, ())
    return words[int(value)] or "none" if 0 <= value < len(words) else _short(value)


def as_section(shifts: Sequence[Shift]) -> dict[str, Any]:
    """For JSON and the report: features and scores apart, each the worst first."""
    return {
        "features": [shift.as_json() for shift in shifts if not shift.is_score],
        "scores": [shift.as_json() for shift in shifts if shift.is_score],
    }
