"""Reads the file of a randomised message experiment, a row per visitor, such as Hillstrom's e-mails.

The file is a CSV (comma, semicolon or tab; plain or gzip) with a column that names the message each visitor was given
by lot, one of them none, and a column with what came of it. All other columns describe the visitor before the message;
what only came after it would give the answer away, so a column is left out, with the reason, where

* it is another outcome of the original file: `visit`, `conversion`, `spend`
* all its rows above 0 have the outcome, or all rows with the outcome are above 0, where chance would hardly do that
* it differs between two messages by more than six standard errors: a lot cannot have done that
* each row has a value of its own, or it has over 100 words: it names visitors

NotAnExperiment says what is wrong with a file.
"""

import gzip
import math
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from training.uplift import Tried

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

TREATMENT, OUTCOME, CONTROL = "segment", "visit", "No E-Mail"
AFTERWARDS: Final = frozenset({"visit", "conversion", "spend"})
MOST_WORDS: Final = 100
_CHANCE: Final = 1e-9
_FEW: Final = 30
_MOST_ERRORS: Final = 6.0
_WORDS: Final[Mapping[str, float]] = {"true": 1.0, "yes": 1.0, "y": 1.0, "false": 0.0, "no": 0.0, "n": 0.0}


class NotAnExperiment(ValueError):
    """The file is not one of an experiment, or not with these columns; says what there is."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """An experiment's rows. matrix: float32 (n, f), NaN where unknown; columns: of it. arm: each row's message, (n,).

    outcome: float64 (n,). control: the message that is none. left_out: reason by column. without_outcome: rows dropped.
    """

    matrix: npt.NDArray[np.float32]
    columns: tuple[str, ...]
    arm: npt.NDArray[np.str_]
    outcome: Floats
    control: str
    left_out: Mapping[str, str]
    without_outcome: int = 0

    @property
    def messages(self) -> tuple[str, ...]:
        """The arms but the control, by name."""
        return tuple(sorted(set(self.arm.tolist()) - {self.control}))

    def tried(self, message: str) -> Tried:
        """The rows of a message and of the control; the chance of the message is its share of them."""
        here = (self.arm == message) | (self.arm == self.control)
        treated, visitor = self.arm[here] == message, np.flatnonzero(here)
        chance = np.full(len(visitor), treated.mean())
        names = tuple(f"column_{number}" for number in range(len(self.columns)))
        return Tried(self.matrix[here], treated, chance, self.outcome[here], visitor, names)


def read_experiment(
    path: Path, treatment: str = TREATMENT, outcome: str = OUTCOME, control: str = "", leave_out: tuple[str, ...] = ()
) -> Experiment:
    """The experiment in a file. control: "" finds it where one message only is named like none. Raises NotAnExperiment.

    leave_out: further columns that are not known before the message.
    """
    table = _table(path)
    for name in (treatment, outcome, *leave_out):
        if name not in table.columns:
            raise NotAnExperiment(f"{path} has no column {name!r}; it has {', '.join(table.columns)}")
    if treatment == outcome:
        raise NotAnExperiment("the treatment and the outcome are one column")
    arm, reward = table[treatment].cast(pl.String).str.strip_chars(), _numbers(table[outcome], outcome)
    known = arm.is_not_null().to_numpy() & np.isfinite(reward)
    table, arm, reward = table.filter(pl.Series(known)), arm.filter(pl.Series(known)), reward[known]
    arms = np.array(arm.to_list(), np.str_)
    named = _control(arms, control)
    columns, left_out = _described(table.drop(treatment, outcome), leave_out, reward, arms)
    if not columns:
        raise NotAnExperiment(f"{path} has no column that describes visitors before the message")
    matrix = np.column_stack(list(columns.values())).astype(np.float32)
    return Experiment(matrix, tuple(columns), arms, reward, named, left_out, int((~known).sum()))


def _described(
    table: pl.DataFrame, leave_out: tuple[str, ...], reward: Floats, arms: npt.NDArray[np.str_]
) -> tuple[dict[str, Floats], dict[str, str]]:
    """What trees may read of the visitors, and why not the rest."""
    left_out = dict.fromkeys(leave_out, "left out by hand")
    left_out |= {name: "an outcome of the original file" for name in table.columns if name in AFTERWARDS - {*leave_out}}
    columns: dict[str, Floats] = {}
    for name in (one for one in table.columns if one not in left_out):
        found = _columns(table[name])
        reason = found if isinstance(found, str) else _knows_the_answer(found, reward, arms)
        if isinstance(found, str) or reason:
            left_out[name] = reason
        else:
            columns |= found
    return columns, left_out


def _table(path: Path) -> pl.DataFrame:
    try:
        raw = path.read_bytes()
        data = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
        first = data.split(b"\n", 1)[0]
        separator = max((",", ";", "\t"), key=lambda sign: first.count(sign.encode()))
        table = pl.read_csv(data, separator=separator, infer_schema_length=None, encoding="utf8-lossy")
    except (OSError, EOFError, zlib.error) as error:
        raise NotAnExperiment(f"{path} cannot be read: {error}") from error
    except pl.exceptions.PolarsError as error:
        raise NotAnExperiment(f"{path} is no CSV with a line of column names: {error}") from error
    if not len(table):
        raise NotAnExperiment(f"{path} has no rows")
    return table


def _numbers(column: pl.Series, name: str) -> Floats:
    """Numbers, and true or yes as 1; NaN where empty. Raises NotAnExperiment for other words."""
    if column.dtype != pl.String:
        return column.cast(pl.Float64).fill_null(math.nan).to_numpy().astype(np.float64)
    words = column.str.strip_chars().str.to_lowercase()
    found = words.replace_strict(_WORDS, default=None, return_dtype=pl.Float64)
    found = found.fill_null(words.cast(pl.Float64, strict=False))
    odd = words.filter(found.is_null() & words.is_not_null() & (words != ""))
    if len(odd):
        raise NotAnExperiment(f"column {name!r} holds {odd[0]!r}: an outcome is a number, or yes or no")
    return found.fill_null(math.nan).to_numpy().astype(np.float64)


def _control(arms: npt.NDArray[np.str_], control: str) -> str:
    """The message that is none. Raises NotAnExperiment where it cannot be told, or there is nothing else."""
    found = sorted(set(arms.tolist()))
    like_none = [name for name in found if name.lower() in ("0", "none", "control", "no", "false", "silence")]
    like_none += [name for name in found if name.lower().startswith(("no ", "no-", "control "))]
    named = control or (like_none[0] if len(like_none) == 1 else "")
    if named not in found:
        shown = ", ".join(found[:12]) + (f" and {len(found) - 12} more" if len(found) > 12 else "")
        raise NotAnExperiment(f"name the control's value with --control; the treatment column has {shown}")
    if len(found) < 2:
        raise NotAnExperiment(f"the treatment column holds {named!r} alone: there is nothing to compare")
    if len(found) > MOST_WORDS:
        raise NotAnExperiment(f"the treatment column has {len(found)} values: it names no messages")
    return named


def _columns(column: pl.Series) -> dict[str, Floats] | str:
    """What trees read of a column: its numbers, or a column for each word. A text says why nothing."""
    if column.dtype != pl.String:
        if column.dtype.is_nested() or column.dtype.is_temporal():
            return "neither numbers nor words"
        if column.dtype.is_integer() and len(column) > MOST_WORDS and column.n_unique() == len(column):
            return "each row has a value of its own"
        return {column.name: _numbers(column, column.name)}
    words = column.fill_null("")
    known = sorted(set(words.to_list()))
    if len(known) > MOST_WORDS:
        return f"{len(known)} different words"
    return {f"{column.name}={word}": (words == word).to_numpy().astype(np.float64) for word in known}


def _knows_the_answer(found: Mapping[str, Floats], outcome: Floats, arms: npt.NDArray[np.str_]) -> str:
    """Why columns can only come from after the message; "" if nothing says so."""
    happened = outcome > 0
    for values in found.values():
        above = values > 0
        if _always(happened, above):
            return f"all {int(above.sum()):,} rows with it have the outcome"
        if _always(above, happened):
            return f"all {int(happened.sum()):,} rows with the outcome have it"
        if any(abs(errors) > _MOST_ERRORS for errors in _between_arms(values, arms)):
            return "it differs between messages, so it came after them"
    return ""


def _always(flag: Flags, where: Flags) -> bool:
    """Whether a flag stands in all rows there, and chance would hardly have done it."""
    return bool(flag[where].all()) and float(flag.mean()) ** int(where.sum()) < _CHANCE


def _between_arms(values: Floats, arms: npt.NDArray[np.str_]) -> Iterator[float]:
    """How many standard errors each arm's mean lies from that of all others."""
    known = np.isfinite(values)
    for arm in sorted(set(arms.tolist())):
        one, rest = values[known & (arms == arm)], values[known & (arms != arm)]
        if min(len(one), len(rest)) >= _FEW:
            error = math.sqrt(one.var() / len(one) + rest.var() / len(rest))
            yield float(one.mean() - rest.mean()) / error if error > 0 else 0.0
