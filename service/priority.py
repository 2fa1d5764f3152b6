"""Parts that work behind the shop's page give way to the one that answers it."""

import contextlib
import os
import time
from pathlib import Path
from typing import Final

RECORDING: Final = 5
LEARNING: Final = 5
LOOKING: Final = 10
"""How nice recorder, learner and console are: a decision waits for neither of them."""

_AUTOGROUP: Final = Path("/proc/self/autogroup")
_ATTEMPTS: Final = 10
_PAUSE_S: Final = 0.11


def give_way(nice: int) -> None:
    """Makes this process so much nicer.

    Linux shares a processor between sessions first and within each then (autogroup), so that nice alone does nothing
    for a part that has a session of its own: its whole session is made nicer, too.
    """
    os.nice(nice)
    if os.getsid(0) == os.getpid():
        with contextlib.suppress(OSError):  # another system, or a kernel without it
            _write_patiently(str(nice))


def _write_patiently(nice: str) -> None:
    """Linux takes one such change in 100 ms from those who are not root, from all of them together (sched(7))."""
    for _ in range(_ATTEMPTS):
        try:
            _AUTOGROUP.write_text(nice)
        except BlockingIOError:
            time.sleep(_PAUSE_S)
        else:
            return
