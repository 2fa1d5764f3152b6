"""What means the same in every shop, so that a bundle trained on other shops serves a new one from its first hour.

Left out is what only this shop gives a meaning: amounts of money, how popular a product is in absolute numbers, the
hour and the day (another country, another clientele). Kinds of event and page, channels and devices are Tact's own
vocabulary and stay, as do counts and times of the visitor, ratios of prices, and shares.

A portable bundle has the same vectors as any other: what is left out is unknown to its trees, so they never ask for it.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from features.schema import FEATURES
from training.split import Split
from training.table import Table

Flags = npt.NDArray[np.bool_]

OWN_UNITS: Final = frozenset({"money", "h", "day", "views"})
"""Units of the features that are the shop's own."""

OWN_NAMES: Final = frozenset({"visitor_since_first_s"})
"""Features that are the shop's own for another reason: how far back a visitor is known is how far back its log goes."""

_OWN: Final = np.array([feature.unit in OWN_UNITS or feature.name in OWN_NAMES for feature in FEATURES])


def portable(table: Table) -> Table:
    """The table with the shop's own features unknown."""
    matrix = table.matrix.copy()
    matrix[:, _OWN] = np.nan
    return replace(table, matrix=matrix)


def together(tables: Sequence[Table], splits: Sequence[Split]) -> tuple[Table, Split]:
    """Several shops' rows as one table, sessions told apart; each shop was split on its own.

    Row numbers (labels.row) then mean nothing: the rows are of different logs.
    """
    labels, shift = [], 0
    for table in tables:
        labels.append(replace(table.labels, session=table.labels.session + shift))
        shift = int(labels[-1].session.max(initial=shift)) + 1
    joined = {name: np.concatenate([getattr(one, name) for one in labels]) for name in labels[0].__dataclass_fields__}
    matrix, kind, start_ms, end_ms = (
        np.concatenate([getattr(table, name) for table in tables]) for name in ("matrix", "kind", "start_ms", "end_ms")
    )
    left_out = sum(table.left_out for table in tables)
    fit, hold = (np.concatenate([getattr(one, name) for one in splits]) for name in ("fit", "hold"))
    return Table(matrix, replace(labels[0], **joined), kind, start_ms, end_ms, left_out), Split(fit, hold)
