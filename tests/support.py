"""What several test modules share."""

import socket
import time
from collections.abc import Callable

import redis

from service import recorder, stream
from service.settings import Settings

PATIENCE_S = 60.0
"""How long to wait for what will come: a machine that is busy with other work takes many times as long."""


def until(fact: Callable[[], bool], timeout_s: float = PATIENCE_S) -> bool:
    """Wait for a fact to become true; whether it did in time."""
    give_up = time.monotonic() + timeout_s
    while not fact() and time.monotonic() < give_up:
        time.sleep(0.02)
    return fact()


def recorder_reads(settings: Settings) -> bool:
    """Whether this machine's recorder reads each stream (of a server that is no cluster).

    One that is stopped before that leaves what is there to the next; one that reads drains it first.
    """
    name = socket.gethostname().encode()
    with redis.Redis.from_url(str(settings.redis_url)) as client:
        try:
            found = [client.xinfo_consumers(key, recorder.GROUP) for key in stream.log_keys(settings.partitions)]
        except redis.RedisError:  # no group yet
            return False
    return all(name in [one["name"] for one in consumers] for consumers in found)
