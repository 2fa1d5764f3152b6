"""The session-rec protocol on a log: what is learned from, what is asked, and when a session is known to be over.

Views of products only; sessions by a gap of 30 minutes; sessions of one view are dropped, in training and in the test;
every later view of a test session is a target, also when it is the same product again (a reload). Ludewig & Jannach
2018, "Evaluation of session-based recommendation algorithms".

A session belongs to the window in which its first view lies. What a training session views after the window's end is
not learned; a test session is seen to its end.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from features.events import CODE, SESSION_GAP_MS
from training.next_item import Asked, Ints, Rows, Sessions
from training.split import Window
from training.table import Log

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Views:
    """A log's views, session by session in time order. items: int32 (v,), product numbers; ts_ms, session and record,
    where each stands in the log: int64 (v,)."""

    items: Rows
    ts_ms: Ints
    session: Ints
    record: Ints

    def where(self, rows: Flags) -> "Views":
        """Some of the views."""
        return Views(self.items[rows], self.ts_ms[rows], self.session[rows], self.record[rows])

    def starts(self) -> Ints:
        """Where each session begins, and the number of views. Shape (n + 1,)."""
        return np.flatnonzero(np.diff(self.session, prepend=-1, append=-2))

    def of_several(self) -> "Views":
        """Without the sessions of one view."""
        lengths = np.diff(self.starts())
        return self.where(np.repeat(lengths > 1, lengths))

    def first_ms(self) -> Ints:
        """The time of the first view of each view's session. Shape (v,)."""
        starts = self.starts()
        return np.repeat(self.ts_ms[starts[:-1]], np.diff(starts))

    def first(self, most: int) -> "Views":
        """Each session's first views, at most so many."""
        starts = self.starts()
        return self.where(np.arange(len(self.items)) - np.repeat(starts[:-1], np.diff(starts)) < most)


@dataclass(frozen=True, slots=True)
class Targets:
    """What was viewed next. asked: the questions; product: int32 (n,), the answers; group: int64 (n,), the session's
    number, 0 .. sessions - 1."""

    asked: Asked
    product: Rows
    group: Ints

    def __len__(self) -> int:
        return len(self.product)


@dataclass(frozen=True, slots=True)
class Task:
    """One evaluation. hashes: uint64 (products,), the catalogue of both windows, ascending.

    train: what a frozen method learns; trained_on: the numbers of its sessions in their log. feed: the finished
    sessions that a learner gets, in this order, from the start of training on; known_ms: int64 (n,), when each is known
    to be over. everything: all targets; seen: those of the test sessions without the products that training never saw,
    as session-rec leaves them out of prefixes too. seen_share: of everything; None where it is empty.
    """

    hashes: npt.NDArray[np.uint64]
    train: Sessions
    trained_on: Ints
    feed: Sessions
    known_ms: Ints
    everything: Targets
    seen: Targets
    seen_share: float | None


def task_of(
    log: Log, train: Window, test_log: Log, test: Window, max_prefix: int | None = None, one_view: bool = False
) -> Task:
    """The evaluation of one window after training on another, of the same log or of two.

    max_prefix: views of a test session that count, at most; None for all. one_view: whether sessions of one view are
    learned, too.
    """
    same = log is test_log
    logs = (log,) if same else (log, test_log)
    hashes = np.unique(np.concatenate([one.records["item"][_viewed(one)] for one in logs]))
    views = _views(log, hashes)
    tested = views if same else _views(test_log, hashes)
    begun = train.holds(views.first_ms())
    learned = views.where(begun & (views.ts_ms < train.until_ms))
    learned = learned if one_view else learned.of_several()
    asked = tested.where(test.holds(tested.first_ms()))
    asked = asked if max_prefix is None else asked.first(max_prefix)
    everything, known = _targets(asked), asked.where(np.isin(asked.items, learned.items))
    share = float(np.isin(everything.product, learned.items).mean()) if len(everything) else None
    feed, known_ms = (
        _feed(views, train.since_ms, one_view) if same else _feeds(learned, tested, test.since_ms, one_view)
    )
    trained_on = np.unique(learned.session)
    return Task(
        hashes, _sessions(learned), trained_on, feed, known_ms, everything, _targets(known, known_only=True), share
    )


def _viewed(log: Log) -> Flags:
    """Which records are views of a product."""
    return np.asarray((log.records["kind"] == CODE["view_item"]) & (log.records["item"] != 0))


def _views(log: Log, hashes: npt.NDArray[np.uint64]) -> Views:
    rows = _viewed(log)
    items = np.searchsorted(hashes, log.records["item"][rows]).astype(np.int32)
    times = log.records["ts_ms"][rows].astype(np.int64)
    return Views(items, times, log.session[rows], np.flatnonzero(rows))


def _targets(views: Views, known_only: bool = False) -> Targets:
    """Every view but a session's first, asked with what came before it in the session."""
    starts = views.starts()
    begins = np.repeat(starts[:-1], np.diff(starts))
    rows = np.flatnonzero(np.arange(len(begins)) > begins)
    _, group = np.unique(begins[rows], return_inverse=True)
    asked = Asked(views.items, views.record, begins[rows], rows, views.ts_ms[rows], known_only)
    return Targets(asked, views.items[rows], group.astype(np.int64))


def _sessions(views: Views) -> Sessions:
    """The sessions by their ends."""
    starts = views.starts()
    ends, lengths = views.ts_ms[starts[1:] - 1], np.diff(starts)
    order = np.argsort(ends, kind="stable")
    edges = np.concatenate([[0], np.cumsum(lengths[order])]).astype(np.int64)
    rows = np.arange(edges[-1]) + np.repeat(starts[:-1][order] - edges[:-1], lengths[order])
    return Sessions(views.items[rows], edges, ends[order])


def _feed(views: Views, since_ms: int, one_view: bool) -> tuple[Sessions, Ints]:
    """All sessions that began from a time on, each known when its gap has passed."""
    later = views.where(views.first_ms() >= since_ms)
    sessions = _sessions(later if one_view else later.of_several())
    return sessions, sessions.end_ms + SESSION_GAP_MS


def _feeds(learned: Views, tested: Views, since_ms: int, one_view: bool) -> tuple[Sessions, Ints]:
    """What another log taught, known from the start, then the sessions of the tested log from its test on."""
    before, (later, known_ms) = _sessions(learned), _feed(tested, since_ms, one_view)
    edges = np.concatenate([before.edges, before.edges[-1] + later.edges[1:]])
    items, ends = np.concatenate([before.items, later.items]), np.concatenate([before.end_ms, later.end_ms])
    always = np.full(len(before), np.iinfo(np.int64).min)
    return Sessions(items, edges, ends), np.concatenate([always, known_ms])
