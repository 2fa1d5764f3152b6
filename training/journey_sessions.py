"""Sessions as the journey map draws them: how each came in, which stages it passed, how it ended.

A session's stages are either those of hindsight (training/labels.py) or those that decisions named at the time. Runs of
the same stage are one. In hindsight the last look of a session is `awareness` by definition, as it leads nowhere, and
the purchase itself is `loyalty` already: where another stage came before, such an end is left out, for the outcome says
it, and every journey would end there.
"""

from dataclasses import dataclass, fields
from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt

from features.events import CODE, PAGE_TYPES
from features.record import DEVICE_SHIFT
from models.stage import AWARENESS, LOYALTY
from training.labels import label
from training.lake import Log

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int8]
Flags = npt.NDArray[np.bool_]

OUTCOMES: Final = ("bought", "checkout_left", "cart_left", "after_sale", "asked", "looked", "one_page")
"""How a session can end; the first that holds is its outcome. docs/journeys.md has the words."""

BOUGHT, CHECKOUT_LEFT, CART_LEFT, AFTER_SALE, ASKED, LOOKED, ONE_PAGE = range(len(OUTCOMES))

STOPPED: Final = (CHECKOUT_LEFT, CART_LEFT, ASKED, LOOKED, ONE_PAGE)
"""Outcomes of sessions that ended without what the shop is for: neither bought, nor after a purchase."""

COLUMNS: Final = 4
"""So many stages of a session are drawn, one a column."""

_CHECKOUT: Final = tuple(CODE[k] for k in ("begin_checkout", "add_shipping_info", "add_payment_info"))
_CHECKOUT_PAGE: Final = PAGE_TYPES.index("checkout")


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps of all sessions, in the log's order. row: position in the log, (n,). stage: index in STAGES, (n,).

    open_cart: whether a cart of this session was open after the step. bought: whether the session had bought by then.
    """

    row: Ints
    stage: Codes
    open_cart: Flags
    bought: Flags


@dataclass(frozen=True, slots=True)
class Sessions:
    """One row a session that has ended, by visitor and time; shapes (m,) but for path.

    first, end: its steps are Steps[first:end]. visitor: code in the log. start_ms, end_ms: its first and last step.
    channel, device: codes of features.events, the first known of the session, 0 unknown. outcome: index in OUTCOMES.
    path: the stages it passed, (m, COLUMNS), -1 after the last. changes: stages passed, also those not drawn.
    returned: whether the visitor comes again; before: whether there was an earlier session.
    """

    first: Ints
    end: Ints
    visitor: Ints
    start_ms: Ints
    end_ms: Ints
    channel: Codes
    device: Codes
    outcome: Codes
    path: Codes
    changes: npt.NDArray[np.int32]
    returned: Flags
    before: Flags

    def __len__(self) -> int:
        return len(self.first)

    def where(self, rows: Flags | Ints) -> "Sessions":
        """Some of them."""
        return Sessions(*(getattr(self, field.name)[rows] for field in fields(self)))


@dataclass(frozen=True, slots=True)
class Journeys:
    """A log cut into sessions. unended: sessions that the log does not see ended. unscored: those without a decision,
    where stages are as scored; both are left out."""

    log: Log
    steps: Steps
    sessions: Sessions
    unended: int
    unscored: int
    by: str

    def visitor_codes(self) -> Ints:
        """Codes of the visitors who have a session, ascending."""
        return np.unique(self.sessions.visitor)


@dataclass(frozen=True, slots=True)
class Scored:
    """Stages named by decisions. visitor: code in the log, (k,); ts_ms: (k,); stage: index in STAGES, (k,)."""

    visitor: Ints
    ts_ms: Ints
    stage: Codes


HINDSIGHT, AT_THE_TIME = "hindsight", "scored"


def journeys(log: Log, scored: Scored | None = None) -> Journeys:
    """The sessions of a log with stages of hindsight, or with those of `scored`."""
    labels = label(log.records, log.visitor, log.session)
    stage = labels.stage
    seen = np.ones(len(labels), bool)
    if scored is not None:
        stage, seen = _as_scored(log, labels.row, labels.session, scored)
    starts = _starts(labels.session)
    open_cart, bought = np.zeros(len(labels), bool), np.zeros(len(labels), bool)
    kind = np.ascontiguousarray(log.records["kind"][labels.row])
    _carts(kind, starts, open_cart, bought)
    steps = Steps(labels.row, stage, open_cart, bought)
    ended = labels.complete[starts[:-1]] if len(labels) else np.zeros(0, bool)
    told = seen[starts[:-1]] if len(labels) else np.zeros(0, bool)
    found = _sessions(log, steps, starts, scored is None)
    by = HINDSIGHT if scored is None else AT_THE_TIME
    return Journeys(log, steps, found.where(ended & told), int((~ended).sum()), int((ended & ~told).sum()), by)


def _starts(groups: Ints) -> Ints:
    """Where each run of equal numbers begins, and last the length."""
    if not len(groups):
        return np.zeros(1, np.int64)
    return np.concatenate([[0], np.flatnonzero(np.diff(groups)) + 1, [len(groups)]]).astype(np.int64)


def _sessions(log: Log, steps: Steps, starts: Ints, fold_last: bool) -> Sessions:
    first, end = starts[:-1], starts[1:]
    m = len(first)
    path, changes = np.full((m, COLUMNS), -1, np.int8), np.zeros(m, np.int32)
    _paths(steps.stage, steps.bought, starts, fold_last, path, changes)
    rows = steps.row[first] if m else np.zeros(0, np.int64)
    visitor = log.visitor[rows]
    ts_ms = log.records["ts_ms"]
    same = visitor[1:] == visitor[:-1]
    records = log.records
    page = records["page"] if m else np.zeros(0, np.uint8)
    outcome = np.zeros(m, np.int8)
    kind = np.ascontiguousarray(records["kind"][steps.row])
    pages = np.ascontiguousarray(page[steps.row])
    _outcomes(kind, pages, visitor, starts, steps.open_cart, np.array(_CHECKOUT, np.uint8), _CHECKOUT_PAGE, outcome)
    return Sessions(
        first,
        end,
        visitor,
        ts_ms[rows],
        ts_ms[steps.row[end - 1]] if m else np.zeros(0, np.int64),
        _first_known(records["source"][steps.row] & 15, starts),
        _first_known(records["flags"][steps.row] >> DEVICE_SHIFT & 3, starts),
        outcome,
        path,
        changes,
        np.append(same, False)[:m],
        np.insert(same, 0, False)[:m],
    )


def _first_known(codes: npt.NDArray[Any], starts: Ints) -> Codes:
    """The first code of each session that is not 0."""
    found = np.zeros(len(starts) - 1, np.int8)
    known = np.flatnonzero(codes)
    if len(known):
        at = np.searchsorted(known, starts[:-1])
        there = at < len(known)
        place = known[np.minimum(at, len(known) - 1)]
        there &= place < starts[1:]
        found[there] = codes[place[there]]
    return found


@numba.njit(cache=True)
def _paths(stage, buys, starts, fold_last, path, changes):  # type: ignore[no-untyped-def]
    """The runs of stages of each session."""
    columns = path.shape[1]
    for s in range(starts.size - 1):
        end, n, before = starts[s + 1], 0, -1
        last = end
        if fold_last:
            ending = stage[end - 1]
            while (ending == AWARENESS or (ending == LOYALTY and buys[end - 1])) and last > starts[s]:
                if stage[last - 1] != ending:
                    break
                last -= 1
            last = end if last == starts[s] else last
        for i in range(starts[s], last):
            if stage[i] != before:
                before = stage[i]
                if n < columns:
                    path[s, n] = before
                n += 1
        changes[s] = n


_PURCHASE, _ADD, _REMOVE, _CHAT = (CODE[k] for k in ("purchase", "add_to_cart", "remove_from_cart", "chat_open"))


@numba.njit(cache=True)
def _carts(kind, starts, open_cart, bought):  # type: ignore[no-untyped-def]
    """Whether a cart of this session is open after each step, and whether the session has bought."""
    for s in range(starts.size - 1):
        units, paid = 0, False
        for i in range(starts[s], starts[s + 1]):
            if kind[i] == _PURCHASE:
                units, paid = 0, True
            elif kind[i] == _ADD:
                units += 1
            elif kind[i] == _REMOVE:
                units = max(0, units - 1)
            open_cart[i], bought[i] = units > 0, paid


@numba.njit(cache=True)
def _outcomes(kind, page, visitor, starts, open_cart, checkout, checkout_page, outcome):  # type: ignore[no-untyped-def]
    """How each session ended. Sessions come by visitor and time."""
    customer = False
    for s in range(starts.size - 1):
        if s == 0 or visitor[s] != visitor[s - 1]:
            customer = False
        pays, chats, buys = False, False, False
        for i in range(starts[s], starts[s + 1]):
            if kind[i] == _PURCHASE:
                buys, pays = True, False
            chats = chats or kind[i] == _CHAT
            pays = pays or page[i] == checkout_page
            for k in range(checkout.size):
                pays = pays or kind[i] == checkout[k]
        if buys:
            outcome[s] = BOUGHT
        elif pays:
            outcome[s] = CHECKOUT_LEFT
        elif open_cart[starts[s + 1] - 1]:
            outcome[s] = CART_LEFT
        elif customer:
            outcome[s] = AFTER_SALE
        elif chats:
            outcome[s] = ASKED
        else:
            outcome[s] = LOOKED if starts[s + 1] - starts[s] > 1 else ONE_PAGE
        customer = customer or buys


def _as_scored(log: Log, row: Ints, session: Ints, scored: Scored) -> tuple[Codes, Flags]:
    """Each step's stage as decisions named it: the latest of the session so far, before the first the first one's.

    Returns stages and whether the session has any, both (n,).
    """
    n = len(row)
    stage, seen = np.full(n, -1, np.int8), np.zeros(n, bool)
    at = _steps_of(log, row, scored)
    inside = at >= 0
    order = np.argsort(scored.ts_ms[inside], kind="stable")  # of two decisions at a step the later one counts
    stage[at[inside][order]] = scored.stage[inside][order]
    starts = _starts(session)
    _filled(stage, starts, seen)
    return np.where(stage < 0, np.int8(0), stage), seen


def _steps_of(log: Log, row: Ints, scored: Scored) -> Ints:
    """The step each decision was made at: its visitor's last one by then, -1 where that is a session gap ago."""
    ts_ms, visitor = log.records["ts_ms"][row], log.visitor[row]
    if not len(row) or not len(scored.visitor):
        return np.full(len(scored.visitor), -1, np.int64)
    base, span = int(ts_ms.min()), int(ts_ms.max() - ts_ms.min()) + 2
    when = np.clip(scored.ts_ms - base, -1, span - 2)
    at = np.searchsorted(visitor * span + (ts_ms - base), scored.visitor * span + when, side="right") - 1
    safe = np.maximum(at, 0)
    near = (at >= 0) & (visitor[safe] == scored.visitor) & (scored.ts_ms - ts_ms[safe] <= 30 * 60_000)
    return np.where(near, at, -1)


@numba.njit(cache=True)
def _filled(stage, starts, seen):  # type: ignore[no-untyped-def]
    """Carries the stages forward through each session, and the first one back to its beginning."""
    for s in range(starts.size - 1):
        first = -1
        for i in range(starts[s], starts[s + 1]):
            if stage[i] >= 0 and first < 0:
                first = i
            elif stage[i] < 0 and first >= 0:
                stage[i] = stage[i - 1]
        if first >= 0:
            for i in range(starts[s], first):
                stage[i] = stage[first]
            for i in range(starts[s], starts[s + 1]):
                seen[i] = True
