"""The report's pictures: inline SVG whose colours are the page's, drawn without a display.

Colours stand in the drawing as marks and become CSS variables of the page, so that a picture follows its light or dark
mode. Text stays text: it is read aloud, searched and set in the page's fonts.
"""

import hashlib
import io
import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from sklearn.metrics import precision_recall_curve, roc_curve

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

INK: Final = "#010101"
FAINT: Final = "#020202"
OURS, SECOND, THIRD, FOURTH, QUIET = "#030303", "#040404", "#050505", "#060606", "#070707"
_VARIABLES: Final = {
    INK: "var(--ink)",
    FAINT: "var(--line)",
    OURS: "var(--ours)",
    SECOND: "var(--second)",
    THIRD: "var(--third)",
    FOURTH: "var(--fourth)",
    QUIET: "var(--quiet)",
}
COLOURS: Final[Mapping[str, str]] = {
    "tact": OURS,
    "tact_without_own": OURS,
    "logistic": SECOND,
    "plain_trees": FOURTH,
    "static_map": THIRD,
    "base_rate": QUIET,
    "majority": QUIET,
    "popularity": QUIET,
    "own_items": THIRD,
    "vowpal_wabbit": SECOND,
    "click_rate": THIRD,
    "priority": FOURTH,
    "silence": QUIET,
    "random": FAINT,
}
"""Of a model; others are SECOND."""

NAMES: Final[Mapping[str, str]] = {
    "tact": "Tact",
    "tact_without_own": "Tact, own items switched off",
    "logistic": "logistic regression",
    "plain_trees": "plain LightGBM, 25 features",
    "plain_trees_weighted": "the same, prior adjusted",
    "static_map": "last event's kind",
    "hand_rule": "rule by hand",
    "base_rate": "base rate",
    "majority": "always the most common",
    "vstan": "VSTAN",
    "stan": "STAN",
    "vsknn": "VS-KNN",
    "sr": "sequential rules (SR)",
    "ar": "association rules (AR)",
    "cosine": "item-item cosine",
    "als": "ALS item-item",
    "popularity": "most popular",
    "own_items": "the session's own items",
    "pause": "pause, same false alarms",
    "pause_60s": "pause of 60 s",
    "silence": "silence always",
    "priority": "show always, by priority",
    "click_rate": "epsilon-greedy on clicks",
    "vowpal_wabbit": "VowpalWabbit cb_explore_adf",
    "oracle": "oracle",
    "seeing_oracle": "oracle that sees the stage",
    "random": "at random",
    "tact_60s": "Tact at that rule's false alarms",
}
POINTS: Final = 150
"""A curve is drawn through at most so many points."""


def name_of(model: str) -> str:
    """A model's name for people."""
    return NAMES.get(model, model.replace("_", " "))


def _figure(columns: int, height: float = 3.1, width: float = 4.2) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(width * columns, height), layout="constrained")
    FigureCanvasSVG(figure)
    figure.patch.set_visible(False)
    axes = [figure.add_subplot(1, columns, i + 1) for i in range(columns)]
    for axis in axes:
        axis.patch.set_visible(False)
        axis.grid(color=FAINT, linewidth=0.7)
        axis.set_axisbelow(True)
        axis.tick_params(color=FAINT, labelcolor=INK, labelsize=9)
        for side, spine in axis.spines.items():
            spine.set_visible(side in ("left", "bottom"))
            spine.set_color(FAINT)
        axis.xaxis.label.set_color(INK)
        axis.yaxis.label.set_color(INK)
    return figure, axes


def _legend(axis: Axes) -> None:
    axis.legend(fontsize=9, frameon=False, labelcolor=INK)


def _svg(figure: Figure, words: str) -> str:
    """The drawing as inline SVG; no date inside, so that the same figures give the same bytes."""
    buffer = io.StringIO()
    salt = hashlib.sha256(words.encode()).hexdigest()[:8]
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": salt, "font.family": "sans-serif"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    drawn = buffer.getvalue()
    drawn = drawn[drawn.index("<svg") :]
    drawn = re.sub(r"<metadata>.*?</metadata>", "", drawn, flags=re.DOTALL)
    drawn = re.sub(r' width="[\d.]+pt" height="[\d.]+pt"', "", drawn, count=1)
    drawn = re.sub(r' xmlns(:xlink)?="[^"]*"', "", drawn).replace("xlink:href", "href")
    drawn = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", drawn)
    for mark, variable in _VARIABLES.items():
        drawn = drawn.replace(mark, variable)
    return drawn.replace("<svg", f'<svg role="img" aria-label="{escape(words)}"', 1)


def _thinned(*curves: Floats) -> list[Floats]:
    step = max(1, len(curves[0]) // POINTS)
    return [np.append(curve[::step], curve[-1]) for curve in curves]


def ranking(label: Ints, by: Mapping[str, Floats], words: str) -> tuple[str, str]:
    """ROC and precision-recall curves of every model, two drawings: side by side where there is room."""
    (first, (left,)), (second, (right,)) = _figure(1), _figure(1)
    for name, p in by.items():
        colour, width = COLOURS.get(name, SECOND), 2.2 if name == "tact" else 1.4
        x, y, _ = roc_curve(label, p[:, 0])
        left.plot(*_thinned(x, y), color=colour, label=name_of(name), linewidth=width)
        precision, recall, _ = precision_recall_curve(label, p[:, 0])
        right.plot(*_thinned(recall, precision), color=colour, drawstyle="steps-post", linewidth=width)
    left.set(xlabel="false alarms (share of those who did not)", ylabel="found (share of those who did)")
    _legend(left)
    right.set(xlabel="found (recall)", ylabel="right when it says so", ylim=(0, 1.02))
    return _svg(first, f"{words}: ROC"), _svg(second, f"{words}: precision and recall")


def qini_curves(share: Floats, curves: Mapping[str, Floats], unit: str, words: str) -> str:
    """What each score gains over silence while more rows get the action, and what chance would. share: (k,), in %.

    curves: (k,) of each score by its name, the first ours.
    """
    figure, (axis,) = _figure(1)
    for place, (name, gain) in enumerate(curves.items()):
        colour = (OURS, SECOND, FOURTH, THIRD)[place % 4]
        axis.plot(share, gain, color=colour, label=name, linewidth=1.4 if place else 2.2)
        if not place:
            axis.plot([0, 100], [0, gain[-1]], color=QUIET, linewidth=1, label="by chance")
    axis.set(xlabel="share that gets the action, %", ylabel=unit)
    _legend(axis)
    return _svg(figure, words)


def calibration(bins: Sequence[Mapping[str, Any]], words: str) -> str:
    """Said against was, a dot per bin of equally many rows."""
    figure, (axis,) = _figure(1)
    said, was = [b["said"] for b in bins], [b["was"] for b in bins]
    top = max(1e-6, *said, *was) * 1.08
    axis.plot([0, top], [0, top], color=QUIET, linewidth=1)
    axis.plot(said, was, "o-", color=OURS, markersize=4)
    axis.set(xlabel="it said", ylabel="it was so", xlim=(0, top), ylim=(0, top))
    return _svg(figure, words)


def importance(shares: Mapping[str, float], words: str, first: int = 12) -> str:
    """The features that reduced the loss most."""
    names = sorted(shares, key=lambda name: -shares[name])[:first][::-1]
    figure, (axis,) = _figure(1, height=0.21 * len(names) + 0.7)
    axis.barh(names, [100 * shares[name] for name in names], color=OURS, height=0.65)
    axis.grid(visible=False, axis="y")
    axis.set(xlabel="share of the model's gain, %")
    return _svg(figure, words)


def by_prefix(rows: Sequence[Mapping[str, Any]], measure: str, name: str, words: str) -> str:
    """A figure by steps into the session."""
    figure, (axis,) = _figure(1)
    known = [row for row in rows if row.get(measure) is not None]
    steps = [row["prefix"] for row in known]
    axis.plot(steps, [row[measure] for row in known], "o-", color=OURS, label=name)
    if measure == "average_precision":
        axis.plot(steps, [row["base_rate"] for row in known], "--", color=QUIET, label="base rate")
        _legend(axis)
    axis.set(xlabel="steps into the session", ylabel=name)
    top = max([row[measure] for row in known], default=1.0)
    axis.set_ylim(0.4 if measure == "auc" else 0, 1.08 * top)
    return _svg(figure, words)


def bars(figures: Mapping[str, Mapping[str, Any]], measure: str, name: str, words: str) -> str:
    """A figure of every model with its interval, the best above."""
    known = sorted((m for m, one in figures.items() if one.get(measure) is not None), key=lambda m: figures[m][measure])
    figure, (axis,) = _figure(1, height=0.27 * len(known) + 0.7)
    for place, model in enumerate(known):
        one = figures[model]
        alpha = 0.55 if model == "tact_without_own" else 1.0
        axis.barh(place, one[measure], color=COLOURS.get(model, SECOND), height=0.62, alpha=alpha)
        if one.get(f"{measure}_ci") is not None:
            axis.plot(one[f"{measure}_ci"], [place, place], color=INK, linewidth=1.4)
    axis.set_yticks(range(len(known)), [name_of(model) for model in known])
    axis.grid(visible=False, axis="y")
    axis.set(xlabel=name)
    return _svg(figure, words)


def lift_by_day(days: Sequence[str], lift: Floats, low: Floats, high: Floats, name: str, words: str) -> str:
    """A lift with its confidence sequence, a look a day. days: "YYYY-MM-DD"; lift, low, high: (n,).

    Early looks reach far: what goes beyond three times the last interval is cut off.
    """
    figure, (axis,) = _figure(1, height=2.6)
    at = np.arange(len(days))
    axis.axhline(0, color=QUIET, linewidth=1)
    axis.fill_between(at, low, high, color=OURS, alpha=0.18, linewidth=0)
    for edge in (low, high):
        axis.plot(at, edge, color=OURS, linewidth=0.9)
    axis.plot(at, lift, "o-", color=OURS, markersize=3.5, linewidth=1.6)
    reach = 3 * max(float(high[-1] - lift[-1]), 1e-9)
    axis.set_ylim(max(float(np.min([*low, 0])), lift[-1] - reach), min(float(np.max([*high, 0])), lift[-1] + reach))
    shown = at[:: max(1, -(-len(at) // 6))]
    axis.set_xticks(shown, [days[place][5:] for place in shown])
    axis.set(ylabel=name)
    return _svg(figure, words)


def regret_curves(curves: Mapping[str, Mapping[str, Sequence[float]]], words: str) -> str:
    """Cumulative regret by decisions: of every policy, and beside it those of the three that end lowest."""
    figure, axes = _figure(2)
    lowest = sorted(curves, key=lambda name: curves[name]["regret"][-1])[:3]
    for axis, names in zip(axes, (list(curves), lowest), strict=True):
        for name in names:
            width = 2.2 if name == "tact" else 1.4
            thousands = [count / 1000 for count in curves[name]["decisions"]]
            axis.plot(thousands, curves[name]["regret"], color=COLOURS[name], linewidth=width, label=name_of(name))
        axis.set(xlabel="decisions, thousands", ylabel="regret, money")
        axis.set_ylim(bottom=0)
    _legend(axes[0])
    return _svg(figure, words)
