"""A part: started again when it falls, with back-off; ended in good order; never left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from service.embedded import EmbeddedValkey, running_url
from service.process import alive
from tact import part as part_module
from tact.part import Part, PartRunner, ServerRunner
from tests.support import until

ROOT = Path(__file__).parents[2]
STAY = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
FALL = "import sys; print('no bundle here', flush=True); sys.exit(7)"
OWNER = """
import os, sys, threading, time
from pathlib import Path
from tact.part import Part, PartRunner
logs = Path(sys.argv[1])
part = Part("p", "p", (sys.executable, "-c", sys.argv[2]), 5.0)
runner = PartRunner(part, dict(os.environ), logs, print)
runner.start()
while runner.pid is None or b"up" not in runner.log.read_bytes(): time.sleep(0.02)
print(runner.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def start(tmp_path: Path, said: list[str]) -> Iterator[Callable[..., PartRunner]]:
    runners: list[PartRunner] = []

    def started(script: str, grace_s: float = 5.0) -> PartRunner:
        part = Part("p", "p", (sys.executable, "-c", script), grace_s)
        runners.append(PartRunner(part, dict(os.environ), tmp_path, said.append))
        runners[-1].start()
        return runners[-1]

    yield started
    for runner in runners:
        runner.ask_to_stop()
        runner.wait_stopped()


def up(runner: PartRunner, times: int = 1) -> int:
    """Wait until the part has come up so many times; its process id."""
    assert until(lambda: runner.log.exists() and runner.log.read_text().count("up\n") >= times)
    assert runner.pid is not None
    return runner.pid


def waits(said: list[str]) -> list[str]:
    """The seconds of each "again in … s"."""
    return [line.rpartition(" in ")[2].split(" s ")[0] for line in said if "again in" in line]


def test_a_killed_part_is_started_again_and_it_is_said(start: Callable[..., PartRunner], said: list[str]) -> None:
    runner = start(STAY)
    first = up(runner)
    os.kill(first, signal.SIGKILL)
    assert up(runner, times=2) != first
    assert "p was ended by SIGKILL; starting it again in 0.1 s" in said[0]


def test_a_part_that_keeps_falling_is_tried_ever_more_slowly_and_its_log_is_shown(
    start: Callable[..., PartRunner], said: list[str]
) -> None:
    start(FALL)
    assert until(lambda: len(waits(said)) >= 3)
    assert waits(said)[:3] == ["0.1", "0.4", "1.6"]
    assert "p ended with code 7" in said[0]
    assert "no bundle here" in said[1]


def test_a_part_that_ran_long_starts_its_back_off_anew(
    start: Callable[..., PartRunner], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part_module, "STEADY_S", 0.0)
    runner = start(FALL)
    assert until(lambda: runner.log.exists() and runner.log.read_text().count("no bundle") >= 3)
    assert runner.failures == 1


def test_a_stopped_part_is_gone_and_stays_gone(start: Callable[..., PartRunner], said: list[str]) -> None:
    runner = start(STAY)
    pid = up(runner)
    runner.ask_to_stop()
    runner.wait_stopped()
    assert not alive(pid)
    assert (runner.pid, said) == (None, [])


def test_a_part_that_ignores_the_request_is_killed_after_its_time(
    start: Callable[..., PartRunner], said: list[str]
) -> None:
    runner = start(STUBBORN, grace_s=0.2)
    pid = up(runner)
    runner.ask_to_stop()
    runner.wait_stopped()
    assert not alive(pid)
    assert said == ["p did not stop within 0.2 s: killed"]


def test_a_stop_during_the_back_off_does_not_wait_for_it(start: Callable[..., PartRunner]) -> None:
    runner = start(FALL)
    assert until(lambda: runner.failures >= 4)
    before = time.monotonic()
    runner.ask_to_stop()
    runner.wait_stopped()
    assert time.monotonic() - before < 4.0  # of the 6.4 s that it would have waited


def test_a_log_that_has_grown_long_is_set_aside(
    start: Callable[..., PartRunner], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part_module, "LOG_BYTES", 10)
    (tmp_path / "p.log").write_text("from an earlier run\n")
    up(start(STAY))
    assert (tmp_path / "p.log.1").read_text() == "from an earlier run\n"


@pytest.fixture
def server(tmp_path: Path, said: list[str]) -> Iterator[ServerRunner]:
    runner = ServerRunner(EmbeddedValkey(tmp_path).start(), said.append)
    runner.start()
    yield runner
    runner.stop()


def test_a_killed_server_is_started_again_and_both_are_said(
    server: ServerRunner, said: list[str], tmp_path: Path
) -> None:
    first = server.server.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    assert until(lambda: len(said) == 2)
    assert said[0] == f"server was ended by SIGKILL; starting it again in 0.1 s (log: {tmp_path}/server.log)"
    assert "answers again" in said[1]
    assert running_url(tmp_path) == server.server.url
    assert server.server.pid != first


def test_a_server_that_cannot_come_back_is_tried_ever_more_slowly_until_it_can(
    server: ServerRunner, said: list[str], tmp_path: Path
) -> None:
    (tmp_path / "appendonlydir").rename(tmp_path / "aside")
    (tmp_path / "appendonlydir").write_text("not a folder")
    assert server.server.pid is not None
    os.kill(server.server.pid, signal.SIGKILL)
    assert until(lambda: len(waits(said)) >= 3)
    assert waits(said)[:3] == ["0.1", "0.4", "1.6"]
    assert "server does not come back:" in said[1]
    (tmp_path / "appendonlydir").unlink()
    (tmp_path / "aside").rename(tmp_path / "appendonlydir")
    assert until(lambda: running_url(tmp_path) is not None)


def test_a_stop_while_the_server_is_down_starts_none(server: ServerRunner, said: list[str], tmp_path: Path) -> None:
    assert server.server.pid is not None
    os.kill(server.server.pid, signal.SIGKILL)
    assert until(lambda: len(said) == 1)
    server.stop()
    assert running_url(tmp_path) is None
    assert len(said) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux signals a child when its owner dies")
@pytest.mark.parametrize("script", [STAY, STUBBORN])
def test_no_part_outlives_a_killed_owner(tmp_path: Path, script: str) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path), script], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    with owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        assert alive(pid)
        owner.kill()
    assert until(lambda: not alive(pid))
