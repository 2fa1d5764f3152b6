"""The report's pictures: small PNGs as data addresses, drawn without a display."""

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from sklearn.metrics import precision_recall_curve, roc_curve

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

COLOURS: Final[Mapping[str, str]] = {
    "tact": "#0b6e4f",
    "logistic": "#3066be",
    "static_map": "#b8860b",
    "base_rate": "#888888",
    "majority": "#888888",
    "cosine": "#3066be",
    "popularity": "#888888",
    "own_items": "#b8860b",
}
NAMES: Final[Mapping[str, str]] = {
    "tact": "Tact",
    "logistic": "logistic regression",
    "static_map": "last event's kind",
    "base_rate": "base rate",
    "majority": "most common stage",
    "cosine": "item-item, without own items",
    "popularity": "popular",
    "own_items": "own items",
}
POINTS: Final = 400
"""A curve is drawn through at most so many points."""


def _figure(columns: int, height: float = 3.4, width: float = 4.2) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(width * columns, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = [figure.add_subplot(1, columns, i + 1) for i in range(columns)]
    for axis in axes:
        axis.grid(alpha=0.25)
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
    return figure, axes


def _address(figure: Figure) -> str:
    """The picture as a data address; no date inside, so that the same figures give the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _thinned(*curves: Floats) -> list[Floats]:
    step = max(1, len(curves[0]) // POINTS)
    return [np.append(curve[::step], curve[-1]) for curve in curves]


def ranking(label: Ints, by: Mapping[str, Floats]) -> str:
    """ROC and precision-recall curves of every model."""
    figure, (left, right) = _figure(2)
    for name, p in by.items():
        x, y, _ = roc_curve(label, p[:, 0])
        left.plot(*_thinned(x, y), color=COLOURS[name], label=NAMES[name])
        precision, recall, _ = precision_recall_curve(label, p[:, 0])
        right.plot(*_thinned(recall, precision), color=COLOURS[name], drawstyle="steps-post")
    left.set(xlabel="false alarms (share of those who did not)", ylabel="found (share of those who did)")
    left.legend(fontsize=7, frameon=False)
    right.set(xlabel="found (recall)", ylabel="right when it says so (precision)", ylim=(0, 1.02))
    return _address(figure)


def calibration(bins: Sequence[Mapping[str, Any]]) -> str:
    """Said against was, a dot per bin of equally many rows."""
    figure, (axis,) = _figure(1)
    said, was = [b["said"] for b in bins], [b["was"] for b in bins]
    top = max(1e-6, *said, *was) * 1.08
    axis.plot([0, top], [0, top], color="#bbbbbb", linewidth=1)
    axis.plot(said, was, "o-", color=COLOURS["tact"], markersize=4)
    axis.set(xlabel="it said", ylabel="it was so", xlim=(0, top), ylim=(0, top))
    return _address(figure)


def importance(shares: Mapping[str, float], first: int = 15) -> str:
    """The features that reduced the loss most."""
    names = list(shares)[:first][::-1]
    figure, (axis,) = _figure(1, height=0.24 * len(names) + 0.8, width=5.2)
    axis.barh(names, [100 * shares[name] for name in names], color=COLOURS["tact"])
    axis.set(xlabel="share of the model's gain, %")
    axis.tick_params(axis="y", labelsize=7)
    return _address(figure)


def by_prefix(rows: Sequence[Mapping[str, Any]], measure: str, name: str) -> str:
    """A figure by steps into the session."""
    figure, (axis,) = _figure(1)
    known = [row for row in rows if row.get(measure) is not None]
    axis.plot(
        [row["prefix"] for row in known], [row[measure] for row in known], "o-", color=COLOURS["tact"], label=name
    )
    if measure == "average_precision":
        axis.plot(
            [r["prefix"] for r in known], [r["base_rate"] for r in known], "--", color="#888888", label="base rate"
        )
        axis.legend(fontsize=7, frameon=False)
    axis.set(xlabel="steps into the session", ylabel=name)
    axis.set_ylim(bottom=0.4 if measure == "auc" else 0)
    return _address(figure)


def bars(figures: Mapping[str, Mapping[str, Any]], measure: str, name: str) -> str:
    """A figure of every model with its interval."""
    figure, (axis,) = _figure(1, height=0.42 * len(figures) + 0.9, width=5.2)
    for place, (model, one) in enumerate(reversed(list(figures.items()))):
        value, limits = one.get(measure), one.get(f"{measure}_ci")
        if value is None:
            continue
        axis.barh(place, value, color=COLOURS[model], alpha=0.85, height=0.6)
        if limits is not None:
            axis.plot(limits, [place, place], color="black", linewidth=1.4)
    axis.set_yticks(range(len(figures)), [NAMES[model] for model in reversed(list(figures))], fontsize=8)
    axis.set(xlabel=name)
    return _address(figure)


def confusion(table: Sequence[Sequence[int]], names: Sequence[str]) -> str:
    """Where each true stage went, as shares of its row."""
    counts = np.asarray(table, np.float64)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, (axis,) = _figure(1, height=4.2, width=5.2)
    axis.grid(visible=False)
    axis.imshow(shares, cmap="Greens", vmin=0, vmax=1)
    for i, row in enumerate(shares):
        for j, share in enumerate(row):
            colour = "white" if share > 0.5 else "black"
            axis.text(j, i, f"{100 * share:.0f}", ha="center", va="center", fontsize=8, color=colour)
    axis.set_xticks(range(len(names)), names, rotation=35, ha="right", fontsize=8)
    axis.set_yticks(range(len(names)), names, fontsize=8)
    axis.set(xlabel="said, % of the row", ylabel="truth in hindsight")
    return _address(figure)
