"""Child processes that cannot outlive their owner.

On Linux the kernel signals a child when the *thread* that started it ends (PR_SET_PDEATHSIG), so a child is always
started in a thread that then waits for it. The signal is armed by a short launcher that execs the real program: doing
it in `preexec_fn` would run Python between fork and exec in a process with threads.
Elsewhere there is no such signal: what is left behind is found by its lock file at the next start (embedded.py).
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_LAUNCHER = """\
import os, sys
number, owner = int(sys.argv[1]), int(sys.argv[2])
if sys.platform == "linux":
    import ctypes
    if ctypes.CDLL(None, use_errno=True).prctl(1, number, 0, 0, 0):
        sys.exit(f"prctl(PR_SET_PDEATHSIG): {os.strerror(ctypes.get_errno())}")
    if os.getppid() != owner:  # it died before the signal was armed
        sys.exit("the owner is gone")
os.execv(sys.argv[3], sys.argv[3:])
"""


@dataclass(frozen=True, slots=True)
class Program:
    """What to run. argv[0] is a path; inherit: open file descriptors that the child keeps.

    on_owner_death: the signal the kernel sends to the child when its owner dies.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] | None = None
    cwd: Path | None = None
    inherit: tuple[int, ...] = ()
    on_owner_death: signal.Signals = signal.SIGKILL


def spawn(program: Program, log: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start a program whose output goes to `log`. The calling thread must live as long as the child.

    The child gets a session of its own: Ctrl-C reaches only the owner, which then stops its children in order.
    """
    return subprocess.Popen(
        guarded(program.argv, program.on_owner_death),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        env=None if program.env is None else dict(program.env),
        cwd=program.cwd,
        pass_fds=program.inherit,
        start_new_session=True,
    )


def spawn_kept(program: Program, log: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start a program from a thread of its own that lives exactly as long as the child; callable from any thread."""
    started = threading.Event()
    outcome: list[subprocess.Popen[bytes] | OSError] = []

    def keep() -> None:
        try:
            process = spawn(program, log)
        except OSError as error:
            outcome.append(error)
            started.set()
            return
        outcome.append(process)
        started.set()
        process.wait()

    threading.Thread(target=keep, name=f"keeper of {Path(program.argv[0]).name}", daemon=True).start()
    started.wait()
    if isinstance(outcome[0], OSError):
        raise outcome[0]
    return outcome[0]


def guarded(argv: Sequence[str], on_owner_death: signal.Signals) -> list[str]:
    """The command that arms the signal and then becomes `argv`."""
    return [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(int(on_owner_death)), str(os.getpid()), *argv]


def stop(process: subprocess.Popen[bytes], grace_s: float) -> bool:
    """Ask the child to end and wait; after `grace_s` seconds kill it. True if it ended by itself."""
    process.terminate()
    try:
        process.wait(grace_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False
    return True


def alive(pid: int) -> bool:
    """Whether a process with this id exists (also one of another user)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
