"""The pictures of a full run: SVG, light, each with its floor or its rival beside it.

python -m load_tests.pictures load_tests/results/full-….json [--out docs/img]
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt  # after the choice of what it draws with
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullLocator

from load_tests.full import BREAKS_MS, METARANK
from load_tests.objectives import objectives

OURS: Final = "#0b6e4f"
THEIRS: Final = "#b0413e"
INK: Final = "#333333"
NEAR: Final[Any] = {"textcoords": "offset points", "color": THEIRS, "fontsize": 9}
Points = Sequence[Mapping[str, float]]
STYLE: Final[Any] = {  # matplotlib types the names of its settings one by one
    "font.size": 10,
    "font.family": "sans-serif",
    "svg.fonttype": "none",
    "svg.hashsalt": "tact",
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
}


def band(ax: Axes, points: Points, x: str, y: str, color: str, label: str, dashed: bool = False) -> None:
    """A line of medians, its spread behind it, named at its end."""
    at, middle = [point[x] for point in points], [point[y] for point in points]
    ax.plot(at, middle, color=color, marker="o", markersize=3.5, linewidth=1.6, linestyle="--" if dashed else "-")
    low, high = ([point.get(f"{y}_{end}", point[y]) for point in points] for end in ("low", "high"))
    ax.fill_between(at, low, high, color=color, alpha=0.14, linewidth=0)
    ax.annotate(label, (at[-1], middle[-1]), xytext=(6, 0), textcoords="offset points", va="center", color=color)


def load_picture(found: Mapping[str, Any], path: Path) -> None:
    """p50 and p99 against offered load, ours and floor B's, until they break."""
    with plt.rc_context(STYLE):
        figure, ax = plt.subplots(figsize=(8, 4.2))
        for name, color, words in (("floor_b", THEIRS, "floor B"), ("decision", OURS, "Tact")):
            points = found["load"][name]
            band(ax, points, "rate_per_s", "p99_ms", color, f"{words} p99")
            band(ax, points, "rate_per_s", "p50_ms", color, f"{words} p50", dashed=True)
        ax.axhline(BREAKS_MS, color=INK, linewidth=0.8)
        ax.annotate("broken", (ax.get_xlim()[0], BREAKS_MS), xytext=(4, 3), textcoords="offset points", color=INK)
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        ax.yaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_minor_locator(NullLocator())
        ax.set(xlabel="offered load, requests a second", ylabel="latency from when it was due, ms")
        ax.set_title("Latency against offered load", loc="left")
        _written(figure, ax, path)


def candidates_picture(found: Mapping[str, Any], path: Path) -> None:
    """p50 and p99 by candidates ranked, over Metarank's."""
    with plt.rc_context(STYLE):
        figure, ax = plt.subplots(figsize=(8, 4.2))
        theirs = [{"candidates": n, "p50_ms": p50, "p99_ms": p99} for n, (p50, p99) in METARANK.items()]
        for points, color, words in ((theirs, THEIRS, "Metarank"), (found["candidates"], OURS, "Tact")):
            band(ax, points, "candidates", "p99_ms", color, f"{words} p99")
            band(ax, points, "candidates", "p50_ms", color, f"{words} p50", dashed=True)
        ax.set(ylim=(0, None), xlabel="candidates ranked", ylabel="latency over HTTP, ms")
        ax.set_title("Recommendations re-ranked", loc="left")
        _written(figure, ax, path)


GROWN: Final = (("actions", "actions of the policy"), ("products", "products"), ("visitors", "visitors in the store"))


def growth_picture(found: Mapping[str, Any], path: Path) -> None:
    """p50 as actions, products and visitors grow, each beside what the objective lets it be."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(1, 3, figsize=(11, 3.4))
        for ax, (name, words) in zip(axes, GROWN, strict=True):
            curve = {int(n): us for n, us in found["others"]["growth"][name].items()}
            ax.plot(list(curve), list(curve.values()), color=OURS, marker="o", markersize=3.5, linewidth=1.6)
            limit = next(one.goal for one in objectives() if one.figure == f"growth.{name}_ratio")
            ax.axhline(limit * curve[min(curve)], color=THEIRS, linewidth=0.8, linestyle="--")
            ax.annotate(f"{limit:g} ×", (min(curve), limit * curve[min(curve)]), xytext=(0, 3), **NEAR)
            ax.set(xscale="log", ylim=(0, 1.15 * max(limit * curve[min(curve)], *curve.values())), xlabel=words)
        axes[0].set_ylabel("p50, µs")
        axes[0].set_title("Growth", loc="left")
        figure.tight_layout()
        figure.savefig(path, metadata={"Date": None})
        plt.close(figure)


def _written(figure: Any, ax: Axes, path: Path) -> None:
    low, high = ax.get_xlim()
    ax.set_xlim(low, high + 0.14 * (high - low))  # room for the names
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def draw(found: Mapping[str, Any], folder: Path) -> list[Path]:
    """Every picture that the figures allow."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    pictures = {"load": load_picture, "candidates": candidates_picture, "growth": growth_picture}
    for name, picture in pictures.items():
        if name in found or name in found.get("others", {}):
            picture(found, folder / f"bench-{name}.svg")
            made.append(folder / f"bench-{name}.svg")
    return made


def main() -> None:
    """Read the arguments, draw."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("result", type=Path)
    asked.add_argument("--out", type=Path, default=Path("docs/img"))
    given = asked.parse_args()
    for path in draw(json.loads(given.result.read_text()), given.out):
        print(path)


if __name__ == "__main__":
    main()
