"""Labels in hindsight: what each visitor then did. docs/labels.md says the same in words for people.

A *step* is one event of a visitor; outcomes of messages (shown, clicked, dismissed) and the browser's own `leave` are
no steps. Every label of a step looks only at the rest of its session, and, for loyalty, at what was bought before.
"""

from dataclasses import dataclass, fields
from typing import Final

import numba
import numpy as np
import numpy.typing as npt

from features.events import CODE, PAGE_TYPES, PROMOTION_KINDS, SESSION_GAP_MS
from features.record import Records
from features.tail import event_ends
from models.stage import AWARENESS, CONSIDERATION, EVALUATION, HESITATION, LOYALTY, PURCHASE

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int8]
Flags = npt.NDArray[np.bool_]

LEAVE_MS: Final = 120_000
LEAVE_STEPS: Final = 1
UNDER_WAY_MS: Final = 10 * 60_000
UNDER_WAY_STEPS: Final = 3
PAUSE_MS: Final = 5 * 60_000
UNLABELLED: Final = -1
"""A step that this label says nothing about, and that no model of it learns from."""


def _table(names: tuple[str, ...], words: tuple[str, ...]) -> Flags:
    """Which codes of a vocabulary are among the names."""
    return np.isin(np.array(words), names)


_KINDS: Final = tuple(CODE)
_NO_STEP: Final = _table((*PROMOTION_KINDS, "leave"), _KINDS)
_HELP: Final = _table(("chat_open", "form_error", "payment_error", "zero_results", "rage_click"), _KINDS)
_LOOKING: Final = _table(("view_item_list", "select_item", "search"), _KINDS)
_CHECKOUT: Final = _table(("begin_checkout", "add_shipping_info", "add_payment_info"), _KINDS)
_READING: Final = _table(("review_view", "return_policy_view"), _KINDS)
_READING_PAGE: Final = _table(("delivery", "returns"), PAGE_TYPES)
_VIEW, _CART, _UNCART, _PURCHASE = (CODE[k] for k in ("view_item", "add_to_cart", "remove_from_cart", "purchase"))


@dataclass(frozen=True, slots=True)
class Labels:
    """One entry per step, in the log's order.

    row: the position in the log of the step's last record. prefix: 1 for the session's first step. session: the
    session's number. complete: whether the log goes on long enough to know that the session ended. buy, cart, leave,
    help: 1, 0 or UNLABELLED. stage: index in STAGES.
    """

    row: Ints
    prefix: Ints
    session: Ints
    complete: Flags
    buy: Codes
    cart: Codes
    leave: Codes
    help: Codes
    stage: Codes

    def __len__(self) -> int:
        return len(self.row)

    def where(self, rows: Flags) -> "Labels":
        """The steps of which the flag is set."""
        return Labels(*(getattr(self, field.name)[rows] for field in fields(self)))


def label(records: Records, visitor: Ints, session: Ints) -> Labels:
    """Labels of every step of a log.

    records: EVENT (n,), visitor by visitor in the order of features.tail.order. visitor, session: int64 (n,), session
    numbers ascending, each within one visitor.
    """
    row = np.flatnonzero(event_ends(records) & ~_NO_STEP[records["kind"]])
    steps, of = records[row], session[row]
    starts = _starts(of)
    n = len(row)
    buy, cart, leave, help_, stage = (np.zeros(n, np.int8) for _ in range(5))
    reading = _READING[steps["kind"]] | _READING_PAGE[steps["page"]]
    returning = _will_return(steps, visitor[row], starts)
    bought = _bought_before(steps["kind"], visitor[row])
    kind, ts_ms = np.ascontiguousarray(steps["kind"]), np.ascontiguousarray(steps["ts_ms"])
    item = np.ascontiguousarray(steps["item"])
    _until_first(kind, starts, _PURCHASE, buy)
    _until_first(kind, starts, _CART, cart)
    _near(ts_ms, kind, starts, _HELP, leave, help_)
    _stages(ts_ms, kind, item, starts, reading, returning, bought, _LOOKING, _CHECKOUT, stage)
    prefix = np.arange(n) - np.repeat(starts[:-1], np.diff(starts)) + 1
    return Labels(row, prefix, of, _complete(records, session)[row], buy, cart, leave, help_, stage)


def _starts(groups: Ints) -> Ints:
    """Where each run of equal numbers begins, and last the length. Shape (runs + 1,)."""
    if not len(groups):
        return np.zeros(1, np.int64)
    return np.concatenate([[0], np.flatnonzero(np.diff(groups)) + 1, [len(groups)]]).astype(np.int64)


def _complete(records: Records, session: Ints) -> Flags:
    """Whether the log reaches a session gap beyond the last record of each record's session. Shape (n,)."""
    starts = _starts(session)
    if len(starts) == 1:
        return np.zeros(0, bool)
    ended = records["ts_ms"][starts[1:] - 1] + SESSION_GAP_MS < records["ts_ms"].max()
    return np.repeat(ended, np.diff(starts))


def _bought_before(kind: npt.NDArray[np.uint8], visitor: Ints) -> Flags:
    """Whether the visitor has bought at or before each step. Shape (m,)."""
    starts = _starts(visitor)
    purchases = np.cumsum(kind == _PURCHASE)
    before = np.concatenate([[0], purchases])[starts[:-1]]
    return purchases > np.repeat(before, np.diff(starts))


def _will_return(steps: Records, visitor: Ints, starts: Ints) -> Flags:
    """Whether the visitor comes back, in the rest of the session, to a product viewed at or before each step.

    A reload (the step before is a view of the same product) is no return.
    """
    views = np.flatnonzero((steps["kind"] == _VIEW) & (steps["item"] != 0))
    items = steps["item"][views]
    grouped = np.lexsort((views, items, visitor[views]))
    ordered, of = items[grouped], visitor[views][grouped]
    fresh = np.ones(len(views), bool)
    fresh[1:] = (ordered[1:] != ordered[:-1]) | (of[1:] != of[:-1])
    first = np.empty(len(views), np.int64)
    first[grouped] = views[grouped][fresh][np.cumsum(fresh) - 1]
    reload = (views > 0) & (steps["kind"][views - 1] == _VIEW) & (steps["item"][views - 1] == items)
    back = (first < views) & ~reload
    return _marked(np.maximum(first[back], _start_of_each(starts)[views[back]]), views[back], len(steps))


def _start_of_each(starts: Ints) -> Ints:
    return np.repeat(starts[:-1], np.diff(starts))


def _marked(since: Ints, until: Ints, n: int) -> Flags:
    """Which of n positions lie in any of the ranges since <= i < until."""
    edges = np.bincount(since, minlength=n + 1) - np.bincount(until, minlength=n + 1)
    return np.cumsum(edges)[:n] > 0


@numba.njit(cache=True)
def _until_first(kind, starts, wanted, label):  # type: ignore[no-untyped-def]
    """Whether the wanted kind comes later in the session; from the first of it on there is no label."""
    for s in range(starts.size - 1):
        start, end = starts[s], starts[s + 1]
        first = start
        while first < end and kind[first] != wanted:
            first += 1
        label[start:first] = 1 if first < end else 0
        label[first:end] = UNLABELLED


@numba.njit(cache=True)
def _near(ts_ms, kind, starts, help_kinds, leave, help_):  # type: ignore[no-untyped-def]
    """Fills leave and help of every step."""
    for s in range(starts.size - 1):
        start, end = starts[s], starts[s + 1]
        for i in range(start, end):
            near = ts_ms[end - 1] - ts_ms[i] <= LEAVE_MS
            leave[i] = 1 if near and end - 1 - i <= LEAVE_STEPS else 0
            help_[i] = 1 if i + 1 < end and help_kinds[kind[i + 1]] else 0


@numba.njit(cache=True)
def _open_cart(kind, start, end, checkout_kinds, is_open):  # type: ignore[no-untyped-def]
    """Whether a cart or checkout begun in the session is open after each step: not bought, not emptied."""
    units, checkout = 0, False
    for i in range(start, end):
        if kind[i] == _PURCHASE:
            units, checkout = 0, False
        elif kind[i] == _CART:
            units += 1
        elif kind[i] == _UNCART:
            units = max(0, units - 1)
        elif checkout_kinds[kind[i]]:
            checkout = True
        is_open[i] = checkout or units > 0


@numba.njit(cache=True)
def _stages(  # type: ignore[no-untyped-def]
    ts_ms, kind, item, starts, reading, returning, bought, looking, checkout_kinds, stage
):
    """Fills the stage of every step, walking each session from its end: the rest is what was already passed."""
    is_open = np.zeros(kind.size, np.bool_)
    for s in range(starts.size - 1):
        start, end = starts[s], starts[s + 1]
        _open_cart(kind, start, end, checkout_kinds, is_open)
        purchase, will_cart, will_read, will_look = -1, False, False, False
        viewed, several = np.uint64(0), False  # the one product of the rest's views, and whether there are more
        for i in range(end - 1, start - 1, -1):
            will_read = will_read or reading[i]
            pauses = i + 1 < end and ts_ms[i + 1] - ts_ms[i] > PAUSE_MS
            under_way = purchase >= 0 and (
                purchase - i <= UNDER_WAY_STEPS or ts_ms[purchase] - ts_ms[i] <= UNDER_WAY_MS
            )
            if bought[i] and purchase < 0:
                stage[i] = LOYALTY
            elif under_way:
                stage[i] = PURCHASE
            elif is_open[i] and (purchase < 0 or pauses):
                stage[i] = HESITATION
            elif returning[i] or will_read or will_cart or purchase >= 0:
                stage[i] = EVALUATION
            elif will_look or several or (viewed != 0 and viewed != item[i]):
                stage[i] = CONSIDERATION
            else:
                stage[i] = AWARENESS
            if kind[i] == _PURCHASE:
                purchase = i
            will_cart = will_cart or kind[i] == _CART
            will_look = will_look or looking[kind[i]]
            if kind[i] == _VIEW and item[i] != 0:
                several = several or (viewed != 0 and viewed != item[i])
                viewed = item[i]
