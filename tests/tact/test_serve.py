"""`tact serve` with its real parts: it answers, says where, and ends without leaving a process."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from service.embedded import running_url
from service.process import alive
from tact.supervisor import get
from tests.support import until

ROOT = Path(__file__).parents[2]


def children(pid: int) -> list[int]:
    """The processes that a process started, from the kernel's list."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):  # it ended while we looked
            continue
        if int(fields[1]) == pid:
            found.append(int(stat.parent.name))
    return found


def test_serve_answers_and_ctrl_c_stops_every_process(tmp_path: Path) -> None:
    environ = {k: v for k, v in os.environ.items() if not k.startswith("TACT_") and k != "REDIS_URL"}
    environ |= {"TACT_HOME": str(tmp_path), "TACT_PORT": "0", "NO_COLOR": "1", "COLUMNS": "200"}
    command = [sys.executable, "-m", "tact", "serve"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as serve:
        assert serve.stdout is not None
        said = ""
        for line in serve.stdout:
            said += line
            if "Ctrl-C" in line:
                break
        assert "Ctrl-C" in said, said
        port = re.search(r"http://127\.0\.0\.1:(\d+)", said)
        assert port is not None, said
        assert get("127.0.0.1", int(port[1]), "/healthz")[0] == 200
        assert "not ready yet    default: no bundle: decisions are degraded until" in said
        assert re.search(r"secret key +sk_[\w-]{32}", said)
        parts = children(serve.pid)
        assert len(parts) == 4  # server, service, recorder, learner
        serve.send_signal(signal.SIGINT)
        rest = serve.stdout.read()
        assert serve.wait(60) == 0, rest
    assert "killed" not in rest
    assert until(lambda: not any(map(alive, parts)))
    assert running_url(tmp_path / "valkey") is None


def test_up_runs_only_the_parts_it_is_given_on_the_given_server(tmp_path: Path, redis_url: str) -> None:
    environ = {k: v for k, v in os.environ.items() if not k.startswith("TACT_")}
    environ |= {"TACT_HOME": str(tmp_path), "REDIS_URL": redis_url, "NO_COLOR": "1"}
    command = [sys.executable, "-m", "tact", "up", "--part", "recorder"]
    with subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True) as up:
        assert up.stdout is not None
        for line in up.stdout:
            if "Ctrl-C" in line:
                break
        parts = children(up.pid)
        assert len(parts) == 1
        assert [path.name for path in (tmp_path / "logs").iterdir()] == ["recorder.log"]
        up.send_signal(signal.SIGTERM)
        up.stdout.read()
        assert up.wait(60) == 0
    assert until(lambda: not any(map(alive, parts)))
    assert running_url(tmp_path / "valkey") is None
