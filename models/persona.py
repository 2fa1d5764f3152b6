"""Personas: which kind of visitor somebody is, by the nearest of a few centres. A pure function of the tail.

* InvalidPersonas   the bytes hold no personas, or some of another version; says what is wrong
"""

import hashlib
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import numba
import numpy as np
import numpy.typing as npt

from features.record import Records
from models.persona_traits import LEAST_STEPS, N_TRAITS, NAMES, traits

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

VERSION: Final = 1
NONE_YET: Final = ""
"""The persona of who has done less than LEAST_STEPS steps."""

CLIP: Final = 3.0
"""So many spreads from the middle a trait counts at the most: one odd visitor is no cluster."""


class InvalidPersonas(ValueError):
    """Bytes that are no personas of this version."""


@dataclass(frozen=True)
class Personas:
    """names: ids as rules have them, (k,). middle, spread, weight: of the traits, (N_TRAITS,); weight 0: not used.
    centres: in units of weighted spreads, (k, N_TRAITS). told: anything about them for people, plain JSON.
    """

    shop: str
    names: tuple[str, ...]
    middle: Floats
    spread: Floats
    weight: Floats
    centres: Floats
    utc_offset_h: float = 0.0
    told: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        k = len(self.names)
        if len(set(self.names)) != k or not k or NONE_YET in self.names:
            raise InvalidPersonas("personas need names, each once")
        shapes = (self.middle.shape, self.spread.shape, self.weight.shape, self.centres.shape)
        if shapes != ((N_TRAITS,), (N_TRAITS,), (N_TRAITS,), (k, N_TRAITS)):
            raise InvalidPersonas(f"arrays do not fit {k} personas of {N_TRAITS} traits: {shapes}")
        if not all(np.isfinite(one).all() for one in (self.middle, self.spread, self.weight, self.centres)):
            raise InvalidPersonas("a number is not finite")
        if not (self.spread > 0).all() or not (self.weight >= 0).all():
            raise InvalidPersonas("spreads must be above 0, weights not below")

    def points(self, values: Floats) -> Floats:
        """Traits (..., N_TRAITS) in weighted spreads; unknown ones lie in the middle."""
        moved = np.clip((values - self.middle) / self.spread, -CLIP, CLIP)
        return np.asarray(np.where(np.isnan(moved), 0.0, moved) * self.weight)

    def codes(self, values: Floats, steps: Ints) -> Ints:
        """Each visitor's place in names, -1 for too few steps. values: (v, N_TRAITS); steps: (v,)."""
        return np.where(steps >= LEAST_STEPS, nearest(self.points(values), self.centres)[0], -1)

    def of(self, tail: Records) -> str:
        """The name of a visitor's persona from the tail as it is known now; NONE_YET for too few steps."""
        values, steps = traits(tail, self.utc_offset_h)
        if steps < LEAST_STEPS:
            return NONE_YET
        return self.names[int(nearest(self.points(values[None, :]), self.centres)[0][0])]

    def dumps(self) -> bytes:
        """Bytes that `loads` reads again; the same personas give the same bytes."""
        arrays = {name: getattr(self, name).tolist() for name in ("middle", "spread", "weight", "centres")}
        head = {"version": VERSION, "shop": self.shop, "names": list(self.names), "traits": list(NAMES)}
        body = head | arrays | {"utc_offset_h": self.utc_offset_h, "told": self.told}
        return msgspec.json.encode(body, order="deterministic")

    @property
    def id(self) -> str:
        """Twelve digits of the SHA-256 of the bytes."""
        return hashlib.sha256(self.dumps()).hexdigest()[:12]


class _Kept(msgspec.Struct):
    version: int
    shop: str
    names: tuple[str, ...]
    traits: tuple[str, ...]
    middle: list[float]
    spread: list[float]
    weight: list[float]
    centres: list[list[float]]
    utc_offset_h: float
    told: dict[str, Any]


def loads(data: bytes) -> Personas:
    """Personas from their bytes. Raises InvalidPersonas."""
    try:
        kept = msgspec.json.decode(data, type=_Kept)
    except msgspec.MsgspecError as error:
        raise InvalidPersonas(f"no personas: {error}") from None
    if kept.version != VERSION or kept.traits != NAMES:
        raise InvalidPersonas(f"personas of another version ({kept.version}) or of other traits: make them anew")
    try:
        lists = (kept.middle, kept.spread, kept.weight, kept.centres)
        middle, spread, weight, centres = (np.array(one, np.float64) for one in lists)
    except ValueError as error:
        raise InvalidPersonas(f"arrays do not fit: {error}") from None
    return Personas(kept.shop, kept.names, middle, spread, weight, centres, kept.utc_offset_h, kept.told)


@numba.njit(cache=True, nogil=True)
def _nearest(points, centres, code, distance):  # type: ignore[no-untyped-def]
    for i in range(points.shape[0]):
        best, which = np.inf, 0
        for k in range(centres.shape[0]):
            far = 0.0
            for j in range(points.shape[1]):
                d = points[i, j] - centres[k, j]
                far += d * d
            if far < best:
                best, which = far, k
        code[i], distance[i] = which, best


def nearest(points: Floats, centres: Floats) -> tuple[Ints, Floats]:
    """Of each point (n, p) the nearest centre (of equally near ones the first) and the squared distance, both (n,)."""
    code, distance = np.zeros(len(points), np.int64), np.zeros(len(points))
    _nearest(np.ascontiguousarray(points), np.ascontiguousarray(centres), code, distance)
    return code, distance
