"""The server's own children give way: one that rewrites the append-only file takes a core for seconds, and no visitor
waits for it, while decisions wait for the core. Linux only; elsewhere nothing is done.
"""

import contextlib
import os
import subprocess
import threading
import time
from pathlib import Path
from typing import Final

from service.priority import LOOKING

LOOK_S: Final = 0.25


def watch(server: "subprocess.Popen[bytes]") -> None:
    """Look after the server's children in a thread of its own, for as long as the server lives."""
    if Path(f"/proc/{server.pid}/task").is_dir():
        threading.Thread(target=_watch, args=(server,), name=f"children of {server.pid}", daemon=True).start()


def _watch(server: "subprocess.Popen[bytes]") -> None:
    while server.poll() is None:
        children_give_way(server.pid)
        time.sleep(LOOK_S)


def children_give_way(pid: int) -> None:
    """Makes the children of a process's first thread nicer; those of a process that is gone are none."""
    with contextlib.suppress(OSError):  # it ended, or the kernel does not list children
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            os.setpriority(os.PRIO_PROCESS, int(child), LOOKING)
