"""The audit log: every change to what a shop shows, one JSON line each, only ever appended to.

Each line holds the SHA-256 of the one before, so a line that was changed or taken out is found by `check`.

* TamperedAudit   a line does not follow from the one before it; names the line
"""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

NAME: Final = "audit.jsonl"
FIRST: Final = "0" * 64
_TAIL: Final = 65_536


class TamperedAudit(ValueError):
    """The log is not what was written."""


class Entry(msgspec.Struct, frozen=True):
    """One change. what: a verb such as switch, promote, rollback. before, after: in the words of that verb.

    hash: SHA-256 of the line with an empty hash. previous: that of the line before.
    """

    at_ms: int
    who: str
    what: str
    shop: str
    target: str
    before: str
    after: str
    why: str = ""
    previous: str = FIRST
    hash: str = ""


def append(home: Path, entry: Entry) -> Entry:
    """Adds a line and returns it as written, on the disk when this returns. Raises OSError."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / NAME).open("ab+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        last, torn = _last(file.fileno())
        if torn:  # a writer was killed in the middle of its line: what it did stands, its line does not
            file.write(b"\n")
        kept = msgspec.structs.replace(entry, previous=last.hash if last else FIRST, hash="")
        kept = msgspec.structs.replace(kept, hash=_digest(kept))
        file.write(msgspec.json.encode(kept) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    return kept


def read(home: Path) -> Iterator[Entry]:
    """The entries, oldest first; none if there is no log. Raises TamperedAudit, OSError."""
    path, previous = home / NAME, FIRST
    if not path.exists():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                entry = msgspec.json.decode(line, type=Entry)
            except msgspec.DecodeError as error:
                if isinstance(error, msgspec.ValidationError):
                    raise TamperedAudit(f"{path}, line {number}: {error}") from error
                continue  # torn: its writer was killed; the chain goes on from the line before
            if entry.previous != previous or entry.hash != _digest(msgspec.structs.replace(entry, hash="")):
                raise TamperedAudit(f"{path}, line {number}: it does not follow from the line before")
            previous = entry.hash
            yield entry


def _digest(entry: Entry) -> str:
    return hashlib.sha256(msgspec.json.encode(entry)).hexdigest()


def _last(handle: int) -> tuple[Entry | None, bool]:
    """The last whole entry, and whether something torn stands behind it. Raises TamperedAudit if none is whole."""
    size = os.fstat(handle).st_size
    data = os.pread(handle, _TAIL, max(0, size - _TAIL))
    torn = bool(data) and not data.endswith(b"\n")
    for line in reversed(data.splitlines()):
        try:
            return msgspec.json.decode(line, type=Entry), torn
        except msgspec.MsgspecError:
            continue
    if data:
        raise TamperedAudit("the audit log has no whole line; see `tact audit`")
    return None, False
