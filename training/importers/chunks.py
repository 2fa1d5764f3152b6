"""A log file of any form as chunks of text columns: CSV, NDJSON, JSON, Parquet.

Every value becomes text and is read as time, number or id later, in one place, whatever the file's form.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows of a file.

    columns: all String, null or "" where absent. rows: 1-based numbers (line numbers of a text file), shape (n,).
    malformed: (row number, beginning) of rows that could not be read. raw: the i-th row as it stands in the file.
    """

    columns: pl.DataFrame
    rows: npt.NDArray[np.int64]
    malformed: Sequence[tuple[int, str]]
    raw: Callable[[int], Any]


class Form(Protocol):
    """A file understood as rows of named columns."""

    @property
    def described(self) -> str:
        """Its form in words, such as "CSV, separator ;, gzip"."""
        ...

    @property
    def names(self) -> list[str]:
        """Its columns; "1", "2", … where it has no header."""
        ...

    @property
    def has_header(self) -> bool:
        """Whether the columns have names of their own."""
        ...

    def chunks(self) -> Iterator[Chunk]:
        """Every row, once, in order. Raises Unreadable where the file breaks off."""
        ...

    def progress(self) -> tuple[int, int]:
        """(bytes read, bytes in all)."""
        ...
