"""What is made from a source, and made again when the source changes; where the new is refused, the old stays.

* SourceGone   a source that was there is not any more; what was made of it stays until another takes its place
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import structlog

from service.metrics import Metrics, Reload

_log = structlog.get_logger("tact.watcher")
T = TypeVar("T")


class SourceGone(Exception):
    """A file that was deleted to be written anew, a mount that went away: neither says "serve without it"."""


class Mark(NamedTuple):
    """What changes when a file is changed or replaced."""

    path: str
    mtime_ns: int = 0
    size: int = 0
    inode: int = 0
    unreadable: str = ""


def mark(path: Path | None) -> Mark | None:
    """A file's mark; None if there is no file. One that cannot be looked at has a mark too: reading it tells why."""
    try:
        found = path.stat() if path is not None else None
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return Mark(str(path), unreadable=str(error))
    return Mark(str(path), found.st_mtime_ns, found.st_size, found.st_ino) if found is not None else None


@dataclass(slots=True)
class Watched(Generic[T]):
    """A source, what was last made of it, and why the newest was refused ("" if it was not).

    mark: of the source as it was looked at last, None if there is none. made: whether `value` came from a source.
    """

    what: Reload
    value: T
    mark: Hashable = None
    problem: str = ""
    made: bool = False

    def refresh(self, mark: Hashable, make: Callable[[], T], shop: str, metrics: Metrics) -> bool:
        """Make a new value if the mark changed; on failure keep the old. Whether there is a new value."""
        if mark == self.mark:
            return False
        before, self.mark = self.mark, mark  # also of a refused one: it is tried again when it changes
        if mark is None:
            self._lose(before, shop, metrics)
            return False
        try:
            self.value = make()
        except Exception as error:  # noqa: BLE001  # a file of any content must not end the watcher
            self.refuse(mark, error, shop, metrics)
            return False
        self.problem, self.made = "", True
        return True

    def refuse(self, mark: Hashable, error: Exception, shop: str, metrics: Metrics) -> None:
        """Keep the old value, and tell why the one with this mark is not taken."""
        self.mark, self.problem = mark, f"{type(error).__name__}: {error}"
        metrics.reload_failed(self.what)
        _log.error("reload_refused", what=self.what, shop=shop, reason=self.problem)

    def _lose(self, before: Hashable, shop: str, metrics: Metrics) -> None:
        """The source is gone: what was made of it stays; of one that never was any good nothing is left to tell."""
        if not self.made:
            self.problem = ""
            return
        source = before.path if isinstance(before, Mark) else before
        self.refuse(None, SourceGone(f"{source} is gone; what it held stays live until it is replaced"), shop, metrics)
