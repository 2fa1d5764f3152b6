"""Drift as it happens: the learner reads decisions off the stream and compares their vectors and scores with training.

A sample of each shop's decisions, RATE a second of the stream's time at most, is counted into windows that fade with a
half-life of 6 hours, by the bins of the live bundle's reference (models/drift.py). Decisions of another bundle do not
count. After a restart, and after a new bundle, the windows begin anew; the level of leaving (leave_watch.py) outlives a
restart, for serving uses it. What becomes of the scored moments: truth.py.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import structlog
from prometheus_client import CollectorRegistry, Gauge

from features.events import SESSION_GAP_MS
from features.schema import INDEX
from models import bundle as bundles
from models.drift import ALERT, CALENDAR, NAMES, Reference, Shift, compare
from models.intent import LEAVE
from models.leave_level import NO_LINE, STEPS, Line, step_of, unmoved
from models.registry import Registry
from models.scored import Scored, read_scored
from service.leave_watch import KeptLevel, LeaveWatch
from service.truth import Judged, Said, Truth

RATE: Final = 50
HALF_LIFE_MS: Final = 6 * 3_600_000
SHOWN: Final = 5
"""Features with a gauge of their own, the worst; scores always have one."""
LOOK_S: Final = 30.0
"""How often gauges are set and the registry is asked for the live bundle."""
VISITORS: Final = 50_000
WAITING: Final = 2_000
"""Rows gathered before they are counted."""
_BOUGHT: Final = INDEX["session_purchases"]
_CARTED: Final = INDEX["session_carts"]

_log = structlog.get_logger("tact.drift")


class DriftMetrics:
    """Gauges of drift and of how right the scores were; in docs/metrics.md."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.psi = Gauge(
            "tact_drift_psi",
            "Stability index against training: the worst features, and every score.",
            ["shop", "what"],
            registry=registry,
        )
        self.alerts = Gauge(
            "tact_drift_alerts", "Features and scores whose index is an alert.", ["shop"], registry=registry
        )
        self.sessions = Gauge(
            "tact_drift_sessions", "Sessions in the window that drift is told from.", ["shop"], registry=registry
        )
        self.auc = Gauge(
            "tact_online_auc",
            "AUC of an intent on moments whose session is over.",
            ["shop", "intent"],
            registry=registry,
        )
        self.ratio = Gauge(
            "tact_online_calibration_ratio",
            "What an intent said on average, against how often it came true.",
            ["shop", "intent"],
            registry=registry,
        )
        self.positives = Gauge(
            "tact_online_positives",
            "Moments among them in which the intent came true.",
            ["shop", "intent"],
            registry=registry,
        )
        self.leave = Gauge(
            "tact_online_leave_line",
            "What moves the log-odds of leave, so that it is said as often as it came about lately.",
            ["shop", "part"],
            registry=registry,
        )
        self._told: dict[str, frozenset[str]] = {}

    def tell_drift(self, shop: str, shifts: tuple[Shift, ...], sessions: float) -> None:
        """Sets the gauges of drift; those of features that are no longer among the worst go."""
        self.sessions.labels(shop).set(sessions)
        told = [shift for shift in shifts if shift.level != "few" and shift.name not in CALENDAR]
        features = [shift for shift in told if not shift.is_score][:SHOWN]
        shown = {shift.name: shift.psi for shift in (*features, *(shift for shift in told if shift.is_score))}
        for gone in self._told.get(shop, frozenset()) - shown.keys():
            self.psi.remove(shop, gone)
        for name, value in shown.items():
            self.psi.labels(shop, name).set(value)
        self._told[shop] = frozenset(shown)
        self.alerts.labels(shop).set(sum(shift.psi > ALERT for shift in told))

    def tell_leave(self, shop: str, line: Line) -> None:
        """Sets the gauges of the level of leaving."""
        for part, value in zip((*STEPS, "slope"), line, strict=True):
            self.leave.labels(shop, part).set(value)

    def tell_truth(self, shop: str, judged: Judged) -> None:
        """Sets the gauges of one intent."""
        self.positives.labels(shop, judged.intent).set(judged.positives)
        if judged.auc is not None:
            self.auc.labels(shop, judged.intent).set(judged.auc)
        if judged.ratio is not None:
            self.ratio.labels(shop, judged.intent).set(judged.ratio)


@dataclass(slots=True)
class _Window:
    """What is counted for one shop, since its reference is live. rows: not counted yet. second, taken: for the rate."""

    bundle: str | None = None
    reference: Reference | None = None
    counts: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    sessions: float = 0.0
    as_of_ms: int = 0
    clock_ms: int = 0
    second: int = 0
    taken: int = 0
    rows: list[npt.NDArray[np.float32]] = field(default_factory=list)
    visitors: dict[str, int] = field(default_factory=dict)
    truth: Truth = field(default_factory=Truth)
    leave: LeaveWatch = field(default_factory=LeaveWatch)

    def count(self) -> None:
        """Counts the rows gathered, at the weight of the present; what was counted before has faded."""
        if self.reference is None or not self.rows:
            self.rows.clear()
            return
        self.reference.bins.add(self.counts, np.stack(self.rows))
        self.rows.clear()

    def fade(self, now_ms: int) -> None:
        """Brings the window to the present."""
        if self.as_of_ms and now_ms > self.as_of_ms:
            factor = 0.5 ** ((now_ms - self.as_of_ms) / HALF_LIFE_MS)
            self.counts *= factor
            self.sessions *= factor
        self.as_of_ms = max(self.as_of_ms, now_ms)

    def begin(self, bundle: str | None, reference: Reference | None) -> None:
        """A new bundle is live."""
        self.bundle, self.reference = bundle, reference
        self.counts = reference.bins.empty() if reference is not None else np.zeros(0)
        self.sessions, self.rows = 0.0, []
        self.visitors.clear()
        self.truth, self.leave = Truth(), LeaveWatch()

    def seen(self, visitor_id: str, ts_ms: int) -> None:
        """Counts a session where the visitor was not here in the last half hour."""
        last_ms = self.visitors.pop(visitor_id, None)
        if last_ms is None or ts_ms - last_ms > SESSION_GAP_MS:
            self.sessions += 1
        self.visitors[visitor_id] = ts_ms
        if len(self.visitors) > VISITORS:
            del self.visitors[next(iter(self.visitors))]


class DriftWatch:
    """All shops. `decided` and `happened` are called for each entry of the stream, `look` now and then."""

    def __init__(self, registry: str, metrics: DriftMetrics) -> None:
        self.metrics = metrics
        self._registry = Registry(registry)
        self._shops: dict[str, _Window] = {}
        self._kept: dict[str, KeptLevel] = {}
        self._next_look_s = 0.0

    def decided(self, shop: str, entry_ms: int, receipt: bytes) -> None:
        """Counts a decision, if the second has room for it. Raises msgspec.MsgspecError for what is no receipt."""
        window = self._shops.get(shop)
        if window is None:
            window = self._shops[shop] = self._opened(shop)
        second = entry_ms // 1000
        if second != window.second:
            window.second, window.taken = second, 0
        if window.reference is None or window.taken >= RATE:
            return
        window.taken += 1
        self._count(window, read_scored(receipt))

    def _count(self, window: _Window, found: Scored) -> None:
        row = found.row() if found.bundle == window.bundle else None
        if row is None or found.scores is None:
            return
        if len(window.rows) >= WAITING:
            window.count()
        window.rows.append(row)
        window.seen(found.visitor_id, found.ts_ms)
        said = Said(found.ts_ms, found.scores.intent, bool(row[_BOUGHT] > 0), bool(row[_CARTED] > 0))
        window.truth.scored(found.visitor_id, said)
        step = step_of(row)
        plain = unmoved(found.scores.intent[LEAVE], found.inputs.leave_line, step)
        window.leave.scored(found.visitor_id, found.ts_ms, step, plain)

    def happened(self, shop: str, line: Any) -> None:
        """An event that did not come before, as the first of its lines (stream.Line)."""
        window = self._shops.get(shop)
        if window is not None:
            window.clock_ms = max(window.clock_ms, line.ts_ms)
            window.truth.happened(line.visitor_id, line.ts_ms, line.event)
            window.leave.happened(line.visitor_id, line.ts_ms, line.event)

    def forget(self, shop: str, visitor_id: str) -> None:
        """Drops what is kept of a visitor; bins are sums over visitors and stay."""
        window = self._shops.get(shop)
        if window is not None:
            window.truth.forget(visitor_id)
            window.leave.forget(visitor_id)
            window.visitors.pop(visitor_id, None)

    def leave_of(self, shop: str) -> tuple[str, Line]:
        """What moves `leave` now, and of which bundle; "" where nothing is known."""
        kept = self.levels().get(shop)
        return (kept.bundle, kept.level.line) if kept is not None else ("", NO_LINE)

    def levels(self) -> dict[str, KeptLevel]:
        """The level of leaving of each shop that has one, for a checkpoint."""
        now = {
            shop: KeptLevel.of(window.bundle, window.leave.level)
            for shop, window in self._shops.items()
            if window.bundle is not None
        }
        return self._kept | now

    def take_levels(self, kept: Mapping[str, KeptLevel]) -> None:
        """The inverse of `levels`, before anything is read. Raises ValueError for those of another form."""
        for one in kept.values():
            one.level  # noqa: B018  # raises
        self._kept = dict(kept)

    def look(self, now_s: float | None = None, now_ms: int | None = None) -> None:
        """Sets the gauges and follows the live bundles, every LOOK_S. now_s: monotonic; now_ms: the stream's clock."""
        now_s = time.monotonic() if now_s is None else now_s
        if now_s < self._next_look_s:
            return
        self._next_look_s = now_s + LOOK_S
        stream_ms = int(time.time() * 1000) if now_ms is None else now_ms
        for shop, window in self._shops.items():
            self._look(shop, window, stream_ms)

    def _look(self, shop: str, window: _Window, now_ms: int) -> None:
        window.fade(now_ms)
        window.count()
        if window.reference is not None:
            shifts = compare(window.reference, window.counts, window.sessions)
            self.metrics.tell_drift(shop, shifts, window.sessions)
            window.truth.until(window.clock_ms)
            for judged in window.truth.judged():
                self.metrics.tell_truth(shop, judged)
            window.leave.until(window.clock_ms)
            self.metrics.tell_leave(shop, window.leave.level.line)
        live = self._live(shop)
        if live != window.bundle:
            window.begin(live, self._reference(live))

    def _opened(self, shop: str) -> _Window:
        window = _Window()
        live = self._live(shop)
        window.begin(live, self._reference(live))
        kept = self._kept.pop(shop, None)
        if kept is not None and kept.bundle == live:
            window.leave = LeaveWatch(kept.level)
        return window

    def _live(self, shop: str) -> str | None:
        try:
            return self._registry.live(shop)
        except Exception as error:  # noqa: BLE001  # a registry that is away must not stop learning
            _log.warning("registry_unreachable", shop=shop, error=f"{type(error).__name__}: {error}")
            window = self._shops.get(shop)
            return window.bundle if window is not None else None

    def _reference(self, bundle: str | None) -> Reference | None:
        if bundle is None:
            return None
        try:
            arrays = bundles.load_arrays(self._registry.path(bundle), "reference")
            reference = Reference.from_arrays(arrays) if arrays else None
        except Exception as error:  # noqa: BLE001  # the service tells of a bundle that is damaged
            _log.warning("no_reference", bundle=bundle, error=f"{type(error).__name__}: {error}")
            return None
        if reference is None or reference.bins.names != NAMES:
            _log.info("no_reference", bundle=bundle, error="it holds none, or one of other features or scores")
            return None
        return reference
