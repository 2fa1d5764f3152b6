"""What an install runs: a child process, or the embedded server, each started again when it falls."""

import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from service.embedded import EmbeddedValkey, ServerFailed
from service.process import Program, spawn

FIRST_WAIT_S, LONGEST_WAIT_S = 0.1, 30.0
STEADY_S = 30.0
"""A part that ran this long starts its back-off anew."""

LOG_BYTES = 20_000_000
"""A log longer than this is set aside as .1 at the next start."""

_TAIL_LINES, _TAIL_BYTES = 15, 16_384


@dataclass(frozen=True, slots=True)
class Part:
    """What to run, the name of its log, how long it may take to stop, the descriptors it inherits."""

    name: str
    log: str
    argv: tuple[str, ...]
    grace_s: float
    inherit: tuple[int, ...] = ()


class PartRunner:
    """Keeps one part running from a thread that lives until the part is stopped."""

    def __init__(self, part: Part, environ: Mapping[str, str], logs: Path, say: Callable[[str], None]) -> None:
        self.part = part
        self.name = part.log
        self.log = logs / f"{part.log}.log"
        self.failures = 0
        self.ended = "has not ended"
        self.environ = dict(environ)
        self.on_end: Callable[[int], None] = lambda pid: None
        self._say = say
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run, name=f"runner of {part.log}", daemon=True)

    @property
    def pid(self) -> int | None:
        """The process id, while it runs."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def start(self) -> None:
        """Start the part; returns at once."""
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Tell the part to end; it is not started again."""
        with self._lock:
            self._stopping.set()
            if self._process is not None and self._process.poll() is None:
                self._process.terminate()

    def wait_stopped(self) -> None:
        """Wait as long as the part may take, then kill it."""
        if not self._thread.is_alive():
            return
        self._thread.join(self.part.grace_s)
        if self._thread.is_alive() and self._process is not None:
            self._say(f"{self.name} did not stop within {self.part.grace_s:g} s: killed")
            self._process.kill()
            self._thread.join()

    def log_tail(self) -> str:
        """The last lines the part wrote."""
        if not self.log.exists():
            return "(no log)"
        with self.log.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - _TAIL_BYTES))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-_TAIL_LINES:])

    def _run(self) -> None:
        while not self._stopping.is_set():
            started = time.monotonic()
            process = self._spawn()
            if process is None:
                return
            code = process.wait()
            self.on_end(process.pid)
            if self._stopping.is_set():
                return
            self.failures = 1 if time.monotonic() - started > STEADY_S else self.failures + 1
            self.ended = _how(code)
            wait_s = _back_off_s(self.failures)
            self._say(f"{self.name} {self.ended}; starting it again in {wait_s:g} s (log: {self.log})")
            if self.failures == 1 or wait_s == LONGEST_WAIT_S:
                self._say(self.log_tail())
            self._stopping.wait(wait_s)

    def _spawn(self) -> subprocess.Popen[bytes] | None:
        program = Program(self.part.argv, self.environ, None, self.part.inherit)
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        with self._lock, self.log.open("ab") as log:
            if self._stopping.is_set():
                return None
            self._process = spawn(program, log)
            return self._process


class ServerRunner:
    """Keeps the embedded server running from a thread that lives until stop(). The server is started already."""

    name = "server"

    def __init__(self, server: EmbeddedValkey, say: Callable[[str], None]) -> None:
        self.server = server
        self.log, self.log_tail = server.log, server.log_tail
        self.failures = 0
        self.ended = "has not ended"
        self._say = say
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="runner of the server", daemon=True)

    def start(self) -> None:
        """Watch the server; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the server; it is not started again."""
        self._stopping.set()
        self.server.stop()
        self._thread.join()

    def _run(self) -> None:
        started = time.monotonic()
        while (code := self.server.wait_ended()) is not None and not self._stopping.is_set():
            self.failures = 1 if time.monotonic() - started > STEADY_S else self.failures + 1
            self.ended = _how(code)
            wait_s = _back_off_s(self.failures)
            self._say(f"{self.name} {self.ended}; starting it again in {wait_s:g} s (log: {self.log})")
            if self._stopping.wait(wait_s):
                return
            started = time.monotonic()
            self._restart()

    def _restart(self) -> None:
        try:
            self.server.restart()
        except (ServerFailed, OSError) as error:  # OSError: its program or its folder is gone; both may come back
            if not self._stopping.is_set():
                self._say(f"{self.name} does not come back: {error}")
            return
        if not self._stopping.is_set():
            self._say(f"{self.name} answers again with what it had stored")


def _back_off_s(failures: int) -> float:
    return min(LONGEST_WAIT_S, FIRST_WAIT_S * float(4 ** (failures - 1)))


def _how(code: int) -> str:
    if code >= 0:
        return f"ended with code {code}"
    return f"was ended by {signal.Signals(-code).name}"
