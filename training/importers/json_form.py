"""NDJSON (an object a line) and JSON (one array of objects), nested objects as dotted columns."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import numpy as np
import polars as pl

from training.importers.blocks import SHOWN_CHARS, Block, Source
from training.importers.chunks import Chunk
from training.importers.errors import Unreadable
from training.importers.ga4 import flat_events, is_export

Record = Mapping[str, Any]
Flatten = Callable[[Record], Sequence[Record]]

_SAMPLE: Final = 500
_ROWS: Final = 100_000


@dataclass(slots=True)
class Json:
    """A file of JSON objects. flatten: one object to the rows it holds (an event's items, a session's events)."""

    source: Source
    array: bool
    names: list[str]
    flatten: Flatten
    has_header: bool = field(default=True, init=False)

    @classmethod
    def of(cls, source: Source) -> "Json":
        """Find the columns in a file's first objects. Raises Unreadable where there is no object."""
        array = source.head(1 << 10).lstrip().startswith(b"[")
        records = _array(source) if array else [_record(line) for line in source.head().split(b"\n")[:_SAMPLE]]
        sample = [record for record in records[:_SAMPLE] if isinstance(record, dict)]
        if not sample:
            raise Unreadable(f"{source.path} begins like JSON but holds no object.", "NDJSON is one object a line.")
        flatten = flattener(sample)
        names = dict.fromkeys(name for record in sample for row in flatten(record) for name in row)
        return cls(source, array, list(names), flatten)

    @property
    def described(self) -> str:
        """The form in words."""
        form = ["JSON, one array" if self.array else "NDJSON"]
        nested = [f"with nested {what}"] if (what := _nested(self.flatten)) else []
        return ", ".join([*form, *nested, *([self.source.compression] if self.source.compression else [])])

    def progress(self) -> tuple[int, int]:
        """(bytes read, bytes in all)."""
        return self.source.position, self.source.size

    def chunks(self) -> Iterator[Chunk]:
        """Every row of every object; rows are numbered by line, or by place in the array."""
        if self.array:
            records = _array(self.source)
            for start in range(0, len(records), _ROWS):
                part = records[start : start + _ROWS]
                yield self._chunk(list(enumerate(part, start + 1)), (), part.__getitem__)
            return
        for block in self.source.blocks():
            lines = [(block.first + i, line) for i, line in enumerate(block.data.split(b"\n")) if line.strip()]
            records = _records([line for _, line in lines])
            numbered = [(number, record) for (number, _), record in zip(lines, records, strict=True)]
            yield self._chunk(numbered, block.too_long, Texts([line for _, line in lines]))

    def _chunk(
        self, numbered: Iterable[tuple[int, Any]], too_long: Sequence[tuple[int, str]], raw: Callable[[int], Any]
    ) -> Chunk:
        rows: list[Record] = []
        numbers: list[int] = []
        origin: list[int] = []
        malformed = list(too_long)
        for i, (number, record) in enumerate(numbered):
            if not isinstance(record, dict):
                malformed.append((number, str(raw(i))[:SHOWN_CHARS]))
                continue
            found = self.flatten(record)
            rows += found
            numbers += [number] * len(found)
            origin += [i] * len(found)
        return Chunk(frame(rows, self.names), np.array(numbers, np.int64), malformed, lambda i: raw(origin[i]))


@dataclass(frozen=True, slots=True)
class Texts:
    """The lines of a block, as text on demand."""

    lines: Sequence[bytes]

    def __call__(self, i: int) -> str:
        """The i-th line."""
        return self.lines[i].decode(errors="replace")


def frame(rows: Sequence[Record], names: Sequence[str]) -> pl.DataFrame:
    """Rows as text columns."""
    return pl.DataFrame({name: pl.Series(name, [text(row.get(name)) for row in rows], pl.String) for name in names})


def text(value: Any) -> str | None:
    """A JSON value as text; None stays."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool | list | dict):
        return msgspec.json.encode(value).decode()
    return str(value)


def flattener(sample: Sequence[Record]) -> Flatten:
    """How objects like these become rows."""
    if any(is_export(record) for record in sample):
        return flat_events
    nested = next((n for n in ("events", "items", "products") for record in sample if _objects(record.get(n))), "")
    if nested:
        return Exploded(nested)
    return one_row if any(isinstance(value, dict) for record in sample for value in record.values()) else unchanged


@dataclass(frozen=True, slots=True)
class Exploded:
    """An object with a list of objects becomes one row for each of them, with the outer fields in each."""

    name: str

    def __call__(self, record: Record) -> Sequence[Record]:
        """The rows of one object: itself alone where its list is empty."""
        outer = dotted({key: value for key, value in record.items() if key != self.name})
        given = record.get(self.name)
        inner = [part for part in given if isinstance(part, dict)] if isinstance(given, list) else []
        return [{**outer, **dotted(part)} for part in inner] or [outer]


def one_row(record: Record) -> Sequence[Record]:
    """The object as one row, inner objects as dotted names."""
    return (dotted(record),)


def unchanged(record: Record) -> Sequence[Record]:
    """The object as it is."""
    return (record,)


def dotted(record: Record, before: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} as {"a.b": 1}."""
    flat: dict[str, Any] = {}
    for key, value in record.items():
        flat.update(dotted(value, f"{before}{key}.") if isinstance(value, dict) else {f"{before}{key}": value})
    return flat


def _nested(flatten: Flatten) -> str:
    return "GA4 events" if flatten is flat_events else flatten.name if isinstance(flatten, Exploded) else ""


def _objects(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _record(line: bytes) -> Any:
    """The object of one line, None if it is none."""
    try:
        return msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _records(lines: Sequence[bytes]) -> list[Any]:
    """The objects of the lines, None for a malformed one; all at once where all are well."""
    try:
        found = msgspec.json.decode(b"[" + b",".join(lines) + b"]", type=list[dict[str, Any]])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = []
    return found if len(found) == len(lines) else [_record(line) for line in lines]


def _array(source: Source) -> list[Any]:
    """The elements of a file that is one JSON array; it is held in memory whole."""
    data = b"".join(_whole(source.blocks(), source))
    try:
        return msgspec.json.decode(data, type=list[Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable(f"{source.path} begins like a JSON array but is none: {error}.") from error


def _whole(blocks: Iterable[Block], source: Source) -> Iterator[bytes]:
    for block in blocks:
        if block.too_long:
            raise Unreadable(f"{source.path} is one JSON array on one line of over 1 MiB.", "Write one object a line.")
        yield block.data
