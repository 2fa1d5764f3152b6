"""Whom an action changes: S- and X-learner beside a response model, and which of them deserves to be believed.

    response   who is rewarded with the action: trees of the reward over treated rows
    uplift_s   one model of the reward over all rows, "treated" among its columns; the effect is its difference
    uplift_x   the reward of each side's rows less what the other side's model expects of them, learned by side and
               mixed by the share of treated rows (Künzel et al. 2019, PNAS 116, 4156)

All are LightGBM regressions on the reward with small trees: an effect is small beside the reward's own spread, and
larger trees learn that spread. Rows count by inverse propensity. `choose` compares them on halves that they never saw.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

import lightgbm as lgb
import numpy as np
import numpy.typing as npt

from models.forest import Forest
from models.uplift import TREATED, Effect
from training.qini import Compared, Flags, Floats, Held, Ints, Outcomes, compare

Matrix = npt.NDArray[np.float32]
Told = Callable[[float], None]

RESPONSE, UPLIFT_S, UPLIFT_X, POSTERIOR = "response", "uplift_s", "uplift_x", "posterior"
UPLIFTS: Final = (UPLIFT_S, UPLIFT_X)

MIN_POSITIVES: Final = 200
"""Rows with a reward, on each side, by effective number: with fewer a Qini coefficient is chance."""
HALVES: Final = 10
"""How often the rows are halved at random; every half that is tested on is judged by models of the other."""
ROUNDS: Final = 200
LEAVES: Final = 4


@dataclass(frozen=True, slots=True)
class Tried:
    """Rows in which an action or silence was decided on by a known chance.

    vector: float32 (n, f). treated: bool (n,), whether it was the action. propensity: float64 (n,), the chance of the
    action given that it was one of the two. reward: float64 (n,). visitor: int64 (n,), whose rows stay together.
    columns: names of the vector's numbers.
    """

    vector: Matrix
    treated: Flags
    propensity: Floats
    reward: Floats
    visitor: Ints
    columns: tuple[str, ...]
    outcomes: Outcomes = field(init=False)

    def __post_init__(self) -> None:
        """Raises ValueError where arrays do not fit, a chance is 0 or 1, or a reward is no number."""
        n = len(self.vector)
        if any(len(one) != n for one in (self.treated, self.propensity, self.reward, self.visitor)):
            raise ValueError("the arrays of an action's rows are of different lengths")
        if self.vector.ndim != 2 or self.vector.shape[1] != len(self.columns):
            raise ValueError(f"vectors of shape {self.vector.shape} do not have {len(self.columns)} columns")
        if not bool(np.all((self.propensity > 0) & (self.propensity < 1))):
            raise ValueError("a chance of treatment is not between 0 and 1: such a row cannot be compared")
        if not bool(np.all(np.isfinite(self.reward))):
            raise ValueError("a reward is not finite")
        object.__setattr__(self, "outcomes", Outcomes.of(self.treated, self.propensity, self.reward))

    def __len__(self) -> int:
        return len(self.vector)

    def positives(self) -> tuple[float, float]:
        """How many rows have a reward, treated and silent: the effective number under the weights (Kish 1965)."""
        return positives_of(self.outcomes)

    @property
    def share(self) -> float:
        """Of treated rows."""
        return float(self.treated.mean()) if len(self) else 0.0


def positives_of(one: Outcomes) -> tuple[float, float]:
    """Rows with a reward, treated and silent, by effective number."""
    rewarded = one.reward != 0
    return _effective(one.weight[rewarded & one.treated]), _effective(one.weight[rewarded & ~one.treated])


def _effective(weight: Floats) -> float:
    return float(weight.sum() ** 2 / (weight**2).sum()) if len(weight) else 0.0


def parameters(rows: int, seed: int) -> dict[str, Any]:
    """LightGBM's parameters for so many rows."""
    return {
        "objective": "regression",
        "learning_rate": 0.05,
        "num_leaves": LEAVES,
        "min_data_in_leaf": int(np.clip(rows // 100, 20, 200)),
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "verbose": -1,
    }


@dataclass(frozen=True, slots=True)
class _Trees:
    """Grown trees: the text that a bundle keeps, and the forest that scores here as it does in service."""

    text: str
    forest: Forest


def _grow(x: Matrix, target: Floats, weight: Floats, columns: tuple[str, ...], seed: int) -> _Trees:
    data = lgb.Dataset(x, target, weight=weight, feature_name=list(columns))
    text: str = lgb.train(parameters(len(x), seed), data, ROUNDS).model_to_string()
    return _Trees(text, Forest.of(text))


def _side(tried: Tried, chosen: Flags, target: Floats, seed: int) -> _Trees:
    """Trees of a target, (n,), over the chosen rows."""
    return _grow(tried.vector[chosen], target[chosen], tried.outcomes.weight[chosen], tried.columns, seed)


def fit_response(tried: Tried, seed: int) -> Forest:
    """The expected reward with the action."""
    return _side(tried, tried.treated, tried.reward, seed).forest


def fit_s(tried: Tried, seed: int) -> Effect:
    """The S-learner."""
    x = np.column_stack([tried.vector, tried.treated.astype(np.float32)])
    trees = _grow(x, tried.reward, tried.outcomes.weight, (*tried.columns, TREATED), seed)
    return Effect("s", tried.share, (trees.text,), (trees.forest,))


def fit_x(tried: Tried, seed: int, response: Forest | None = None) -> Effect:
    """The X-learner. response: fit_response of the same rows and seed, if it is at hand."""
    expected_with = (response or fit_response(tried, seed)).predict(tried.vector)
    expected_without = _side(tried, ~tried.treated, tried.reward, seed).forest.predict(tried.vector)
    treated = _side(tried, tried.treated, tried.reward - expected_without, seed)
    silent = _side(tried, ~tried.treated, expected_with - tried.reward, seed)
    return Effect("x", tried.share, (treated.text, silent.text), (treated.forest, silent.forest))


def part(tried: Tried, rows: Ints) -> Tried:
    """Some of the rows."""
    arrays = {name: getattr(tried, name)[rows] for name in ("vector", "treated", "propensity", "reward", "visitor")}
    return replace(tried, **arrays)


def halves(tried: Tried, seeds: int, seed: int, told: Told = lambda share: None) -> Iterator[Held]:
    """For each of `seeds` random halvings of the visitors, what models of one half say of the other's rows."""
    known, place = np.unique(tried.visitor, return_inverse=True)
    for number in range(seeds):
        shuffled = np.random.default_rng([seed, number]).permutation(len(known))
        learns = (shuffled < len(known) // 2)[place]
        yield _held(part(tried, np.flatnonzero(learns)), tried, np.flatnonzero(~learns), seed)
        told((number + 1) / seeds)


def _held(learn: Tried, tried: Tried, rows: Ints, seed: int) -> Held:
    response, x = fit_response(learn, seed), tried.vector[rows]
    said = {UPLIFT_S: fit_s(learn, seed).predict(x), UPLIFT_X: fit_x(learn, seed, response).predict(x)}
    return Held(rows, {**said, RESPONSE: response.predict(x)})


@dataclass(frozen=True, slots=True)
class Choice:
    """What is believed of an action. choice: one of UPLIFTS, RESPONSE or POSTERIOR; why: in words.

    positives: effective rows with a reward, treated and silent. compared: the figures; None where nothing was compared.
    held: what they are of.
    """

    choice: str
    why: str
    positives: tuple[float, float]
    compared: Compared | None = None
    held: tuple[Held, ...] = ()

    @property
    def uplift(self) -> bool:
        """Whether an uplift model is used for the action."""
        return self.choice in UPLIFTS


def choose(tried: Tried, seed: int, seeds: int = HALVES, told: Told = lambda share: None) -> Choice:
    """Which model to believe of an action, by Qini on halves that the models never saw.

    An uplift model only where its Qini is above 0 and above the response model's by the paired 95 % interval; of two
    such the one with the higher Qini. Else the response model where its own interval is above 0: a good order, but no
    effect, so that in a decision the posterior stands. Else the posterior.
    """
    positives = tried.positives()
    few = scarce(positives)
    if few is not None:
        return few
    held = tuple(halves(tried, seeds, seed, lambda share: told(0.5 * share)))
    figures = compare(held, tried.outcomes, tried.visitor, seed, told=lambda share: told(0.5 + 0.5 * share))
    return replace(judged(figures, positives), held=held)


def scarce(positives: tuple[float, float]) -> Choice | None:
    """The posterior, where there are too few rewarded rows to compare anything; else None."""
    if min(positives) >= MIN_POSITIVES:
        return None
    found = f"{positives[0]:.0f} rewarded rows with the action and {positives[1]:.0f} with silence"
    return Choice(POSTERIOR, f"{found}; {MIN_POSITIVES} of each are needed", positives)


def judged(compared: Compared, positives: tuple[float, float]) -> Choice:
    """The choice that the figures leave."""
    best = max(UPLIFTS, key=compared.mean)
    own, above = compared.interval(best)[0], compared.difference(best, RESPONSE)
    if own > 0 and above[0] > 0:
        return Choice(best, f"its Qini less the response model's is {_span(above)}", positives, compared)
    why = f"{best}'s Qini less the response model's is {_span(above)}, not surely above 0"
    if above[0] > 0:
        why = f"{best}'s Qini is above the response model's, but itself {_span(compared.interval(best))}"
    response = compared.interval(RESPONSE)
    if response[0] > 0:
        return Choice(RESPONSE, why, positives, compared)
    return Choice(POSTERIOR, f"{why}; the response model's own is {_span(response)}", positives, compared)


def _span(limits: tuple[float, float]) -> str:
    return f"[{limits[0]:.3f}, {limits[1]:.3f}]"
