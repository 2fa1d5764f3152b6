"""The gate before a bundle goes live: what must hold, checked in words a person can act on.

A candidate is compared with the live bundle on the same later sessions, which neither was trained on, resampled
together. It is refused where it is worse by more than the margin and the 95 % interval of the difference lies wholly
on the worse side. Without such sessions nothing is compared, and it says so: figures of different windows have
different base rates, and do not tell which bundle is better.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models.bundle import Bundle
from models.intent import INTENTS
from models.registry import DEFAULT_SHOP
from training.figures import binary_figures, stage_figures
from training.metrics_binary import BINS, MIN_BIN, Ranked, draws, interval, resampled, resampled_error
from training.metrics_stage import resampled_stage
from training.table import Table

Floats = npt.NDArray[np.float64]

SUSPICIOUS_AUC: Final = 0.97
MECHANICAL: Final = frozenset({"help"})
"""Intents that an event may bring about by itself (a search finds nothing): a near-certain ranking can be true."""

USELESS_AUC: Final = 0.5
MAX_ECE: Final = 0.05
MARGINS: Final[Mapping[str, float]] = {"auc": 0.01, "average_precision": 0.01, "ece": 0.01, "macro_f1": 0.02}
"""How much worse than the live bundle a figure may be."""

AGAINST_LIVE: Final = "against live"
NOT_COMPARED: Final = (
    "not compared: no later sessions that neither was trained on; train with an earlier --until to leave some"
)
MIN_SESSIONS: Final = 200
"""Fewer later sessions than this decide nothing."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing the gate looked at. passed: None where it could not be told, which refuses nothing."""

    name: str
    passed: bool | None
    detail: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """All checks. A bundle passes when none failed."""

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing speaks against going live."""
        return not self.refusals

    @property
    def warning(self) -> str:
        """Why the candidate was compared with nothing, "" if it was."""
        return next((check.detail for check in self.checks if check.name == AGAINST_LIVE), "")

    @property
    def refusals(self) -> tuple[Check, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if check.passed is False)


def judge(candidate: Bundle, live: Bundle | None, later: Table | None, shop: str = "") -> Verdict:
    """What the gate says of a candidate that loaded (its files and fingerprint are sound).

    live: the bundle it would replace. later: rows of sessions after both were trained, or None.
    shop: that it would serve; "" to not look. The shop `default` may serve what any shop taught.
    """
    checks = [*_own_checks(candidate.manifest), *_shop_check(candidate.manifest, shop)]
    if live is None:
        checks.append(Check(AGAINST_LIVE, None, "nothing is live for this shop yet"))
    elif live.id == candidate.id:
        checks.append(Check(AGAINST_LIVE, None, f"{live.id} is the live bundle"))
    elif later is not None and len(np.unique(later.labels.session)) >= MIN_SESSIONS:
        checks += compare(candidate, live, later)
    else:
        checks.append(Check(AGAINST_LIVE, None, NOT_COMPARED))
    return Verdict(tuple(checks))


def _own_checks(manifest: Mapping[str, Any]) -> list[Check]:
    """Figures present, none too good to be true, none useless."""
    figures = manifest.get("figures")
    figures = figures if isinstance(figures, dict) else {}
    intents = figures.get("intent")
    if not isinstance(intents, dict) or set(intents) != set(INTENTS) or "stage" not in figures:
        return [Check("figures", False, "the manifest holds no figures: train with `tact train`")]
    checks = [Check("figures", True, f"measured on {figures.get('on', 'a later slice')}")]
    for name, figure in intents.items():
        checks += _intent_checks(name, figure)
    return checks


def _shop_check(manifest: Mapping[str, Any], shop: str) -> list[Check]:
    """Whether the bundle learned from the shop it would serve."""
    learned = str(manifest.get("shop", ""))
    if shop in ("", DEFAULT_SHOP) or learned in ("", shop):
        return []
    return [Check("shop", False, f"it learned from shop {learned!r}, not from {shop!r}")]


def _intent_checks(name: str, figure: Mapping[str, Any]) -> list[Check]:
    auc = figure.get("auc")
    if auc is None:
        return [Check(f"{name} auc", None, str(figure.get("reason", "not computed")))]
    return [_auc_check(name, auc, str(figure.get("note", ""))), _calibration_check(name, figure)]


def _auc_check(name: str, auc: float, note: str) -> Check:
    """Whether the ranking is neither useless nor too good to be true."""
    if auc > SUSPICIOUS_AUC:
        passed = None if name in MECHANICAL else False
        detail = f"AUC {auc:.3f} is above {SUSPICIOUS_AUC}: a feature probably knows the answer (a leak)"
        return Check(f"{name} auc", passed, detail)
    if auc < USELESS_AUC:
        return Check(f"{name} auc", None if note else False, f"AUC {auc:.3f} is below chance {note}".rstrip())
    return Check(f"{name} auc", True, f"AUC {auc:.3f}")


def _calibration_check(name: str, figure: Mapping[str, Any]) -> Check:
    """Whether the probabilities can be weighed against costs; few rows miss the truth by chance, and are allowed to."""
    ece, base, n = float(figure["ece"]), float(figure["base_rate"]), int(figure["n"])
    bins = max(1, min(BINS, n // MIN_BIN))
    limit = MAX_ECE + 2 * math.sqrt(bins * base * (1 - base) / n)
    sound = ece <= limit
    detail = f"calibration error {ece:.4f}, limit {limit:.4f} for {n:,} rows"
    return Check(f"{name} calibration", sound, detail)


def compare(candidate: Bundle, live: Bundle, later: Table) -> list[Check]:
    """The two on the same later sessions, resampled together."""
    _, group = np.unique(later.labels.session, return_inverse=True)
    sessions = int(group.max()) + 1
    weights = draws(sessions, seed=1)
    checks = [Check("later sessions", True, f"{sessions} sessions after both were trained")]
    ours = candidate.intent.probabilities_batch(later.matrix)
    theirs = live.intent.probabilities_batch(later.matrix)
    for at, name in enumerate(INTENTS):
        target = getattr(later.labels, name).astype(np.int64)
        rows = target >= 0
        pair = (ours[rows, at], theirs[rows, at])
        checks += _compare_intent(name, target[rows], pair, group[rows], weights)
    return [*checks, _compare_stage(candidate, live, later, group, weights)]


def _compare_intent(
    name: str, label: npt.NDArray[np.int64], pair: tuple[Floats, Floats], group: npt.NDArray[np.int64], weights: Floats
) -> list[Check]:
    new, old = (binary_figures(label, p) for p in pair)
    if new["auc"] is None:
        return [Check(f"{name} against live", None, f"{new['reason']} in the later sessions")]
    runs = [resampled(Ranked.of(label, p, group), weights) for p in pair]
    checks = [
        _judged(f"{name} {measure} against live", measure, new[measure], old[measure], runs[0][:, at] - runs[1][:, at])
        for at, measure in enumerate(("auc", "average_precision"))
    ]
    errors = [resampled_error(label, p, group, weights) for p in pair]
    worse = _judged(f"{name} calibration against live", "ece", -new["ece"], -old["ece"], errors[1] - errors[0])
    return [*checks, worse]


def _compare_stage(
    candidate: Bundle, live: Bundle, later: Table, group: npt.NDArray[np.int64], weights: Floats
) -> Check:
    truth = later.labels.stage.astype(np.int64)
    pair = [bundle.stage.probabilities_batch(later.matrix) for bundle in (candidate, live)]
    new, old = (stage_figures(truth, p)["macro_f1"] for p in pair)
    runs = [resampled_stage(p, p.argmax(axis=1), truth, group, weights)[:, 0] for p in pair]
    return _judged("stage macro_f1 against live", "macro_f1", new, old, runs[0] - runs[1])


def _judged(name: str, measure: str, new: float, old: float, differences: Floats) -> Check:
    """A check of one figure, larger the better (an error comes negated). differences: new - old, resampled."""
    limits = interval(differences)
    difference, margin = new - old, MARGINS[measure]
    surely = limits is None or limits[1] < 0
    shown = "interval not computed" if limits is None else f"95 % interval {limits[0]:+.4f} .. {limits[1]:+.4f}"
    detail = f"{abs(new):.4f}, live {abs(old):.4f}, better by {difference:+.4f} ({shown}), margin {margin}"
    return Check(name, not (difference < -margin and surely), detail)
