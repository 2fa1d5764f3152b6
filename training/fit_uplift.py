"""From the trials of one action to its uplift model in a bundle, or to the reason why it gets none."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from features.schema import FEATURES
from models.uplift import Effect, encode
from training.figures import number
from training.qini import Compared, Flags, Floats, Ints
from training.uplift import HALVES, POSTERIOR, RESPONSE, UPLIFT_S, Choice, Matrix, Told, Tried, choose, fit_s, fit_x

COLUMNS = tuple(feature.name for feature in FEATURES)


@dataclass(frozen=True, slots=True)
class FittedUplift:
    """What was chosen for an action, and the effect that goes into the bundle: None where the posterior stands."""

    choice: Choice
    effect: Effect | None


def fit_uplift(
    vector: Matrix,
    treated: Flags,
    propensity: Floats,
    reward: Floats,
    visitor: Ints | None = None,
    seed: int = 1,
    seeds: int = HALVES,
    told: Told = lambda share: None,
) -> FittedUplift:
    """Chooses on held-out halves, then learns the chosen model from all rows of one action and silence.

    vector: float32 (n, N_FEATURES), as the receipts have them. treated: bool (n,). propensity: float64 (n,), of the
    action given that it was the action or silence: p(action) / (p(action) + p(silence)). reward: float64 (n,), in units
    of the action's value, as the policy's draws are. visitor: int64 (n,); each row its own if left out. Rows where
    either could not have been, or whose reward is not known, are left out. The same rows and seed give the same trees.
    """
    usable = (propensity > 0) & (propensity < 1) & np.isfinite(reward)
    whose = np.arange(len(vector)) if visitor is None else visitor
    tried = Tried(vector[usable], treated[usable], propensity[usable], reward[usable], whose[usable], COLUMNS)
    choice = choose(tried, seed, seeds, told)
    if not choice.uplift:
        return FittedUplift(choice, None)
    return FittedUplift(choice, fit_s(tried, seed) if choice.choice == UPLIFT_S else fit_x(tried, seed))


def uplift_part(fitted: Mapping[str, FittedUplift]) -> str:
    """The text of models.bundle.Parts.uplift, by actions' ids; "" where no action has an uplift model."""
    return encode({action: one.effect for action, one in fitted.items() if one.effect is not None})


def card(choice: Choice) -> dict[str, Any]:
    """A choice as it stands in a manifest and in --json: plain values, null where there is no figure."""
    found = choice.compared
    return {
        "choice": choice.choice,
        "used": choice.choice if choice.uplift else POSTERIOR,
        "why": choice.why,
        "positives": {"treated": round(choice.positives[0]), "silent": round(choice.positives[1])},
        "qini": {} if found is None else {name: _figures(found, name) for name in found.parts},
    }


def _figures(found: Compared, name: str) -> dict[str, Any]:
    parts = found.parts[name]
    figures = {
        "mean": number(found.mean(name)),
        "sd": number(float(np.std(parts, ddof=1))) if len(parts) > 1 else None,
        "ci": [number(limit) for limit in found.interval(name)],
        "parts": [number(value) for value in parts],
    }
    if name == RESPONSE:
        return figures
    above = [number(limit) for limit in found.difference(name, RESPONSE)]
    return {**figures, "above_response": number(found.mean(name) - found.mean(RESPONSE)), "above_response_ci": above}
