"""Draws as files: what the learner publishes for a shop's policy, and the archive that replays need.

    settings.live/.draws/<shop>/          the newest, in the form of snapshots.py
    settings.live/.starts/<shop>/         the sums that the learner is to go on from, after a promotion or a rollback
    settings.home/draws-archive/<id>.npz  every one that was published, for as long as receipts of it may be asked for

* InvalidSnapshot   a snapshot that is half there, damaged or does not fit
"""

import fcntl
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from models.arbitration import Draws
from models.policy_terms import Policy
from service import snapshots
from service.snapshots import InvalidSnapshot

FOLDER: Final = ".draws"
STARTS: Final = ".starts"
ARCHIVE: Final = "draws-archive"
KEPT_DAYS: Final = 90
_DAY_S: Final = 86_400


class DrawsFacts(msgspec.Struct, frozen=True):
    """What the manifest tells. policy: the version whose actions these are, in its order. trials: learned from.

    width: by how much the prior was widened to fit the data. source: "learned", or the candidate that was promoted.
    """

    id: str
    shop: str
    policy: str
    actions: tuple[str, ...]
    trials: int
    as_of_ms: int
    width: float = 1.0
    source: str = "learned"


@dataclass(frozen=True, slots=True)
class Taught:
    """Draws as read, with what is told of them."""

    draws: Draws
    facts: DrawsFacts

    def fit(self, policy: Policy) -> bool:
        """Whether they are of this policy, as it is now."""
        return self.facts.policy == policy.version and self.facts.actions == tuple(a.id for a in policy.actions)


def publish(live: Path, archive: Path, draws: Draws, facts: DrawsFacts) -> None:
    """Keeps draws in the archive, then makes them a shop's newest. Raises OSError."""
    keep(archive, draws)
    folder = live / FOLDER / facts.shop
    with _alone(folder):
        snapshots.publish(folder, {"table": draws.table}, msgspec.to_builtins(facts))


def load(live: Path, shop: str) -> Taught | None:
    """A shop's newest draws; None if there are none. Raises InvalidSnapshot."""
    snapshot = snapshots.load(live / FOLDER / shop)
    if snapshot is None:
        return None
    try:
        facts = msgspec.json.decode(snapshot.facts, type=DrawsFacts)
        draws = Draws.of(np.array(snapshot.arrays["table"]))
    except (KeyError, ValueError, msgspec.MsgspecError) as error:
        raise InvalidSnapshot(f"draws {snapshot.seq} of {shop}: {type(error).__name__}: {error}") from error
    if facts.shop != shop or facts.id != draws.id:
        raise InvalidSnapshot(f"draws {snapshot.seq} of {shop} say they are {facts.id} of {facts.shop}")
    return Taught(draws, facts)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """The learner and a promotion do not publish at once."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@dataclass(frozen=True, slots=True)
class Start:
    """Sums to go on from. seq: of its publication. terms: what rewards they are of. arrays: of models/posterior.py."""

    seq: int
    terms: str
    arrays: Mapping[str, npt.NDArray[Any]]


def publish_start(live: Path, shop: str, arrays: Mapping[str, npt.NDArray[Any]], terms: str) -> None:
    """Leaves sums for the learner, which takes them up at its next look. Raises OSError."""
    snapshots.publish(live / STARTS / shop, arrays, {"terms": terms})


def load_start(live: Path, shop: str) -> Start | None:
    """The newest sums that were left for the learner; None if there are none. Raises InvalidSnapshot."""
    snapshot = snapshots.load(live / STARTS / shop)
    if snapshot is None:
        return None
    terms = msgspec.json.decode(snapshot.facts).get("terms", "")
    return Start(snapshot.seq, terms, {name: np.array(array) for name, array in snapshot.arrays.items()})


def keep(archive: Path, draws: Draws) -> None:
    """Puts draws into the archive, whole or not at all, and takes out what is older than KEPT_DAYS."""
    archive.mkdir(parents=True, exist_ok=True)
    path = archive / f"{draws.id}.npz"
    if path.exists():
        return
    aside = archive / f".{draws.id}.{time.monotonic_ns()}.npz"
    arrays: dict[str, Any] = {"table": draws.table}
    np.savez_compressed(aside, **arrays)
    aside.replace(path)
    oldest_s = time.time() - KEPT_DAYS * _DAY_S
    for old in archive.glob("*.npz"):
        if old.stat().st_mtime < oldest_s:
            old.unlink(missing_ok=True)


def archived(archive: Path, draws_id: str) -> Draws | None:
    """Draws by their id; None if they are not there, or not what they were."""
    path = archive / f"{draws_id}.npz"
    if not draws_id.isalnum() or not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as arrays:
            draws = Draws.of(arrays["table"])
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        return None
    return draws if draws.id == draws_id else None
