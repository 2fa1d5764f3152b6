"""Where a verb writes: looked at before the work starts, made when it is done."""

import os
from pathlib import Path
from typing import Annotated

import typer

from tact.console import fail

FiguresOption = Annotated[Path | None, typer.Option("--json", help="Write the figures as JSON.")]


def file_to_write(path: Path | None, option: str) -> None:
    """Ends with code 2 where a file cannot be written: a folder of that name, a file among its parents, no right."""
    if path is None:
        return
    if path.is_dir():
        fail(f"{option} {path} is a folder; name a file in it", code=2)
    _parents_can_be(path.parent, path, option)
    if path.exists() and not os.access(path, os.W_OK):
        fail(f"{option} {path} cannot be written", code=2)


def folder_to_write(path: Path, option: str) -> None:
    """Ends with code 2 where a folder cannot be made or written into."""
    _parents_can_be(path, path, option)


def write_text(path: Path, text: str) -> None:
    """Writes a file, its missing parents first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _parents_can_be(folder: Path, path: Path, option: str) -> None:
    there = next(one for one in (folder.absolute(), *folder.absolute().parents) if os.path.lexists(one))
    if not there.is_dir():
        fail(f"{option} {path}: {there} is no folder", code=2)
    if not os.access(there, os.W_OK | os.X_OK):
        fail(f"{option} {path}: nothing can be written in {there}", code=2)
