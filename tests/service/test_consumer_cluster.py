"""Recorder and learner also read from a cluster, where each partition may lie on another node."""

import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from features import lakefile
from features.events import Row
from service import learner, recorder, stream
from service.embedded import find_binary
from service.live import load_live
from service.settings import Settings
from tests.support import PATIENCE_S, until

SLOTS = 16_384


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port if port < 55_000 else free_port()  # the cluster's bus listens 10,000 higher


def start_node(folder: Path, port: int) -> "subprocess.Popen[bytes]":
    folder.mkdir()
    options = {"port": port, "bind": "127.0.0.1", "cluster-enabled": "yes", "save": "", "dir": folder}
    arguments = [str(part) for name, value in options.items() for part in (f"--{name}", value)]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen([str(find_binary()), *arguments], stdout=log, stderr=log)


def until_joined(ports: list[int]) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while time.monotonic() < give_up:
        try:
            infos = [redis.Redis(port=port).execute_command("CLUSTER INFO") for port in ports]
        except redis.ConnectionError:
            infos = []
        if infos and all(str(info["cluster_state"]) == "ok" for info in infos):
            return
        time.sleep(0.1)
    raise AssertionError("the cluster did not form")


@pytest.fixture
def cluster_url(tmp_path: Path) -> Iterator[str]:
    """Two nodes with half the slots each."""
    ports = [free_port(), free_port()]
    nodes = [start_node(tmp_path / f"node{port}", port) for port in ports]
    try:
        for port, (first, last) in zip(ports, [(0, SLOTS // 2 - 1), (SLOTS // 2, SLOTS - 1)], strict=True):
            with redis.Redis(port=port, retry=redis.retry.Retry(redis.backoff.ConstantBackoff(0.1), 50)) as node:
                node.ping()
                node.execute_command("CLUSTER ADDSLOTS", *range(first, last + 1))
                node.execute_command("CLUSTER MEET", "127.0.0.1", ports[0])
        until_joined(ports)
        yield f"redis://127.0.0.1:{ports[0]}?cluster=true"
    finally:
        for process in nodes:
            process.kill()
            process.wait()


def test_events_on_two_nodes_are_recorded_learned_acknowledged_and_trimmed(cluster_url: str, tmp_path: Path) -> None:
    settings = Settings(
        redis_url=cluster_url, home=tmp_path / "home", partitions=8, recorder_flush_s=0.05, learner_publish_s=0.05
    )
    client = redis.RedisCluster.from_url(cluster_url.partition("?")[0])
    for number in range(100):
        row = Row("demo", f"v{number}", f"e{number}", 1_700_000_000_000 + number, "view_item", item_id="i")
        client.xadd(stream.log_key(stream.partition(row.visitor_id, 8)), stream.encode_event([row]))
    nodes = {client.get_node_from_key(key).port for key in stream.log_keys(8)}
    assert len(nodes) == 2
    stop = threading.Event()
    threads = [threading.Thread(target=part.run, args=(settings, stop)) for part in (recorder, learner)]
    for thread in threads:
        thread.start()
    try:
        assert until(lambda: (live := load_live(settings.live, "demo")) is not None and live.facts.events == 100)
        assert until(lambda: len(lakefile.read_events(settings.lake)) == 100)
    finally:
        stop.set()
        for thread in threads:
            thread.join(PATIENCE_S)
    reader = recorder.GroupReader(client, stream.log_keys(8), recorder.GROUP, "check")
    assert reader.lag().entries == 0
    assert reader.trim(int(time.time() * 1000) + 60_000) == 100 - 8  # the last of each stream stays
    client.close()
