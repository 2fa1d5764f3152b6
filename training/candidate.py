"""A candidate: draws learned offline, with the sums they were learned into, as a folder. No pickle anywhere.

    draws.npz       table: float32 (actions, effects, draws)
    posterior.npz   what trials told, of models/posterior.py
    candidate.json  Facts: whose, from what, and the SHA-256 of the two files

* InvalidCandidate   the folder is none, or not what was written; says which file
"""

import hashlib
import io
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from models.arbitration import Draws
from models.policy_terms import Policy
from models.posterior import Posterior

FACTS: Final = "candidate.json"


class InvalidCandidate(ValueError):
    """A folder that is no candidate, and why."""


class Facts(msgspec.Struct, frozen=True):
    """What is told of a candidate. policy: the version it is for; actions: in its order. terms: what rewards were made
    of. trials: learned from, of decisions from since_ms to until_ms. sha256: of the files, by name."""

    shop: str
    policy: str
    draws: str
    actions: tuple[str, ...]
    terms: str
    trials: int
    since_ms: int
    until_ms: int
    width: float = 1.0
    sha256: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Candidate:
    """Draws, what they were drawn from, and what is told of them."""

    draws: Draws
    posterior: Posterior
    facts: Facts

    @classmethod
    def of(cls, policy: Policy, posterior: Posterior, since_ms: int = 0) -> "Candidate":
        """What a posterior says of a policy, its draws the same as the learner's would be."""
        belief = posterior.believed(policy)
        draws = belief.draws(posterior.seed(policy))
        actions = tuple(action.id for action in policy.actions)
        of = (policy.shop, policy.version, draws.id, actions, policy.terms)
        return cls(draws, posterior, Facts(*of, posterior.trials, since_ms, posterior.as_of_ms, belief.width))

    def fits(self, policy: Policy) -> bool:
        """Whether it is of this policy, as it is."""
        return self.facts.policy == policy.version and self.facts.actions == tuple(a.id for a in policy.actions)

    def write(self, folder: Path) -> None:
        """Writes the folder; its facts come last, so that half a candidate is none. Raises OSError."""
        folder.mkdir(parents=True, exist_ok=True)
        files = {"draws.npz": _npz({"table": self.draws.table}), "posterior.npz": _npz(self.posterior.to_arrays())}
        for name, data in files.items():
            _put(folder / name, data)
        sha256 = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
        facts = msgspec.json.encode(msgspec.structs.replace(self.facts, sha256=sha256))
        _put(folder / FACTS, msgspec.json.format(facts, indent=1) + b"\n")


def read(folder: Path) -> Candidate:
    """A candidate out of its folder. Raises InvalidCandidate."""
    try:
        facts = msgspec.json.decode((folder / FACTS).read_bytes(), type=Facts)
        arrays = {name: _arrays(folder / name, facts.sha256.get(name, "")) for name in ("draws.npz", "posterior.npz")}
        draws = Draws.of(arrays["draws.npz"]["table"])
        posterior = Posterior.from_arrays(arrays["posterior.npz"])
    except OSError as error:
        raise InvalidCandidate(
            f"{folder} is no candidate of `tact learn`: {error.strerror}: {error.filename}"
        ) from error
    except (msgspec.MsgspecError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise InvalidCandidate(f"{folder} is damaged: {error}") from error
    if draws.id != facts.draws:
        raise InvalidCandidate(f"{folder} says its draws are {facts.draws}, they are {draws.id}")
    return Candidate(draws, posterior, facts)


def _npz(arrays: Mapping[str, Any]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def _put(path: Path, data: bytes) -> None:
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    with aside.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def _arrays(path: Path, sha256: str) -> dict[str, Any]:
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ValueError(f"{path.name} is not what was written")
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return dict(arrays)
