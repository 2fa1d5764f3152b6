"""What was followed of a lake, on disk: a restart goes on from it instead of following a long log again.

One file for a question (a shop, a policy, a catalog, a beginning), in a folder that only this user can read: it holds
open trials, with visitors' ids. A cache and nothing else: what is damaged, or was written by other code, is as if it
were not there, and removing it costs time only. No pickle: plain values and arrays, behind their SHA-256.
"""

import contextlib
import hashlib
import os
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import msgspec
import structlog

from models import credit, effects, posterior, trial
from models.credit import Credit
from models.policy_terms import Policy
from models.trial import Trial
from training import attribution, learn_policy, trials
from training.attribution import Attribution, Plain
from training.trials import Following

MOST_FILES: Final = 8
"""Of a folder; beyond, those not written for the longest go."""
_SUFFIX: Final = ".followed"
_log = structlog.get_logger("tact.console")
Files = dict[str, tuple[tuple[str, int, int], ...]]


@dataclass(frozen=True)
class Kept:
    """The state before a day. files: of the days before it."""

    day_ms: int
    files: Files
    following: Following
    found: Attribution
    batch: list[Trial]


class _Plain(msgspec.Struct):
    day_ms: int
    files: Files
    credit: bytes
    counts: dict[str, int]
    clock_ms: int
    asked_ms: int
    found: Plain
    batch: list[Trial]


def save(folder: Path, question: str, states: list[Kept]) -> None:
    """Replaces what is kept of a question. What cannot be written is told in the log, and not kept."""
    body = msgspec.msgpack.encode([_to_plain(one) for one in states])
    path = _path(folder, question)
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(_head(body) + body)
        aside.replace(path)
        for old in sorted(folder.glob(f"*{_SUFFIX}"), key=lambda one: one.stat().st_mtime_ns)[:-MOST_FILES]:
            old.unlink()
    except OSError as error:
        _log.warning("followed_not_kept", folder=str(folder), why=str(error))


def load(folder: Path, question: str, policy: Policy, nothing_open: Credit) -> list[Kept]:
    """What is kept of a question; [] where nothing is, or nothing that this code wrote whole, which is removed."""
    path = _path(folder, question)
    try:
        data = path.read_bytes()
    except OSError:
        return []
    head, body = data[: len(_head(b""))], data[len(_head(b"")) :]
    try:
        if head != _head(body):
            raise ValueError("damaged, or of another version")
        return [_from_plain(one, policy, nothing_open) for one in msgspec.msgpack.decode(body, type=list[_Plain])]
    except (msgspec.MsgspecError, ValueError, KeyError) as error:
        _log.info("followed_anew", file=str(path), why=str(error))
        with contextlib.suppress(OSError):
            path.unlink()
        return []


def _to_plain(one: Kept) -> _Plain:
    following = one.following
    told = (following.credit.to_bytes(), dict(following.counts), following.clock_ms, following.asked_ms)
    return _Plain(one.day_ms, one.files, *told, one.found.to_plain(), one.batch)


def _from_plain(one: _Plain, policy: Policy, nothing_open: Credit) -> Kept:
    following = Following(nothing_open).copy()
    following.credit.take_bytes(one.credit)
    following.counts = Counter(one.counts)
    following.clock_ms, following.asked_ms = one.clock_ms, one.asked_ms
    return Kept(one.day_ms, one.files, following, Attribution.from_plain(policy, one.found), one.batch)


def _path(folder: Path, question: str) -> Path:
    return folder / f"{hashlib.sha256(question.encode()).hexdigest()[:24]}{_SUFFIX}"


def _head(body: bytes) -> bytes:
    """Which code wrote it, and that it is whole."""
    return f"tact-followed {_code()} {hashlib.sha256(body).hexdigest()}\n".encode()


@lru_cache(maxsize=1)
def _code() -> str:
    """Of all that a state depends on: a later version of it may count otherwise."""
    whole = hashlib.sha256()
    for module in (attribution, credit, effects, learn_policy, posterior, trial, trials):
        whole.update(Path(str(module.__file__)).read_bytes())
    for name in ("lift_follow.py", "lift_kept.py"):
        whole.update(Path(__file__).with_name(name).read_bytes())
    return whole.hexdigest()[:16]
