"""One worker at a time on a folder; another waits in reserve and takes over when the first ends or dies."""

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import structlog

from service.consumer import pause

_TRY_EVERY_S: Final = 0.5
_UNAVAILABLE_S: Final = 5.0
_log = structlog.get_logger("tact.sole")


@contextmanager
def sole_worker(lock: Path, stop: threading.Event) -> Iterator[bool]:
    """Holds the lock file (its folder is made); waits while another has it. False if stop was set before."""
    handle: int | None = None
    waiting = False
    while handle is None and not stop.is_set():
        try:
            handle = _lock(lock)
        except BlockingIOError:
            if not waiting:
                _log.info("another_is_at_work", lock=str(lock))
            waiting = True
            pause(stop, _TRY_EVERY_S)
        except OSError as error:
            _log.error("folder_unavailable", lock=str(lock), error=str(error))
            pause(stop, _UNAVAILABLE_S)
    try:
        yield handle is not None
    finally:
        if handle is not None:
            os.close(handle)


def _lock(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(handle)
        raise
    return handle
