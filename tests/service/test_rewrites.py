"""What the server does beside its work gives way to it."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from service import rewrites
from service.embedded import EmbeddedValkey
from service.priority import LOOKING
from tests.support import until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_child_of_the_server_gives_way_and_the_server_does_not() -> None:
    with subprocess.Popen(["/bin/sh", "-c", "sleep 600 & wait"]) as server:
        try:
            assert until(lambda: len(children(server.pid)) == 1)
            [child] = children(server.pid)
            before = os.getpriority(os.PRIO_PROCESS, server.pid)
            rewrites.children_give_way(server.pid)
            assert os.getpriority(os.PRIO_PROCESS, child) == LOOKING
            assert os.getpriority(os.PRIO_PROCESS, server.pid) == before
        finally:
            for pid in (*children(server.pid), server.pid):
                os.kill(pid, 9)


def test_a_server_that_is_gone_has_no_children() -> None:
    with subprocess.Popen(["/bin/true"]) as gone:
        gone.wait()
    rewrites.children_give_way(gone.pid)


def test_the_embedded_server_is_looked_after_while_it_lives(tmp_path: Path) -> None:
    def watched(pid: int | None) -> bool:
        return f"children of {pid}" in {thread.name for thread in threading.enumerate()}

    with EmbeddedValkey(tmp_path) as server:
        pid = server.pid
        assert watched(pid)
    assert until(lambda: not watched(pid))
