"""The gate before a bundle goes live: what must hold, checked in words a person can act on.

A candidate is compared with the live bundle on the same later sessions, which neither was trained on, resampled
together. It is refused where it is worse by more than the margin and by more than chance, whose 5 % all comparisons
share. Without such sessions nothing can be compared, for figures of different windows have different base rates and do
not tell which bundle is better: then it is refused too, unless a person says that it may pass uncompared.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from statistics import NormalDist
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models.bundle import Bundle
from models.intent import INTENTS
from models.registry import DEFAULT_SHOP
from training.figures import binary_figures, counted, stage_figures
from training.gate_views import Views, gains, places_of, shared_index
from training.levels import MATURE_POSITIVES, MECHANICAL, USELESS_AUC, immature, level_of_auc
from training.metrics_binary import BINS, MIN_BIN, Ranked, draws, interval, resampled, resampled_error
from training.metrics_stage import resampled_stage
from training.table import Table
from training.uplift_bundle import differ_by_uplift_alone

Floats = npt.NDArray[np.float64]

MAX_ECE: Final = 0.05
MARGINS: Final[Mapping[str, float]] = {
    "auc": 0.01,
    "average_precision": 0.01,
    "ece": 0.01,
    "macro_f1": 0.02,
    "hr20": 0.01,
    "mrr20": 0.01,
}
"""How much worse than the live bundle a figure may be."""

AGAINST_LIVE: Final = "against live"
NONE_LIVE: Final = "nothing is live for this shop yet"
HOW_TO_COMPARE: Final = "train with an earlier --until to leave some, or publish with --allow-uncompared"
SAME_MODELS: Final = "same models"
UPLIFT_ALONE: Final = (
    "stage, intents and products are those of the live bundle {}: only the uplift models differ; `tact promote "
    "--policy FOLDER` judges these by the receipts"
)
CHANCE: Final = 0.05
"""How often equal bundles may be refused, over all comparisons of one gate."""

MIN_SESSIONS: Final = 200
"""Fewer later sessions than this decide nothing."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A figure of both bundles on the same sessions. difference: positive where the candidate is better.

    ci: its 95 % interval; error: the difference's standard deviation over resamples, None with too few of them.
    """

    measure: str
    candidate: float
    live: float
    difference: float
    ci: list[float] | None
    margin: float
    error: float | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """One thing the gate looked at. passed: None where it could not be told, which refuses nothing.

    worry: passed, but to be looked at. pair: of a comparison; None for a check of the candidate alone.
    """

    name: str
    passed: bool | None
    detail: str
    worry: bool = False
    pair: Pair | None = None

    @property
    def verdict(self) -> str:
        """In a word: passed, warning, refused, not told."""
        if self.passed is None:
            return "warning" if self.worry else "not told"
        return "refused" if not self.passed else "warning" if self.worry else "passed"

    def as_dict(self) -> dict[str, Any]:
        """As --json writes it."""
        told = {"name": self.name, "verdict": self.verdict, "detail": self.detail}
        return told if self.pair is None else told | asdict(self.pair)


@dataclass(frozen=True, slots=True)
class Verdict:
    """All checks. A bundle passes when none failed."""

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing speaks against going live."""
        return not self.refusals

    @property
    def uncompared(self) -> str:
        """Why the candidate was compared with nothing, "" if it was."""
        return next((check.detail for check in self.checks if check.name == AGAINST_LIVE), "")

    @property
    def refusals(self) -> tuple[Check, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if check.passed is False)

    @property
    def warnings(self) -> tuple[Check, ...]:
        """What refuses nothing, but is to be looked at."""
        return tuple(check for check in self.checks if check.verdict == "warning")

    def as_dict(self) -> dict[str, Any]:
        """As --json writes it."""
        compared = [check for check in self.checks if check.pair is not None]
        about = {"passed": self.passed, "compared": bool(compared), "warning": self.uncompared}
        return {**about, "checks": [check.as_dict() for check in self.checks]}


def judge(
    candidate: Bundle,
    live: Bundle | None,
    later: Table | None,
    shop: str = "",
    views: Views | None = None,
    allow_uncompared: bool = False,
    none_live: str = NONE_LIVE,
) -> Verdict:
    """What the gate says of a candidate that loaded (its files and fingerprint are sound).

    live: the bundle it would replace. later: rows of sessions after both were trained, or None; views: what these
    sessions looked at next, to compare recommendations on, or None.
    shop: that it would serve; "" to not look. The shop `default` may serve what any shop taught. allow_uncompared: pass
    where too few later sessions are there to compare with the live bundle. none_live: why live is None.
    """
    manifest = candidate.manifest
    checks = [*_own_checks(manifest), *_leak_checks(manifest), *_data_checks(manifest), *_shop_check(manifest, shop)]
    if live is None:
        checks.append(Check(AGAINST_LIVE, None, none_live))
    elif live.id == candidate.id:
        checks.append(Check(AGAINST_LIVE, None, f"{live.id} is the live bundle"))
    elif differ_by_uplift_alone(candidate, live):
        checks.append(Check(SAME_MODELS, True, UPLIFT_ALONE.format(live.id), worry=True))
    elif later is not None and _sessions(later) >= MIN_SESSIONS:
        found = compare(candidate, live, later)
        checks += decided(found if views is None else [*found, *compare_items(candidate, live, views)])
    else:
        checks.append(_uncompared(live, later, allow_uncompared))
    return Verdict(tuple(checks))


def _sessions(later: Table) -> int:
    return len(np.unique(later.labels.session))


def _uncompared(live: Bundle, later: Table | None, allowed: bool) -> Check:
    """Refused unless allowed: that it is no worse than what is live, nobody has seen."""
    few = counted(0 if later is None else _sessions(later), "later session")
    why = f"{few} that neither it nor the live bundle {live.id} learned from, {MIN_SESSIONS} are needed"
    if allowed:
        return Check(AGAINST_LIVE, None, f"not compared: {why}; --allow-uncompared lets it pass", worry=True)
    return Check(AGAINST_LIVE, False, f"not compared: {why}; {HOW_TO_COMPARE}")


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
    return [_auc_check(name, figure), _calibration_check(name, figure)]


def _auc_check(name: str, figure: Mapping[str, Any]) -> Check:
    """The level of the ranking; refused where it is too good to be true, or useless and not by chance."""
    auc, note = float(figure["auc"]), str(figure.get("note", ""))
    level, few = level_of_auc(auc), immature(int(figure.get("positives", MATURE_POSITIVES)))
    refused = (level.name == "refused" and name not in MECHANICAL) or (_below_chance(figure) and not note)
    worry = (level.worry and name not in MECHANICAL) or bool(few)
    named = "an event may bring it about by itself" if name in MECHANICAL else f"{level.name} ({level.means})"
    words = [f"AUC {auc:.3f}{_span(figure.get('auc_ci'))}, {named}", few, note]
    return Check(f"{name} auc", not refused, "; ".join(word for word in words if word), worry)


def _below_chance(figure: Mapping[str, Any]) -> bool:
    """Whether the whole interval is below chance; without one (null: too few rows to resample) nobody can tell.

    A manifest that never had intervals is judged by the figure itself.
    """
    limits = figure.get("auc_ci", [figure["auc"], figure["auc"]])
    return limits is not None and float(limits[1]) < USELESS_AUC


def _span(limits: Any) -> str:
    return "" if not limits else f" [{limits[0]:.3f}, {limits[1]:.3f}]"


def _leak_checks(manifest: Mapping[str, Any]) -> list[Check]:
    """What tact train found of features that know the answer."""
    leaks = manifest.get("leaks")
    if not isinstance(leaks, dict):
        return [Check("leaks", None, "not looked for: train with `tact train`")]
    findings = leaks["findings"]
    checks = [
        Check(f"leak of {one['feature'] or one['target']}", one["level"] != "error", one["detail"], worry=True)
        for one in findings
    ]
    if leaks["found"] > len(findings):
        checks.append(Check("leaks", False, f"{leaks['found'] - len(findings)} further findings"))
    none = f"none found; {leaks['rows']:,} vectors made again from the log cut right after them have the same bits"
    return checks or [Check("leaks", True, none)]


def _data_checks(manifest: Mapping[str, Any]) -> list[Check]:
    """What the data checks said of the log it learned from: for the person who decides, it refuses nothing."""
    found = manifest.get("data_checks")
    if not isinstance(found, list):
        return []
    doubts = [Check(f"data: {one['name']}", True, f"{one['level']}: {one['message']}", worry=True) for one in found]
    return doubts or [Check("data checks", True, "nothing to warn of in the log it learned from")]


def _calibration_check(name: str, figure: Mapping[str, Any]) -> Check:
    """Whether the probabilities can be weighed against costs; few sessions miss the truth by chance, and may.

    Rows of one session share their answer: chance is that of so many sessions, not of so many rows.
    """
    ece, base, n = float(figure["ece"]), float(figure["base_rate"]), int(figure["n"])
    sessions = int(figure.get("sessions", n))
    bins = max(1, min(BINS, n // MIN_BIN))
    limit = MAX_ECE + 2 * math.sqrt(bins * base * (1 - base) / sessions)
    sound = ece <= limit
    detail = f"calibration error {ece:.4f}, limit {limit:.4f} for {counted(sessions, 'session')}"
    return Check(f"{name} calibration", sound, detail)


def compare(candidate: Bundle, live: Bundle, later: Table) -> list[Check]:
    """The two on the same later sessions, resampled together."""
    _, group = np.unique(later.labels.session, return_inverse=True)
    sessions = int(group.max()) + 1
    weights = draws(sessions, seed=1)
    checks = [Check("later sessions", True, f"{counted(sessions, 'session')} after both were trained")]
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
    named = [bundle.stage.named(p) for bundle, p in zip((candidate, live), pair, strict=True)]
    new, old = (stage_figures(truth, p, said)["macro_f1"] for p, said in zip(pair, named, strict=True))
    runs = [resampled_stage(p, s, truth, group, weights)[:, 0] for p, s in zip(pair, named, strict=True)]
    return _judged("stage macro_f1 against live", "macro_f1", new, old, runs[0] - runs[1])


def compare_items(candidate: Bundle, live: Bundle, views: Views) -> list[Check]:
    """What both would have recommended before each next view of the later sessions, resampled together."""
    if len(live.items) and not len(candidate.items):
        return [Check("recommend against live", False, f"it knows no product, the live bundle {len(live.items):,}")]
    index = shared_index(candidate, live)
    places = [places_of(bundle, index, views) for bundle in (candidate, live)]
    if not len(views):
        return [Check("recommend against live", None, "no later session views two products")]
    _, group = np.unique(views.session, return_inverse=True)
    weights = draws(int(group.max()) + 1, seed=1)
    checks = []
    for measure in ("hr20", "mrr20"):
        new, old = (gains(place, measure) for place in places)
        totals = [weights @ np.bincount(group, value) for value in (new - old, np.ones(len(group)))]
        name = f"recommend {measure} against live"
        checks.append(_judged(name, measure, float(new.mean()), float(old.mean()), totals[0] / totals[1]))
    return checks


def _judged(name: str, measure: str, new: float, old: float, differences: Floats) -> Check:
    """One figure of both, larger the better (an error comes negated), undecided. differences: new - old, resampled."""
    limits = interval(differences)
    difference, margin = new - old, MARGINS[measure]
    shown = "interval not computed" if limits is None else f"95 % interval {limits[0]:+.4f} .. {limits[1]:+.4f}"
    detail = f"{abs(new):.4f}, live {abs(old):.4f}, {_than(difference)} ({shown}), margin {margin}"
    if limits is not None and (limits[1] - limits[0]) / 2 > margin:
        detail += "; so few sessions cannot tell a difference of the margin"
    rounded = None if limits is None else [round(limit, 6) for limit in limits]
    error = None if limits is None else float(np.nanstd(differences))
    pair = Pair(measure, round(abs(new), 6), round(abs(old), 6), round(difference, 6), rounded, margin, error)
    return Check(name, None, detail, pair=pair)


def _than(difference: float) -> str:
    if not round(difference, 4):
        return "no difference"
    return f"{'better' if difference > 0 else 'worse'} by {abs(difference):.4f}"


def decided(checks: list[Check]) -> list[Check]:
    """The checks with a verdict on each comparison that has an interval; the chance of CHANCE is shared by these."""
    told = sum(check.pair is not None and check.pair.error is not None for check in checks)
    return [_decided(check, NormalDist().inv_cdf(1 - CHANCE / told)) if told else check for check in checks]


def _decided(check: Check, z: float) -> Check:
    """Failed where the candidate is worse beyond the margin and beyond chance."""
    pair = check.pair
    if pair is None or pair.error is None:
        return check
    worse = pair.difference < -pair.margin and pair.difference + z * pair.error < 0
    return replace(check, passed=not worse)
