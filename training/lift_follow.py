"""Following messages through a lake that grows: what was followed of days that stay as they are is kept, and not
followed again.

To the bit what following all of it from the start gives: a day's moments are taken in the same order after the same
state. Kept are the states at the beginnings of the last KEEP days, with a folder also for the next process
(training/lift_kept.py); a day whose files changed (late events, a compaction, an erasure) is followed anew, with all
that come after it.
"""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Final
from urllib.parse import quote

from features.lakefile import day_of
from models.credit import Credit
from models.policy_terms import Policy
from models.trial import Trial
from training import lift_kept
from training.attribution import Attribution
from training.trials import Following, Margins, credit_of, margins_of, moments_by_day

BATCH: Final = 2_000
KEEP: Final = 3
MOST_FOLLOWED: Final = 8
"""Questions (a shop, a policy, a beginning) whose states are kept."""
Files = tuple[tuple[str, int, int], ...]
Key = tuple[str, str, str, str, int | None]


@dataclass
class Followed:
    """What is known by a moment of a log. batch: trials that ended, not learned from yet."""

    following: Following
    found: Attribution
    batch: list[Trial] = field(default_factory=list)

    def learn(self, ended: list[Trial]) -> None:
        """Batches are of the same trials wherever the following began: sums then round alike."""
        for trial in ended:
            self.batch.append(trial)
            if len(self.batch) >= BATCH:
                self.found.learn(self.batch)
                self.batch = []

    def end(self, now_ms: int) -> Attribution:
        """What was found, with every trial that is open at now_ms counted as it stands."""
        self.learn(self.following.end(now_ms))
        self.found.learn(self.batch)
        self.batch = []
        return self.found

    def copy(self) -> "Followed":
        """One that goes its own way from here."""
        return Followed(self.following.copy(), self.found.copy(), self.batch.copy())


@dataclass(frozen=True)
class _Before:
    """The state before a day. files: of the days before it, by their name."""

    day_ms: int
    files: dict[str, Files]
    state: Followed


_kept: dict[Key, list[_Before]] = {}
_lock: Final = Lock()


def follow(
    lake: Path,
    shop: str,
    policy: Policy,
    since_ms: int | None = None,
    progress: Callable[[int], None] = lambda n: None,
    folder: Path | None = None,
) -> Followed:
    """The state after the last moment of the lake. progress: told how many decisions were taken. folder: where states
    are kept for the next process, or None."""
    margins = margins_of(lake, shop)
    credit = credit_of(lake, shop, policy, margins)
    key = (str(lake), shop, policy.version, _told(margins), since_ms)
    with _lock:
        files = _files(lake, shop)
        before = _kept.pop(key) if key in _kept else _loaded(folder, key, policy, credit)
        kept = [one for one in before if one.files == _up_to(files, one.day_ms)]
        state = kept[-1].state.copy() if kept else Followed(Following(credit), Attribution(policy))
        begin_ms = kept.pop().day_ms if kept else since_ms
        last = sorted(files)[-KEEP:]
        for day_ms, moments in moments_by_day(lake, shop, _later(begin_ms, since_ms)):
            if day_of(day_ms) in last:
                kept.append(_Before(day_ms, _up_to(files, day_ms), state.copy()))
            for at_ms, what in moments:
                state.learn(state.following.take(at_ms, what, state.found.heed))
            progress(state.following.counts["decisions"])
        _kept[key] = kept[-KEEP:]
        while len(_kept) > MOST_FOLLOWED:
            _kept.pop(next(iter(_kept)))
        if folder is not None and _marks(_kept[key]) != _marks(before) and files == _files(lake, shop):
            lift_kept.save(folder, repr(key), [_written(one) for one in _kept[key]])
        return state


def _loaded(folder: Path | None, key: Key, policy: Policy, credit: Credit) -> list[_Before]:
    found = lift_kept.load(folder, repr(key), policy, credit) if folder is not None else []
    return [_Before(one.day_ms, one.files, Followed(one.following, one.found, one.batch)) for one in found]


def _written(one: _Before) -> lift_kept.Kept:
    state = one.state
    return lift_kept.Kept(one.day_ms, one.files, state.following, state.found, state.batch)


def _marks(states: list[_Before]) -> list[tuple[int, dict[str, Files]]]:
    return [(one.day_ms, one.files) for one in states]


def _later(one: int | None, other: int | None) -> int | None:
    """A day's beginning, or the period's if that lies within the day."""
    return max(one, other) if one is not None and other is not None else one


def _up_to(files: dict[str, Files], day_ms: int) -> dict[str, Files]:
    return {day: found for day, found in files.items() if day < day_of(day_ms)}


def _files(lake: Path, shop: str) -> dict[str, Files]:
    """By day: the files of its events and decisions. Looked at before they are read: what comes in between is read, and
    next time read again."""
    found: dict[str, list[tuple[str, int, int]]] = {}
    for kind in ("events", "decisions"):
        for day in (lake / kind / f"shop={quote(shop, safe='')}").glob("day=*"):
            about = [(f"{kind}/{one.name}", one.stat()) for one in os.scandir(day)]
            told = [(name, stat.st_size, stat.st_mtime_ns) for name, stat in about]
            found.setdefault(day.name.removeprefix("day="), []).extend(told)
    return {day: tuple(sorted(told)) for day, told in found.items()}


def _told(margins: Margins) -> str:
    """Changes with what the catalog says of money, which counts in rewards, and with nothing else of it."""
    return hashlib.sha256(repr(sorted(margins.items())).encode()).hexdigest()[:16]
