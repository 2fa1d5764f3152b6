"""Parquet: columns of any type as text; nested GA4 events through the same path as NDJSON."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from training.importers.blocks import Source
from training.importers.chunks import Chunk
from training.importers.errors import Unreadable
from training.importers.json_form import Flatten, Record, flattener, frame, unchanged

_ROWS: Final = 200_000


@dataclass(slots=True)
class Parquet:
    """A Parquet file. flatten: as of NDJSON where columns hold lists of objects, else None."""

    source: Source
    names: list[str]
    flatten: Flatten | None
    _done: int = 0
    _rows: int = 0
    has_header: bool = field(default=True, init=False)

    @classmethod
    def of(cls, source: Source) -> "Parquet":
        """Read the schema. Raises Unreadable where the file is damaged."""
        try:
            with pq.ParquetFile(source.path) as file:
                nested = any(_is_list(column.type) for column in file.schema_arrow)
                first = next(file.iter_batches(100 if nested else 1), None)
                schema, rows = file.schema_arrow, file.metadata.num_rows
        except pa.ArrowException as error:
            raise Unreadable(f"{source.path} is a damaged Parquet file: {error}.", "Fetch it again.") from error
        sample: list[Record] = first.to_pylist() if nested and first is not None else []
        if not sample:
            return cls(source, _flat(schema.empty_table()).schema.names, None, _rows=rows)
        flatten = flattener(sample)
        names = list(dict.fromkeys(name for record in sample for row in flatten(record) for name in row))
        return cls(source, names, None if flatten is unchanged else flatten, _rows=rows)

    @property
    def described(self) -> str:
        """The form in words."""
        return f"Parquet, {self._rows:,} rows" + (", nested" if self.flatten else "")

    def progress(self) -> tuple[int, int]:
        """(rows read, rows in all): bytes say little of a file of columns."""
        return self._done, self._rows

    def chunks(self) -> Iterator[Chunk]:
        """Every row, numbered from 1."""
        try:
            with pq.ParquetFile(self.source.path) as file:
                for batch in file.iter_batches(_ROWS if self.flatten is None else _ROWS // 10):
                    table = pa.Table.from_batches([batch])
                    yield self._plain(table) if self.flatten is None else self._nested(table, self.flatten)
                    self._done += table.num_rows
        except pa.ArrowException as error:
            raise Unreadable(f"{self.source.path} is a damaged Parquet file: {error}.", "Fetch it again.") from error

    def _plain(self, table: pa.Table) -> Chunk:
        flat = _flat(table)
        columns = {name: _text(column) for name, column in zip(flat.schema.names, flat.columns, strict=True)}
        numbers = self._done + 1 + np.arange(table.num_rows)
        return Chunk(pl.DataFrame(columns), numbers, (), lambda i: _shown(table.slice(i, 1).to_pylist()[0]))

    def _nested(self, table: pa.Table, flatten: Flatten) -> Chunk:
        records = table.to_pylist()
        rows = [flatten(record) for record in records]
        origin = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
        columns = frame([row for found in rows for row in found], self.names)
        return Chunk(columns, self._done + 1 + origin, (), lambda i: _shown(records[origin[i]]))


def _flat(table: pa.Table) -> pa.Table:
    while any(pa.types.is_struct(column.type) for column in table.schema):
        table = table.flatten()
    return table


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


def _text(column: pa.ChunkedArray) -> pl.Series:
    """A column as text: whole floats as integers (an id beside missing values), times as ISO 8601 with their zone."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        utc = kind.tz is not None
        column = pc.strftime(column.cast(pa.timestamp("ns", "UTC" if utc else None)), "%Y-%m-%d %H:%M:%S" + "Z" * utc)
    elif pa.types.is_floating(kind):
        whole = pc.all(pc.or_kleene(pc.equal(column, pc.floor(column)), pc.is_null(column, nan_is_null=True))).as_py()
        column = pc.if_else(pc.is_nan(column), None, column)
        column = column.cast(pa.int64(), safe=False) if whole else column
    elif pa.types.is_nested(kind):
        column = pa.chunked_array([pa.array([_json(value) for value in column.to_pylist()], pa.string())])
    elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        values = [None if value is None else value.decode(errors="replace") for value in column.to_pylist()]
        column = pa.chunked_array([pa.array(values, pa.string())])
    return pl.Series(pl.from_arrow(column.cast(pa.large_string())))


def _json(value: Any) -> str | None:
    return None if value is None else json.dumps(value, default=str)


def _shown(record: Record) -> Any:
    return json.loads(json.dumps(record, default=str))
