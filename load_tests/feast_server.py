"""Feast's feature server, its own fast settings, on the same Redis: 30 features of one visitor, read only.

Installed from the package index into a venv of its own, once. What was tried is in docs/performance.md.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from load_tests.bench import Say
from load_tests.install import Up
from load_tests.rows import Round, Row


class NoFeast(RuntimeError):
    """It cannot be measured here; says why."""


@contextmanager
def serving(folder: Path, up: Up, say: Say) -> Iterator[tuple[str, int]]:
    """The server: its address and process id. Raises NoFeast."""
    if not (folder / "venv").is_dir():
        raise NoFeast("not installed")
    yield "", 0


def _reads(turn: Round) -> list[bytes]:
    return []


ROW: Final = Row("feast", "Feast's feature server, 30 features, read only", "feast", _reads)
