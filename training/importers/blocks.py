"""Bytes of a log file: decompressed, as UTF-8, cut into blocks of whole lines."""

import bz2
import codecs
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

import pyarrow as pa

from training.importers.errors import Unreadable

BLOCK_BYTES: Final = 8 << 20
MAX_LINE_BYTES: Final = 1 << 20
"""A longer line is malformed; it is skipped without being held in memory."""
SHOWN_CHARS: Final = 500
"""How much of a malformed line is kept in the rejects file."""

_MAGIC: Final = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
}
_CONTROL: Final = bytes(code for code in range(32) if code not in (9, 10, 12, 13))
_BOMS: Final = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_BROKEN: Final = (EOFError, OSError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, pa.ArrowException)


class Bytes(Protocol):
    """What is read from: a file, a decompressor, a recoder."""

    def read(self, size: int = ..., /) -> bytes:
        """Up to `size` bytes; b"" at the end."""
        ...


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines. first: the 1-based number of its first line. too_long: (number, beginning) of lines left out."""

    data: bytes
    first: int
    too_long: tuple[tuple[int, str], ...] = ()


@dataclass(slots=True)
class Source:
    """A file opened for reading: how it is compressed and encoded, and how far reading has come."""

    path: Path
    compression: str
    encoding: str
    old_mac: bool
    size: int
    _raw: io.BufferedReader | None = field(default=None, repr=False)

    @classmethod
    def of(cls, path: Path) -> "Source":
        """Look at a file's first bytes. Raises Unreadable where it is no file, empty, or not text."""
        if not path.is_file():
            raise Unreadable(f"{path} is {'a folder' if path.is_dir() else 'not there'}, not a file.")
        with path.open("rb") as file:
            magic = file.read(8)
        compression = next((name for mark, name in _MAGIC.items() if magic.startswith(mark)), "")
        source = cls(path, compression, "utf-8", False, path.stat().st_size)
        head = source.head(binary=True)
        if not head.strip():
            raise Unreadable(f"{path} is empty.")
        source.encoding = _encoding(path, head)
        source.old_mac = b"\r" in head and b"\n" not in head
        return source

    @property
    def position(self) -> int:
        """Bytes of the file read so far (of `size`)."""
        return self._raw.tell() if self._raw is not None and not self._raw.closed else self.size

    def head(self, size: int = 1 << 20, *, binary: bool = False) -> bytes:
        """The first bytes, decompressed; as UTF-8 unless `binary`."""
        with self.path.open("rb") as raw:
            stream: Bytes = _decompressed(raw, self.compression)
            try:
                return (stream if binary else self._recoded(stream)).read(size)
            except _BROKEN as error:
                raise _broken(self.path, self.compression, error) from error

    def blocks(self) -> Iterator[Block]:
        """The whole file as blocks of whole lines. Raises Unreadable where it breaks off."""
        with self.path.open("rb") as self._raw:
            try:
                yield from cut(self._recoded(_decompressed(self._raw, self.compression)))
            except _BROKEN as error:
                raise _broken(self.path, self.compression, error) from error

    def _recoded(self, stream: Bytes) -> Bytes:
        plain = self.encoding == "utf-8" and not self.old_mac
        return stream if plain else _Recoder(stream, self.encoding, self.old_mac)


def cut(stream: Bytes, size: int = BLOCK_BYTES) -> Iterator[Block]:
    """Blocks of whole lines; a line over MAX_LINE_BYTES that fills a block is left out and named."""
    rest, line, skipping = b"", 1, False
    too_long: list[tuple[int, str]] = []
    while data := stream.read(size):
        if skipping:
            start = data.find(b"\n") + 1
            if not start:
                continue
            data, skipping, line = data[start:], False, line + 1
        data = rest + data
        end = data.rfind(b"\n") + 1
        rest = data[end:]
        if end:
            yield Block(data[:end], line, tuple(too_long))
            line, too_long = line + data.count(b"\n", 0, end), []
        if len(rest) > MAX_LINE_BYTES:
            too_long, skipping = [(line, rest[:SHOWN_CHARS].decode(errors="replace"))], True
            rest = b""
    if rest or too_long:
        yield Block(rest, line + skipping, tuple(too_long))


class _Recoder:
    """A stream as UTF-8, with carriage returns as line ends where the file has no others."""

    def __init__(self, stream: Bytes, encoding: str, old_mac: bool) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
        self._old_mac = old_mac

    def read(self, size: int = -1, /) -> bytes:
        while data := self._stream.read(size):
            if text := self._decoder.decode(data):
                return (text.replace("\r", "\n") if self._old_mac else text).encode()
        return self._decoder.decode(b"", final=True).encode()


def _decompressed(raw: io.BufferedReader, compression: str) -> Bytes:
    if compression == "zip":
        archive = zipfile.ZipFile(raw)
        files = [info for info in archive.infolist() if not info.is_dir()]
        if len(files) != 1:
            raise Unreadable(f"The archive holds {len(files)} files.", "Unpack it and import each log by itself.")
        return archive.open(files[0])
    if compression == "zstd":
        return pa.CompressedInputStream(raw, "zstd")  # type: ignore[no-any-return]
    if compression == "gzip":
        return gzip.GzipFile(fileobj=raw)
    if compression == "bzip2":
        return bz2.BZ2File(raw)
    return lzma.LZMAFile(raw) if compression == "xz" else raw


def _encoding(path: Path, head: bytes) -> str:
    """The text encoding of a sample; Windows-1252 where it is not UTF-8. Raises Unreadable for binary data."""
    for mark, encoding in _BOMS.items():
        if head.startswith(mark):
            return encoding
    if head.startswith(b"PAR1"):
        return "utf-8"
    if len(head) - len(head.translate(None, _CONTROL)) > len(head) / 20:
        raise Unreadable(f"{path} is binary data, not CSV, NDJSON or Parquet.")
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        wrong = len(head) - len(head.decode(errors="ignore").encode())
        # a stray byte is a bad line of a UTF-8 file; whole words of them are another encoding
        return "utf-8" if wrong * 1000 < len(head) or _has_utf8(head) else "cp1252"
    return "utf-8"


def _has_utf8(head: bytes) -> bool:
    """Whether text outside ASCII is there as UTF-8 more often than not."""
    good = sum(ord(char) > 127 for char in head.decode(errors="ignore"))
    return good > len(head) - len(head.decode(errors="ignore").encode())


def _broken(path: Path, compression: str, error: BaseException) -> Unreadable:
    if isinstance(error, PermissionError):
        return Unreadable(f"{path} may not be read: {error.strerror}.")
    return Unreadable(f"{path} breaks off or is damaged ({compression or 'file'}: {error}).", "Fetch it again.")
