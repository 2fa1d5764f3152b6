"""Uplift models from a shop's own log: whom each of its actions changes, from decisions whose chances are known.

A row is a trial in which the action or silence was chosen and both could have been: its vector is the decision's
receipt's, its chance that of the action given that it was one of the two. A message that was decided but never shown
tells nothing, as in models/posterior.py. Which trials are kept of a long log is told by a hash that no decision uses,
so it leans on nothing. Receipts are read once for each action that has enough rewarded rows: memory holds the vectors
of one action at a time.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from features.record import hash64
from features.schema import FINGERPRINT, N_FEATURES
from models.receipt_form import part_reader
from models.trial import SILENCE, Trial
from training.fit_uplift import FittedUplift, card, fit_uplift
from training.qini import Flags, Floats, Outcomes
from training.uplift import HALVES, POSTERIOR, Choice, Matrix, Told, positives_of, scarce

MOST: Final = 200_000
"""Trials of an action that are learned from, at most."""
Receipts = Callable[[], Iterable[bytes]]


class Row(NamedTuple):
    """What a trial tells of an action. rank: by which rows are kept; decision, visitor: hashes of their ids."""

    rank: int
    decision: int
    visitor: int
    treated: bool
    propensity: float
    reward: float


@dataclass
class Log:
    """Rows by action, the `most` of lowest rank of each. met: how many there were. until_ms: of the last decision."""

    actions: tuple[str, ...]
    most: int = MOST
    met: Counter[str] = field(default_factory=Counter)
    until_ms: int = 0
    _rows: dict[str, list[Row]] = field(default_factory=dict)

    def watching(self, trials: Iterable[Trial]) -> Iterator[Trial]:
        """The trials, each taken as it goes by."""
        for trial in trials:
            self.take(trial)
            yield trial

    def take(self, trial: Trial) -> None:
        """Takes a trial whose window has ended."""
        if not (trial.known and trial.shown and isfinite(trial.reward)):
            return
        self.until_ms = max(self.until_ms, trial.ts_ms)
        chances = dict(trial.chances)
        silent = chances.pop(SILENCE, 0.0)
        for action, chance in chances.items():
            if trial.chosen in (SILENCE, action) and chance > 0 and silent > 0 and action in self.actions:
                self._add(action, _row(trial, action, chance / (chance + silent)))

    def _add(self, action: str, row: Row) -> None:
        self.met[action] += 1
        rows = self._rows.setdefault(action, [])
        rows.append(row)
        if len(rows) >= 2 * self.most:
            rows[:] = sorted(rows)[: self.most]

    def rows(self, action: str) -> list[Row]:
        """By rank: the same for the same trials in any order."""
        return sorted(self._rows.get(action, ()))[: self.most]


def _row(trial: Trial, action: str, propensity: float) -> Row:
    rank = hash64(f"{trial.decision_id}|{trial.placement}|uplift")
    ids = hash64(trial.decision_id), hash64(trial.visitor_id)
    return Row(rank, *ids, trial.chosen == action, propensity, trial.reward)


@dataclass(frozen=True, slots=True)
class Learned:
    """What was learned of an action. trials: that told something of it; used: rows learned from, at most MOST.

    other: rows left out because their receipt is gone, or of another feature table.
    """

    fitted: FittedUplift
    trials: int
    used: int
    other: int = 0

    def as_dict(self) -> dict[str, Any]:
        """As it stands in a manifest and in `--json`."""
        return {**card(self.fitted.choice), "trials": self.trials, "rows": self.used, "rows_other_features": self.other}


def learn_uplift(
    log: Log, receipts: Receipts, seed: int = 1, seeds: int = HALVES, told: Callable[[str, float], None] | None = None
) -> dict[str, Learned]:
    """By action. receipts: gives the log's receipts anew at each call. told: action, share done."""
    found = {}
    for action in log.actions:
        found[action] = _learned(log, action, receipts, seed, seeds, _telling(told, action))
    return found


def _telling(told: Callable[[str, float], None] | None, action: str) -> Told:
    return lambda share: None if told is None else told(f"uplift {action}", share)


def _learned(log: Log, action: str, receipts: Receipts, seed: int, seeds: int, told: Told) -> Learned:
    rows = log.rows(action)
    few = scarce(positives_of(_outcomes(rows)))
    if few is not None:
        return Learned(FittedUplift(few, None), log.met[action], len(rows))
    matrix, has = vectors(rows, receipts())
    rows = [row for row, there in zip(rows, has.tolist(), strict=True) if there]
    few = scarce(positives_of(_outcomes(rows)))
    lost = int((~has).sum())
    if few is not None:
        why = f"{few.why}; {lost:,} rows have no vector of this feature table" if lost else few.why
        return Learned(FittedUplift(Choice(POSTERIOR, why, few.positives), None), log.met[action], len(rows), lost)
    visitor = np.array([row.visitor for row in rows], np.uint64).view(np.int64)
    fitted = fit_uplift(matrix[has], *_columns(rows), visitor, seed, seeds, told)
    return Learned(fitted, log.met[action], len(rows), lost)


def _columns(rows: Sequence[Row]) -> tuple[Flags, Floats, Floats]:
    """Treated, propensity and reward, each (n,)."""
    treated = np.array([row.treated for row in rows], np.bool_)
    return treated, np.array([row.propensity for row in rows]), np.array([row.reward for row in rows])


def _outcomes(rows: Sequence[Row]) -> Outcomes:
    return Outcomes.of(*_columns(rows))


class _Seen(msgspec.Struct):
    """The few fields of a receipt that are needed here."""

    decision_id: str
    features: str
    vector: bytes | None


_read = part_reader(_Seen)


def vectors(rows: Sequence[Row], receipts: Iterable[bytes]) -> tuple[Matrix, Flags]:
    """The rows' vectors, float32 (n, N_FEATURES), and which have one of this feature table, bool (n,)."""
    matrix, has = np.zeros((len(rows), N_FEATURES), np.float32), np.zeros(len(rows), np.bool_)
    places = _places(rows)
    for receipt in receipts:
        found = _seen(receipt)
        if found is None or found.vector is None or found.features != FINGERPRINT:
            continue
        here = places.get(hash64(found.decision_id))
        if here is not None and len(found.vector) == 4 * N_FEATURES:
            matrix[here], has[here] = np.frombuffer(found.vector, "<f4"), True
    return matrix, has


def _places(rows: Sequence[Row]) -> Mapping[int, list[int]]:
    """Where a decision's rows stand: one for each of its placements."""
    places: dict[int, list[int]] = {}
    for place, row in enumerate(rows):
        places.setdefault(row.decision, []).append(place)
    return places


def _seen(receipt: bytes) -> _Seen | None:
    try:
        return _read(receipt)
    except msgspec.MsgspecError:
        return None
