"""Logs in the form of the Open Bandit data (Saito et al. 2020): one row a shown item, with position and propensity.

A log tells the propensity of what it showed, not of what it might have shown, so the distribution of a target policy is
read off the target's own log. In a position, an item's share is count / sum of 1 / propensity over the rows that showed
it, the shares then brought to sum to 1: the mean of the policy over its visitors and days by inverse propensity,
self-normalised. A policy that does not look at the visitor is told exactly by one row an item; the plain frequency
would add the noise of drawing.

* NotBandit   the file is no such log: names the columns looked for and those found
"""

import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

import numpy as np
import numpy.typing as npt
import polars as pl

from training.off_policy import Estimate, Logged, mean_of, weighed
from training.overlap import Assessment, assess
from training.reward_model import cross_fitted

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

ITEM: Final = ("item_id", "action", "item", "action_id", "arm", "arm_id", "product_id")
PROPENSITY: Final = ("propensity_score", "pscore", "propensity", "action_prob", "probability", "prob")
REWARD: Final = ("click", "reward", "clicked", "clicks", "is_click")
POSITION: Final = ("position", "slot", "pos", "position_id", "placement")
VISITOR: Final = ("visitor_id", "visitor", "user_id", "customer_id", "session_id")
"""Other names that the columns go by, the likeliest first. Without a position there is one; without a visitor, each
row is a visitor of its own."""

MOST_LEVELS: Final = 50
"""A column of more values than this is no segment; it is left out of the reward model."""


class NotBandit(ValueError):
    """A file that is no log of decisions with propensities."""


@dataclass(frozen=True, slots=True, eq=False)
class BanditLog:
    """A log's rows, all (n,). item, position, visitor: as text. context: (n, F) segments as 0 and 1.

    left_out: rows that could not be used.
    """

    item: npt.NDArray[np.str_]
    position: npt.NDArray[np.str_]
    reward: Floats
    propensity: Floats
    visitor: Ints
    context: Floats
    left_out: int

    def __len__(self) -> int:
        return len(self.reward)

    @property
    def value(self) -> Estimate:
        """Mean reward on the log's own policy. Wilson's interval (1927) where each row is 0 or 1 and a visitor."""
        plain = len(np.unique(self.visitor)) == len(self) and bool(np.isin(self.reward, (0.0, 1.0)).all())
        return _wilson(float(self.reward.mean()), len(self)) if plain else mean_of(self.reward, self.visitor)


def _wilson(rate: float, n: int) -> Estimate:
    z = 1.959963984540054
    centre, half = rate + z * z / (2 * n), z * float(np.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n)))
    below = 1 + z * z / n
    return Estimate(rate, (centre - half) / below, (centre + half) / below, float(np.sqrt(rate * (1 - rate) / n)))


def read_log(path: Path) -> BanditLog:
    """A log from a CSV file, plain or gzip, any order of columns. Raises NotBandit."""
    rows = read_csv(path)
    item, propensity, reward = (_needed(rows, path, names) for names in (ITEM, PROPENSITY, REWARD))
    numbers = rows.select(_number(rows, propensity).alias("p"), _number(rows, reward).alias("r"))
    good = (numbers["p"].is_finite() & (numbers["p"] > 0) & (numbers["p"] <= 1) & numbers["r"].is_finite()).fill_null(
        False
    ) & rows[item].is_not_null()
    kept, numbers = rows.filter(good), numbers.filter(good)
    if len(kept) * 2 < len(rows) or not len(kept):
        raise NotBandit(
            f"{path}: {len(rows) - len(kept):,} of {len(rows):,} rows have no item, no reward or no propensity from 0 "
            f"to 1 (columns {item}, {reward}, {propensity})"
        )
    position, visitor = _found(rows, POSITION), _found(rows, VISITOR)
    named = {item, propensity, reward, position, visitor}
    return BanditLog(
        item=kept[item].to_numpy().astype(str),
        position=_texts(kept, position),
        reward=numbers["r"].to_numpy().astype(np.float64),
        propensity=numbers["p"].to_numpy().astype(np.float64),
        visitor=np.arange(len(kept)) if visitor is None else _codes(kept[visitor].fill_null("").to_numpy()),
        context=_segments(kept, [name for name in kept.columns if name not in named]),
        left_out=len(rows) - len(kept),
    )


def read_items(path: Path) -> tuple[str, ...]:
    """The items a policy may show, from a CSV with a row an item. Raises NotBandit."""
    rows = read_csv(path)
    return tuple(rows[_needed(rows, path, ITEM)].drop_nulls().unique(maintain_order=True).to_list())


def items_beside(log: Path) -> Path | None:
    """The file of items that lies beside a log: `men_items.csv.gz` beside `men.csv.gz`; None if there is none."""
    name, dot, rest = log.name.partition(".")
    beside = log.with_name(f"{name}_items{dot}{rest}")
    return beside if beside.is_file() else None


def read_csv(path: Path) -> pl.DataFrame:
    """All columns as text. Raises NotBandit where it is no table."""
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rb") if packed else path.open("rb") as text:
            head = text.readline(1 << 20).decode("utf-8-sig")
        separator = max(",;\t|", key=head.count)
        rows = pl.read_csv(path, separator=separator, infer_schema=False, truncate_ragged_lines=True)
    except (OSError, EOFError, UnicodeDecodeError, pl.exceptions.PolarsError) as error:
        raise NotBandit(f"{path} cannot be read as a table: {str(error).splitlines()[0]}") from error
    if not len(rows):
        raise NotBandit(f"{path} has no rows")
    return rows


def _found(rows: pl.DataFrame, names: Sequence[str]) -> str | None:
    by_name = {name.strip().lower(): name for name in reversed(rows.columns)}
    return next((by_name[name] for name in names if name in by_name), None)


def _needed(rows: pl.DataFrame, path: Path, names: Sequence[str]) -> str:
    return _found(rows, names) or _lacks(rows, path, names)


def _lacks(rows: pl.DataFrame, path: Path, names: Sequence[str]) -> NoReturn:
    shown = ", ".join(rows.columns[:12]) + (" …" if len(rows.columns) > 12 else "")
    raise NotBandit(f"{path} has no column {names[0]} (also read: {', '.join(names[1:])}); its columns are {shown}")


def _number(rows: pl.DataFrame, name: str) -> pl.Expr:
    """A column as numbers; true and false as 1 and 0, null where it is none."""
    text = pl.col(name).str.strip_chars().str.to_lowercase()
    return text.replace({"true": "1", "false": "0"}).cast(pl.Float64, strict=False)


def _texts(rows: pl.DataFrame, name: str | None) -> npt.NDArray[np.str_]:
    return (
        np.zeros(len(rows), np.int64).astype(str) if name is None else rows[name].fill_null("").to_numpy().astype(str)
    )


def _codes(values: npt.NDArray[np.object_]) -> Ints:
    return np.asarray(np.unique(values.astype(str), return_inverse=True)[1], np.int64)


def _segments(rows: pl.DataFrame, names: Sequence[str]) -> Floats:
    """A column of 0 and 1 for each value of the columns that have few and are no numbers, (n, F)."""
    found = [np.zeros((len(rows), 0))]
    for name in names:
        values = rows[name].fill_null("")
        levels = values.unique().sort()
        numbers = levels.cast(pl.Float64, strict=False).is_not_null().all()
        if 1 < len(levels) <= MOST_LEVELS and not numbers:
            found += [(values == level).to_numpy().astype(np.float64)[:, None] for level in levels[1:]]
    return np.concatenate(found, axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """A policy as read off its log. share: (positions, items), summing to 1 in each position that its log has."""

    positions: tuple[str, ...]
    items: tuple[str, ...]
    share: Floats

    @classmethod
    def of(cls, log: BanditLog, items: Sequence[str] = (), places: Sequence[str] = ()) -> "Target":
        """The policy behind a log. items, places: further items and positions there are."""
        everything = tuple(dict.fromkeys([*items, *np.unique(log.item).tolist()]))
        positions = tuple(dict.fromkeys([*places, *np.unique(log.position).tolist()]))
        at = _places(log.position, positions), _places(log.item, everything)
        shape = (len(positions), len(everything))
        seen, inverse = np.zeros(shape), np.zeros(shape)
        np.add.at(seen, at, 1.0)
        np.add.at(inverse, at, 1.0 / log.propensity)
        share = np.divide(seen, inverse, out=np.zeros(shape), where=inverse > 0)
        whole = share.sum(axis=1, keepdims=True)
        return cls(positions, everything, np.divide(share, whole, out=share, where=whole > 0))


def _places(values: npt.NDArray[np.str_], known: Sequence[str]) -> Ints:
    place = {name: at for at, name in enumerate(known)}
    return np.array([place[value] for value in values.tolist()], np.int64)


def logged(log: BanditLog, policy: BanditLog, items: Sequence[str] = (), seed: int = 1) -> Logged:
    """The log's rows with what the policy behind another log would do.

    A share of the policy on an item that the log never shows at that position is unsupported, and so is all of it in a
    position that the policy's own log does not have.
    """
    everything, places = _all(_all(items, log.item), policy.item), _all(_all((), log.position), policy.position)
    own, target = Target.of(log, everything, places), Target.of(policy, everything, places)
    position, item = _places(log.position, target.positions), _places(log.item, target.items)
    choices = target.share.astype(np.float32)[position]
    context = np.concatenate([np.eye(len(target.positions))[position][:, 1:], log.context], axis=1)
    q_logged, q_target = cross_fitted(context, item, log.reward, choices, log.visitor, seed)
    above = weighed(target.share, own.share)
    above[target.share.sum(axis=1) == 0] = 1.0
    done = target.share[position, item]
    alone = np.ones(len(log))
    return Logged(log.reward, log.propensity, done, log.visitor, q_logged, q_target, alone, above[position])


def _all(known: Sequence[str], seen: npt.NDArray[np.str_]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*known, *np.unique(seen).tolist()]))


@dataclass(frozen=True, slots=True)
class Other:
    """What a log says of another log's policy, beside what that one measured itself."""

    assessment: Assessment
    on_policy: Estimate

    @property
    def covers(self) -> dict[str, bool]:
        """For each estimate, whether its interval holds the value measured on policy; {} where refused."""
        return {name: one.covers(self.on_policy.value) for name, one in self.assessment.estimates.items()}


def other_policy(log: BanditLog, policy: BanditLog, items: Sequence[str] = (), seed: int = 1) -> Other:
    """The value of the policy behind another log, from this one's rows."""
    return Other(assess(logged(log, policy, items, seed)), policy.value)
