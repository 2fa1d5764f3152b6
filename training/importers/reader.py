"""A log file as batches of the lake's rows, with an account of every row: read = given + rejected."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from training.importers.blocks import Source
from training.importers.chunks import Chunk, Form
from training.importers.convert import Converter
from training.importers.csv_form import Csv
from training.importers.errors import Unclear
from training.importers.json_form import Json
from training.importers.parquet_form import Parquet
from training.importers.plan import SAMPLE_ROWS, Plan, Wishes, plan_of


@dataclass(slots=True)
class Counts:
    """read: rows of the log (of an event with many items, one each; blank lines and the header are none).

    given: rows that became rows of the lake. rejects, warnings: by reason. names: (event name, what it became or "").
    """

    read: int = 0
    given: int = 0
    rejects: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    names: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def unknown_names(self) -> list[str]:
        """Event names without a meaning, the most frequent first."""
        return [name for (name, target), _ in self.names.most_common() if not target]


class Rejects(Protocol):
    """Where rejected rows go."""

    def write(self, row: int, reason: str, raw: Any) -> None:
        """One row: its number (line number of a text file), why, and as it stands in the log."""
        ...


class RejectsFile:
    """Rejected rows as NDJSON; the file is made with the first one. An older one of the same name goes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.written = 0
        path.unlink(missing_ok=True)

    def write(self, row: int, reason: str, raw: Any) -> None:
        """Append one row."""
        if not self.written:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("w", encoding="utf-8", errors="replace")
        self.written += 1
        self._file.write(json.dumps({"row": row, "reason": reason, "raw": raw}, ensure_ascii=False) + "\n")

    def close(self) -> None:
        """Finish the file."""
        if self.written:
            self._file.close()


class NoRejects:
    """Rejected rows are only counted."""

    def write(self, row: int, reason: str, raw: Any) -> None:
        """Nothing."""


@dataclass(slots=True)
class Reader:
    """One log, understood. counts grow while batches are taken; take them once."""

    form: Form
    plan: Plan
    shop: str
    default_shop: str
    now_ms: int
    counts: Counts = field(default_factory=Counts)

    def batches(self, rejects: Rejects | None = None) -> Iterator[pa.Table]:
        """Tables of schema features.lakefile.EVENTS in the log's order, received_ms = ts_ms, duplicates left out.

        Raises Unreadable where the file breaks off; what was given until then is whole rows.
        """
        sink = rejects or NoRejects()
        converter = Converter(self.plan, self.shop, self.default_shop, self.now_ms)
        seen = Seen()
        for chunk in self.form.chunks():
            table = self._batch(chunk, converter, seen, sink)
            if len(table):
                yield table

    def _batch(self, chunk: Chunk, converter: Converter, seen: "Seen", sink: Rejects) -> pa.Table:
        converted = converter.convert(chunk.columns)
        new = seen.add(converted.identity)
        converted.reasons[converted.rows[~new]] = "duplicate"
        counts = self.counts
        counts.read += len(chunk.columns) + len(chunk.malformed)
        counts.given += int(new.sum())
        counts.warnings += converted.warnings
        counts.names += converted.names
        self._reject(chunk, converted.reasons, sink)
        return converted.table if new.all() else converted.table.filter(pa.array(new))

    def _reject(self, chunk: Chunk, reasons: npt.NDArray[np.str_], sink: Rejects) -> None:
        bad = np.flatnonzero(reasons != "")
        found = [*zip(bad.tolist(), reasons[bad].tolist(), strict=True)]
        self.counts.rejects.update(reason for _, reason in found)
        self.counts.rejects["malformed_line"] += len(chunk.malformed)
        for i, reason in found:
            sink.write(int(chunk.rows[i]), reason, chunk.raw(i))
        for row, text in chunk.malformed:
            sink.write(row, "malformed_line", text)


class Seen:
    """The identities met so far: sorted runs of numbers, merged so that there are few (8 bytes an event)."""

    def __init__(self) -> None:
        self._runs: list[npt.NDArray[np.uint64]] = []

    def add(self, identity: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
        """Which are new, each the first time it stands in the array. Shape (n,)."""
        values, first = np.unique(identity, return_index=True)
        fresh = np.ones(len(values), bool)
        for run in self._runs:
            at = np.searchsorted(run, values)
            fresh &= run[np.minimum(at, len(run) - 1)] != values
        new = np.zeros(len(identity), bool)
        new[first[fresh]] = True
        if fresh.any():
            self._keep(values[fresh])
        return new

    def _keep(self, run: npt.NDArray[np.uint64]) -> None:
        while self._runs and len(self._runs[-1]) <= 2 * len(run):
            run = np.sort(np.concatenate([self._runs.pop(), run]), kind="stable")
        self._runs.append(run)


def read(path: str | Path, wishes: Wishes | None = None, *, shop: str = "", now_ms: int) -> Reader:
    """Open a log and understand it. shop: of every row; "" for the log's shop column, then the file's name.

    now_ms: Unix time; rows over five minutes later are rejected as "future". Raises Unreadable, Unclear.
    """
    path, wishes = Path(path), wishes or Wishes()
    form = form_of(path, wishes)
    plan = plan_of(form, _sample(form).head(SAMPLE_ROWS), path.name, wishes)
    named = re.sub(r"[^A-Za-z0-9._-]+", "-", path.name.split(".")[0]).strip("-._") or "shop"
    return Reader(form, plan, shop, named[:64], now_ms)


def _sample(form: Form) -> pl.DataFrame:
    """The first rows of a log. Raises Unclear where no line is a row, and says what is wrong with the lines."""
    malformed: list[tuple[int, str]] = []
    lines = 0
    for chunk in form.chunks():
        if len(chunk.columns):
            return chunk.columns
        lines += len(chunk.malformed)
        malformed += chunk.malformed[: 1_000 - len(malformed)]
    if not lines:
        return pl.DataFrame(schema=dict.fromkeys(form.names, pl.String))
    row, text = malformed[0]
    what = f"{lines:,} {'line is' if lines == 1 else 'lines are'} malformed"
    quoted = sum(text.count('"') % 2 for _, text in malformed) > len(malformed) / 2
    why = "quotes that do not close: a line break within quotes" if quoted else f"not {len(form.names)} fields"
    raise Unclear(
        f"The file has a header but no rows: {what} ({why}); the first is line {row}: {text[:80]!r}.",
        "A line is a row: write the export without line breaks in its values, or as NDJSON or Parquet."
        if quoted
        else "Is the separator right (--separator), and does each row have all the columns?",
    )


def form_of(path: Path, wishes: Wishes) -> Form:
    """The form of a file by its first bytes, not its name. Raises Unreadable, Unclear."""
    source = Source.of(path)
    head = source.head(1 << 12).lstrip()
    if head.startswith(b"PAR1"):
        return Parquet.of(source)
    return Json.of(source) if head.startswith((b"{", b"[")) else Csv.of(source, wishes.separator or None)
