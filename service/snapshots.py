"""Folders of arrays that appear whole or not at all, and can be mapped into memory.

    PARENT/<seq>/*.npy, manifest.json    one snapshot: ten digits; the manifest names each file with size and checksum
    PARENT/CURRENT                       the name of the newest, replaced atomically

The last KEPT stay, so that a reader that took a name has time to open it.

* InvalidSnapshot   the folder is half there, damaged, or of another format; says which file and why
"""

import io
import os
import shutil
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

FORMAT: Final = 1
KEPT: Final = 3
MANIFEST: Final = "manifest.json"
CURRENT: Final = "CURRENT"
_CHUNK: Final = 1 << 20

Arrays = Mapping[str, npt.NDArray[Any]]


class InvalidSnapshot(ValueError):
    """A snapshot that cannot be used, and why."""


class _File(msgspec.Struct, frozen=True):
    bytes: int
    crc32: int


class _Manifest(msgspec.Struct, frozen=True):
    format: int
    seq: int
    files: dict[str, _File]
    facts: msgspec.Raw


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot as read. arrays are mapped, read-only. facts: JSON, for the reader to decode."""

    seq: int
    arrays: dict[str, npt.NDArray[Any]]
    facts: bytes


def publish(parent: Path, arrays: Arrays, facts: Mapping[str, Any]) -> int:
    """Writes a snapshot, makes it the current one, removes the oldest. Returns its seq. Raises OSError."""
    parent.mkdir(parents=True, exist_ok=True)
    names = _names(parent)
    seq = int(names[-1]) + 1 if names else 1
    aside = parent / ".tmp"  # one writer at a time
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    files = {name: _write_array(aside / f"{name}.npy", array) for name, array in arrays.items()}
    manifest = _Manifest(FORMAT, seq, files, msgspec.Raw(msgspec.json.encode(facts)))
    _write(aside / MANIFEST, msgspec.json.encode(manifest))
    _sync_folder(aside)
    aside.rename(parent / f"{seq:010d}")
    _write(parent / ".CURRENT.tmp", f"{seq:010d}\n".encode())
    (parent / ".CURRENT.tmp").replace(parent / CURRENT)
    _sync_folder(parent)
    for name in names[: max(0, len(names) + 1 - KEPT)]:
        shutil.rmtree(parent / name, ignore_errors=True)
    return seq


def current(parent: Path) -> int | None:
    """The seq of the current snapshot, None if there is none. Raises InvalidSnapshot."""
    try:
        name = (parent / CURRENT).read_bytes().strip()
    except FileNotFoundError:
        return None
    if not name.isdigit():
        raise InvalidSnapshot(f"{parent / CURRENT} does not name a snapshot")
    return int(name)


def load(parent: Path) -> Snapshot | None:
    """The current snapshot, checked and mapped, None if there is none. Raises InvalidSnapshot."""
    seq = current(parent)
    return None if seq is None else _load(parent, seq)


def load_any(parent: Path) -> tuple[Snapshot | None, list[InvalidSnapshot]]:
    """The newest snapshot that is whole, and why newer ones were not taken."""
    refused: list[InvalidSnapshot] = []
    for name in reversed(_names(parent) if parent.is_dir() else []):
        try:
            return _load(parent, int(name)), refused
        except InvalidSnapshot as error:
            refused.append(error)
    return None, refused


def _load(parent: Path, seq: int) -> Snapshot:
    folder = parent / f"{seq:010d}"
    manifest = _read_manifest(folder / MANIFEST)
    if manifest.seq != seq:
        raise InvalidSnapshot(f"{folder / MANIFEST} is of snapshot {manifest.seq}")
    arrays = {name: _map_array(folder / f"{name}.npy", file) for name, file in manifest.files.items()}
    return Snapshot(seq, arrays, bytes(manifest.facts))


def _names(parent: Path) -> list[str]:
    return sorted(path.name for path in parent.iterdir() if path.name.isdigit())


def _read_manifest(path: Path) -> _Manifest:
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=_Manifest)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidSnapshot(f"{path}: {error}") from error
    if manifest.format != FORMAT:
        raise InvalidSnapshot(f"{path}: format {manifest.format} is not {FORMAT}")
    return manifest


def _map_array(path: Path, file: _File) -> npt.NDArray[Any]:
    try:
        found = _checksum(path)
        if found != file:
            raise InvalidSnapshot(f"{path} is damaged: {found.bytes} bytes of {file.bytes}, or a wrong checksum")
        array: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, EOFError) as error:
        raise InvalidSnapshot(f"{path}: {error}") from error
    return array


def _checksum(path: Path) -> _File:
    size = crc = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            size, crc = size + len(chunk), zlib.crc32(chunk, crc)
    return _File(size, crc)


def _write_array(path: Path, array: npt.NDArray[Any]) -> _File:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    data = buffer.getbuffer()
    _write(path, data)
    return _File(len(data), zlib.crc32(data))


def _write(path: Path, data: "bytes | memoryview[int]") -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
