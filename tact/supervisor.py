"""The parts of an install as child processes: started in order, restarted when they fall, stopped in order.

Supervisor (owner of the listening socket)
  ├─ server      the embedded one, unless REDIS_URL names another; it comes back on the same socket with its data
  ├─ service     HTTP; as many processes as settings.workers, on one inherited socket: while one restarts,
  │              connections wait in the socket's queue instead of being refused
  ├─ recorder    event stream to lake
  ├─ learner     event stream to snapshots
  └─ console     what the operators' console asks of the lake

No process outlives the supervisor, also when it is killed (service/process.py).

* PartFailed   a part ended several times before the install was ready; carries the last lines of its log
* NotReady     the service did not become ready in time; carries what it says it is waiting for
"""

import http.client
import json
import os
import signal
import socket
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from prometheus_client.multiprocess import mark_process_dead

from service.embedded import EmbeddedValkey, GivenServer, open_server
from service.settings import Settings, environment_name
from tact.part import Part, PartRunner, ServerRunner

PARTS = ("service", "recorder", "learner", "console")
GRACE_S: Mapping[str, float] = {"service": 10.0, "recorder": 30.0, "learner": 10.0, "console": 10.0}
"""How long a part may take to stop: the recorder drains what it has read."""

FAILURES_BEFORE_READY = 3
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Say = Callable[[str], None]


class PartFailed(RuntimeError):
    """A part does not stay up."""


class NotReady(RuntimeError):
    """The install is up but not ready."""


class Supervisor:
    """Runs the parts of an install. A context manager: start() on entry, stop() on exit."""

    def __init__(self, settings: Settings, parts: tuple[str, ...] = PARTS, say: Say | None = None) -> None:
        """say: told in one line when a part falls and comes back; default standard error. Raises ValueError."""
        unknown = set(parts) - set(PARTS)
        if unknown:
            raise ValueError(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
        self.settings = settings
        self.parts = tuple(name for name in PARTS if name in parts)
        self._say = say or _to_stderr
        self._server: EmbeddedValkey | GivenServer | None = None
        self._server_runner: ServerRunner | None = None
        self._socket: socket.socket | None = None
        self._runners: list[PartRunner] = []

    @property
    def redis_url(self) -> str:
        """Where the visitors' state is. Raises RuntimeError before start()."""
        if self._server is None:
            raise RuntimeError("not started")
        return self._server.url

    @property
    def shown_redis_url(self) -> str:
        """The same without a password."""
        scheme, _, rest = self.redis_url.partition("://")
        return f"{scheme}://{rest.rpartition('@')[2]}"

    @property
    def url(self) -> str:
        """Where the service answers, for a client on this machine."""
        return f"http://{reachable(self.settings.host)}:{self.settings.port}"

    @property
    def pids(self) -> dict[str, int]:
        """The process id of each part that runs now, by the name of its log."""
        return {runner.name: pid for runner in self._runners if (pid := runner.pid) is not None}

    def open_server(self) -> None:
        """Start the server alone: from here on the home is ours. start() does it too.

        Raises AlreadyRunning where another install runs in this home, NoServer, ServerFailed.
        """
        if self._server is not None:
            return
        self._server = open_server(self.settings)
        if isinstance(self._server, EmbeddedValkey):
            self._server_runner = ServerRunner(self._server, self._say)
            self._server_runner.start()
        self.settings = self.settings.model_copy(update={"redis_url": self._server.url})

    def start(self) -> Self:
        """Start the server, then the parts. What came up is stopped again if anything fails."""
        try:
            self.open_server()
            if "service" in self.parts:
                self._socket = listen(self.settings)
                self.settings = self.settings.model_copy(update={"port": self._socket.getsockname()[1]})
            self._runners = self._make_runners()
            for runner in self._runners:
                runner.start()
        except BaseException:
            self.stop()
            raise
        return self

    def wait_answering(self, timeout_s: float = 60.0) -> None:
        """Wait until the service answers at all. Raises PartFailed, NotReady."""
        self._wait("/healthz", timeout_s)

    def wait_ready(self, timeout_s: float = 60.0, shop: str | None = None) -> None:
        """Wait until the service is ready: Redis answers, a bundle is live, code is compiled.

        shop: ready for this shop, whatever the others lack. Without the service part it is enough that the parts stay
        up for a second. Raises PartFailed, NotReady.
        """
        self._wait("/readyz", timeout_s, None if shop is None else partial(ready_for, shop))

    def check(self) -> None:
        """Raise PartFailed if a part, or the server, keeps falling."""
        server = () if self._server_runner is None else (self._server_runner,)
        for runner in (*server, *self._runners):
            if runner.failures >= FAILURES_BEFORE_READY:
                raise PartFailed(f"{runner.name} {runner.ended}; the end of {runner.log}:\n{runner.log_tail()}")

    def stop(self) -> None:
        """Stop service, recorder (it drains), learner, console and the server. Signals wait until it is done."""
        with _signals_ignored():
            for name in self.parts:
                group = [runner for runner in self._runners if runner.part.name == name]
                for runner in group:
                    runner.ask_to_stop()
                for runner in group:
                    runner.wait_stopped()
            self._runners = []
            if self._socket is not None:
                self._socket.close()
                self._socket = None
            if self._server_runner is not None:
                self._server_runner.stop()
                self._server_runner = None
            self._server = None  # one that was given is not ours to stop

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _make_runners(self) -> list[PartRunner]:
        self.settings.logs.mkdir(parents=True, exist_ok=True)
        environ = child_environ(self.settings)
        runners = [PartRunner(part, environ, self.settings.logs, self._say) for part in self._all_parts()]
        if self.settings.workers > 1:
            _gather_metrics([runner for runner in runners if runner.part.name == "service"], self.settings)
        return runners

    def _all_parts(self) -> Iterator[Part]:
        for name in self.parts:
            if name != "service":
                yield Part(name, name, _tact(name), GRACE_S[name])
                continue
            assert self._socket is not None
            handle = self._socket.fileno()
            for number in range(1, self.settings.workers + 1):
                log = name if self.settings.workers == 1 else f"{name}-{number}"
                yield Part(name, log, _tact(name, "--fd", str(handle)), GRACE_S[name], (handle,))

    def _wait(self, path: str, timeout_s: float, enough: Callable[[str], bool] | None = None) -> None:
        give_up = time.monotonic() + (timeout_s if self._socket is not None else min(timeout_s, 1.0))
        while True:
            self.check()
            answered, said = get(reachable(self.settings.host), self.settings.port, path) if self._socket else (0, "")
            if enough(said) if enough and answered else answered == 200:
                return
            if time.monotonic() > give_up:
                if self._socket is None:
                    return
                raise NotReady(said or f"no answer from {self.url}{path} within {timeout_s:g} s")
            time.sleep(0.05)


@contextmanager
def interruptible() -> Iterator[None]:
    """Within it SIGTERM and SIGHUP end the main thread's work as Ctrl-C does: by KeyboardInterrupt."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def wait_for_signal() -> None:
    """Stay until Ctrl-C or, within `interruptible`, a signal. Returns; leaves the stopping to the caller."""
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        return


def child_environ(settings: Settings) -> dict[str, str]:
    """The environment of a part: ours, and every setting as this supervisor has it."""
    environ = dict(os.environ)
    for field in type(settings).model_fields:
        value = getattr(settings, field)
        if value is not None:
            environ[environment_name(field)] = str(value)
    root = Path(__file__).parents[1]
    if root != Path(sysconfig.get_path("purelib")):  # run from a checkout: children find it wherever they start
        environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(root), os.environ.get("PYTHONPATH"))))
    environ["PYTHONUNBUFFERED"] = "1"
    return environ


def listen(settings: Settings) -> socket.socket:
    """The socket that all service processes share. Raises OSError that names the address."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        raise OSError(error.errno, f"cannot listen on {where}: {os.strerror(error.errno or 0)}") from error


def get(host: str, port: int, path: str) -> tuple[int, str]:
    """Status and body of a GET; status 0 if nobody answers."""
    connection = http.client.HTTPConnection(host.strip("[]"), port, timeout=2)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException):  # not up yet: the caller keeps asking until its own time-out
        return 0, ""
    finally:
        connection.close()


def ready_for(shop: str, body: str) -> bool:
    """Whether the service can decide for one shop, by what /readyz says: what only other shops lack does not count."""
    try:
        about = json.loads(body)
        live, missing = about["shops"].get(shop, {}), about["missing"]
        others = tuple(f"{name}: no " for name in about["shops"] if name != shop)
    except (ValueError, KeyError, TypeError, AttributeError):  # not the service yet: asked again until the time-out
        return False
    complete = live.get("bundle") is not None and live.get("policy") is not None
    return complete and (about.get("ready") is True or all(what.startswith(others) for what in missing))


def _tact(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "tact", *arguments)


def reachable(host: str) -> str:
    """Where a client on this machine finds a service that listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(host, f"[{host}]" if ":" in host else host)


def _gather_metrics(workers: Sequence[PartRunner], settings: Settings) -> None:
    """Have prometheus_client keep the workers' figures in files and add them up, without those of workers gone."""
    folder = settings.home / "metrics"
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.db"):
        path.unlink()
    for worker in workers:
        worker.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
        worker.on_end = partial(_forget_gauges, folder)


def _forget_gauges(folder: Path, pid: int) -> None:
    mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]  # the client has no types here


def _to_stderr(text: str) -> None:
    print(text, file=sys.stderr)


@contextmanager
def _signals_ignored() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
