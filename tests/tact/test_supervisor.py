"""The supervisor, with small stand-ins for the parts: order, readiness, restarts, and nothing left behind.

That the real parts run under it is shown by test_serve.py.
"""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from service.embedded import AlreadyRunning, running_url
from service.process import alive
from service.settings import Settings
from tact import supervisor as supervisor_module
from tact.supervisor import NotReady, PartFailed, Supervisor, child_environ, listen, ready_for
from tests.support import PATIENCE_S, until

SERVICE = """
import http.server, os, signal, socket, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        ready = os.path.exists(os.environ["TACT_HOME"] + "/ready")
        self.send_response(200 if self.path == "/healthz" or ready else 503)
        self.end_headers()
        self.wfile.write(str(os.getpid()).encode() if self.path == "/healthz" else b"no bundle is live")
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("", 0), Handler, bind_and_activate=False)
server.socket.close()
server.socket = socket.socket(fileno=int(sys.argv[1]))
def stop(*_):
    open(os.environ["TACT_HOME"] + "/order", "a").write("service ")
    os._exit(0)
signal.signal(signal.SIGTERM, stop)
server.serve_forever()
"""
FOLLOWER = """
import os, signal, sys, time
def stop(*_):
    open(os.environ["TACT_HOME"] + "/order", "a").write(sys.argv[1] + " ")
    os._exit(0)
signal.signal(signal.SIGTERM, stop)
print(os.environ["REDIS_URL"], flush=True)
time.sleep(600)
"""
"""Stand-ins: a service on the inherited socket, ready once the file `ready` is there, and a part that follows Redis."""


def stand_in(name: str, *arguments: str) -> tuple[str, ...]:
    if name == "service":
        return (sys.executable, "-c", SERVICE, arguments[1])
    return (sys.executable, "-c", FOLLOWER, name)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def make(tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Supervisor]]:
    monkeypatch.setattr(supervisor_module, "_tact", stand_in)
    made: list[Supervisor] = []

    def maker(**changes: object) -> Supervisor:
        settings = Settings(home=tmp_path, port=0, **changes)  # type: ignore[arg-type]
        made.append(Supervisor(settings, say=said.append))
        return made[-1]

    yield maker
    for supervisor in made:
        supervisor.stop()


def answered_by(supervisor: Supervisor) -> str:
    """The process id of the service that answers one request, however long it takes."""
    with urllib.request.urlopen(f"http://127.0.0.1:{supervisor.settings.port}/healthz", timeout=PATIENCE_S) as answer:
        return str(answer.read().decode())


def test_parts_get_the_servers_address_and_the_port_that_was_free(make: Callable[..., Supervisor]) -> None:
    supervisor = make().start()
    supervisor.wait_answering(PATIENCE_S)
    assert answered_by(supervisor) == str(supervisor.pids["service"])
    log = supervisor.settings.logs / "recorder.log"
    assert until(lambda: log.exists() and log.read_text().strip() == supervisor.redis_url)


def test_ready_is_what_the_service_says(make: Callable[..., Supervisor], tmp_path: Path) -> None:
    supervisor = make().start()
    supervisor.wait_answering(PATIENCE_S)
    with pytest.raises(NotReady, match="no bundle is live"):
        supervisor.wait_ready(1.5)
    (tmp_path / "ready").touch()
    supervisor.wait_ready(PATIENCE_S)


def test_a_stop_ends_the_service_first_then_recorder_learner_console_and_server(
    make: Callable[..., Supervisor], tmp_path: Path
) -> None:
    supervisor = make().start()
    supervisor.wait_answering(PATIENCE_S)
    log = supervisor.settings.logs
    assert until(lambda: all((log / f"{name}.log").stat().st_size > 0 for name in ("recorder", "learner", "console")))
    pids = supervisor.pids
    supervisor.stop()
    assert (tmp_path / "order").read_text() == "service recorder learner console "
    assert [name for name, pid in pids.items() if alive(pid)] == []
    assert running_url(tmp_path / "valkey") is None


def test_a_request_during_a_restart_of_the_service_waits_and_is_answered(
    make: Callable[..., Supervisor], said: list[str]
) -> None:
    supervisor = make().start()
    supervisor.wait_answering(PATIENCE_S)
    first = supervisor.pids["service"]
    os.kill(first, signal.SIGKILL)
    assert answered_by(supervisor) != str(first)
    assert "service was ended by SIGKILL; starting it again" in said[0]


def test_a_killed_server_comes_back_at_the_same_address_and_the_parts_stay_up(
    make: Callable[..., Supervisor], said: list[str]
) -> None:
    supervisor = make().start()
    supervisor.wait_answering(PATIENCE_S)
    address, parts = supervisor.redis_url, supervisor.pids
    folder = supervisor.settings.home / "valkey"
    os.kill(json.loads((folder / "server.lock").read_text())["server"], signal.SIGKILL)
    assert until(lambda: any("answers again" in line for line in said))
    assert said[0].startswith("server was ended by SIGKILL; starting it again")
    assert running_url(folder) == address
    assert supervisor.pids == parts


def test_ready_for_a_shop_is_whatever_other_shops_lack() -> None:
    def body(live: object, missing: list[str], ready: bool = False) -> str:
        shops = {"demo": {"bundle": live, "policy": "p"}, "shop2": {"bundle": None, "policy": None}}
        return json.dumps({"ready": ready, "missing": missing, "shops": shops})

    lacking = ["shop2: no bundle", "shop2: no policy"]
    assert ready_for("demo", body("b", lacking))
    assert ready_for("demo", body("b", [*lacking, "shop2 decides without a bundle"], ready=True))
    assert not ready_for("demo", body(None, [*lacking, "demo: no bundle"]))
    assert not ready_for("demo", body("b", [*lacking, "the code is not compiled yet"]))
    assert not ready_for("demo", body(None, [], ready=True))
    assert not ready_for("demo3", body("b", [], ready=True))
    assert not ready_for("demo", "Internal Server Error")


def test_more_workers_share_the_port(make: Callable[..., Supervisor]) -> None:
    supervisor = make(workers=2).start()
    supervisor.wait_answering(PATIENCE_S)
    workers = {str(pid) for name, pid in supervisor.pids.items() if name.startswith("service-")}
    assert len(workers) == 2
    answered: set[str] = set()

    def both_answered() -> bool:
        answered.add(answered_by(supervisor))
        return answered >= workers

    assert until(both_answered)


def test_workers_keep_their_figures_in_one_folder_and_a_dead_ones_gauges_are_forgotten(
    make: Callable[..., Supervisor], tmp_path: Path
) -> None:
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "counter_1.db").write_bytes(b"from an earlier run")
    supervisor = make(workers=2).start()
    supervisor.wait_answering(PATIENCE_S)
    assert list((tmp_path / "metrics").iterdir()) == []
    pid = supervisor.pids["service-1"]
    environ = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    assert f"PROMETHEUS_MULTIPROC_DIR={tmp_path / 'metrics'}".encode() in environ
    gauge, counter = (tmp_path / "metrics" / f"{kind}_{pid}.db" for kind in ("gauge_livesum", "counter"))
    gauge.touch()
    counter.touch()
    os.kill(pid, signal.SIGKILL)
    assert until(lambda: not gauge.exists())
    assert counter.exists()


def test_a_part_that_does_not_stay_up_is_reported_with_its_last_lines(
    make: Callable[..., Supervisor], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = (sys.executable, "-c", "import sys; sys.exit('libgomp.so.1 is missing')")
    monkeypatch.setattr(supervisor_module, "_tact", lambda name, *_: broken)
    supervisor = make().start()
    with pytest.raises(PartFailed, match=r"(?s)service ended with code 1; .*libgomp\.so\.1 is missing"):
        supervisor.wait_ready(PATIENCE_S)


def test_a_taken_port_is_reported_by_address_and_nothing_is_left(
    make: Callable[..., Supervisor], tmp_path: Path
) -> None:
    with listen(Settings(port=0)) as taken:
        supervisor = Supervisor(Settings(home=tmp_path, port=taken.getsockname()[1]))
        with pytest.raises(OSError, match=r"cannot listen on 127\.0\.0\.1:"):
            supervisor.start()
    assert running_url(tmp_path / "valkey") is None


def test_a_second_install_in_the_same_home_is_refused_and_the_first_goes_on(make: Callable[..., Supervisor]) -> None:
    first = make().start()
    with pytest.raises(AlreadyRunning):
        make().start()
    first.wait_answering(PATIENCE_S)


def test_an_unknown_part_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="no such part: recoder"):
        Supervisor(Settings(), ("recoder",))


def test_children_are_told_every_setting_as_it_is(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, redis_url="redis://h", deadline_ms=77)
    assert Settings.load(child_environ(settings)) == settings


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux signals a child when its owner dies")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_process_is_left_when_the_supervisor_is_ended(tmp_path: Path, how: signal.Signals) -> None:
    script = f"""
import json
from pathlib import Path
from tests.tact import test_supervisor as t
t.supervisor_module._tact = t.stand_in
settings = t.Settings(home=Path({str(tmp_path)!r}), port=0)
try:
    with t.supervisor_module.interruptible(), t.Supervisor(settings) as s:
        s.wait_answering(60)
        print(json.dumps([*s.pids.values(), s._server.pid]), flush=True)
        t.supervisor_module.wait_for_signal()
except KeyboardInterrupt:
    pass
"""
    owner = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )
    with owner:
        assert owner.stdout is not None
        pids = json.loads(owner.stdout.readline())
        assert len(pids) == 5
        assert all(map(alive, pids))
        owner.send_signal(how)
        assert owner.wait(PATIENCE_S) == (-9 if how == signal.SIGKILL else 0)
    assert until(lambda: not any(map(alive, pids)))
