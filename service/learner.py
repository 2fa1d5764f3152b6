"""The learner: follows the event stream and keeps what ages quickly (item statistics, session index) fresh.

Two kinds of folders under settings.live (snapshots.py has their form):

    <shop>/      what the service reads, every learner_publish_s while the shop changes: service/live.py
    .learner/    the checkpoint: the whole state of all shops and the cursor it was read up to, every CHECKPOINT_S

Each snapshot says with which cursor it was made. A restart takes the checkpoint and reads the stream on from its
cursor, so every entry counts once, however the learner ended: state and cursor are one folder, renamed into place.
The stream keeps what the last checkpoint does not hold, for 15 minutes at most (recorder.KEEP_MS), so a learner that
was away for longer has a gap: counted and logged.
"""

import gc
import threading
import time
from collections.abc import Mapping
from contextlib import closing
from typing import Any, Final

import msgspec
import redis
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from models.registry import Registry
from service import snapshots
from service.consumer import Bookmark, CursorReader, Delivery, connect, pause, position
from service.drift_watch import DriftMetrics, DriftWatch
from service.embedded import NoServer
from service.leave_watch import KeptLevel
from service.live import Facts, LeaveLine
from service.memory import YOUNG
from service.part_metrics import served
from service.seed import Seeds
from service.settings import Settings
from service.shop_state import Arrays, ShopState
from service.snapshots import Snapshot
from service.sole import sole_worker
from service.stream import DECISION, ERASE, EVENT, KIND, VALUE, decode_lines, log_keys, shop_of
from service.teacher import Teacher, TeacherMetrics

CHECKPOINT: Final = ".learner"
LOCK: Final = ".learner.lock"
CHECKPOINT_S: Final = 60.0
BLOCK_MS: Final = 200
GATHER_S: Final = 0.05
SEED_S: Final = 30.0
"""How often the registry is asked for what a shop without a history could begin with."""
SHARE: Final = 10
"""A publication that takes t seconds is followed by at least SHARE times t seconds of learning."""
FIRST_WAIT_S, LONGEST_WAIT_S = 0.1, 5.0
PUBLISH_BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

_log = structlog.get_logger("tact.learner")


class _Progress(msgspec.Struct, frozen=True):
    """What a checkpoint says beside the arrays. cursor: stream key to (entry, passed). seeds: bundle of each shop.

    levels: of leaving (models/leave_level.py), of each shop.
    """

    cursor: dict[str, tuple[str, int]]
    shops: list[str]
    seeds: dict[str, str] = {}
    levels: dict[str, KeptLevel] = {}


class LearnerMetrics:
    """What the learner counts; bound to its own registry."""

    def __init__(self) -> None:
        self.registry = own = CollectorRegistry()
        self.events = Counter("tact_learner_events", "Events learned from.", registry=own)
        self.bad = Counter("tact_learner_unreadable", "Entries passed over because nobody can read them.", registry=own)
        self.gap = Counter("tact_learner_gap_entries", "Entries removed before they were read.", registry=own)
        self.lag_seconds = Gauge("tact_learner_lag_seconds", "Age of the newest entry read, when read.", registry=own)
        self.published = Counter("tact_learner_snapshots", "Snapshots published.", registry=own)
        self.publish_s = Histogram(
            "tact_learner_publish_seconds",
            "Time to publish a shop's snapshot.",
            buckets=PUBLISH_BUCKETS_S,
            registry=own,
        )
        self.retries = Counter("tact_learner_retries", "Attempts that failed and are repeated.", ["what"], registry=own)
        for what in ("redis", "disk"):
            self.retries.labels(what)
        self.drift = DriftMetrics(own)
        self.teacher = TeacherMetrics(own)
        self.seeded = Counter("tact_learner_seeded", "Shops begun from their live bundle.", registry=own)
        self.anew = Counter("tact_learner_anew", "Starts without the checkpoint there was.", registry=own)


class Learner:
    """One learner at work. `run` returns when stop is set, after a last publication and checkpoint."""

    def __init__(self, settings: Settings, stop: threading.Event, metrics: LearnerMetrics) -> None:
        self.settings, self.stop, self.metrics = settings, stop, metrics
        self.shops: dict[str, ShopState] = {}
        self.drift = DriftWatch(settings.registry, metrics.drift)
        self.teacher = Teacher(settings, metrics.teacher)
        self.cursor: Mapping[str, Bookmark] = {}
        self._seeds = Seeds(Registry(settings.registry))
        self._changed: set[str] = set()
        self._checkpointed: Mapping[str, Bookmark] = {}
        self._publish_at_s = time.monotonic() + settings.learner_publish_s
        self._checkpoint_at_s = time.monotonic() + CHECKPOINT_S
        self._seed_at_s = time.monotonic()
        self._wait_s = FIRST_WAIT_S

    def run(self) -> None:
        """Follow the stream; a Redis that is away is waited for."""
        self.restore()
        while not self.stop.is_set():
            try:
                with closing(connect(self.settings)) as client:
                    self.follow(CursorReader(client, log_keys(self.settings.partitions), self.cursor))
            except (redis.RedisError, NoServer) as error:
                self.metrics.retries.labels("redis").inc()
                _log.warning("retrying", what="redis", error=f"{type(error).__name__}: {error}", wait_s=self._wait_s)
                pause(self.stop, self._wait_s)
                self._wait_s = min(2 * self._wait_s, LONGEST_WAIT_S)
        self._publish()
        self.teacher.look(time.monotonic(), force=True)
        self._checkpoint()

    def follow(self, reader: CursorReader) -> None:
        """Learn from what is new until stop is set. Raises redis.RedisError."""
        self.metrics.gap.inc(reader.check())
        while not self.stop.is_set():
            found = reader.read(None, BLOCK_MS)
            self._wait_s = FIRST_WAIT_S
            self.take(found)
            self.cursor = reader.cursor
            now_s = time.monotonic()
            if now_s >= self._seed_at_s:
                self._seed()
            if now_s >= self._publish_at_s:
                self._publish()
            if now_s >= self._checkpoint_at_s:
                self._checkpoint()
                reader.mark(self._checkpointed)
            self.drift.look(now_s)
            self.teacher.look(now_s)
            if found and not reader.more:
                pause(self.stop, GATHER_S)

    def take(self, deliveries: list[Delivery]) -> None:
        """Learn from entries, in their order."""
        learned = 0
        for _, entry_id, fields in deliveries:
            try:
                learned += self._take(entry_id, fields or {})
            except (KeyError, ValueError, msgspec.MsgspecError) as error:  # the recorder keeps such entries aside
                self.metrics.bad.inc()
                _log.warning("unreadable_entry", id=entry_id.decode(), error=f"{type(error).__name__}: {error}")
        self.metrics.events.inc(learned)
        if deliveries:
            last = {key: entry_id for key, entry_id, _ in deliveries}
            newest_ms = max(position(entry_id)[0] for entry_id in last.values())
            self.metrics.lag_seconds.set(max(0.0, time.time() - newest_ms / 1000))

    def _take(self, entry_id: bytes, fields: dict[bytes, bytes]) -> bool:
        """Whether the entry was an event."""
        kind = fields[KIND]
        if kind not in (EVENT, ERASE, DECISION):
            return False
        name, value = shop_of(fields), fields[VALUE]
        if kind == DECISION:
            self.drift.decided(name, position(entry_id)[0], value)
            self.teacher.decided(name, value)
            return False
        shop = self.shops.get(name)
        if kind == ERASE:
            self.drift.forget(name, value.decode())
            self.teacher.forget(name, value.decode())
            if shop is not None:
                shop.forget(value.decode())
            return False
        lines = decode_lines(value)
        if shop is None:
            shop = self.shops[name] = ShopState()
        if shop.take(lines):
            self.drift.happened(name, lines[0])
            self.teacher.happened(name, lines)
        self._changed.add(name)
        return True

    def _seed(self) -> None:
        """What live bundles know of shops that began after it, once for each shop."""
        for name, shop in self.shops.items():
            seed = None if shop.seeded_from else self._seeds.of(name)
            shop.asked = True
            if seed is None:
                continue
            if not shop.seed(seed):
                self._seeds.decline(name, seed, "the learner's own history began before the bundle's ended")
            else:
                self._changed.add(name)
                self.metrics.seeded.inc()
                _log.info("seeded", shop=name, bundle=seed.bundle, items=len(shop.index), until_ms=seed.until_ms)
        self._seed_at_s = time.monotonic() + SEED_S

    def _publish(self) -> None:
        """A snapshot of each shop that changed since its last."""
        began_s = time.monotonic()
        if not all(shop.asked for shop in self.shops.values()):
            self._seed()  # before a first snapshot hides the bundle's own from serving
        for name in sorted(self._changed):
            shop = self.shops[name]
            try:
                with self.metrics.publish_s.time():
                    arrays = shop.published()
                    facts = msgspec.to_builtins(self._facts(name, shop))
                    snapshots.publish(self.settings.live / name, arrays, facts)
            except OSError as error:
                self._disk_failed(error)
            else:
                self._changed.discard(name)
                self.metrics.published.inc()
        ended_s = time.monotonic()
        self._publish_at_s = max(began_s + self.settings.learner_publish_s, ended_s + SHARE * (ended_s - began_s))

    def _facts(self, name: str, shop: ShopState) -> Facts:
        cursor = {key: mark.entry.decode() for key, mark in self.cursor.items()}
        bundle, line = self.drift.leave_of(name)
        counted = (shop.as_of_ms, shop.events, shop.duplicates, len(shop.index))
        return Facts(name, *counted, cursor, shop.seeded_from, LeaveLine(bundle, line))

    def _checkpoint(self) -> None:
        """The whole state with its cursor, if it changed."""
        began_s = time.monotonic()
        if self.cursor != self._checkpointed:
            names = sorted(self.shops)
            cursor = {key: (mark.entry.decode(), mark.passed) for key, mark in self.cursor.items()}
            try:
                seeds = {name: self.shops[name].seeded_from for name in names}
                facts = msgspec.to_builtins(_Progress(cursor, names, seeds, self.drift.levels()))
                snapshots.publish(self.settings.live / CHECKPOINT, self._state(names), facts)
            except OSError as error:
                self._disk_failed(error)
            else:
                self._checkpointed = self.cursor
        ended_s = time.monotonic()
        self._checkpoint_at_s = max(began_s + CHECKPOINT_S, ended_s + SHARE * (ended_s - began_s))

    def _state(self, names: list[str]) -> Arrays:
        return self.teacher.to_arrays() | {
            f"{at}_{array}": values
            for at, name in enumerate(names)
            for array, values in self.shops[name].to_arrays().items()
        }

    def _disk_failed(self, error: OSError) -> None:
        self.metrics.retries.labels("disk").inc()
        _log.error("snapshot_not_written", folder=str(self.settings.live), error=str(error))

    def restore(self) -> None:
        """Takes the newest checkpoint that is whole; without one, learning begins with the stream's first entry.

        So it does where the checkpoint is of another version's form: said in the log and counted.
        """
        snapshot, refused = snapshots.load_any(self.settings.live / CHECKPOINT)
        for reason in refused:
            _log.error("checkpoint_refused", reason=str(reason))
        if snapshot is None:
            return
        try:
            progress = msgspec.json.decode(snapshot.facts, type=_Progress)
        except msgspec.MsgspecError as error:
            self._anew(snapshot.seq, "", error)
            return
        for at, name in enumerate(progress.shops):
            try:
                shop = ShopState.from_arrays(_of_shop(snapshot.arrays, at))
            except (KeyError, ValueError) as error:  # of another version; that shop is learned anew
                self._anew(snapshot.seq, name, error)
                continue
            shop.seeded_from = progress.seeds.get(name, "")
            self.shops[name] = shop
        self._restore_teacher(snapshot)
        self._restore_levels(snapshot, progress)
        if progress.shops and not self.shops:
            return  # then what the stream still keeps is learned again
        self.cursor = {key: Bookmark(entry.encode(), passed) for key, (entry, passed) in progress.cursor.items()}
        self._checkpointed = self.cursor
        self._changed = set(self.shops)  # what is published may be older or newer than the checkpoint
        _log.info("restored", checkpoint=snapshot.seq, shops=len(self.shops))

    def _restore_teacher(self, snapshot: Snapshot) -> None:
        try:
            self.teacher.take_arrays(snapshot.arrays)
        except (KeyError, ValueError, msgspec.MsgspecError) as error:  # of another version; draws are learned anew
            self._anew(snapshot.seq, "", error)

    def _restore_levels(self, snapshot: Snapshot, progress: _Progress) -> None:
        try:
            self.drift.take_levels(progress.levels)
        except ValueError as error:  # of another version; the level of leaving is learned anew
            self._anew(snapshot.seq, "", error)

    def _anew(self, checkpoint: int, shop: str, error: Exception) -> None:
        self.metrics.anew.inc()
        _log.error("started_anew", checkpoint=checkpoint, shop=shop, reason=f"{type(error).__name__}: {error}")


def _of_shop(arrays: Mapping[str, Any], at: int) -> Arrays:
    prefix = f"{at}_"
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def run(settings: Settings, stop: threading.Event | None = None) -> None:
    """Learn until `stop` is set."""
    stop = stop or threading.Event()
    metrics = LearnerMetrics()
    with (
        served(metrics.registry, settings.host, settings.learner_metrics_port),
        sole_worker(settings.live / LOCK, stop) as ours,
    ):
        if ours:
            gc.set_threshold(*YOUNG)  # a read makes 50,000 short-lived objects: looking at each costs a third of it all
            Learner(settings, stop, metrics).run()
