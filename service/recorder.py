"""The recorder: from the event stream to the lake, each event exactly once after de-duplication by its id.

An entry is acknowledged only after the file that holds it is on disk. Whatever dies in between, the entry is
delivered again and written again, and readers of the lake keep one copy. One recorder works on a lake at a time (a
second one waits for its lock), so that what a visitor had erased cannot come back from another's buffer.
"""

import base64
import gc
import hashlib
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import redis
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from features import lakefile
from service.catalog_keeper import CatalogKeeper
from service.compaction import PREFIX, Compactor
from service.consumer import Delivery, GroupReader, by_key, connect, pause, position
from service.embedded import NoServer
from service.lake_desk import forget_state
from service.memory import YOUNG
from service.part_metrics import served
from service.settings import Settings
from service.sole import sole_worker
from service.stream import (
    HEADING,
    VALUE,
    BadEntry,
    DecisionEntry,
    EraseEntry,
    EventEntry,
    decode,
    event_values,
    log_keys,
)

GROUP: Final = "recorder"
LOCK: Final = ".recorder.lock"
KEEP_MS: Final = 15 * 60 * 1000
"""Acknowledged entries stay in the stream for so long, for a learner that was away; what it has on disk goes before."""
BLOCK_MS: Final = 200
GATHER_S: Final = 0.05
"""After a small read, wait for company: one read of many entries costs less than many reads of one."""
TIDY_S: Final = 5.0
CLAIM_IDLE_MS: Final = 60_000
DRAIN_S: Final = 5.0
REPORT_S: Final = 60.0
FIRST_WAIT_S, LONGEST_WAIT_S = 0.1, 5.0
FLUSH_BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

_log = structlog.get_logger("tact.recorder")


Lines = list[tuple[Any, ...]]
"""Lines of events, each its values in the order of Row's fields: objects of them would double the work."""


class LakeUnavailable(OSError):
    """The lake could not be written before the recorder had to stop; nothing of it was acknowledged."""


class RecorderMetrics:
    """What the recorder counts; bound to its own registry."""

    def __init__(self) -> None:
        self.registry = own = CollectorRegistry()
        self.rows = Counter("tact_recorder_rows", "Rows made durable in the lake.", ["table"], registry=own)
        self.lag_entries = Gauge("tact_recorder_lag_entries", "Stream entries not yet in the lake.", registry=own)
        self.lag_seconds = Gauge("tact_recorder_lag_seconds", "Age of the oldest of them.", registry=own)
        self.flush_s = Histogram(
            "tact_recorder_flush_seconds", "Time to make a batch durable.", buckets=FLUSH_BUCKETS_S, registry=own
        )
        self.retries = Counter(
            "tact_recorder_retries", "Attempts that failed and are repeated.", ["what"], registry=own
        )
        self.quarantined = Counter(
            "tact_recorder_quarantined", "Entries that nobody can read, kept aside.", registry=own
        )
        self.erased = Counter("tact_recorder_erased_rows", "Rows removed from the lake on request.", registry=own)
        self.merges = Counter("tact_recorder_merges", "Small files merged into one.", registry=own)
        for table in ("events", "decisions"):
            self.rows.labels(table)
        for what in ("redis", "lake", "tidy"):
            self.retries.labels(what)


@dataclass(slots=True)
class Batch:
    """What was taken and is not durable yet. since_s: when the first of it came (monotonic)."""

    since_s: float = 0.0
    ids: list[tuple[bytes, bytes]] = field(default_factory=list)
    lines: Lines = field(default_factory=list)
    decisions: list[lakefile.DecisionRow] = field(default_factory=list)
    bad: list[tuple[bytes, bytes, BadEntry]] = field(default_factory=list)

    def name(self) -> str:
        """A name for its files: made from the entries, so that repeated work replaces its own files."""
        digest = hashlib.sha256(b"\n".join(b"%s %s" % pair for pair in sorted(self.ids))).hexdigest()
        return f"{PREFIX}{min(position(entry_id) for _, entry_id in self.ids)[0]}-{digest[:20]}"

    def __len__(self) -> int:
        return len(self.lines) + len(self.decisions) + len(self.bad)


class Recorder:
    """One recorder at work. `run` returns when stop is set and what could be drained is durable."""

    def __init__(self, settings: Settings, stop: threading.Event, metrics: RecorderMetrics) -> None:
        self.settings, self.stop, self.metrics = settings, stop, metrics
        self.batch = Batch()
        self.durable: list[tuple[bytes, bytes]] = []
        self.in_flight: set[tuple[bytes, bytes]] = set()
        self.compactor = Compactor(settings.lake)
        self.catalogs = CatalogKeeper(settings.lake, settings.keys_file)
        self._tidied_s = self._reported_s = time.monotonic()
        self._wait_s = FIRST_WAIT_S
        self._recorded = 0

    def run(self) -> None:
        """Follow the stream; a Redis that is away is waited for."""
        while not self.stop.is_set():
            try:
                with closing(connect(self.settings)) as client:
                    keys = log_keys(self.settings.partitions)
                    self._follow(GroupReader(client, keys, GROUP, socket.gethostname()))
            except (redis.RedisError, NoServer) as error:
                self._failed("redis", error)

    def _failed(self, what: str, error: Exception) -> None:
        """Counts and logs a failed attempt and waits, longer each time."""
        self.metrics.retries.labels(what).inc()
        _log.warning("retrying", what=what, error=f"{type(error).__name__}: {error}", wait_s=self._wait_s)
        pause(self.stop, self._wait_s)
        self._wait_s = min(2 * self._wait_s, LONGEST_WAIT_S)

    def _follow(self, reader: GroupReader) -> None:
        reader.ensure_groups()
        self._acknowledge(reader)
        self._take(reader, reader.claim(0))  # left by the dead, or by an answer that got lost: the lake's lock is ours
        while not self.stop.is_set():
            found = reader.read(None, BLOCK_MS)
            self._wait_s = FIRST_WAIT_S
            self._take(reader, found)
            if self._is_due():
                self._flush(reader)
            if not self.batch.ids:
                self._tidy(reader)
            if found and not reader.more:
                pause(self.stop, GATHER_S)
        self._drain(reader)

    def _is_due(self) -> bool:
        waited_s = time.monotonic() - self.batch.since_s
        return bool(self.batch.ids) and (
            len(self.batch) >= self.settings.recorder_rows or waited_s >= self.settings.recorder_flush_s
        )

    def _drain(self, reader: GroupReader) -> None:
        """Takes what is readable, for a few seconds at most, and makes it durable."""
        until_s = time.monotonic() + DRAIN_S
        while (found := reader.read(None, 0)) and time.monotonic() < until_s:
            self._take(reader, found)
        self._take(reader, found)
        self._flush(reader)

    def _take(self, reader: GroupReader, deliveries: Sequence[Delivery]) -> None:
        for key, entry_id, fields in deliveries:
            if (key, entry_id) in self.in_flight:
                continue
            entry = _entry(fields)
            if isinstance(entry, EraseEntry):
                self._erase(reader, key, entry_id, entry)
            else:
                self._add(key, entry_id, entry)
            if len(self.batch) >= self.settings.recorder_rows:
                self._flush(reader)

    def _add(self, key: bytes, entry_id: bytes, entry: Lines | DecisionEntry | BadEntry) -> None:
        if not self.batch.ids:
            self.batch.since_s = time.monotonic()
        self.batch.ids.append((key, entry_id))
        self.in_flight.add((key, entry_id))
        if isinstance(entry, list):
            self.batch.lines += entry
        elif isinstance(entry, DecisionEntry):
            self.batch.decisions.append(as_row(entry))
        else:
            self.batch.bad.append((key, entry_id, entry))

    def _erase(self, reader: GroupReader, key: bytes, entry_id: bytes, entry: EraseEntry) -> None:
        """Forgets a visitor, after everything older of this stream, also what an earlier reader left, is durable."""
        before = position(entry_id)
        self._take(reader, [d for d in reader.claim_of(key, 0) if position(d[1]) < before])
        self._flush(reader)
        gone = self._until_done(lambda: lakefile.erase(self.settings.lake, entry.shop, entry.visitor_id))
        forget_state(self.settings.home, entry.shop)
        self.metrics.erased.inc(gone)
        reader.forget(key, lambda fields: is_of(fields, entry.shop, entry.visitor_id))
        self.durable.append((key, entry_id))
        self._acknowledge(reader)

    def _flush(self, reader: GroupReader) -> None:
        if self.batch.ids:
            self._until_done(self._write)
            self._recorded += len(self.batch)
            self.durable += self.batch.ids
            self.batch = Batch()
        self._acknowledge(reader)

    def _until_done(self, work: Callable[[], int]) -> int:
        """Repeats work on the lake until it succeeds. Raises LakeUnavailable if the recorder is to stop meanwhile."""
        while True:
            try:
                done = work()
            except OSError as error:
                self._failed("lake", error)
                if self.stop.is_set():
                    raise LakeUnavailable(f"stopped while the lake could not be written: {error}") from error
            else:
                self._wait_s = FIRST_WAIT_S
                return done

    def _write(self) -> int:
        """Makes the batch durable. Returns its rows."""
        batch, lake, name = self.batch, self.settings.lake, self.batch.name()
        with self.metrics.flush_s.time():
            if batch.lines:
                table = lakefile.table_of(lakefile.EVENTS, batch.lines)
                self.compactor.note(lakefile.write_events(lake, table, name))
            if batch.decisions:
                self.compactor.note(lakefile.write_decisions(lake, batch.decisions, name))
            if batch.bad:
                quarantine(lake, name, batch.bad)
        self.metrics.rows.labels("events").inc(len(batch.lines))
        self.metrics.rows.labels("decisions").inc(len(batch.decisions))
        self.metrics.quarantined.inc(len(batch.bad))
        return len(batch)

    def _acknowledge(self, reader: GroupReader) -> None:
        if self.durable:
            reader.ack(by_key(self.durable))
            self.in_flight.difference_update(self.durable)
            self.durable = []

    def _tidy(self, reader: GroupReader) -> None:
        """Now and then, between batches: lag, entries of the dead, old entries, small files, a line in the log."""
        now_s = time.monotonic()
        if now_s < self._tidied_s + TIDY_S:
            return
        self._tidied_s = now_s
        lag, now_ms = reader.lag(), int(time.time() * 1000)
        self.metrics.lag_entries.set(lag.entries)
        self.metrics.lag_seconds.set(max(0.0, (now_ms - lag.oldest_ms) / 1000) if lag.oldest_ms else 0.0)
        reader.trim(now_ms - KEEP_MS)
        self._take(reader, reader.claim(CLAIM_IDLE_MS))
        try:
            self.metrics.merges.inc(self.compactor.step() is not None)
            self.catalogs.step(reader.client)
        except OSError as error:
            self.metrics.retries.labels("tidy").inc()
            _log.warning("tidying_failed", error=str(error))
        if self._recorded and now_s >= self._reported_s + REPORT_S:
            _log.info("recorded", rows=self._recorded, waiting=lag.entries)
            self._reported_s, self._recorded = now_s, 0


def _entry(fields: Mapping[bytes, bytes] | None) -> Lines | DecisionEntry | EraseEntry | BadEntry:
    if fields is None:
        return BadEntry({}, "the entry was removed before it was read")
    lines = event_values(fields)
    if lines is not None:
        return lines
    entry = decode(fields)
    return entry if not isinstance(entry, EventEntry) else BadEntry(fields, "an event that can be read in one way only")


def as_row(entry: DecisionEntry) -> lakefile.DecisionRow:
    """A decision as the lake's row."""
    return lakefile.DecisionRow(*(getattr(entry, name) for name in lakefile.DECISION_FIELDS))


def is_of(fields: Mapping[bytes, bytes], shop: str, visitor_id: str) -> bool:
    """Whether an entry of the stream is about a visitor of a shop."""
    name = visitor_id.encode()
    if name not in fields.get(VALUE, b"") and name not in fields.get(HEADING, b""):
        return False  # most entries: not worth decoding
    entry = decode(fields)
    if isinstance(entry, BadEntry) or entry.shop != shop:
        return False
    whose = (row.visitor_id for row in entry.rows) if isinstance(entry, EventEntry) else (entry.visitor_id,)
    return visitor_id in whose


def quarantine(lake: Path, name: str, bad: Sequence[tuple[bytes, bytes, BadEntry]]) -> Path:
    """Keeps unreadable entries as NDJSON in LAKE/quarantine, durably: stream, id, reason, fields in base64."""
    folder = lake / "quarantine"
    folder.mkdir(parents=True, exist_ok=True)
    path, aside = folder / f"{name}.ndjson", folder / f".{name}.{os.getpid()}.tmp"
    with aside.open("w") as file:
        for key, entry_id, entry in bad:
            fields = {base64.b64encode(k).decode(): base64.b64encode(v).decode() for k, v in entry.fields.items()}
            line = {"stream": key.decode(), "id": entry_id.decode(), "reason": entry.reason, "fields": fields}
            file.write(json.dumps(line) + "\n")
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    return path


def run(settings: Settings, stop: threading.Event | None = None) -> None:
    """Record until `stop` is set. Raises NoServer, LakeUnavailable."""
    stop = stop or threading.Event()
    metrics = RecorderMetrics()
    with (
        served(metrics.registry, settings.host, settings.recorder_metrics_port),
        sole_worker(settings.lake / LOCK, stop) as ours,
    ):
        if ours:
            gc.set_threshold(*YOUNG)  # a read makes thousands of objects that live until they are in a file
            Recorder(settings, stop, metrics).run()
