"""Fits the traffic model to logs of a lake and prints the parameters as load_tests/traffic.toml has them.

    python -m load_tests.fit_traffic --lake LAKE --shop yc --shop rr >load_tests/traffic.toml

Maximum likelihood each. Beside each law stands how far it is from the log: the largest distance between the two
distribution functions (Kolmogorov-Smirnov), for products and visitors between shares. Only these numbers are kept.
"""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize, minimize_scalar
from scipy.stats import norm

from features.lakefile import read_events
from load_tests.traffic import LONGEST, MOST_SESSIONS, SESSION_GAP_S, item_shares, visits_shares

SHORTEST_S: Final = 1.0
"""What comes sooner is one click sent twice, not somebody who thought."""

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def fitted(lake: Path, shop: str) -> dict[str, dict[str, float]]:
    """The numbers of the model, how far they are from the log, and what the log is."""
    table = read_events(lake, shop)
    visitor = table.column("visitor_id").combine_chunks().dictionary_encode().indices.to_numpy()
    at_s = table.column("ts_ms").to_numpy() / 1000
    order = np.lexsort((at_s, visitor))
    visitor, at_s = visitor[order], at_s[order]
    gap_s, same = np.diff(at_s), np.diff(visitor) == 0
    begins = np.flatnonzero(np.r_[True, ~same | (gap_s > SESSION_GAP_S)])
    inside = same & (gap_s <= SESSION_GAP_S) & (gap_s >= SHORTEST_S)
    visits = np.bincount(visitor[begins])
    names = table.column("item_id").combine_chunks().dictionary_encode().indices.to_numpy()
    model: dict[str, float] = {}
    far: dict[str, float] = {}
    for law, found in (
        ("length", length_law(np.diff(np.r_[begins, len(at_s)]))),
        ("think", think_law(gap_s[inside])),
        ("item", item_law(np.bincount(names))),
        ("visitor", visitor_law(visits[visits > 0])),
    ):
        model |= found[0]
        far[law] = found[1]
    seen = int((visits > 0).sum())
    about = {"events": len(at_s), "sessions": len(begins), "visitors": seen, "items": int(names.max()) + 1}
    return {"model": model, "distance": far, "log": about}


def length_law(lengths: Ints) -> tuple[dict[str, float], float]:
    """Mean and deviation of the log-normal whose ceiling a session's length is."""
    values, counts = np.unique(np.minimum(lengths, LONGEST), return_counts=True)

    def cdf(at: Floats, mu: float, sigma: float) -> Floats:
        return np.asarray(norm.cdf((np.log(at) - mu) / sigma))

    def unlikely(x: Floats) -> float:
        below = np.where(values > 1, cdf(np.maximum(values - 1, 1), x[0], np.exp(x[1])), 0.0)
        return -float(np.sum(counts * np.log(np.maximum(cdf(values, x[0], np.exp(x[1])) - below, 1e-12))))

    best = minimize(unlikely, np.array([1.0, 0.0]), method="Nelder-Mead").x
    mu, sigma = float(best[0]), float(np.exp(best[1]))
    far = np.abs(np.cumsum(counts) / counts.sum() - cdf(values.astype(float), mu, sigma)).max()
    return {"length_mu": mu, "length_sigma": sigma}, float(far)


def think_law(pauses_s: Floats) -> tuple[dict[str, float], float]:
    """Mean and deviation of the log-normal, cut at the session's gap."""
    logs, end = np.sort(np.log(pauses_s)), np.log(SESSION_GAP_S)

    def unlikely(x: Floats) -> float:
        inside = norm.logcdf(end, x[0], np.exp(x[1]))
        return -float(np.sum(norm.logpdf(logs, x[0], np.exp(x[1])) - inside))

    best = minimize(unlikely, np.array([logs.mean(), np.log(logs.std())]), method="Nelder-Mead").x
    mu, sigma = float(best[0]), float(np.exp(best[1]))
    theirs = norm.cdf(logs, mu, sigma) / norm.cdf(end, mu, sigma)
    far = np.abs(np.arange(1, len(logs) + 1) / len(logs) - theirs).max()
    return {"think_mu": mu, "think_sigma": sigma}, float(far)


def item_law(views: Ints) -> tuple[dict[str, float], float]:
    """Exponent and shift of Zipf-Mandelbrot over the products of the log."""
    counts = np.sort(views[views > 0])[::-1]

    def unlikely(x: Floats) -> float:
        return -float(np.sum(counts * np.log(item_shares(x[0], np.exp(x[1]), len(counts)))))

    best = minimize(unlikely, np.array([1.0, 2.0]), method="Nelder-Mead").x
    exponent, shift = float(best[0]), float(np.exp(best[1]))
    far = np.abs(np.cumsum(counts) / counts.sum() - np.cumsum(item_shares(exponent, shift, len(counts)))).max()
    return {"item_exponent": exponent, "item_shift": shift}, float(far)


def visitor_law(visits: Ints) -> tuple[dict[str, float], float]:
    """Exponent of the zeta law of sessions a visitor."""
    counts = np.bincount(np.minimum(visits, MOST_SESSIONS), minlength=MOST_SESSIONS + 1)[1:]

    def unlikely(exponent: float) -> float:
        return -float(np.sum(counts * np.log(visits_shares(exponent))))

    exponent = float(minimize_scalar(unlikely, bounds=(1.01, 10), method="bounded").x)
    far = np.abs(np.cumsum(counts) / counts.sum() - np.cumsum(visits_shares(exponent))).max()
    return {"visitor_exponent": exponent}, float(far)


def as_toml(found: dict[str, dict[str, dict[str, Any]]], day: str) -> str:
    """The parameters, shop by shop."""
    lines = [f'default = "{next(iter(found))}"', f'fitted = "{day}"']
    for shop, parts in found.items():
        for part, numbers in parts.items():
            lines += ["", f"[shops.{shop}.{part}]"]
            lines += [f"{name} = {round(float(n), 4) if part != 'log' else int(n)}" for name, n in numbers.items()]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Read the arguments, fit, print."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--lake", type=Path, required=True)
    asked.add_argument("--shop", action="append", required=True)
    given = asked.parse_args()
    found = {shop: fitted(given.lake, shop) for shop in given.shop}
    sys.stdout.write(as_toml(found, datetime.now(UTC).date().isoformat()))


if __name__ == "__main__":
    main()
