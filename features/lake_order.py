"""Which rows of the lake are read, and in which order: each once, by time. Pure, over Arrow columns."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Positions = npt.NDArray[np.int64]


def first_received(table: pa.Table, identity: Sequence[str], received: str) -> Positions:
    """Positions of one row of each identity, in the order (ts_ms, identity).

    table: has shop, ts_ms and the columns named by `identity` (the first a string column) and `received`.
    Of rows alike in shop and identity the one with the smallest `received` stays, then the first in the table.
    """
    kept = _first_of_each(_identity(table, identity), table.column(received).to_numpy())
    ts_ms = table.column("ts_ms").to_numpy()[kept]
    order = np.argsort(ts_ms, kind="stable")
    kept, ts_ms = kept[order], ts_ms[order]
    same = ts_ms[1:] == ts_ms[:-1]
    tied = np.flatnonzero(np.append(same, False) | np.insert(same, 0, False))
    rows = table.select(list(identity)).take(kept[tied]).append_column("ts_ms", pa.array(ts_ms[tied]))
    by_identity = pc.sort_indices(rows, sort_keys=[(name, "ascending") for name in ("ts_ms", *identity)])
    kept[tied] = kept[tied][by_identity.to_numpy()]  # the tied rows fill their own places, in order
    return kept


def _identity(table: pa.Table, identity: Sequence[str]) -> Positions:
    """One number for each different (shop, identity), exact: no hash."""
    key = _codes(table.column("shop")).astype(np.int64)
    for name in identity:
        column = table.column(name)
        codes = _codes(column) if pa.types.is_string(column.type) else column.to_numpy()
        key = key * (int(codes.max(initial=0)) + 1) + codes
    return key


def _codes(column: pa.ChunkedArray) -> npt.NDArray[np.int32]:
    encoded = column if pa.types.is_dictionary(column.type) else pc.dictionary_encode(column.cast(pa.large_string()))
    codes: npt.NDArray[np.int32] = encoded.combine_chunks().indices.to_numpy() if len(column) else np.zeros(0, np.int32)
    return codes


def _first_of_each(identity: Positions, received_ms: npt.NDArray[np.int64]) -> Positions:
    """Positions of one row of each identity, ascending: the smallest received_ms, of those the first."""
    order = np.argsort(identity, kind="stable")
    same = identity[order[1:]] == identity[order[:-1]]
    copied = np.append(same, False) | np.insert(same, 0, False) if len(order) else np.zeros(0, bool)
    copies = order[copied]
    copies = copies[np.lexsort((received_ms[copies], identity[copies]))]
    later = np.insert(identity[copies[1:]] == identity[copies[:-1]], 0, False) if len(copies) else np.zeros(0, bool)
    keep = np.ones(len(identity), bool)
    keep[copies[later]] = False
    return np.flatnonzero(keep)
