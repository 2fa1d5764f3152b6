"""How early a warning comes: events before the session's last at which a signal fires for good.

* A signal is a number at each step; it is *on* where it reaches a threshold. It fires *for good* at the first step from
  which on it stays on until the session's last step. The *lead* is how many events that is before the last: 0 if only
  the last step has it, and 0 too where it is off there. *Caught* are the sessions where it is on at the last step,
  *warned* those with a lead of 1 or more. `lead_possible` is the lead of a signal that is always on.
* `leave`: the intent's probability, in every session (those of one step can be caught, not warned: nobody knows
  beforehand which they are). A step of which the label says no (the visitor goes on for more than one step or two
  minutes) is a false alarm where the signal is on.
* `hesitation`: the stage's probability, at steps with an open cart or checkout and before a purchase. Sessions to warn
  of are those that end so, unbought. A step after which the visitor does buy in the session is a false alarm where the
  signal is on.
* The threshold is the lowest by which at most 10 % of such steps of the test were false alarms: a point of the curve,
  the same for everyone, as one reads a hit rate at a fixed false-alarm rate.
* Beside it a rule: a pause of so many seconds that there are as many false alarms (`pause`), and one of a minute
  (`pause_60s`); `ahead.pause_60s` is the signal at the false alarms of that rule. For `hesitation` the pause
  follows the step (idle with a cart: the warning comes when the seconds are over, ours at once), for `leave` it is the
  dwell before it.

Sessions that reach --max-prefix steps are left out, for their end is not in the table. Intervals are of whole sessions.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.schema import INDEX
from models.intent import INTENTS
from models.stage import HESITATION
from training.compared import Compared, limits
from training.figures import counted, number
from training.shape import with_nothing_missing
from training.table import Log, Table

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

RATE: Final = 0.1
MINUTE_S: Final = 60.0
MEASURES: Final = ("lead_events", "warned", "caught", "false_alarms")
BASELINES: Final = ("pause", "pause_60s")
MIN_STEPS: Final = 20
"""With fewer steps that could be false alarms no threshold is chosen on them."""


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps at which a signal may be on, session by session in time order.

    session: its number (m,), ascending in runs; quiet: where a signal would be a false alarm; due: whether the session
    is is to be warned of; signal: ours; pause_s: the rule's, of the step.
    """

    session: Ints
    quiet: Flags
    due: Flags
    signal: Floats
    pause_s: Floats


@dataclass(frozen=True, slots=True)
class Fired:
    """By session (k,): lead in events, on at the last step, due; false alarms, and steps that could have been."""

    lead: Ints
    caught: Flags
    due: Flags
    wrong: Ints
    quiet: Ints


def pauses_s(log: Log, table: Table) -> Floats:
    """Seconds from each row's step to the session's next in the table, inf after the last. Shape (n,)."""
    at_s = log.records["ts_ms"][table.labels.row] / 1000.0
    session = table.labels.session
    found = np.full(len(at_s), np.inf)
    same = session[1:] == session[:-1]
    found[:-1][same] = np.diff(at_s)[same]
    return found


def whole_sessions(table: Table, max_prefix: int) -> Flags:
    """Rows of the sessions whose last step is in the table."""
    return ~np.isin(table.labels.session, table.labels.session[table.labels.prefix >= max_prefix])


def last_of_each(session: Ints) -> Ints:
    """Where each row's run of equal session numbers ends. Shape (n,)."""
    ends = np.append(np.flatnonzero(np.diff(session)), len(session) - 1)
    return np.asarray(ends[np.searchsorted(ends, np.arange(len(session)))])


def leave_steps(table: Table, said: Floats, max_prefix: int) -> Steps:
    """Every step. said: probability of leaving, (n,)."""
    dwell_s = np.nan_to_num(table.matrix[:, INDEX["time_gap_last_s"]], nan=0.0).astype(np.float64)
    rows = whole_sessions(table, max_prefix)
    return _steps(table, rows, table.labels.leave == 0, np.ones(len(table), bool), said, dwell_s)


def hesitation_steps(log: Log, table: Table, said: Floats, max_prefix: int) -> Steps:
    """Steps with an open cart or checkout, before a purchase. said: probability of the stage, (n,)."""
    matrix, labels = table.matrix, table.labels
    open_cart = (matrix[:, INDEX["cart_units"]] > 0) | (matrix[:, INDEX["cart_step"]] > 0)
    rows = whole_sessions(table, max_prefix) & open_cart & (labels.buy >= 0)
    last = last_of_each(labels.session) if len(table) else np.zeros(0, np.int64)
    due = open_cart[last] & (labels.buy[last] == 0)
    return _steps(table, rows, labels.buy == 1, due, said, pauses_s(log, table))


def _steps(table: Table, rows: Flags, quiet: Flags, due: Flags, said: Floats, pause_s: Floats) -> Steps:
    return Steps(table.labels.session[rows], quiet[rows], due[rows], said[rows], pause_s[rows])


def threshold_at(values: Floats, rate: float) -> float:
    """The lowest threshold that at most this share of the values reach, inf for none. values: (m,)."""
    ordered = np.sort(values)[::-1]
    allowed = int(rate * len(values))
    above = ordered[:allowed]
    fitting = above[above > (ordered[allowed] if allowed < len(ordered) else -np.inf)]
    return float(fitting[-1]) if len(fitting) else float("inf")


def fired(steps: Steps, on: Flags) -> Fired:
    """What a signal that is on at these steps amounts to. on: (m,)."""
    starts = np.flatnonzero(np.diff(steps.session, prepend=-1))
    if not len(starts):
        none = np.zeros(0, np.int64)
        return Fired(none, np.zeros(0, bool), np.zeros(0, bool), none, none)
    ends = np.append(starts[1:], len(steps.session)) - 1
    off = np.where(on, -1, np.arange(len(on)))
    latest_off = np.maximum.reduceat(off, starts)
    lead = ends - np.maximum(latest_off + 1, starts)
    return Fired(
        np.maximum(lead, 0),
        on[ends],
        steps.due[starts],
        np.add.reduceat((on & steps.quiet).astype(np.int64), starts),
        np.add.reduceat(steps.quiet.astype(np.int64), starts),
    )


def measured(one: Fired, weights: Floats) -> Floats:
    """MEASURES of the sessions counted so often, (r, 4), NaN for none. weights: (r, k)."""
    due, quiet = weights @ one.due, weights @ one.quiet
    with np.errstate(invalid="ignore", divide="ignore"):
        lead = weights @ (one.lead * one.due) / due
        warned = weights @ ((one.lead > 0) & one.due) / due
        caught = weights @ (one.caught & one.due) / due
        return np.column_stack([lead, warned, caught, weights @ one.wrong / quiet])


def evaluate_early_warning(shared: Compared) -> dict[str, Any]:
    """`leave` and `hesitation`: MEASURES, threshold, baselines and ahead of each.

    Nulls and a reason where the log has nothing to warn of.
    """
    intent, stage = shared.bundle.intent, shared.bundle.stage
    leave = intent.probabilities_batch(shared.test.matrix)[:, INTENTS.index("leave")]
    hesitation = stage.probabilities_batch(shared.test.matrix)[:, HESITATION]
    cut = shared.max_prefix
    return {
        "leave": _signal("leave", leave_steps(shared.test, leave, cut), shared),
        "hesitation": _signal("hesitation", hesitation_steps(shared.test_log, shared.test, hesitation, cut), shared),
    }


def _signal(name: str, test: Steps, shared: Compared) -> dict[str, Any]:
    """One signal's figures beside the rules'."""
    figures: dict[str, Any] = {"rate": RATE, "n": int(fired(test, test.quiet).due.sum()), "baselines": {}}
    figures["quiet_steps"] = int(test.quiet.sum())
    always = measured(fired(test, np.ones(len(test.session), bool)), np.ones((1, len(np.unique(test.session)))))
    figures["lead_possible"] = number(always[0, 0]) if figures["n"] else None
    reason = reason_of(name, figures)
    if reason:
        figures["reason"] = reason
    else:
        _add_figures(figures, test, shared)
    with_nothing_missing(figures, BASELINES, MEASURES)
    none = {key: None for name in MEASURES for key in (name, f"{name}_ci")}
    figures.setdefault("at_pause_60s", {**none, "threshold": None})
    for one in (figures, *figures["baselines"].values()):
        one.setdefault("threshold", None)
    return figures


DUE: Final[Mapping[str, str]] = {
    "leave": "no whole session in the test window (those cut by --max-prefix are left out)",
    "hesitation": "no session of the test window ends with an open cart or checkout, unbought",
}
QUIET: Final[Mapping[str, str]] = {
    "leave": "after which the visitor stayed",
    "hesitation": "with an open cart or checkout after which the visitor bought",
}


def reason_of(name: str, figures: Mapping[str, Any]) -> str:
    """Why a signal is not judged, "" if it is. figures: `n` sessions to warn of, `quiet_steps`."""
    if not figures["n"]:
        return DUE[name]
    few = int(figures["quiet_steps"])
    if few >= MIN_STEPS:
        return ""
    told = f"the test window has {counted(few, 'moment')} {QUIET[name]}"
    return f"{told}, {MIN_STEPS} are needed to tell how often a warning is a false alarm"


def _add_figures(figures: dict[str, Any], test: Steps, shared: Compared) -> None:
    weights = _weights_of(test, shared)
    quiet = test.quiet
    minute_rate = float((test.pause_s[quiet] >= MINUTE_S).mean())
    at_rate = threshold_at(test.signal[quiet], RATE)
    at_minute = threshold_at(test.signal[quiet], minute_rate)
    pause_s = threshold_at(test.pause_s[quiet], RATE)
    runs = {
        "tact": _runs(test, test.signal >= at_rate, weights),
        "tact_60s": _runs(test, test.signal >= at_minute, weights),
        "pause": _runs(test, test.pause_s >= pause_s, weights),
        "pause_60s": _runs(test, test.pause_s >= MINUTE_S, weights),
    }
    figures |= _written(runs["tact"]) | {"threshold": number(at_rate)}
    figures["at_pause_60s"] = _written(runs["tact_60s"]) | {"threshold": number(at_minute)}
    figures["baselines"]["pause"] = _written(runs["pause"]) | {"threshold": number(pause_s)}
    figures["baselines"]["pause_60s"] = _written(runs["pause_60s"]) | {"threshold": MINUTE_S}
    figures["ahead"] = {
        "pause": _difference(runs["tact"], runs["pause"]),
        "pause_60s": _difference(runs["tact_60s"], runs["pause_60s"]),
    }


def _weights_of(test: Steps, shared: Compared) -> Floats:
    """How often each session of the steps is drawn; first once each. Shape (1 + resamples, k)."""
    session = shared.test.labels.session
    numbers, first = np.unique(session, return_index=True)
    chosen = test.session[np.flatnonzero(np.diff(test.session, prepend=-1))]
    drawn = shared.weights[:, shared.group[first][np.searchsorted(numbers, chosen)]]
    return np.concatenate([np.ones((1, len(chosen))), drawn])


def _runs(test: Steps, on: Flags, weights: Floats) -> Floats:
    return measured(fired(test, on), weights)


def _written(runs: Floats) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for at, name in enumerate(MEASURES):
        found |= {name: number(runs[0, at]), f"{name}_ci": limits(runs[1:, at])}
    return found


def _difference(ours: Floats, theirs: Floats) -> dict[str, Any]:
    return _written(ours - theirs)
