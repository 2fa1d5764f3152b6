"""The shape of the figures for machines: every key is there, null with a reason where there is no figure."""

from collections.abc import Sequence
from typing import Any


def with_nothing_missing(figures: dict[str, Any], baselines: Sequence[str], measures: Sequence[str]) -> None:
    """Adds what a model's figures, its baselines' and the differences lack: nulls, and why a baseline has none."""
    keys = [key for measure in measures for key in (measure, f"{measure}_ci")]
    rows: dict[str, Any] = {key: figures[key] for key in ("n", "positives", "base_rate") if key in figures}
    ahead = figures.setdefault("ahead", {})
    for name in baselines:
        none: dict[str, Any] = {**rows, "reason": "nothing to learn from in training"}
        one = figures["baselines"].setdefault(name, none)
        _fill(one, keys)
        _fill(ahead.setdefault(name, {}), keys)
    _fill(figures, keys)


def _fill(one: dict[str, Any], keys: Sequence[str]) -> None:
    for key in keys:
        one.setdefault(key, None)
