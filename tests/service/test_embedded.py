"""The embedded server: it answers, keeps its data, is owned by one process, and dies with that process."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import redis

from service import embedded
from service.embedded import (
    AlreadyRunning,
    EmbeddedValkey,
    GivenServer,
    NoServer,
    ServerFailed,
    open_server,
    running_url,
)
from service.process import alive
from service.settings import Settings
from tests.support import until

ROOT = Path(__file__).parents[2]
OWNER = """
import sys, time
from pathlib import Path
from service.embedded import EmbeddedValkey
server = EmbeddedValkey(Path(sys.argv[1])).start()
print(server.pid, flush=True)
time.sleep(600)
"""

NO_SIGNAL = """
import service.process
service.process._LAUNCHER = "import os, sys; os.execv(sys.argv[3], sys.argv[3:])"
"""


def _client(url: str) -> "redis.Redis":
    return redis.Redis.from_url(url)


def _killed_owner(folder: Path, before: str = "") -> int:
    """Start a server from another process, write to it, kill that process with SIGKILL; the server's pid."""
    owner = subprocess.Popen(
        [sys.executable, "-c", before + OWNER, str(folder)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    with owner:
        assert owner.stdout is not None
        server = int(owner.stdout.readline())
        url = running_url(folder)
        assert url is not None
        with _client(url) as client:
            client.set("written", "yes")
        owner.kill()
    return server


@pytest.mark.parametrize("name", ["valkey", "redis-server"])
def test_what_was_written_survives_a_stop_and_a_start(tmp_path: Path, name: str) -> None:
    found = shutil.which("redis-server") if name == "redis-server" else str(embedded.find_binary())
    if found is None:
        pytest.skip("no redis-server on PATH")
    with EmbeddedValkey(tmp_path, Path(found)) as server, _client(server.url) as client:
        client.append("tail", b"\x00\x01")
    with EmbeddedValkey(tmp_path, Path(found)) as server, _client(server.url) as client:
        assert client.get("tail") == b"\x00\x01"


def test_it_listens_on_a_private_unix_socket_only(tmp_path: Path) -> None:
    with EmbeddedValkey(tmp_path) as server, _client(server.url) as client:
        assert client.config_get("port") == {"port": "0"}
        assert server.socket_path.stat().st_mode & 0o077 == 0


def test_it_syncs_as_it_is_told(tmp_path: Path) -> None:
    server = open_server(Settings(home=tmp_path, appendfsync="always"))
    try:
        with _client(server.url) as client:
            assert client.config_get("appendfsync") == {"appendfsync": "always"}
    finally:
        server.stop()


def test_a_small_append_only_file_is_left_as_it_is_and_a_rewrite_does_not_compress(tmp_path: Path) -> None:
    with EmbeddedValkey(tmp_path) as server, _client(server.url) as client:
        found = client.config_get("auto-aof-rewrite-min-size", "rdbcompression")
        assert found == {"auto-aof-rewrite-min-size": str(embedded.REWRITE_MB << 20), "rdbcompression": "no"}


def test_its_allocator_keeps_room_for_the_next_reply_unless_the_owner_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MALLOC_TOP_PAD_", "4096")
    shows = tmp_path / "shows-its-environment"
    shows.write_text("#!/bin/sh\nenv | grep MALLOC_\nexit 1\n")
    shows.chmod(0o700)
    with pytest.raises(ServerFailed) as failed:
        EmbeddedValkey(tmp_path / "folder", binary=shows).start()
    assert "MALLOC_MMAP_THRESHOLD_=33554432" in str(failed.value)
    assert "MALLOC_TOP_PAD_=4096" in str(failed.value)


def test_a_killed_server_comes_back_on_the_same_socket_with_what_was_written(tmp_path: Path) -> None:
    with EmbeddedValkey(tmp_path, appendfsync="always") as server, _client(server.url) as client:
        client.append("tail", b"\x00\x01")
        first, url = server.pid, server.url
        assert first is not None
        os.kill(first, signal.SIGKILL)
        assert server.wait_ended() == -signal.SIGKILL
        server.restart()
        assert server.url == url
        assert server.pid != first
        assert client.get("tail") == b"\x00\x01"
        with pytest.raises(AlreadyRunning):
            EmbeddedValkey(tmp_path).start()
    assert running_url(tmp_path) is None


def test_a_stopped_server_is_not_started_again(tmp_path: Path) -> None:
    server = EmbeddedValkey(tmp_path).start()
    server.stop()
    server.restart()
    assert server.wait_ended() is None
    assert running_url(tmp_path) is None


def test_a_restart_that_fails_can_be_tried_again(tmp_path: Path) -> None:
    with EmbeddedValkey(tmp_path) as server, _client(server.url) as client:
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        server.wait_ended()
        (tmp_path / "appendonlydir").rename(tmp_path / "aside")
        (tmp_path / "appendonlydir").write_text("not a folder")
        with pytest.raises(ServerFailed):
            server.restart()
        (tmp_path / "appendonlydir").unlink()
        (tmp_path / "aside").rename(tmp_path / "appendonlydir")
        server.restart()
        assert client.ping()


def test_after_stop_nothing_answers_and_no_process_is_left(tmp_path: Path) -> None:
    server = EmbeddedValkey(tmp_path).start()
    pid = server.pid
    assert pid is not None
    server.stop()
    server.stop()
    assert not alive(pid)
    assert running_url(tmp_path) is None
    assert not server.socket_path.exists()


def test_a_second_server_in_the_same_folder_is_refused_by_name_and_the_first_lives_on(tmp_path: Path) -> None:
    with EmbeddedValkey(tmp_path) as server:
        with pytest.raises(AlreadyRunning, match=f"process {os.getpid()} already runs a server in"):
            EmbeddedValkey(tmp_path).start()
        assert running_url(tmp_path) == server.url


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux signals a child when its owner dies")
def test_it_dies_with_a_killed_owner_and_keeps_what_was_written(tmp_path: Path) -> None:
    pid = _killed_owner(tmp_path)
    assert until(lambda: not alive(pid))
    with EmbeddedValkey(tmp_path) as server, _client(server.url) as client:
        assert client.get("written") == b"yes"


def test_a_server_whose_owner_is_gone_is_ended_and_replaced(tmp_path: Path) -> None:
    """Where the kernel does not end it (macOS), the next start does: here with the signal turned off."""
    orphan = _killed_owner(tmp_path, NO_SIGNAL)
    assert alive(orphan)
    with EmbeddedValkey(tmp_path) as server, _client(server.url) as client:
        assert client.get("written") == b"yes"
        assert server.pid != orphan
    assert until(lambda: not alive(orphan))


def test_a_stale_socket_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "valkey.sock").touch()
    with EmbeddedValkey(tmp_path) as server, _client(server.url) as client:
        assert client.ping()


def test_a_folder_too_deep_for_a_socket_gets_a_short_private_one(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    with EmbeddedValkey(deep) as server, _client(server.url) as client:
        assert len(os.fsencode(server.socket_path)) <= embedded.MAX_SOCKET_BYTES
        assert client.set("k", "v")
        assert running_url(deep) == server.url
        short = server.socket_path.parent
    assert (deep / "appendonlydir").is_dir()
    assert not short.exists()


def test_a_folder_with_a_blank_and_a_percent_sign_has_a_working_address(tmp_path: Path) -> None:
    with EmbeddedValkey(tmp_path / "a b%20c") as server, _client(server.url) as client:
        assert client.ping()


def test_a_server_that_ends_at_start_is_reported_with_its_log(tmp_path: Path) -> None:
    (tmp_path / "appendonlydir").write_text("not a folder")
    with pytest.raises(ServerFailed, match=r"(?s)ended with code 1 at start:\n.*appendonlydir"):
        EmbeddedValkey(tmp_path).start()
    (tmp_path / "appendonlydir").unlink()
    with EmbeddedValkey(tmp_path) as server:  # the failed start left the folder free
        assert server.pid is not None


def test_a_server_that_never_answers_is_killed_and_reported(tmp_path: Path) -> None:
    silent = tmp_path / "silent"
    silent.write_text("#!/bin/sh\nexec sleep 600\n")
    silent.chmod(0o700)
    server = EmbeddedValkey(tmp_path, silent)
    with pytest.raises(ServerFailed, match=r"silent does not answer after 0.3 s"):
        server.start(timeout_s=0.3)
    assert server.pid is None


def test_a_given_server_is_used_and_none_is_started(redis_url: str, tmp_path: Path) -> None:
    server = open_server(Settings(redis_url=redis_url, home=tmp_path))
    server.stop()
    assert isinstance(server, GivenServer)
    assert not (tmp_path / "valkey").exists()
    with _client(redis_url) as client:
        assert client.ping()


def test_without_a_given_server_one_is_started_under_home(tmp_path: Path) -> None:
    server = open_server(Settings(home=tmp_path))
    try:
        assert running_url(tmp_path / "valkey") == server.url
    finally:
        server.stop()


def test_without_the_wheel_a_server_on_path_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_in_wheel", lambda: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoServer, match="set REDIS_URL"):
        embedded.find_binary()
    program = tmp_path / "redis-server"
    program.write_text("")
    program.chmod(0o700)
    assert embedded.find_binary() == program


def test_a_short_folder_prepared_by_someone_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    short = embedded.socket_path(deep).parent
    short.mkdir()
    short.chmod(0o777)
    with pytest.raises(ServerFailed, match="not a private folder"):
        EmbeddedValkey(deep).start()


def test_sigterm_to_the_server_leaves_a_folder_that_starts_again(tmp_path: Path) -> None:
    server = EmbeddedValkey(tmp_path).start()
    assert server.pid is not None
    os.kill(server.pid, signal.SIGTERM)
    server.stop()
    with EmbeddedValkey(tmp_path) as again, _client(again.url) as client:
        assert client.ping()
