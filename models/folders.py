"""A folder of small files, local or behind an address fsspec knows (s3://…, gs://…, memory://…).

A file appears whole or not at all: locally by writing aside, fsync and rename; object stores do so by themselves.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec


class Folder:
    """Files by name under one address. A missing file raises FileNotFoundError."""

    def __init__(self, address: str | Path) -> None:
        filesystem, path = fsspec.core.url_to_fs(str(address))
        self._files: Any = filesystem
        self._path: str = path.rstrip("/")
        protocol = filesystem.protocol
        self.local = "file" in ((protocol,) if isinstance(protocol, str) else protocol)

    @property
    def address(self) -> str:
        """Where it is, as fsspec (and, locally, the file system) takes it."""
        return self._path if self.local else str(self._files.unstrip_protocol(self._path))

    def child(self, name: str) -> "Folder":
        """The folder of that name inside this one."""
        return Folder(f"{self.address}/{name}")

    def names(self) -> list[str]:
        """The files and folders in it, sorted; none if it does not exist."""
        try:
            listed = self._files.ls(self._path, detail=False)
        except FileNotFoundError:
            return []
        return sorted(str(path).rstrip("/").rsplit("/", 1)[-1] for path in listed)

    def read(self, name: str) -> bytes:
        """A file's bytes. Raises FileNotFoundError."""
        return bytes(self._files.cat_file(f"{self._path}/{name}"))

    def write(self, name: str, data: bytes) -> None:
        """Replaces a file as a whole, making the folder if needed; locally durable on return."""
        if not self.local:
            self._files.pipe_file(f"{self._path}/{name}", data)
            return
        folder = Path(self._path)
        folder.mkdir(parents=True, exist_ok=True)
        aside = folder / f".{name}.{os.getpid()}.aside"
        with aside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(folder / name)
        _sync_folder(folder)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Locally, one writer at a time among all processes; object stores have no such lock."""
        if not self.local:
            yield
            return
        folder = Path(self._path)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / ".lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
