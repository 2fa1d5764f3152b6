"""The traffic model: how long sessions are, how long people think, which products and visitors come how often.

Four laws, their numbers in traffic.toml, fitted from real logs (load_tests/fit_traffic.py). Everything is drawn from a
seed: the same arguments give the same traffic.

* session length   a log-normal rounded up, events, at least 1
* think time       a log-normal cut at the session gap, seconds between two events of a session
* products         Zipf-Mandelbrot: the share of rank r is (r + shift)^-exponent (Mandelbrot 1953)
* visitors         sessions of a visitor: a zeta law, P(k) ~ k^-exponent
"""

import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

PARAMETERS: Final = Path(__file__).with_name("traffic.toml")
SESSION_GAP_S: Final = 1800.0
LONGEST: Final = 1000
MOST_SESSIONS: Final = 1000

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Traffic:
    """The numbers of the four laws. length_*, think_*: mean and deviation of the logarithm; think in seconds."""

    length_mu: float
    length_sigma: float
    think_mu: float
    think_sigma: float
    item_exponent: float
    item_shift: float
    visitor_exponent: float

    @classmethod
    def of(cls, shop: str = "", path: Path = PARAMETERS) -> "Traffic":
        """The model of one of the shops in the file; default is the one it names. Raises KeyError."""
        found: dict[str, Any] = tomllib.loads(path.read_text())
        return cls(**found["shops"][shop or found["default"]]["model"])

    def lengths(self, rng: np.random.Generator, n: int) -> Ints:
        """Events of n sessions."""
        drawn = np.ceil(rng.lognormal(self.length_mu, self.length_sigma, n))
        return np.clip(drawn, 1, LONGEST).astype(np.int64)

    def thinks_s(self, rng: np.random.Generator, n: int) -> Floats:
        """n pauses within a session, below SESSION_GAP_S: what is longer is drawn again."""
        drawn = rng.lognormal(self.think_mu, self.think_sigma, n)
        while (late := drawn >= SESSION_GAP_S).any():
            drawn[late] = rng.lognormal(self.think_mu, self.think_sigma, int(late.sum()))
        return drawn

    def items(self, rng: np.random.Generator, n: int, products: int) -> Ints:
        """Ranks of n products out of so many, the most popular 0."""
        return np.searchsorted(np.cumsum(self.item_shares(products)), rng.random(n)).clip(max=products - 1)

    def visitors(self, rng: np.random.Generator, sessions: int) -> Ints:
        """A visitor for each session, in any order: numbers from 0."""
        chances = visits_shares(self.visitor_exponent)
        made: list[Ints] = []
        missing = sessions
        while missing > 0:
            each = 1 + np.searchsorted(np.cumsum(chances), rng.random(missing)).clip(max=MOST_SESSIONS - 1)
            made.append(each)
            missing -= int(each.sum())
        each = np.concatenate(made)
        return rng.permutation(np.repeat(np.arange(len(each)), each)[:sessions])

    def item_shares(self, products: int) -> Floats:
        """The share of views of each rank."""
        return item_shares(self.item_exponent, self.item_shift, products)

    @cached_property
    def mean_length(self) -> float:
        """Events of a session, by drawing."""
        return float(self.lengths(np.random.default_rng(0), 100_000).mean())


def item_shares(exponent: float, shift: float, products: int) -> Floats:
    """Zipf-Mandelbrot over so many ranks; sums to 1."""
    weights = (np.arange(1, products + 1) + shift) ** -exponent
    return np.asarray(weights / weights.sum(), np.float64)


def visits_shares(exponent: float) -> Floats:
    """The chance of 1, 2, … MOST_SESSIONS sessions of a visitor."""
    weights = np.arange(1, MOST_SESSIONS + 1, dtype=np.float64) ** -exponent
    return np.asarray(weights / weights.sum(), np.float64)


@dataclass(frozen=True, slots=True)
class Views:
    """Views of products by time: each a session, its visitor, the place in the session, a rank of products, a time."""

    session: Ints
    visitor: Ints
    place: Ints
    item: Ints
    at_s: Floats

    def __len__(self) -> int:
        return len(self.at_s)

    def take(self, which: npt.NDArray[Any]) -> "Views":
        """Some of them, or another order."""
        columns = (self.session, self.visitor, self.place, self.item, self.at_s)
        return Views(*(column[which] for column in columns))


NEAR: Final = 0.6
"""How often a view is near the session's first one. Not fitted: sessions have a subject."""
NEIGHBOURS: Final = 20


def sessions(traffic: Traffic, count: int, span_s: float, products: int, seed: int) -> Views:
    """So many sessions that begin within a span of time, whole (they may end after it), by time."""
    rng = np.random.default_rng(seed)
    lengths = traffic.lengths(rng, count)
    of = np.repeat(np.arange(count), lengths)
    first = np.cumsum(lengths) - lengths
    place = np.arange(len(of)) - first[of]
    pauses = np.where(place == 0, 0.0, traffic.thinks_s(rng, len(of)))
    run = np.cumsum(pauses)
    at_s = rng.uniform(0, span_s, count)[of] + run - run[first][of]
    item = _walked(rng, traffic.items(rng, len(of), products), place, first, of, products)
    order = np.argsort(at_s, kind="stable")
    return Views(of, traffic.visitors(rng, count)[of], place, item, at_s).take(order)


def _walked(rng: np.random.Generator, drawn: Ints, place: Ints, first: Ints, of: Ints, products: int) -> Ints:
    """Products of sessions with a subject: most views are near the session's first one in rank."""
    near = (place > 0) & (rng.random(len(drawn)) < NEAR)
    beside = np.abs(drawn[first][of] + rng.integers(-NEIGHBOURS, NEIGHBOURS + 1, len(drawn))) % products
    return np.where(near, beside, drawn)


def steady(traffic: Traffic, rate_per_s: float, seconds: float, products: int, seed: int) -> tuple[Views, Views]:
    """Traffic of a shop that has been open for long: (what the visitors of the window did before, the window's views).

    About rate_per_s views a second in the window; at_s is 0 at its begin, negative before.
    """
    before_s = 2 * SESSION_GAP_S
    count = round(rate_per_s / traffic.mean_length * (before_s + seconds))
    views = sessions(traffic, count, before_s + seconds, products, seed)
    at_s = views.at_s - before_s
    views = Views(views.session, views.visitor, views.place, views.item, at_s)
    inside = (at_s >= 0) & (at_s < seconds)
    known = np.isin(views.visitor, np.unique(views.visitor[inside]))
    return views.take(known & (at_s < 0)), views.take(inside)
