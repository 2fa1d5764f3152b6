"""CSV of any separator. A line is a row: a line break within quotes makes malformed lines, counted like all others."""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.csv as pacsv

from training.importers.blocks import SHOWN_CHARS, Block, Source
from training.importers.chunks import Chunk
from training.importers.errors import Unclear
from training.importers.names import looks_like_data

SEPARATORS: Final = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_SNIFFED_LINES: Final = 200
_SNIFFED_CHARS: Final = 10_000


@dataclass(slots=True)
class Csv:
    """A CSV file. names: of its columns, "1", "2", … without a header."""

    source: Source
    separator: str
    names: list[str]
    has_header: bool

    @classmethod
    def of(cls, source: Source, separator: str | None = None) -> "Csv":
        """Find separator and header in a file's first lines. Raises Unclear where there are no columns."""
        lines = [line for line in source.head().decode(errors="replace").splitlines()[:_SNIFFED_LINES] if line.strip()]
        lines = [line.replace("\0", "")[:_SNIFFED_CHARS] for line in lines]
        found = separator or _sniffed(lines)
        if found is None:
            raise Unclear(
                f"{source.path} has no columns: its first line is {lines[0][:80]!r}.",
                "CSV needs a separator (comma, semicolon, tab or bar); NDJSON one object a line.",
            )
        first = _fields(lines[0], found)
        headless = looks_like_data(first)
        names = [str(i + 1) for i in range(len(first))] if headless else _unique([name.strip() for name in first])
        return cls(source, found, names, not headless)

    @property
    def described(self) -> str:
        """The form in words."""
        parts = [f"CSV, separator {SEPARATORS.get(self.separator, repr(self.separator))}"]
        parts += [] if self.has_header else ["no header"]
        parts += [text for text in (self.source.compression, self.source.encoding.upper()) if text]
        return ", ".join(parts)

    def progress(self) -> tuple[int, int]:
        """(bytes read, bytes in all)."""
        return self.source.position, self.source.size

    def chunks(self) -> Iterator[Chunk]:
        """Every line but the header and blank ones."""
        skip = self.has_header
        for block in self.source.blocks():
            lines = Lines.of(block)
            if skip and len(lines):
                skip = not lines.drop_first()
            yield self._chunk(lines)

    def _chunk(self, lines: "Lines") -> Chunk:
        lines.set_aside_unreadable(quotes=self.separator != '"')
        parsed = self._fast(lines)
        table, kept, wrong = parsed if parsed is not None else self._slow(lines)
        malformed = [(lines.first + i, lines.text(i)) for i in sorted({*lines.aside, *wrong})]
        return Chunk(table, lines.first + kept, [*lines.too_long, *malformed], lambda i: lines.text(int(kept[i])))

    def _fast(self, lines: "Lines") -> tuple[pl.DataFrame, npt.NDArray[np.int64], list[int]] | None:
        """The rows, their lines and the lines of a wrong width; None where quotes run over line ends."""
        wrong: list[int] = []

        def note(row: Any) -> str:
            wrong.append(row.number - 1)
            return "skip"

        if not lines.data.strip():
            return pl.DataFrame(schema=dict.fromkeys(self.names, pl.String)), np.zeros(0, np.int64), []
        if lines.data.count(b"\r") != lines.data.count(b"\r\n"):
            return None  # the parser would take a carriage return on its own for a line's end
        try:
            table = _read(lines.data, self.names, self.separator, note)
        except pa.ArrowException:  # quotes that do not close within their line: line by line then
            return None
        kept = np.setdiff1d(np.arange(len(lines)), np.array(wrong, np.int64), assume_unique=True)
        if len(kept) != table.num_rows:
            return None
        blank = lines.blank()
        frame = pl.DataFrame(pl.from_arrow(table))
        if len(blank):
            full = ~np.isin(kept, blank)
            frame, kept = frame.filter(full), kept[full]
        return frame, kept, [i for i in wrong if lines.text(i).strip()]

    def _slow(self, lines: "Lines") -> tuple[pl.DataFrame, npt.NDArray[np.int64], list[int]]:
        rows: list[Sequence[str]] = []
        kept: list[int] = []
        wrong: list[int] = []
        for i in range(len(lines)):
            text = lines.text(i, cut=None)
            if not text.strip() or i in lines.aside:
                continue
            row = _fields(text, self.separator)
            good = len(row) == len(self.names)
            (kept if good else wrong).append(i)
            rows += [row] if good else []
        frame = pl.DataFrame(rows, schema=dict.fromkeys(self.names, pl.String), orient="row")
        return frame, np.array(kept, np.int64), wrong


class Lines:
    """The lines of a block. aside: those that cannot be read at all, taken out of `data` so that it can be parsed."""

    def __init__(self, data: bytes, first: int, too_long: Sequence[tuple[int, str]]) -> None:
        self.data, self.first, self.too_long = data, first, too_long
        self.aside: dict[int, bytes] = {}
        self._index()

    @classmethod
    def of(cls, block: Block) -> "Lines":
        """The lines of a block; a last line without an end gets one."""
        data = block.data if block.data.endswith(b"\n") or not block.data else block.data + b"\n"
        return cls(data, block.first, block.too_long)

    def __len__(self) -> int:
        return len(self._ends)

    def text(self, i: int, cut: int | None = SHOWN_CHARS) -> str:
        """The i-th line as text, at most `cut` characters of it."""
        line = self.aside.get(i)
        if line is None:
            line = self.data[self._starts[i] : self._ends[i]]
        return line.decode(errors="replace").rstrip("\r")[:cut]

    def drop_first(self) -> bool:
        """Takes out the first line that is not blank; whether there was one."""
        for i in range(len(self)):
            if self.data[self._starts[i] : self._ends[i]].strip():
                self.data, self.first = self.data[self._ends[i] + 1 :], self.first + i + 1
                self._index()
                return True
        return False

    def set_aside_unreadable(self, *, quotes: bool) -> None:
        """Sets aside lines with a zero byte, that are not UTF-8, or whose quotes do not close."""
        bad = set(self._lines_with(0).tolist()) if b"\0" in self.data else set()
        if not self.data.isascii() and not _is_utf8(self.data):
            bad |= {i for i in range(len(self)) if not _is_utf8(self.data[self._starts[i] : self._ends[i]])}
        if quotes and b'"' in self.data:
            bad |= set(np.flatnonzero(np.bincount(self._lines_with(34), minlength=len(self)) % 2).tolist())
        if bad:
            lines = self.data.split(b"\n")
            self.aside = {i: lines[i] for i in bad}
            self.data = b"\n".join(b"" if i in bad else line for i, line in enumerate(lines))
            self._index()

    def blank(self) -> npt.NDArray[np.int64]:
        """Numbers of the lines with nothing in them, those set aside included."""
        length = self._ends - self._starts
        one = np.flatnonzero(length == 1)  # an empty last line would begin behind the data
        only_return = one[np.frombuffer(self.data, np.uint8)[self._starts[one]] == 13]
        return np.union1d(np.flatnonzero(length == 0), only_return)

    def _index(self) -> None:
        self._ends = np.flatnonzero(np.frombuffer(self.data, np.uint8) == 10)
        self._starts = np.concatenate([np.zeros(1, np.int64), self._ends[:-1] + 1])[: len(self._ends)]

    def _lines_with(self, byte: int) -> npt.NDArray[np.int64]:
        """The line of each occurrence of a byte."""
        return np.searchsorted(self._ends, np.flatnonzero(np.frombuffer(self.data, np.uint8) == byte))


def _read(data: bytes, names: Sequence[str], separator: str, on_wrong: Any) -> pa.Table:
    quote: str | bool = '"' if b'"' in data else False
    return pacsv.read_csv(
        pa.BufferReader(data),
        pacsv.ReadOptions(use_threads=False, column_names=names, block_size=len(data) + 1),
        pacsv.ParseOptions(
            delimiter=separator, quote_char=quote, invalid_row_handler=on_wrong, ignore_empty_lines=False
        ),
        pacsv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False, null_values=[], check_utf8=False
        ),
    )


def _sniffed(lines: Sequence[str]) -> str | None:
    """The separator that cuts most lines into as many fields as the first, the most fields of those."""
    best: tuple[float, int, str] = (0.0, 1, "")
    for separator in SEPARATORS:
        width = len(_fields(lines[0], separator))
        if width > 1:
            alike = sum(len(_fields(line, separator)) == width for line in lines)
            best = max(best, (round(alike / len(lines), 1), width, separator))
    return best[2] or None


def _fields(line: str, separator: str) -> list[str]:
    """The fields of one line, none of a line that is no CSV."""
    try:
        return next(csv.reader(io.StringIO(line), delimiter=separator), [])
    except csv.Error:
        return []


def _unique(names: Sequence[str]) -> list[str]:
    """Column names; empty ones and repeated ones get their position."""
    seen = Counter(names)
    return [name if name and seen[name] == 1 else f"{name}#{i + 1}" for i, name in enumerate(names)]


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
