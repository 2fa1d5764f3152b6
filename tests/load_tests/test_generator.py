"""The generator: latency from when a request was due, within its bounds, and every answer that is wrong is counted."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from load_tests.generator import Job, Measured, Run, arrivals, write_requests
from load_tests.sender import LoadFailed, Sender, request

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
DEGRADED = b'HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n{"degraded":true}'
BROKEN = b"HTTP/1.1 503 No\r\ncontent-length: 2\r\nConnection: close\r\n\r\n{}"

Answer = Callable[[int], bytes | None]
"""By how many requests came before; None: hang up."""


class Server:
    """Answers requests one after the other, whichever connection they come from."""

    def __init__(self, answer: Answer) -> None:
        self._answer, self._turn = answer, threading.Lock()
        self.served = self.at_once = self.most_at_once = 0
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self.listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while True:
                try:
                    if not connection.recv(65536):
                        return
                    self.at_once += 1
                    self.most_at_once = max(self.most_at_once, self.at_once)
                    with self._turn:
                        number, self.served = self.served, self.served + 1
                        answer = self._answer(number)
                    self.at_once -= 1
                    if answer is None:
                        return
                    for half in (answer[:30], answer[30:]):  # an answer may come in pieces
                        connection.sendall(half)
                except OSError:
                    return


@contextmanager
def serving(answer: Answer) -> Iterator[Server]:
    server = Server(answer)
    try:
        yield server
    finally:
        server.listening.close()


def job(server: Server, folder: Path, **more: object) -> Job:
    requests = [request("POST", "/", f"http://127.0.0.1:{server.port}", b"{}") for _ in range(20)]
    path = write_requests(folder / "requests", requests)
    given = {"address": "127.0.0.1", "port": server.port, "requests": str(path), "seconds": 0.5, "connections": 4}
    return Job(**given | more)  # type: ignore[arg-type]


def measured(server: Server, folder: Path, **more: object) -> Measured:
    return Run(job(server, folder, **more)).measure()


def test_a_server_that_stands_still_for_a_second_shows_in_the_tail(tmp_path: Path) -> None:
    def stalls(number: int) -> bytes:
        if number == 100:
            time.sleep(1.0)
        return OK

    with serving(stalls) as server:
        found = measured(server, tmp_path, rate_per_s=200.0, seconds=2.0)
    assert found.errors == 0
    assert found.answers == pytest.approx(400, rel=0.25)
    # 200 requests fell due meanwhile and waited half a second each; a generator that waits with the server sees 4 or 5
    assert found.p90_ms > 500
    assert found.p99_ms > 850
    assert found.max_ms >= 950


def test_wrong_lost_and_degraded_answers_are_counted(tmp_path: Path) -> None:
    answers = {3: BROKEN, 7: None, 11: DEGRADED}
    with serving(lambda number: answers.get(number % 20, OK)) as server:
        found = measured(server, tmp_path, connections=1, once=True, seconds=20)
    assert (found.wrong, found.lost, found.degraded) == (1, 1, 1)
    assert found.statuses == {"503": 1}
    assert server.served == 20


def test_degraded_and_wrong_answers_are_no_throughput(tmp_path: Path) -> None:
    with serving(lambda number: DEGRADED) as server:
        found = measured(server, tmp_path)
    assert found.answers > 0
    assert found.throughput == 0


def test_no_more_connections_than_asked_for_are_used(tmp_path: Path) -> None:
    with serving(lambda number: time.sleep(0.002) or OK) as server:
        measured(server, tmp_path, connections=3, rate_per_s=2000.0)
    assert 1 < server.most_at_once <= 3


def test_it_ends_though_nobody_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("load_tests.generator.TIMEOUT_S", 0.5)
    silent = threading.Event()
    with serving(lambda number: silent.wait(60) and None) as server:
        began_s = time.monotonic()
        found = measured(server, tmp_path, rate_per_s=100.0, seconds=0.3)
    silent.set()
    assert time.monotonic() - began_s < 15
    assert found.answers == 0
    assert found.lost > 0


@pytest.mark.parametrize("wrong", [{"connections": 0}, {"connections": 100_000}, {"seconds": 1e6}])
def test_a_job_without_bounds_is_refused(tmp_path: Path, wrong: dict[str, object]) -> None:
    with serving(lambda number: OK) as server, pytest.raises(ValueError, match="at most"):
        measured(server, tmp_path, **wrong)


def test_arrivals_are_poisson_and_the_same_again() -> None:
    at = np.array(arrivals(500.0, 40.0, 1))
    gaps = np.diff(at)
    assert len(at) == pytest.approx(20_000, rel=0.03)
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.03)
    assert at.max() < 40
    assert arrivals(500.0, 40.0, 1) == at.tolist()


def test_a_generator_of_its_own_process_measures_and_says_why_it_cannot(tmp_path: Path) -> None:
    with serving(lambda number: OK) as server, Sender() as sender:
        assert sender.measure(job(server, tmp_path, seconds=0.5)).answers > 0
        server.listening.close()
        with pytest.raises(LoadFailed, match="refused"):
            sender.measure(job(server, tmp_path, port=1))
