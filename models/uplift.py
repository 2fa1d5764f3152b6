"""What an action adds for this very visitor: trees per action, in a bundle, walked by models/forest.py.

An effect is the expected reward with the action less that with silence, in the units of the policy's draws: shares of
the action's value. Two kinds (Künzel et al. 2019, "Metalearners for estimating heterogeneous treatment effects using
machine learning", PNAS 116):

    s   one forest mu(x, treated) of the reward:  tau(x) = mu(x, 1) - mu(x, 0)
    x   tau_1 learned from treated rows, tau_0 from silent ones:  tau(x) = e tau_0(x) + (1 - e) tau_1(x)

with e the share of treated rows. Which actions have one is decided in training (training/uplift.py); for all others the
posterior stands. Equal to LightGBM bit by bit, so that a receipt replays.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.record import hash64
from models.forest import Forest
from models.modeltext import InvalidModel

Matrix = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]

TREATED: Final = "treated"
"""The last column of an s forest: 1 with the action, 0 with silence."""

_FORESTS: Final[Mapping[str, int]] = {"s": 1, "x": 2}
_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Effect:
    """One action's effect. kind: "s" or "x". share: of treated rows where it was learned.

    trees: LightGBM texts, mu of "s"; tau_1 and tau_0 of "x". forests: the same, to walk.
    """

    kind: str
    share: float
    trees: tuple[str, ...]
    forests: tuple[Forest, ...]

    @classmethod
    def of(cls, kind: str, share: float, trees: Sequence[str], columns: tuple[str, ...]) -> "Effect":
        """Raises InvalidModel where the trees are damaged, of another number, or of other columns than these."""
        if len(trees) != _FORESTS.get(kind):
            raise InvalidModel(f"an uplift model of kind {kind!r} with {len(trees)} forests is none")
        if not 0.0 <= share <= 1.0:
            raise InvalidModel(f"the share of treated rows is {share}, not from 0 to 1")
        expected = (*columns, TREATED) if kind == "s" else columns
        forests = tuple(Forest.of(text) for text in trees)
        if any(forest.names != expected for forest in forests):
            raise InvalidModel("an uplift model was trained on other columns than this code makes: train again")
        return cls(kind, share, tuple(trees), forests)

    def predict(self, x: Matrix) -> Floats:
        """The effect of each row. x: float32 (n, N) -> float64 (n,)."""
        if self.kind == "s":
            return _with_less_without(self.forests[0], x)
        treated, silent = (forest.predict(x) for forest in self.forests)
        return self.share * silent + (1.0 - self.share) * treated


def _with_less_without(forest: Forest, x: Matrix) -> Floats:
    both = np.empty((2, len(x), x.shape[1] + 1), np.float32)
    both[:, :, :-1] = x
    both[0, :, -1], both[1, :, -1] = 1.0, 0.0
    return forest.predict(both[0]) - forest.predict(both[1])


@dataclass(frozen=True, slots=True)
class Uplift:
    """Effects by the id of the action they belong to."""

    effects: Mapping[str, Effect]

    def predict(self, vector: Matrix) -> dict[int, float]:
        """The effect of each action that has a model, by the hash of its id. vector: float32 (N,)."""
        if not self.effects:
            return {}
        row = vector.reshape(1, -1)
        return {hash64(action): float(effect.predict(row)[0]) for action, effect in self.effects.items()}


def encode(effects: Mapping[str, Effect]) -> str:
    """The text of a bundle's uplift part: the same effects give the same text. "" for none."""
    actions = [
        {"action": action, "kind": one.kind, "share": one.share, "trees": one.trees}
        for action, one in sorted(effects.items())
    ]
    return json.dumps({"format": _FORMAT, "actions": actions}, indent=1, allow_nan=False) + "\n" if actions else ""


def decode(text: str, columns: tuple[str, ...]) -> Uplift:
    """What `encode` wrote, checked in full. columns: of the vectors, in order. Raises InvalidModel."""
    try:
        told = json.loads(text)
    except ValueError as error:
        raise InvalidModel(f"the uplift part is no JSON: {error}") from error
    if not isinstance(told, dict) or told.get("format") != _FORMAT or not isinstance(told.get("actions"), list):
        raise InvalidModel(f"the uplift part is not of format {_FORMAT}")
    effects: dict[str, Effect] = {}
    for entry in told["actions"]:
        action, effect = _effect(entry, columns)
        if action in effects:
            raise InvalidModel(f"the uplift part names action {action!r} twice")
        effects[action] = effect
    return Uplift(effects)


def _effect(entry: Any, columns: tuple[str, ...]) -> tuple[str, Effect]:
    if not isinstance(entry, dict):
        raise InvalidModel("the uplift part holds something that is no action")
    action, kind, share, trees = (entry.get(name) for name in ("action", "kind", "share", "trees"))
    if not isinstance(action, str) or not action or not isinstance(kind, str) or not isinstance(share, float):
        raise InvalidModel("the uplift part lacks an action's id, kind or share")
    if not isinstance(trees, list) or not all(isinstance(text, str) for text in trees):
        raise InvalidModel(f"the uplift part's trees of action {action!r} are no texts")
    return action, Effect.of(kind, share, trees, columns)
