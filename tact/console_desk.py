"""Questions about the lake for the operators' console: answered one at a time, kept while the lake stays as it is.

An answer that is out of date is given all the same, marked `stale`, while the new one is being made; one that takes
long says how far it is. So no page waits for the lake, and a page that ten people look at costs what it costs for one.
"""

import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any, Final
from urllib.parse import quote

import structlog

from models.policy import PolicyError, load_policy
from models.policy_terms import Policy
from service import policy_files
from service.lake_desk import state_folder
from service.settings import Settings
from tact.policies import live_file
from tact.receipts import Archive

FRESH_S: Final = 15.0
"""An answer younger than this, or than TIMES as long as it took, is not made anew while events keep coming."""
TIMES: Final = 20.0
FIRST_ASKED: Final = ("journey_map", "messages", "personas", "journey_lift", "experiments", "message_lift")
"""By views, without parameters; the quick ones first."""
MOST_KEPT: Final = 200
MOST_PARAMS: Final = 20

Json = dict[str, Any]
Key = tuple[str, str, tuple[tuple[str, str], ...], str]
_log = structlog.get_logger("tact.console")


@dataclass(slots=True)
class Kept:
    """An answer, the state of the lake it was made from, when (Unix ms) and how long it took."""

    answer: Json
    state: str
    made_ms: int
    took_s: float
    used: float


@dataclass(slots=True)
class Job:
    """A question under way."""

    future: "Future[Kept]"
    started: float
    step: str = ""
    share: float = 0.0


@dataclass
class Desk:
    """Answers of one install. clock: Unix seconds."""

    settings: Settings
    clock: Callable[[], float] = time.time
    _kept: dict[Key, Kept] = field(default_factory=dict)
    _jobs: dict[Key, Job] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "question"))
    _slow: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "slow-question"))

    def __post_init__(self) -> None:
        self._archive = Archive(self.settings)

    def ask(self, name: str, shop: str, params: Mapping[str, str], wait_s: float) -> Json:
        """{state: done, answer, as_of_ms, took_ms, stale} or {state: working, step, share, elapsed_ms} or
        {state: unanswerable | unknown | failed, detail}. Waits for wait_s at the most."""
        policy = self._policy(shop)
        given = tuple(sorted(params.items()))[:MOST_PARAMS]
        key = (name, shop, given, policy.version if policy else "")
        state = lake_state(self.settings.lake, shop)
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None and self._fresh(kept, state):
                return self._told(kept, stale=False)
            job = self._jobs.get(key) or self._start(key, policy, state)
        wait([job.future], 0.0 if kept is not None else wait_s)
        with self._lock:
            if job.future.done():
                self._jobs.pop(key, None)
                kept = self._keep(key, job.future)
                return self._told(kept, stale=not self._fresh(kept, state))  # nobody may have waited for it
            if kept is not None:
                return self._told(kept, stale=True)
        elapsed_ms = round(1000 * (time.monotonic() - job.started))
        return {"state": "working", "step": job.step, "share": job.share, "elapsed_ms": elapsed_ms}

    def warm(self, shop: str) -> None:
        """Begins what views ask first, where it was never answered: who looks at one looks at others soon."""
        policy = self._policy(shop)
        version = policy.version if policy else ""
        for name in FIRST_ASKED:
            key = (name, shop, (), version)
            with self._lock:
                if key not in self._kept and key not in self._jobs:
                    self._start(key, policy, lake_state(self.settings.lake, shop))

    def close(self) -> None:
        """Takes no more questions; one under way is left."""
        for pool in (self._pool, self._slow):
            pool.shutdown(wait=False, cancel_futures=True)

    def _fresh(self, kept: Kept, state: str) -> bool:
        """State alone does not do: a period of 24 hours moves on without an event."""
        age_s = self.clock() - kept.made_ms / 1000
        same = kept.state == state and age_s < 600
        return same or age_s < max(FRESH_S, TIMES * kept.took_s)

    def _start(self, key: Key, policy: Policy | None, state: str) -> Job:
        job = Job(Future(), time.monotonic())
        self._jobs[key] = job
        pool = self._slow if key[0] in _slow_questions() else self._pool
        job.future = pool.submit(self._answer, key, policy, state, job)
        return job

    def _keep(self, key: Key, future: "Future[Kept]") -> Kept:
        kept = future.result()
        self._kept[key] = kept
        while len(self._kept) > MOST_KEPT:
            del self._kept[min(self._kept, key=lambda one: self._kept[one].used)]
        return kept

    def _told(self, kept: Kept, stale: bool) -> Json:
        kept.used = time.monotonic()
        return kept.answer | {"as_of_ms": kept.made_ms, "took_ms": round(1000 * kept.took_s), "stale": stale}

    def _answer(self, key: Key, policy: Policy | None, state: str, job: Job) -> Kept:
        name, shop, params, _ = key
        made_ms, began = int(1000 * self.clock()), time.perf_counter()

        def progress(step: str, share: float) -> None:
            job.step, job.share = step, share

        answer = self._asked(name, shop, dict(params), policy, made_ms, progress)
        took_s = time.perf_counter() - began
        return Kept(answer, state, made_ms, took_s, time.monotonic())

    def _asked(
        self,
        name: str,
        shop: str,
        params: Mapping[str, str],
        policy: Policy | None,
        now_ms: int,
        progress: Callable[[str, float], None],
    ) -> Json:
        try:
            from training import console_queries as queries  # what training imports is not there on every machine
        except ModuleNotFoundError as error:
            return {
                "state": "unanswerable",
                "detail": f"the part `console` needs {error.name}: pip install 'tact[training]'",
            }
        if name not in queries.QUERIES:
            return {
                "state": "unknown",
                "detail": f"there is no question {name!r}; there are {', '.join(queries.QUERIES)}",
            }
        lake, archived = self.settings.lake, self._archive.policy
        folder = state_folder(self.settings.home, shop)
        asked = queries.Asked(lake, shop, params, policy, archived, now_ms, progress, folder)
        try:
            return {"state": "done", "answer": queries.answer(name, asked)}
        except queries.Unanswerable as error:
            return {"state": "unanswerable", "detail": str(error)}
        except ModuleNotFoundError as error:
            return {
                "state": "unanswerable",
                "detail": f"the part `console` needs {error.name}: pip install 'tact[training]'",
            }
        except Exception as error:  # noqa: BLE001  # the part answers for all pages: one question must not end it
            _log.error("question_failed", question=name, exc_info=error)
            return {"state": "failed", "detail": f"{type(error).__name__}: {error}"}

    def _policy(self, shop: str) -> Policy | None:
        """The live policy; None where there is none to serve. Parsed anew only if the text changed: it takes longer
        than most kept answers."""
        path = live_file(self.settings, shop)
        try:
            text = policy_files.read(path) if path is not None else ""
        except (PolicyError, OSError):
            return None
        return _parsed(text, str(path)) if text else None


@lru_cache(maxsize=16)
def _parsed(text: str, name: str) -> Policy | None:
    try:
        return load_policy(text, name)
    except PolicyError:
        return None


def _slow_questions() -> frozenset[str]:
    try:
        from training.console_queries import SLOW
    except ModuleNotFoundError:  # then there is no answer either
        return frozenset()
    return SLOW


def lake_state(lake: Path, shop: str) -> str:
    """Changes when a file of the shop's comes, goes or is rewritten."""
    found = [0, 0, 0]
    for kind in ("events", "decisions"):
        root = lake / kind / f"shop={quote(shop, safe='')}"
        for day in root.glob("day=*"):
            for one in os.scandir(day):
                about = one.stat()
                found = [found[0] + 1, found[1] + about.st_size, max(found[2], about.st_mtime_ns)]
    return ":".join(map(str, found))
