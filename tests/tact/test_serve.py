"""`tact serve` with its real parts: it answers, says where, and ends without leaving a process."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from features.lakefile import read_events
from service.embedded import running_url
from service.live import load_live
from service.process import alive
from tact.supervisor import get
from tests.support import PATIENCE_S, until

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
        assert until(lambda: get("127.0.0.1", int(port[1]), "/healthz")[0] == 200)
        assert "not ready yet    default: no bundle: decisions are degraded until" in said
        assert re.search(r"secret key +sk_[\w-]{32}", said)
        parts = children(serve.pid)
        assert len(parts) == 5  # server, service, recorder, learner, console
        serve.send_signal(signal.SIGINT)
        rest = serve.stdout.read()
        assert serve.wait(60) == 0, rest
    assert "killed" not in rest
    assert until(lambda: not any(map(alive, parts)))
    assert running_url(tmp_path / "valkey") is None


def test_a_killed_server_for_the_state_costs_a_moment_and_no_event(tmp_path: Path) -> None:
    environ = {k: v for k, v in os.environ.items() if not k.startswith("TACT_") and k != "REDIS_URL"}
    environ |= {"TACT_HOME": str(tmp_path), "TACT_PORT": "0", "NO_COLOR": "1", "COLUMNS": "200"}
    environ |= {"TACT_APPENDFSYNC": "always", "TACT_RECORDER_FLUSH_S": "0.5", "TACT_LEARNER_PUBLISH_S": "0.5"}
    command = [sys.executable, "-m", "tact", "serve"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as serve:
        assert serve.stdout is not None
        said = ""
        while "Ctrl-C" not in said and (line := serve.stdout.readline()):
            said += line
        url, secret = re.search(r"http://127\.0\.0\.1:\d+", said), re.search(r"sk_[\w-]{32}", said)
        assert url is not None, said
        assert secret is not None, said
        try:
            accepted = [visitor for visitor in ("before-1", "before-2") if send(url[0], secret[0], visitor)]
            assert len(accepted) == 2
            parts = children(serve.pid)
            server = json.loads((tmp_path / "valkey" / "server.lock").read_text())["server"]
            os.kill(server, signal.SIGKILL)
            assert "server was ended by SIGKILL; starting it again" in serve.stdout.readline()
            assert "server answers again" in serve.stdout.readline()
            assert until(lambda: send(url[0], secret[0], "after"))
            assert until(lambda: {*accepted, "after"} <= visitors_in(tmp_path / "lake"))
            assert until(lambda: views_learned(tmp_path / "live") > 2.9)
            assert set(parts) - set(children(serve.pid)) == {server}  # no part had to be started again
        finally:
            serve.send_signal(signal.SIGINT)
            rest = serve.stdout.read()
        assert serve.wait(60) == 0, rest
    assert until(lambda: not any(map(alive, parts)))


def send(url: str, key: str, visitor: str) -> bool:
    """Send one view of a product; whether it was acknowledged."""
    event = {"event": "view_item", "visitor_id": visitor, "items": [{"item_id": "a"}], "consent": ["analytics"]}
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/v1/events", json.dumps(event).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return bool(json.loads(answer.read())["accepted"] == 1)
    except urllib.error.HTTPError as error:
        error.close()
        return False


def visitors_in(lake: Path) -> set[str]:
    return set(read_events(lake, "default", columns=["visitor_id"]).column("visitor_id").to_pylist())


def views_learned(live: Path) -> float:
    found = load_live(live, "default")
    return 0.0 if found is None else float(found.stats.to_arrays()["counts"][:, 0].sum())


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


@pytest.mark.parametrize("arguments", [("serve",), ("up",), ("keys", "create", "--shop", "s")])
@pytest.mark.parametrize("home", ["a-file", "/proc/nope", "/proc"])
def test_a_home_that_cannot_be_written_to_is_told_without_a_traceback(
    tmp_path: Path, home: str, arguments: tuple[str, ...]
) -> None:
    (tmp_path / "a-file").touch()
    environ = {**os.environ, "TACT_HOME": str(tmp_path / home), "REDIS_URL": "redis://127.0.0.1:1"}
    command = [sys.executable, "-m", "tact", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert f"TACT_HOME is {tmp_path / home}, which cannot be used" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_verb_that_only_reads_makes_no_home_and_refuses_a_file_as_one(tmp_path: Path) -> None:
    (tmp_path / "a-file").touch()
    ended = {}
    for home in ("none", "a-file"):
        environ = {**os.environ, "TACT_HOME": str(tmp_path / home)}
        command = [sys.executable, "-m", "tact", "keys", "list"]
        ended[home] = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, timeout=120).returncode
    assert ended == {"none": 0, "a-file": 2}
    assert not (tmp_path / "none").exists()
