"""The lake: every event and decision as Parquet, one folder a shop and day. With lake_catalog.py the I/O of features/.

    LAKE/events/shop=S/day=YYYY-MM-DD/part-NAME.parquet       one row a line of an event: features.events.Row
    LAKE/decisions/shop=S/day=YYYY-MM-DD/part-NAME.parquet    one row a decision: DecisionRow

The day is the UTC day of ts_ms; the shop stands percent-encoded in the path and is no column of the file.
A file appears whole or not at all, and is on disk when its writer returns. The same event may be written more
than once (a recorder that died between write and acknowledge): readers keep one row for each (shop, event_id, line),
the one received first. Errors are those of pyarrow and the file system; a NAME that is no file name is a ValueError.
"""

import contextlib
import operator
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from functools import reduce
from itertools import pairwise
from operator import attrgetter
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from features.events import Row
from features.lake_order import first_received

DAY_MS: Final = 86_400_000
_ABANDONED_S: Final = 3600
_AT_ONCE: Final = 8


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """One decision in the lake. actions: "placement=action" for each placement that got one; receipt: its bytes."""

    shop: str
    decision_id: str
    visitor_id: str
    ts_ms: int
    degraded: bool
    bundle: str
    policy: str
    stage: str
    silent: bool
    actions: tuple[str, ...]
    receipt: bytes


ROW_FIELDS: Final[tuple[str, ...]] = tuple(field.name for field in fields(Row))
DECISION_FIELDS: Final[tuple[str, ...]] = tuple(field.name for field in fields(DecisionRow))
_ARROW: Final[dict[type, pa.DataType]] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    bytes: pa.binary(),
}


def _schema(of: type, **other: pa.DataType) -> pa.Schema:
    return pa.schema([(field.name, other.get(field.name) or _ARROW[field.type]) for field in fields(of)])  # type: ignore[index]


EVENTS: Final = _schema(Row, line=pa.int32(), quantity=pa.int32())
"""Columns of an events table: the fields of Row in order. price and value are null where unknown."""
DECISIONS: Final = _schema(DecisionRow, actions=pa.list_(pa.string()))
"""Columns of a decisions table: the fields of DecisionRow in order."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """One of the lake's two tables: its folder, columns, identity, and the columns worth a dictionary when read."""

    folder: str
    schema: pa.Schema
    identity: tuple[str, ...]
    received: str

    @property
    def dictionaries(self) -> list[str]:
        """All text but the id, which has as many values as rows: there a dictionary only costs."""
        return [f.name for f in self.schema if pa.types.is_string(f.type) and f.name not in (self.identity[0], "shop")]


_EVENTS = _Kind("events", EVENTS, ("event_id", "line"), "received_ms")
_DECISIONS = _Kind("decisions", DECISIONS, ("decision_id",), "ts_ms")


def events_table(rows: Iterable[Row]) -> pa.Table:
    """Rows as a table of schema EVENTS; NaN becomes null."""
    return table_of(EVENTS, map(attrgetter(*ROW_FIELDS), rows))


def decisions_table(rows: Iterable[DecisionRow]) -> pa.Table:
    """Decisions as a table of schema DECISIONS."""
    return table_of(DECISIONS, map(attrgetter(*DECISION_FIELDS), rows))


def table_of(schema: pa.Schema, values: Iterable[Sequence[Any]]) -> pa.Table:
    """A table of `schema` from value lists in the order of its columns (None or NaN: unknown number)."""
    columns = list(zip(*values, strict=True)) or [()] * len(schema)
    return pa.table(
        [pa.array(column, type=field.type, from_pandas=True) for column, field in zip(columns, schema, strict=True)],
        schema=schema,
    )


def write_events(root: str | Path, rows: Iterable[Row] | pa.Table, name: str) -> list[Path]:
    """Writes rows (or a table of schema EVENTS, its columns in any order) as `part-NAME.parquet`, by shop and day.

    On return the files are durable. An earlier file of the same name, shop and day is replaced, so a writer
    that repeats its work under the same name leaves one copy. Returns the files, sorted.
    """
    table = rows if isinstance(rows, pa.Table) else events_table(rows)
    return _write(Path(root), _EVENTS, table, name)


def write_decisions(root: str | Path, rows: Iterable[DecisionRow] | pa.Table, name: str) -> list[Path]:
    """Writes decisions as `part-NAME.parquet`, by shop and day; otherwise like write_events."""
    table = rows if isinstance(rows, pa.Table) else decisions_table(rows)
    return _write(Path(root), _DECISIONS, table.sort_by("decision_id"), name)


def read_events(
    root: str | Path,
    shop: str | None = None,
    since_ms: int | None = None,
    until_ms: int | None = None,
    columns: Sequence[str] | None = None,
    visitor_id: str | None = None,
) -> pa.Table:
    """Events with since_ms <= ts_ms < until_ms, once each, sorted by (ts_ms, event_id, line).

    shop: None for every shop. columns: names of EVENTS, default all, in the order given. visitor_id: only this one's.
    Text columns are dictionary<int32, string> with one dictionary a column, but for event_id, which is string.
    Of copies of (shop, event_id, line) the one with the smallest (received_ms, file path) stays; copies whose
    ts_ms differ are compared only where both lie within the window. No lake or no match: no rows.
    """
    return _read(Path(root), _EVENTS, shop, (since_ms, until_ms, visitor_id), columns)


def read_decisions(
    root: str | Path,
    shop: str | None = None,
    since_ms: int | None = None,
    until_ms: int | None = None,
    columns: Sequence[str] | None = None,
    visitor_id: str | None = None,
) -> pa.Table:
    """Decisions with since_ms <= ts_ms < until_ms, once each, sorted by (ts_ms, decision_id). See read_events."""
    return _read(Path(root), _DECISIONS, shop, (since_ms, until_ms, visitor_id), columns)


def find_receipt(root: str | Path, shop: str, decision_id: str, day: str | None = None) -> bytes | None:
    """The receipt of a decision, None if the lake has none. day: "YYYY-MM-DD", the day to look at first."""
    folders = sorted(_folders(Path(root), _DECISIONS, shop), key=lambda folder: folder.name, reverse=True)
    folders.sort(key=lambda folder: folder.name != f"day={day}")
    for folder in folders:
        found = _scan(Path(root), _DECISIONS, _parts(folder), ["receipt"], pc.field("decision_id") == decision_id)
        if len(found):
            receipt: bytes = found.column("receipt")[0].as_py()
            return receipt
    return None


def erase(root: str | Path, shop: str, visitor_id: str) -> int:
    """Removes every event and decision of a visitor from the lake's files. Returns how many rows went.

    Files are rewritten and replaced, one at a time; unfinished files older than an hour are removed too.
    """
    erased = 0
    for kind in (_EVENTS, _DECISIONS):
        for folder in _folders(Path(root), kind, shop):
            _remove_abandoned(folder)
            erased += sum(_erase_in(path, visitor_id, kind) for path in _parts(folder))
    return erased


def shops(root: str | Path) -> list[str]:
    """The shops that have events or decisions in the lake, sorted."""
    folders = (one for kind in (_EVENTS, _DECISIONS) for one in (Path(root) / kind.folder).glob("shop=*"))
    return sorted({unquote(folder.name.removeprefix("shop=")) for folder in folders})


def rows_by_day(root: str | Path, shop: str, decisions: bool = False) -> list[tuple[int, int]]:
    """(start of the day in Unix ms, rows in its files, copies included) of each day of a shop's events, by time.

    decisions: of its decisions instead.
    """
    found = []
    for folder in _folders(Path(root), _DECISIONS if decisions else _EVENTS, shop):
        start_ms = int(np.datetime64(folder.name.removeprefix("day="), "D").astype(np.int64)) * DAY_MS
        found.append((start_ms, sum(pq.read_metadata(path).num_rows for path in _parts(folder))))
    return found


def remove_parts(root: str | Path, shop: str, prefix: str, keep: Iterable[Path] = ()) -> int:
    """Removes a shop's event files named `part-PREFIX*` but those in `keep`. Returns how many went."""
    stay = set(keep)
    stale = [
        path
        for folder in _folders(Path(root), _EVENTS, shop)
        for path in _parts(folder)
        if path.name.startswith(f"part-{prefix}") and path not in stay
    ]
    for path in stale:
        path.unlink(missing_ok=True)
    _each(_sync, list({path.parent for path in stale}))
    return len(stale)


def day_of(ts_ms: int) -> str:
    """The UTC day of a Unix time in milliseconds, "YYYY-MM-DD"."""
    return str(np.datetime64(ts_ms // DAY_MS, "D"))


def _write(root: Path, kind: _Kind, table: pa.Table, name: str) -> list[Path]:
    if not name or any(mark in name for mark in "/\\\0"):
        raise ValueError(f"{name!r} cannot be part of a file name")
    base, file = root / kind.folder, f"part-{name}.parquet"
    parts = {
        base / f"shop={quote(shop, safe='')}" / f"day={day_of(day * DAY_MS)}" / file: part
        for shop, day, part in _split(table.select(kind.schema.names))
    }
    _make_folders({path.parent for path in parts})
    _replace(parts, kind)
    return sorted(parts)


def _split(table: pa.Table) -> Iterator[tuple[str, int, pa.Table]]:
    """(shop, day number, its rows without the shop), in the rows' order."""
    encoded = pc.dictionary_encode(table.column("shop").cast(pa.string())).combine_chunks()
    names = encoded.dictionary.to_pylist()
    day = table.column("ts_ms").to_numpy() // DAY_MS
    key = day * max(1, len(names)) + encoded.indices.to_numpy()
    rest = table.drop_columns("shop").combine_chunks()
    if np.any(key[1:] < key[:-1]):  # one copy in the order of days and shops, of which each part is a slice
        order = np.argsort(key, kind="stable")
        rest, key = _taken(rest, pa.array(order)), key[order]
    starts = [0, *(np.flatnonzero(key[1:] != key[:-1]) + 1).tolist()] if len(key) else []
    for start, stop in pairwise([*starts, len(key)]):
        yield names[key[start] % len(names)], int(key[start]) // len(names), rest.slice(start, stop - start)


def _taken(table: pa.Table, order: pa.Array) -> pa.Table:
    """All rows of a table in another order. Columns without any value, most of a poor log's, are left as they are."""
    columns = [column if _is_empty(column) else column.take(order) for column in table.columns]
    return pa.table(columns, schema=table.schema)


def _is_empty(column: pa.ChunkedArray) -> bool:
    """Whether a column says nothing: all null, or all empty text."""
    is_text = pa.types.is_string(column.type)
    return column.null_count == len(column) or (is_text and not pc.max(pc.binary_length(column)).as_py())


def _replace(parts: Mapping[Path, pa.Table], kind: _Kind) -> None:
    """Puts tables in the place of files: all written aside, on disk, then renamed over them."""
    aside = {path.with_name(f".{path.name}.{os.getpid()}.tmp"): table for path, table in parts.items()}
    try:
        _each(lambda written: _write_one(written, aside[written], kind), list(aside))
        for written, path in zip(aside, parts, strict=True):
            written.replace(path)
    except BaseException:
        for written in aside:
            written.unlink(missing_ok=True)
        raise
    _each(_sync, list({path.parent for path in parts}))


def _write_one(path: Path, table: pa.Table, kind: _Kind) -> None:
    with path.open("wb") as file:
        pq.write_table(table, file, compression="zstd", use_dictionary=kind.dictionaries, store_schema=False)
        file.flush()
        os.fsync(file.fileno())


def _make_folders(folders: Iterable[Path]) -> None:
    """Makes folders durable: a new one is an entry in its parent, which has to reach the disk as well."""
    parents = set()
    for folder in folders:
        parents |= {one.parent for one in (folder, *folder.parents) if not one.is_dir()}
        folder.mkdir(parents=True, exist_ok=True)
    _each(_sync, list(parents))


def _each(do: Callable[[Path], None], paths: Sequence[Path]) -> None:
    """Does the same with some files or folders, several at a time: a disk's journal then takes many in one go."""
    if len(paths) < 2:
        for path in paths:
            do(path)
        return
    with ThreadPoolExecutor(min(_AT_ONCE, len(paths))) as pool:
        list(pool.map(do, paths))


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _folders(root: Path, kind: _Kind, shop: str | None, keep: Callable[[str], bool] = bool) -> list[Path]:
    """The day folders of one shop or all, sorted, whose day passes `keep`."""
    base = root / kind.folder
    chosen = sorted(base.glob("shop=*")) if shop is None else [base / f"shop={quote(shop, safe='')}"]
    days = [day for folder in chosen for day in sorted(folder.glob("day=*"))]
    return [day for day in days if keep(day.name.removeprefix("day="))]


def _parts(folder: Path) -> list[Path]:
    return sorted(folder.glob("part-*.parquet"))


_Which = tuple[int | None, int | None, str | None]
"""Which rows are read: since_ms, until_ms, visitor_id; None does not choose."""


def _read(
    root: Path,
    kind: _Kind,
    shop: str | None,
    which: _Which,
    columns: Sequence[str] | None,
) -> pa.Table:
    since_ms, until_ms, _ = which
    wanted = list(columns if columns is not None else kind.schema.names)
    first = "" if since_ms is None else day_of(since_ms)
    last = "9999-99-99" if until_ms is None else day_of(until_ms - 1)
    files = [f for folder in _folders(root, kind, shop, lambda day: first <= day <= last) for f in _parts(folder)]
    needed = list(dict.fromkeys([*wanted, "shop", "ts_ms", kind.received, *kind.identity]))
    table = _scan(root, kind, files, needed, _condition(which))
    return table.take(first_received(table, kind.identity, kind.received)).select(wanted).combine_chunks()


def _condition(which: _Which) -> pc.Expression | None:
    since_ms, until_ms, visitor_id = which
    parts = [pc.field("ts_ms") >= since_ms] if since_ms is not None else []
    parts += [pc.field("ts_ms") < until_ms] if until_ms is not None else []
    parts += [pc.field("visitor_id") == visitor_id] if visitor_id is not None else []
    return reduce(operator.and_, parts) if parts else None


def _scan(root: Path, kind: _Kind, files: Sequence[Path], columns: list[str], where: pc.Expression | None) -> pa.Table:
    """The rows of the files in the files' order, with the shop read from the path."""
    schema = pa.schema([_as_read(field, kind) for field in kind.schema])
    if not files:
        return _with_shop_encoded(schema.empty_table().select(columns))
    form = ds.ParquetFileFormat(dictionary_columns=kind.dictionaries)
    shop = ds.partitioning(pa.schema([("shop", pa.string())]), flavor="hive")  # decodes the percent signs
    dataset = ds.dataset(
        [str(path) for path in files],
        schema=schema,
        format=form,
        partitioning=shop,
        partition_base_dir=str(root / kind.folder),
    )
    return _with_shop_encoded(dataset.to_table(columns=columns, filter=where)).unify_dictionaries()


def _with_shop_encoded(table: pa.Table) -> pa.Table:
    at = table.schema.get_field_index("shop")
    return table if at < 0 else table.set_column(at, "shop", pc.dictionary_encode(table.column(at)))


def _as_read(field: pa.Field, kind: _Kind) -> pa.Field:
    return pa.field(field.name, pa.dictionary(pa.int32(), pa.string())) if field.name in kind.dictionaries else field


def _erase_in(path: Path, visitor_id: str, kind: _Kind) -> int:
    """Rewrites one file without a visitor's rows; an emptied file stays, for readers that already listed it."""
    visitors = pq.read_table(path, columns=["visitor_id"], partitioning=None).column("visitor_id")
    keep = pc.not_equal(visitors, visitor_id)
    gone = len(visitors) - (pc.sum(keep).as_py() or 0)
    if gone:
        _replace({path: pq.read_table(path, partitioning=None).filter(keep)}, kind)
    return gone


def _remove_abandoned(folder: Path) -> None:
    for path in folder.glob(".part-*.tmp"):
        with contextlib.suppress(FileNotFoundError):  # its writer finished meanwhile
            if time.time() - path.stat().st_mtime > _ABANDONED_S:
                path.unlink()
