"""Sends requests to a server and takes the time, in a process of its own: `python -m load_tests.generator`.

It reads jobs from standard input and writes what it measured to standard output, a line of JSON each (Job, Measured),
so that one process serves a whole run (load_tests/sender.py is its other end).

* open loop (`rate_per_s` > 0): each request has a time at which it is due, drawn beforehand (Poisson arrivals of a
  seed). Latency counts from then, whether or not it could be sent: a late answer makes the next ones late, as for
  real visitors (no coordinated omission; Tene, "How NOT to measure latency").
* closed loop (rate 0): each connection sends its next request when the answer came. What comes back in a second is
  the throughput.

It is bounded in connections, in requests that wait for one, in time; an answer that does not come is an error. One loop
over epoll without asyncio, requests made beforehand, answers not decoded: its own ceiling stands beside the
figures (floor A, docs/performance.md).
"""

import ctypes
import os
import select
import socket
import sys
import time
from array import array
from collections import deque
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

TIMEOUT_S: Final = 5.0
"""An answer that takes longer is an error, and its connection is opened anew."""

MAX_CONNECTIONS: Final = 1024
MAX_SECONDS: Final = 600.0
MAX_WAITING: Final = 20_000
"""Requests that are due and have no connection; what comes on top is not sent and counted."""

RECEIVE: Final = 1 << 18
HEAD: Final = 1024
CLOSES: Final = b"connection: close"
DEGRADED: Final = b'"degraded":true'


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What to send. requests: file of whole HTTP requests (write_requests). rate_per_s: 0 for a closed loop.

    skip_s: answers in the first part are not counted. once: stop when each request was sent once.
    """

    address: str
    port: int
    requests: str
    seconds: float
    rate_per_s: float = 0.0
    connections: int = 16
    expected: int = 200
    seed: int = 1
    skip_s: float = 0.0
    once: bool = False


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What came back, in ms; open loop: from when it was due. throughput: good answers a second, no degraded ones.

    Where nothing came back the times are as long as was waited.

    late_p99_ms: how late the generator itself was with requests for which a connection was free.
    wrong: answers of another status; lost: none came; unsent: dropped, too many waited.
    """

    answers: int
    seconds: float
    throughput: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    late_p99_ms: float
    wrong: int
    lost: int
    unsent: int
    degraded: int
    cpu_s: float
    statuses: dict[str, int] = {}

    @property
    def errors(self) -> int:
        return self.wrong + self.lost + self.unsent


def write_requests(path: Path, requests: list[bytes]) -> Path:
    """Whole requests for jobs. Raises ValueError for none."""
    if not requests:
        raise ValueError("no requests to send")
    path.write_bytes(msgspec.msgpack.encode(requests))
    return path


def arrivals(rate_per_s: float, seconds: float, seed: int) -> list[float]:
    """Poisson arrivals, seconds from the start."""
    rng = np.random.default_rng(seed)
    count = int(rate_per_s * seconds + 6 * (rate_per_s * seconds) ** 0.5 + 10)
    due = np.cumsum(rng.exponential(1 / rate_per_s, count))
    return [float(at) for at in due[due < seconds]]


class _Timer:
    """timerfd(2): epoll alone wakes at whole milliseconds."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.fd = self._libc.timerfd_create(1, os.O_NONBLOCK)
        if self.fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._spec = (ctypes.c_long * 4)()

    def set(self, seconds: float) -> None:
        """Readable after so many seconds."""
        left_ns = max(1, int(seconds * 1e9))
        self._spec[2], self._spec[3] = divmod(left_ns, 1_000_000_000)
        self._libc.timerfd_settime(self.fd, 0, ctypes.byref(self._spec), None)

    def close(self) -> None:
        os.close(self.fd)


class _Connection:
    """A keep-alive connection with at most one request under way. due_s: when that was due; 0: none."""

    __slots__ = ("due_s", "fd", "got", "missing", "sent_s", "socket")

    def __init__(self, job: Job) -> None:
        self.socket = socket.create_connection((job.address, job.port), timeout=TIMEOUT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.fd = self.socket.fileno()
        self.due_s = self.sent_s = 0.0
        self.got, self.missing = b"", 0

    def send(self, request: bytes) -> bool:
        """Whether all of it went out; a request is smaller than a socket's buffer."""
        try:
            return self.socket.send(request) == len(request)
        except OSError:
            return False

    def receive(self) -> bytes | None:
        """The whole answer; empty while some of it is missing. None: it broke, or is no answer with a length."""
        try:
            data = self.socket.recv(RECEIVE)
        except BlockingIOError:
            return b""
        except OSError:
            return None
        if not data:
            return None
        if self.got:
            data = self.got + data
        if len(data) < self.missing:
            self.got = data
            return b""
        size = _size(data)
        if size is None or size < 0:
            return None
        if size == 0 or len(data) < size:
            self.got, self.missing = data, size
            return b""
        self.got, self.missing = b"", 0
        return data


def _size(data: bytes) -> int | None:
    """How long the answer is that begins here; 0: not known yet, None: it does not say."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return 0
    at = data.find(b"ontent-length: ", 0, end)
    if at < 0:
        at = data.find(b"ontent-Length: ", 0, end)
    if at < 0:
        return None
    at += 15
    stop = data.find(b"\r", at)
    try:
        return end + 4 + int(data[at:stop])
    except ValueError:
        return None


class Run:
    """One job under way."""

    def __init__(self, job: Job) -> None:
        if not 0 < job.connections <= MAX_CONNECTIONS or not 0 < job.seconds <= MAX_SECONDS:
            raise ValueError(f"1 to {MAX_CONNECTIONS} connections, at most {MAX_SECONDS:g} seconds")
        self.job = job
        self.requests: list[bytes] = msgspec.msgpack.decode(Path(job.requests).read_bytes(), type=list[bytes])
        self.next = 0
        self.epoll = select.epoll()
        self.by_fd: dict[int, _Connection] = {}
        self.free: list[_Connection] = []
        for _ in range(job.connections):
            self._open()
        self.latencies, self.late = array("d"), array("d")
        self.wrong = self.lost = self.unsent = self.degraded = self.good = 0
        self.statuses: dict[str, int] = {}
        self.status = b" %d " % job.expected
        self.last_s = 0.0

    def measure(self) -> Measured:
        """Sends everything, waits for the answers, tells. Raises OSError where nobody listens."""
        cpu_s = time.process_time()
        try:
            start_s = self._open_loop() if self.job.rate_per_s > 0 else self._closed_loop()
        finally:
            for connection in self.by_fd.values():
                connection.socket.close()
            self.epoll.close()
        return self._told(start_s, time.process_time() - cpu_s)

    def _open(self) -> None:
        connection = _Connection(self.job)
        self.by_fd[connection.fd] = connection
        self.free.append(connection)
        self.epoll.register(connection.fd, select.EPOLLIN)

    def _send(self, due_s: float, now_s: float) -> None:
        connection = self.free.pop()
        request = self.requests[self.next]
        self.next = (self.next + 1) % len(self.requests)
        connection.due_s, connection.sent_s = due_s, now_s
        if not connection.send(request):
            self._lose(connection)

    def _lose(self, connection: _Connection) -> None:
        """The connection is gone, with the request that was under way; another one in its place."""
        self.lost += connection.due_s > 0
        self.epoll.unregister(connection.fd)
        del self.by_fd[connection.fd]
        if connection in self.free:
            self.free.remove(connection)
        connection.socket.close()
        try:
            self._open()
        except OSError:
            if not self.by_fd:
                raise

    def _take(self, fd: int, counted_from_s: float) -> None:
        """Whatever a connection received."""
        connection = self.by_fd.get(fd)
        if connection is None:
            return
        answer = connection.receive()
        if answer is None:
            self._lose(connection)
            return
        if not answer:
            return
        now_s = time.perf_counter()
        due_s, connection.due_s = connection.due_s, 0.0
        right = answer.find(self.status, 8, 14) >= 0
        if right or CLOSES not in answer[:HEAD].lower():
            self.free.append(connection)
        else:
            self._lose(connection)
        if due_s < counted_from_s:
            return
        self.last_s = now_s
        self.latencies.append(now_s - due_s)
        if right:
            self.good += 1
            self.degraded += DEGRADED in answer
        else:
            self.wrong += 1
            status = answer[9:12].decode("latin-1")
            self.statuses[status] = self.statuses.get(status, 0) + 1

    def _lose_the_late(self, now_s: float) -> None:
        for connection in list(self.by_fd.values()):
            if connection.due_s and now_s - connection.sent_s > TIMEOUT_S:
                self._lose(connection)

    def _open_loop(self) -> float:
        job, timer, waiting = self.job, _Timer(), deque[float]()
        self.epoll.register(timer.fd, select.EPOLLIN)
        start_s = time.perf_counter() + 0.01
        due = [start_s + at for at in arrivals(job.rate_per_s, job.seconds, job.seed)]
        counted_s, give_up_s, checked_s = start_s + job.skip_s, start_s + job.seconds + TIMEOUT_S, start_s
        at, poll, free = 0, self.epoll.poll, self.free
        while at < len(due) or waiting or len(free) < len(self.by_fd):
            now_s = time.perf_counter()
            while at < len(due) and due[at] <= now_s:
                if free and not waiting:
                    self.late.append(now_s - due[at])
                    self._send(due[at], now_s)
                elif len(waiting) < MAX_WAITING:
                    waiting.append(due[at])
                else:
                    self.unsent += 1
                at += 1
            timer.set(due[at] - time.perf_counter() if at < len(due) else 0.1)  # also takes back an old expiry
            if at == len(due) and now_s > give_up_s:
                self.lost += len(waiting) + sum(connection.due_s > 0 for connection in self.by_fd.values())
                break
            for fd, _ in poll(0.1):
                if fd != timer.fd:
                    self._take(fd, counted_s)
            while waiting and free:
                self._send(waiting.popleft(), time.perf_counter())
            if now_s - checked_s > 1:
                self._lose_the_late(now_s)
                checked_s = now_s
        self.epoll.unregister(timer.fd)
        timer.close()
        return counted_s

    def _closed_loop(self) -> float:
        job, poll, free = self.job, self.epoll.poll, self.free
        start_s = time.perf_counter()
        counted_s, stop_s, checked_s = start_s + job.skip_s, start_s + job.seconds, start_s
        left = len(self.requests) if job.once else -1
        while True:
            now_s = time.perf_counter()
            sending = now_s < stop_s and left != 0
            if not sending and (len(free) == len(self.by_fd) or now_s > stop_s + TIMEOUT_S):
                self.lost += sum(connection.due_s > 0 for connection in self.by_fd.values())
                return counted_s
            while sending and free and left != 0:
                left -= 1
                self._send(now_s, now_s)
                now_s = time.perf_counter()
            for fd, _ in poll(0.1):
                self._take(fd, counted_s)
            if now_s - checked_s > 1:
                self._lose_the_late(now_s)
                checked_s = now_s

    def _told(self, start_s: float, cpu_s: float) -> Measured:
        took_s = max(self.last_s - start_s, 1e-9)
        ms = np.array(self.latencies) * 1000 if self.latencies else np.full(1, 1000 * (self.job.seconds + TIMEOUT_S))
        p50, p90, p99, p999 = (float(p) for p in np.percentile(ms, [50, 90, 99, 99.9]))
        return Measured(
            answers=len(self.latencies),
            seconds=took_s,
            throughput=(self.good - self.degraded) / took_s,
            p50_ms=p50,
            p90_ms=p90,
            p99_ms=p99,
            p999_ms=p999,
            max_ms=float(ms.max()),
            late_p99_ms=float(np.percentile(np.array(self.late) * 1000, 99)) if self.late else 0.0,
            wrong=self.wrong,
            lost=self.lost,
            unsent=self.unsent,
            degraded=self.degraded,
            cpu_s=cpu_s,
            statuses=self.statuses,
        )


def main() -> None:
    """Jobs in, figures out, until standard input ends."""
    for line in sys.stdin.buffer:
        try:
            said = msgspec.json.encode(Run(msgspec.json.decode(line, type=Job)).measure())
        except (OSError, ValueError) as error:
            said = msgspec.json.encode({"failed": f"{type(error).__name__}: {error}"})
        sys.stdout.buffer.write(said + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
