"""The next milestone of a session: leaves, views on, carts or buys. Evaluation only; no bundle holds this model.

At a step, what stands first in the rest of the session: `carts` (an add_to_cart) or `buys` (a purchase), whichever
comes first; `views_on` if there is neither but something follows; `leaves` if nothing does.

The model is ours in every respect (vectors, trees, calibration) and names as the stage's does (training/naming.py):
the most probable class would hardly ever be the rare one. Beside it:

* majority              the same class for everyone
* static_map            read off the last event: a cart or checkout -> buys, a purchase -> leaves, else views on
* hand_rule             that, and: a product seen again in this session -> carts, the session's first step -> leaves
* plain_trees           LightGBM on 25 simple features (training/plain_trees.py), the most probable class
* plain_trees_weighted  the same with weights chosen as ours are
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.events import CODE, KINDS
from features.schema import INDEX
from training.compared import Compared, limits
from training.figures import number
from training.fitted import fit_output
from training.labels import Labels, label
from training.metrics_stage import confusion, macro_f1, per_class, resampled_macro_f1
from training.naming import class_weights
from training.plain_trees import plain_trees
from training.settings import default_settings
from training.shape import with_nothing_missing
from training.table import Log, Progress

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int8]

MILESTONES: Final = ("leaves", "views_on", "carts", "buys")
LEAVES, VIEWS_ON, CARTS, BUYS = range(len(MILESTONES))
BASELINES: Final = ("majority", "static_map", "hand_rule", "plain_trees", "plain_trees_weighted")

_TO_BUYS: Final = ("add_to_cart", "view_cart", "begin_checkout", "add_shipping_info", "add_payment_info")
_MAP: Final = np.array(
    [BUYS if kind in _TO_BUYS else LEAVES if kind == "purchase" else VIEWS_ON for kind in KINDS], np.int64
)


def milestones(log: Log, labels: Labels) -> Codes:
    """The next milestone of each labelled step of a log, int8 (n,)."""
    steps = label(log.records, log.visitor, log.session)
    kind, n = log.records["kind"][steps.row], len(steps)
    last = np.searchsorted(steps.session, steps.session, side="right") - 1
    cart, buy = (_next(kind == CODE[name], last) for name in ("add_to_cart", "purchase"))
    follows = np.arange(n) < last
    found = np.select([cart < buy, buy < cart, follows], [CARTS, BUYS, VIEWS_ON], LEAVES).astype(np.int8)
    return found[np.searchsorted(steps.row, labels.row)]


def _next(flags: npt.NDArray[np.bool_], last: Ints) -> Ints:
    """The position of the first flag after each step in its session; beyond all where there is none."""
    n = len(flags)
    at = np.where(flags, np.arange(n), n)
    ahead = np.append(np.minimum.accumulate(at[::-1])[::-1][1:], n)
    return np.where(ahead <= last, ahead, n)


def evaluate_milestone(shared: Compared, seed: int, progress: Progress) -> dict[str, Any]:
    """macro_f1 with interval, n, classes, confusion, baselines and how far ours is ahead; nulls and a reason where
    training knew a single milestone.
    """
    progress("milestone", 0.0)
    target, truth = milestones(shared.log, shared.table.labels), _truth(shared)
    learned = target[shared.trained.split.train]
    names = _fixed(shared, learned)
    if len(np.unique(learned)) > 1:
        names |= _fitted(shared, target, seed, progress)
    figures = _figures(names, truth, shared)
    progress("milestone", 1.0)
    return figures


def _truth(shared: Compared) -> Ints:
    return milestones(shared.test_log, shared.test.labels).astype(np.int64)


def _fixed(shared: Compared, learned: Codes) -> dict[str, Ints]:
    """What needs no trees, of each test row."""
    seen = np.bincount(learned, minlength=len(MILESTONES))
    static = _MAP[shared.test.kind]
    again = (shared.test.matrix[:, INDEX["item_session_views"]] >= 2) & (static == VIEWS_ON) & (seen[CARTS] > 0)
    first = shared.test.labels.prefix == 1
    hand = np.select([static != VIEWS_ON, again, first], [static, CARTS, LEAVES], VIEWS_ON)
    return {"majority": np.full(len(static), int(seen.argmax())), "static_map": static, "hand_rule": hand}


def _fitted(shared: Compared, target: Codes, seed: int, progress: Progress) -> dict[str, Ints]:
    """What ours and the plain trees name in each test row."""
    split, classes = shared.trained.split, len(MILESTONES)
    settings = default_settings("milestone", classes)
    ours = fit_output(shared.table, target, split, classes, seed, partial(progress, "milestone"), settings)
    weights = class_weights(ours.said_of_held(int(split.hold.sum())))
    names = {"tact": (ours.probabilities(shared.test.matrix) * weights).argmax(axis=1)}
    plain = plain_trees(shared.table, target, split, shared.test.matrix, classes)
    if plain is not None:
        names["plain_trees"] = plain.test.argmax(axis=1)
        names["plain_trees_weighted"] = (plain.test * class_weights(plain.held)).argmax(axis=1)
    return names


def _figures(names: Mapping[str, Ints], truth: Ints, shared: Compared) -> dict[str, Any]:
    """Figures of each, intervals, and ours minus each, paired."""
    classes = len(MILESTONES)
    tables = {name: confusion(truth, said, classes) for name, said in names.items()}
    runs = {
        name: resampled_macro_f1(said, truth, classes, shared.group, shared.weights) for name, said in names.items()
    }
    found = {
        name: {"macro_f1": number(macro_f1(tables[name])), "macro_f1_ci": limits(run), "n": len(truth)}
        for name, run in runs.items()
    }
    figures: dict[str, Any] = found.pop("tact", {"n": len(truth), "reason": "training knew a single milestone"})
    figures |= {"baselines": found, "ahead": {}}
    if "tact" in runs:
        figures["ahead"] = {
            name: {
                "macro_f1": number(figures["macro_f1"] - one["macro_f1"]),
                "macro_f1_ci": limits(runs["tact"] - runs[name]),
            }
            for name, one in found.items()
        }
    with_nothing_missing(figures, BASELINES, ("macro_f1",))
    table = tables.get("tact", np.zeros((classes, classes)))
    figures["classes"] = _classes(truth, tables.get("tact"))
    return figures | {"confusion": table.astype(int).tolist(), "milestones": list(MILESTONES)}


def _classes(truth: Ints, table: Floats | None) -> dict[str, dict[str, float | None]]:
    """Share and F1 of each milestone; without a model no F1."""
    if table is not None:
        return per_class(table, MILESTONES)
    share = np.bincount(truth, minlength=len(MILESTONES)) / max(len(truth), 1)
    return {name: {"share": float(share[i]), "f1": None} for i, name in enumerate(MILESTONES)}
